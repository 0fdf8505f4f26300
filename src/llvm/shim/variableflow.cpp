#include "variableflow.h"

#include "llvm/IR/CFG.h"

using namespace llvm;
using wasm2so::VariableFlow;

// So that giant functions need no gigabytes.
static constexpr size_t MostStates = 1 << 25;

DebugVariable VariableFlow::variable(const DILocalVariable *Variable, const DILocation *Location) {
  return DebugVariable(Variable, std::nullopt, Location->getInlinedAt());
}

void VariableFlow::begin(const BasicBlock &BB) {
  Places[&BB] = Blocks.size();
  Blocks.emplace_back();
}

VariableFlow::Number VariableFlow::add(const DbgVariableRecord &Record) {
  DebugVariable Variable = variable(Record.getVariable(), Record.getDebugLoc());
  unsigned Place = Variables.try_emplace(Variable, Variables.size()).first->second;
  Number Value = Unknown;
  if (!Record.isKillLocation()) {
    auto Key = std::make_tuple(Place, Record.getRawLocation(), Record.getExpression());
    Value = Numbers.try_emplace(Key, Unset + 1 + Numbers.size()).first->second;
  }
  Blocks.back().Changes.emplace_back(Place, Value);
  return Value;
}

bool VariableFlow::solve(const Order &Order) {
  if (Blocks.size() * Variables.size() > MostStates)
    return false;
  std::vector<State> Exits(Blocks.size());
  bool Changed = true;
  while (Changed) {
    Changed = false;
    for (const BasicBlock *BB : Order) {
      unsigned Place = Places[BB];
      State Now = entry(*BB, Exits);
      Blocks[Place].Entry = Now;
      for (auto [Variable, Value] : Blocks[Place].Changes)
        Now[Variable] = Value;
      if (Now == Exits[Place])
        continue;
      Exits[Place] = std::move(Now);
      Changed = true;
    }
  }
  return true;
}

// A way that was not looked at yet agrees with everything.
VariableFlow::State VariableFlow::entry(const BasicBlock &BB,
                                        const std::vector<State> &Exits) const {
  State Now;
  for (const BasicBlock *Before : predecessors(&BB)) {
    auto Place = Places.find(Before);
    if (Place == Places.end() || Exits[Place->second].empty())
      continue;
    const State &Exit = Exits[Place->second];
    if (Now.empty())
      Now = Exit;
    for (auto [Ours, Theirs] : zip_equal(Now, Exit))
      if (Ours != Theirs)
        Ours = Ours == Unset || Theirs == Unset ? Unset : Unknown;
  }
  if (!Now.empty())
    return Now;
  Now.resize(Variables.size(), Unknown);
  for (auto &[Variable, Place] : Variables)
    if (Variable.getInlinedAt())
      Now[Place] = Unset;
  return Now;
}
