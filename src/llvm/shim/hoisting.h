// A pass that moves what does not change out of loops.

#pragma once

#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/PassManager.h"

namespace llvm {
class Loop;
class LPMUpdater;
} // namespace llvm

namespace wasm2so {

// LLVM's LICM, which also moves what a turn of the loop may do without, except out of
// large loops: those of interpreters, where each turn takes one of many ways. All that
// any of them needs would be computed beforehand, to lie on the stack until then.
class HoistInvariants : public llvm::PassInfoMixin<HoistInvariants> {
public:
  llvm::PreservedAnalyses run(llvm::Loop &L, llvm::LoopAnalysisManager &AM,
                              llvm::LoopStandardAnalysisResults &Results,
                              llvm::LPMUpdater &Updater);
};

} // namespace wasm2so
