#include "variables.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Metadata.h"
#include <memory>

using namespace llvm;

namespace {

template <typename Visitor> void forEachRecord(Function &F, Visitor Visit) {
  for (BasicBlock &Block : F)
    for (Instruction &I : Block)
      for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange()))
        Visit(Record);
}

void restore(DbgVariableRecord &Record, ArrayRef<WeakTrackingVH> Kept) {
  if (any_of(Kept, [](const WeakTrackingVH &V) { return !V; }))
    return;
  SmallVector<ValueAsMetadata *, 1> Values;
  for (const WeakTrackingVH &V : Kept)
    Values.push_back(ValueAsMetadata::get(V));
  if (Values.size() == 1 && !Record.hasArgList())
    Record.setRawLocation(Values.front());
  else
    Record.setRawLocation(DIArgList::get(Values.front()->getValue()->getContext(), Values));
}

// The registers of the variables of the function at hand.
using Registers = DenseMap<const MachineInstr *, SmallVector<Register, 1>>;

template <typename Visitor> void forEachRegister(MachineInstr &MI, Visitor Visit) {
  for (MachineOperand &Operand : MI.operands())
    if (Operand.isReg())
      Visit(Operand);
}

void hide(MachineFunction &MF, Registers &Hidden) {
  Hidden.clear();
  for (MachineBasicBlock &MBB : MF)
    for (MachineInstr &MI : MBB)
      if (MI.isDebugInstr())
        forEachRegister(MI, [&](MachineOperand &Operand) {
          Hidden[&MI].push_back(Operand.getReg());
          Operand.setReg(Register());
        });
}

void show(MachineFunction &MF, Registers &Hidden) {
  for (MachineBasicBlock &MBB : MF)
    for (MachineInstr &MI : MBB)
      if (auto Found = Hidden.find(&MI); Found != Hidden.end())
        forEachRegister(MI, [Next = Found->second.begin()](MachineOperand &Operand) mutable {
          Operand.setReg(*Next++);
        });
  Hidden.clear();
}

// Touches only what is there for debuggers.
class MachineQuiet : public MachineFunctionPass {
public:
  using MachineFunctionPass::MachineFunctionPass;

  void getAnalysisUsage(AnalysisUsage &AU) const override {
    AU.setPreservesAll();
    MachineFunctionPass::getAnalysisUsage(AU);
  }
};

// Hides or shows.
class RegistersStep : public MachineQuiet {
  void (*Act)(MachineFunction &, Registers &);
  std::shared_ptr<Registers> Hidden;

public:
  static char ID;

  RegistersStep(void (*Act)(MachineFunction &, Registers &), std::shared_ptr<Registers> Hidden)
      : MachineQuiet(ID), Act(Act), Hidden(std::move(Hidden)) {}

  StringRef getPassName() const override { return "Hide or show the registers of variables"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    Act(MF, *Hidden);
    return false;
  }
};

char RegistersStep::ID = 0;

class EndVariables : public MachineQuiet {
public:
  static char ID;

  EndVariables() : MachineQuiet(ID) {}

  StringRef getPassName() const override { return "End variables whose values are gone"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    bool Changed = false;
    for (MachineBasicBlock &MBB : MF)
      Changed |= runOnBlock(MBB);
    return Changed;
  }

private:
  // Where each variable is; at the start of a block each is said anew.
  using Locations = MapVector<DebugVariable, MachineInstr *>;

  static DebugVariable variable(const MachineInstr &MI) {
    return DebugVariable(MI.getDebugVariable(), MI.getDebugExpression(),
                         MI.getDebugLoc()->getInlinedAt());
  }

  static bool isClobbered(const MachineInstr &Value, const MachineInstr &By) {
    return any_of(Value.debug_operands(), [&](const MachineOperand &Operand) {
      return Operand.isReg() && Operand.getReg() &&
             By.modifiesRegister(Operand.getReg(),
                                 By.getMF()->getSubtarget().getRegisterInfo());
    });
  }

  // Whether what follows `MI` says where the variable is.
  static bool isSaidAfter(const MachineInstr &MI, const DebugVariable &Variable) {
    MachineBasicBlock::const_iterator Next(MI), End = MI.getParent()->end();
    while (++Next != End && Next->isDebugInstr())
      if ((Next->isDebugValue() || Next->isDebugRef()) && variable(*Next) == Variable)
        return true;
    return false;
  }

  static bool runOnBlock(MachineBasicBlock &MBB) {
    bool Changed = false;
    Locations Known;
    DenseSet<DebugVariable> Lost;
    for (auto I = MBB.begin(); I != MBB.end();) {
      MachineInstr &MI = *I++;
      if (MI.isDebugRef())
        Lost.erase(variable(MI));
      if (MI.isDebugValue()) {
        Known[variable(MI)] = &MI;
        if (Lost.contains(variable(MI))) {
          MI.setDebugValueUndef();
          Changed = true;
        }
      }
      if (MI.isCall())
        Changed |= endBefore(MI, I, Known);
      else if (!MI.isDebugInstr())
        for (auto &[Variable, Value] : Known)
          if (isClobbered(*Value, MI) && !isSaidAfter(MI, Variable))
            Lost.insert(Variable);
    }
    return Changed;
  }

  // `I` is what follows.
  static bool endBefore(MachineInstr &Call, MachineBasicBlock::iterator &I, Locations &Known) {
    bool Changed = false;
    MachineBasicBlock &MBB = *Call.getParent();
    // Where they are after the call they are before it, too, if it does not
    // change that.
    for (auto Next = I; Next != MBB.end() && Next->isDebugValue();) {
      MachineInstr &Value = *Next++;
      auto Before = Known.find(variable(Value));
      if (Before == Known.end() || !isClobbered(*Before->second, Call) ||
          isClobbered(Value, Call))
        continue;
      if (&*I == &Value)
        I = Next;
      MBB.splice(Call.getIterator(), &MBB, Value.getIterator());
      Before->second = &Value;
      Changed = true;
    }
    for (auto &[Variable, Value] : Known) {
      if (!isClobbered(*Value, Call))
        continue;
      Value = BuildMI(MBB, Call, Value->getDebugLoc(),
                      MBB.getParent()->getSubtarget().getInstrInfo()->get(TargetOpcode::DBG_VALUE))
                  .addReg(Register())
                  .addReg(Register())
                  .addMetadata(Variable.getVariable())
                  .addMetadata(Value->getDebugExpression());
      Changed = true;
    }
    return Changed;
  }
};

char EndVariables::ID = 0;

} // namespace

wasm2so::HiddenVariables::HiddenVariables(Function &F) : F(F) {
  forEachRecord(F, [&](DbgVariableRecord &Record) {
    if (!Record.isDbgValue() || Record.isKillLocation())
      return;
    auto &Kept = Values[&Record];
    for (Value *V : Record.location_ops())
      Kept.push_back(V);
    Record.setKillLocation();
  });
}

wasm2so::HiddenVariables::~HiddenVariables() {
  forEachRecord(F, [&](DbgVariableRecord &Record) {
    if (auto Found = Values.find(&Record); Found != Values.end())
      restore(Record, Found->second);
  });
}

std::pair<Pass *, Pass *> wasm2so::hideVariables(StringRef PassName) {
  if (PassName == "Shrink Wrapping analysis") {
    auto Hidden = std::make_shared<Registers>();
    return {new RegistersStep(hide, Hidden), new RegistersStep(show, Hidden)};
  }
  return {nullptr, nullptr};
}

Pass *wasm2so::endVariables() { return new EndVariables(); }
