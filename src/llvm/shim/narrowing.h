// Keeps what variables are said to be true where instcombine narrows instructions: of
// an instruction whose high bits its user does not need, it changes operands so that
// they differ. A variable that is described by such a value would be wrong; it is made
// to have none. So is one that was described by a phi, where instcombine pulled an
// operation on it into the phi: it puts the result in its place.

#pragma once

#include "llvm/IR/PassInstrumentation.h"

namespace wasm2so {

// Watches all runs of instcombine.
void watchNarrowing(llvm::PassInstrumentationCallbacks &Callbacks);

} // namespace wasm2so
