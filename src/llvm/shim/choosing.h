// Passes of LLVM's that run where they pay.

#pragma once

#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/PassManager.h"

namespace llvm {
class Loop;
class LPMUpdater;
} // namespace llvm

namespace wasm2so {

// LICM, which also moves what a turn of the loop may do without, except out of large
// loops: those of interpreters, where each turn takes one of many ways. All that any of
// them needs would be computed beforehand, to lie on the stack until then.
class HoistInvariants : public llvm::PassInfoMixin<HoistInvariants> {
public:
  llvm::PreservedAnalyses run(llvm::Loop &L, llvm::LoopAnalysisManager &AM,
                              llvm::LoopStandardAnalysisResults &Results,
                              llvm::LPMUpdater &Updater);
};

// The simplification of induction variables, in loops whose count of turns is known
// before the first one. In others it hardly finds anything, and takes as long to look.
class SimplifyCounters : public llvm::PassInfoMixin<SimplifyCounters> {
public:
  llvm::PreservedAnalyses run(llvm::Loop &L, llvm::LoopAnalysisManager &AM,
                              llvm::LoopStandardAnalysisResults &Results,
                              llvm::LPMUpdater &Updater);
};

// The removal of stores that nobody reads, in functions that may have some: stores to
// linear memory all stay, and few functions have others.
class RemoveStores : public llvm::PassInfoMixin<RemoveStores> {
public:
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

// The vectorizer of what stands side by side, before that of loops, in functions whose
// loops with plain accesses of scalars all go through structures of 16 bytes of numbers in
// floating point, as an array of complex numbers has them. Each structure is a vector then.
// Vectors of one field of several structures would have to be put together, and taken apart
// again, across the halves of AVX2's registers.
class PackStructures : public llvm::PassInfoMixin<PackStructures> {
public:
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

// The reduction of strength, in loops that were versioned and those around them. In all
// others an address is the value of a local, that the program steps itself: nothing gets
// faster, and compiling takes a twentieth longer.
//
// It asks scalar evolution about the values of variables, and would decide otherwise
// where there are any: they are hidden from it.
class ReduceVersioned : public llvm::PassInfoMixin<ReduceVersioned> {
public:
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
