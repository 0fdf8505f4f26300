// Computing before a loop whether its accesses are in bounds.

#pragma once

#include "bounds.h"

namespace wasm2so {

// The check before a loop: whether it may run with plain accesses.
struct LoopCheck {
  llvm::Value *Holds; // null if it cannot be computed there
  bool Apart;         // nothing is read at a bent place where the loop stores
};

LoopCheck buildCheck(const LoopBounds &Bounds);

// Whether it can be computed at `Place` whether `P` holds for a loop in which
// `Backedges` are taken.
bool canCheck(const llvm::SCEVPredicate &P, const llvm::SCEV *Backedges, llvm::ScalarEvolution &SE,
              llvm::SCEVExpander &Expander, llvm::Instruction *Place);

} // namespace wasm2so
