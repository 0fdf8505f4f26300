// A pass for conversions of floating point to integers.

#pragma once

#include "llvm/IR/PassManager.h"

namespace wasm2so {

// Makes the fast case of saturating conversions one x86 instruction and a branch, and
// keeps those of vectors vectors.
struct FastConversions : llvm::PassInfoMixin<FastConversions> {
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
