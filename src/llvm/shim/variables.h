// Keeps debug information about variables from changing the code.

#pragma once

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/ValueHandle.h"
#include "llvm/Pass.h"

#include <utility>

namespace wasm2so {

// While it lives, the variables of a function have no values. One whose value is
// removed meanwhile stays without.
class HiddenVariables {
  llvm::Function &F;
  llvm::DenseMap<const llvm::DbgVariableRecord *, llvm::SmallVector<llvm::WeakTrackingVH, 1>>
      Values;

public:
  explicit HiddenVariables(llvm::Function &F);
  HiddenVariables(const HiddenVariables &) = delete;
  ~HiddenVariables();
};

// Two passes to run before and after the pass of this name, or nulls: from the
// one to the other, variables are in no registers.
//
// Shrink wrapping takes them for uses of registers, so that it decides otherwise
// where there are any.
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
