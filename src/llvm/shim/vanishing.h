// Keeps what variables are said to be true where passes remove blocks or copy them.
// With a block they remove what it says; who comes that way would see what was said
// before. So what a block says that may vanish is said again in those after it: what
// all ways there agree on, or that it is unknown. And where they copy loops, what is
// said further on of a value computed in one is unknown, unless the values of the
// copies are put in its place.

#pragma once

#include "llvm/IR/PassInstrumentation.h"

namespace wasm2so {

// Watches all passes that do so.
void watchVanishing(llvm::PassInstrumentationCallbacks &Callbacks);

} // namespace wasm2so
