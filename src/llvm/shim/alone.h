// Runs passes on a loop alone.

#pragma once

#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/PassManager.h"

namespace wasm2so {

// A loop, with those in it, that passes are to see without the rest of its function,
// which they would go over for nothing. Its blocks move to a function of their own,
// whose parameters are what they use from elsewhere, and come back.
class LoopAlone {
  // What the blocks use, and what is known of it.
  struct Input {
    llvm::Value *V;
    llvm::AttributeSet Known;
  };

  llvm::Function &F;
  llvm::BasicBlock *Preheader, *Header;
  llvm::SmallSetVector<llvm::BasicBlock *, 16> Blocks;
  llvm::SmallVector<Input, 16> Inputs; // first the instance
  llvm::SmallSetVector<llvm::BasicBlock *, 4> Exits;
  // What is called where the loop is left, as long as it is alone: with the number of
  // the exit, and with what its phis get.
  llvm::Function *Leave = nullptr;

public:
  // `L` has a preheader, and is in LCSSA form with the loops in it; so are all others
  // that are yet to run.
  LoopAlone(llvm::Loop &L, llvm::DominatorTree &DT, llvm::ScalarEvolution &SE);

  // No analysis may know anything of the loop's function. Where the loop turns out not
  // to be left, the function has blocks that cannot be reached.
  void run(llvm::FunctionPassManager &Passes, llvm::FunctionAnalysisManager &FAM);

private:
  void take(llvm::Function *Own);
  void leaveFor(llvm::BasicBlock *Exit, unsigned Number, llvm::Function *Own);
  void giveBack(llvm::Function *Own);
};

} // namespace wasm2so
