// Numbers of a loop that only rise or only fall, by which their ends bound them.

#pragma once

#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"

#include <optional>

namespace wasm2so {

// A floating-point number that counts the iterations of a loop: producers of wasm keep
// one where the source converts the counter each time.
struct FloatCounter {
  int64_t Start, Step; // neither is negative
  uint64_t MostTurns;  // after so many the sums are still exact, and below 2^31

  static std::optional<FloatCounter> of(llvm::PHINode &Phi, const llvm::Loop &L);
};

// An integer of 32 bits that is converted from a floating-point number, which is made
// by `Steps` of an integer that the iterations count: each step rises, or falls,
// with the one before it.
struct Climb {
  llvm::Instruction *Leaf; // the counter, or what converts it
  llvm::SmallVector<llvm::Instruction *, 4> Steps;

  static std::optional<Climb> to(llvm::IntrinsicInst &Result, const llvm::Loop &L);

  // What is converted where the counter is `Number`.
  llvm::Value *at(llvm::Value *Number, llvm::IRBuilder<> &B) const;
};

} // namespace wasm2so
