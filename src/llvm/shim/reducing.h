// A pass that makes addresses of loops cheap to step.

#pragma once

#include "llvm/IR/PassManager.h"

namespace wasm2so {

// LLVM's reduction of strength, in functions in which loops were versioned. In all others
// an address is the value of a local, that the program steps itself: nothing gets faster,
// and compiling takes a twentieth longer.
//
// It asks scalar evolution about the values of variables, and would decide otherwise
// where there are any: they are hidden from it.
class ReduceVersioned : public llvm::PassInfoMixin<ReduceVersioned> {
public:
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
