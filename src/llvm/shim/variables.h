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

// A pass to run last, for variables whose values are gone.
//
// One in a register that a call clobbers is not there any more for who looks from the
// callee, as LLVM's location lists would have it. In the frame of the caller the value
// that the callee left would be shown.
//
// One in a register that was set, whose value is nowhere else, is not found again. LLVM
// still has it in that register; when a copy sets that once more, it looks where else
// the value is that was there by then, and puts the variable there.
llvm::Pass *endVariables();

} // namespace wasm2so
