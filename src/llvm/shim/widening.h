// A pass that lets loops over wasm's vectors use the processor's, which are wider.

#pragma once

#include "llvm/IR/PassManager.h"

namespace wasm2so {

// Puts before innermost loops whose accesses are of whole vectors of 128 bits, one
// after the other, and plain, a loop that does the work of several turns in one.
class WidenVectors : public llvm::PassInfoMixin<WidenVectors> {
public:
  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
