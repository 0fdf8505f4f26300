// Where tight loops start.

#pragma once

#include "llvm/Pass.h"

namespace wasm2so {

// A pass to run when the order of blocks is settled: aligns the loops that a processor
// reads in one piece, if they do not cross the end of such a piece.
llvm::Pass *alignLoops();

} // namespace wasm2so
