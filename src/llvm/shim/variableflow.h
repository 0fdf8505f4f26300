// What variables are, all through a function: by the records that tell of them, and
// where ways meet, what all ways agree on.

#pragma once

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/Function.h"

#include <map>
#include <tuple>
#include <vector>

namespace wasm2so {

class VariableFlow {
public:
  // Names a value of a variable in the function.
  using Number = unsigned;
  // Said to be unknown, or said to be several things; of an inlined function's that
  // nothing was said of on some way: who looks there does not see it.
  static constexpr Number Unknown = 0, Unset = 1;

  // By the places of variables.
  using State = llvm::SmallVector<Number, 0>;

  struct Block {
    State Entry;
    std::vector<std::pair<unsigned, Number>> Changes;
  };

  using Order = llvm::ReversePostOrderTraversal<llvm::Function *>;

  llvm::DenseMap<llvm::DebugVariable, unsigned> Variables;
  // In the order.
  std::vector<Block> Blocks;
  llvm::DenseMap<const llvm::BasicBlock *, unsigned> Places;

  // The variable that a record is about, as it is in one place where its function was
  // inlined.
  static llvm::DebugVariable variable(const llvm::DILocalVariable *Variable,
                                      const llvm::DILocation *Location);

  // Starts with the next block in the order.
  void begin(const llvm::BasicBlock &BB);

  // Adds what a record says to the block begun last; returns its number. Equal values
  // of a variable have the same.
  Number add(const llvm::DbgVariableRecord &Record);

  // Finds the state at the entry of each block. Returns whether there is room for that;
  // otherwise there is none.
  bool solve(const Order &Order);

private:
  std::map<std::tuple<unsigned, llvm::Metadata *, llvm::DIExpression *>, Number> Numbers;

  State entry(const llvm::BasicBlock &BB, const std::vector<State> &Exits) const;
};

} // namespace wasm2so
