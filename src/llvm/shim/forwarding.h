// A pass for loads of what the program itself has just stored or loaded.

#pragma once

#include "llvm/IR/PassManager.h"

namespace wasm2so {

// Takes the value of a load of linear memory from a store or load before it in the same
// block, where both are surely at one place.
struct ForwardValues : llvm::PassInfoMixin<ForwardValues> {
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
