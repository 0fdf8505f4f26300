// A pass for loops that follow pointers in linear memory, or interpret what is there.

#pragma once

#include "versioning.h"

namespace wasm2so {

// Where a loop waits for what it loaded, to load again or to go where that says, has it
// load without segment GS, which takes the processor a cycle longer to add than a
// register.
class ChasePointers : public llvm::PassInfoMixin<ChasePointers> {
  Wasm2soMemories Memories;

public:
  explicit ChasePointers(const Wasm2soMemories &Memories) : Memories(Memories) {}

  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

} // namespace wasm2so
