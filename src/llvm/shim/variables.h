// Keeps debug information about variables from changing the code.

#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Pass.h"

#include <utility>

namespace wasm2so {

// Two passes to run before and after the pass of this name, or nulls: from the
// one to the other, variables have no values.
//
// Loop strength reduction asks scalar evolution about the values of variables, and
// shrink wrapping takes them for uses of registers, so that both decide otherwise
// where there are any. A variable whose value such a pass removes stays without
// one.
std::pair<llvm::Pass *, llvm::Pass *> hideVariables(llvm::StringRef PassName);

// A pass to run last: a variable in a register that a call clobbers is not there
// any more for who looks from the callee, as LLVM's location lists would have it.
// In the frame of the caller the value that the callee left would be shown.
llvm::Pass *endBeforeCalls();

} // namespace wasm2so
