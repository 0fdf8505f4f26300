// An analysis of machine code that is left out where nobody asks it.

#pragma once

namespace llvm {
class Pass;
} // namespace llvm

namespace wasm2so {

// LLVM's analysis of which definitions reach an instruction, to be added before the passes
// that want it. It goes over all registers of all functions; the passes ask it about
// instructions on vectors, and those with a dependency that they would rather not have.
llvm::Pass *reachingDefinitions();

} // namespace wasm2so
