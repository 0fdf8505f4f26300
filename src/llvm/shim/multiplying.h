// A pass for products of 128 bits.

#pragma once

#include "llvm/IR/PassManager.h"

namespace wasm2so {

// Makes one multiplication of what computes the upper half of a product of 64-bit
// numbers from products of their halves.
struct WideMultiply : llvm::PassInfoMixin<WideMultiply> {
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
