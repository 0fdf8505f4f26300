#include "vanishing.h"
#include "variableflow.h"
#include "versioning.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;
using wasm2so::VariableFlow;

namespace {

bool removesBlocks(StringRef Pass) {
  return StringSwitch<bool>(Pass)
      .Cases({"SimplifyCFGPass", "JumpThreadingPass", "ADCEPass", "LoopVectorizePass"}, true)
      .Default(false);
}

// Passes that copy loops, or what runs before any of them.
bool copiesLoops(StringRef Pass) {
  return Pass == "LoopSimplifyPass" || Pass == "LoopUnrollPass" || Pass == "LoopVectorizePass" ||
         Pass == wasm2so::VersionLoops::name();
}

// Whether passes may do without the block: they keep what can trap, and calls.
bool mayVanish(const BasicBlock &BB) {
  return !BB.isEntryBlock() && none_of(BB, [](const Instruction &I) {
    return I.isVolatile() || (isa<CallBase>(I) && I.mayHaveSideEffects());
  });
}

class Saying {
  Function &F;
  VariableFlow Flow;
  // What says each value, by number, and something about each variable, by place.
  std::vector<const DbgVariableRecord *> Values, Any;

public:
  explicit Saying(Function &F) : F(F) {}

  void repeat() {
    VariableFlow::Order Order(&F);
    for (BasicBlock *BB : Order)
      read(*BB);
    if (!Flow.solve(Order))
      return forget();
    std::vector<BitVector> Repeated = find(Order);
    for (BasicBlock *BB : Order)
      for (unsigned Variable : Repeated[Flow.Places[BB]].set_bits())
        say(*BB, Variable);
  }

private:
  void read(BasicBlock &BB) {
    Flow.begin(BB);
    for (Instruction &I : BB)
      for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange())) {
        if (!Record.isDbgValue())
          continue;
        VariableFlow::Number Number = Flow.add(Record);
        remember(Values, Number, Record);
        remember(Any, Flow.Blocks.back().Changes.back().first, Record);
      }
  }

  static void remember(std::vector<const DbgVariableRecord *> &All, size_t Place,
                       const DbgVariableRecord &Record) {
    if (All.size() <= Place)
      All.resize(Place + 1);
    All[Place] = &Record;
  }

  // Which variables to tell of again at the start of each block.
  std::vector<BitVector> find(const VariableFlow::Order &Order) {
    std::vector<BitVector> Repeated(Flow.Blocks.size(), BitVector(Flow.Variables.size()));
    std::vector<BitVector> Said = Repeated;
    for (auto [Block, Own] : zip_equal(Flow.Blocks, Said))
      for (auto [Variable, Number] : Block.Changes)
        // The last counts.
        if (Number == Block.Entry[Variable])
          Own.reset(Variable);
        else
          Own.set(Variable);
    bool Changed = true;
    while (Changed) {
      Changed = false;
      for (BasicBlock *BB : Order) {
        if (!mayVanish(*BB))
          continue;
        for (const BasicBlock *After : successors(BB)) {
          unsigned Place = Flow.Places[After];
          if (!Said[Flow.Places[BB]].test(Repeated[Place]))
            continue;
          Repeated[Place] |= Said[Flow.Places[BB]];
          Said[Place] |= Repeated[Place];
          Changed = true;
        }
      }
    }
    return Repeated;
  }

  // Unless the block itself begins with that.
  void say(BasicBlock &BB, unsigned Variable) {
    VariableFlow::Number Number = Flow.Blocks[Flow.Places[&BB]].Entry[Variable];
    BasicBlock::iterator Start = BB.getFirstNonPHIIt();
    if (Number == VariableFlow::Unset || isSaid(*Start, *Any[Variable]))
      return;
    bool IsKnown = Number != VariableFlow::Unknown;
    DbgRecord *Again = (IsKnown ? Values[Number] : Any[Variable])->clone();
    BB.insertDbgRecordBefore(Again, Start);
    if (!IsKnown)
      forget(*cast<DbgVariableRecord>(Again));
  }

  static DebugVariable variable(const DbgVariableRecord &Record) {
    return VariableFlow::variable(Record.getVariable(), Record.getDebugLoc());
  }

  static bool isSaid(Instruction &Start, const DbgVariableRecord &Like) {
    return any_of(filterDbgVars(Start.getDbgRecordRange()), [&](const DbgVariableRecord &Record) {
      return Record.isDbgValue() && variable(Record) == variable(Like);
    });
  }

  static void forget(DbgVariableRecord &Record) {
    Record.setExpression(DIExpression::get(Record.getContext(), {}));
    Record.setKillLocation();
  }

  void forget() {
    for (BasicBlock &BB : F)
      for (Instruction &I : BB)
        for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange()))
          if (Record.isDbgValue())
            forget(Record);
  }
};

bool hasVariables(const Function &F) {
  return any_of(F, [](const BasicBlock &BB) {
    return any_of(BB, [](const Instruction &I) { return I.hasDbgRecords(); });
  });
}

// Whether `V`, computed in a loop, gets a phi where the loop that `Record` is not in is
// left, which takes its place in all records further on: as long as there is one exit,
// and a use.
bool getsPhi(const Instruction &V, const Loop *In, const BasicBlock &Record) {
  const Loop *Left = nullptr;
  for (; In && !In->contains(&Record); In = In->getParentLoop()) {
    Left = In;
    if (!In->getUniqueExitBlock())
      return false;
  }
  return !Left || any_of(V.users(), [&](const User *U) {
    return !Left->contains(cast<Instruction>(U)->getParent());
  });
}

// Where loops are copied, what is computed in them is several things. In uses further
// on, the right one is put, but in records only where there are uses; others would tell
// of the first.
void forgetLeftLoops(Function &F) {
  DominatorTree Dominators(F);
  LoopInfo Loops(Dominators);
  if (Loops.empty())
    return;
  for (BasicBlock &BB : F)
    for (Instruction &I : BB)
      for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange()))
        if (Record.isDbgValue() && any_of(Record.location_ops(), [&](const Value *V) {
              auto *From = dyn_cast<Instruction>(V);
              return From && !getsPhi(*From, Loops.getLoopFor(From->getParent()), BB);
            }))
          Record.setKillLocation();
}

} // namespace

void wasm2so::watchVanishing(PassInstrumentationCallbacks &Callbacks) {
  Callbacks.registerBeforeNonSkippedPassCallback([](StringRef Pass, Any IR) {
    const auto *Shown = any_cast<const Function *>(&IR);
    bool Removes = removesBlocks(Pass), Copies = copiesLoops(Pass);
    // Whether there are variables is asked last: all instructions have to be seen for that.
    if (!Shown || !(Removes || Copies) || !hasVariables(**Shown))
      return;
    auto &F = const_cast<Function &>(**Shown);
    if (Removes)
      Saying(F).repeat();
    if (Copies)
      forgetLeftLoops(F);
  });
}
