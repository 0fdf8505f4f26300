// A pass that makes loops of accesses that are proved in bounds.

#pragma once

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/PassManager.h"

#include <cstdint>

// How compiled code reaches linear memories. Mirrors `Memories` in sys.rs.
struct Wasm2soMemories {
  const uint64_t *minimums; // least size in bytes of each, which it always has
  uint64_t count;           // how many there are
  uint64_t first;           // offset in vmctx of the first one's base
  uint64_t stride;          // from there to the next one's
  uint64_t state;           // from a base to the pointer to the memory's state
  uint64_t length;          // offset in the state of the current size in bytes
};

namespace wasm2so {

// x86's address space of segment GS, where the base of memory 0 is.
constexpr unsigned MemoryInGs = 256;

// Versions the innermost loops of a function that may become loops over vectors and in
// which every access to linear memory can be proved in bounds by a check before the
// loop, and runs `Then` on each of them, with the loops around it, alone. From then on
// `isVersioned` tells the function from others.
class VersionLoops : public llvm::PassInfoMixin<VersionLoops> {
  Wasm2soMemories Memories;
  llvm::FunctionPassManager Then;

public:
  VersionLoops(const Wasm2soMemories &Memories, llvm::FunctionPassManager Then)
      : Memories(Memories), Then(std::move(Then)) {}

  llvm::PreservedAnalyses run(llvm::Function &F, llvm::FunctionAnalysisManager &FAM);
};

bool isVersioned(const llvm::Function &F);

// A pointer that the instance has `Offset` bytes from its start, always the same one.
llvm::LoadInst *loadPointer(llvm::IRBuilder<> &B, uint64_t Offset);

// The alias scope of an access that was proved in bounds: what tells it, in
// machine code, from accesses of other things.
llvm::MDNode *provedScope(llvm::LLVMContext &Context);

// Whether that is one of the alias scopes of an access, which may have none.
bool isProved(const llvm::MDNode *Scopes);

// Takes the atomic mark off an access that has it only to keep the optimiser off.
void takeOffAtomic(llvm::Instruction &I);

} // namespace wasm2so
