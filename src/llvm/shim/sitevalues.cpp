#include "sitevalues.h"

#include "llvm/BinaryFormat/Dwarf.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;
using wasm2so::SiteValues;
using wasm2so::VariableFlow;

namespace {

// The operation's name, and a number.
constexpr unsigned TagSize = 2;

DIExpression *tagged(const DIExpression &Expression, VariableFlow::Number Number) {
  SmallVector<uint64_t, 8> Elements = {dwarf::DW_OP_LLVM_tag_offset, Number};
  append_range(Elements, Expression.getElements());
  return DIExpression::get(Expression.getContext(), Elements);
}

// Finds the number that was given to an expression, and takes it off.
std::pair<VariableFlow::Number, const DIExpression *> untagged(const DIExpression *Expression) {
  size_t Place = 0;
  for (const auto &Operation : Expression->expr_ops()) {
    if (Operation.getOp() == dwarf::DW_OP_LLVM_tag_offset) {
      auto Number = static_cast<VariableFlow::Number>(Operation.getArg(0));
      SmallVector<uint64_t, 8> Elements(Expression->getElements());
      Elements.erase(Elements.begin() + Place, Elements.begin() + Place + TagSize);
      return {Number, DIExpression::get(Expression->getContext(), Elements)};
    }
    Place += Operation.getSize();
  }
  return {VariableFlow::Unknown, Expression};
}

// Of a narrow number in a wide register, other bits may be anything. LLVM's way to
// extend its sign takes them for zero: makes them so.
const DIExpression *masked(const DIExpression *Expression) {
  SmallVector<uint64_t, 16> Elements;
  // Conversions are pairs, of what it is from and to.
  bool From = true;
  for (const auto &Operation : Expression->expr_ops()) {
    if (Operation.getOp() == dwarf::DW_OP_LLVM_convert) {
      uint64_t Bits = Operation.getArg(0);
      if (From && Operation.getArg(1) == dwarf::DW_ATE_signed && Bits < 64)
        Elements.append({dwarf::DW_OP_constu, (uint64_t(1) << Bits) - 1, dwarf::DW_OP_and});
      From = !From;
    }
    Operation.appendToVector(Elements);
  }
  return DIExpression::get(Expression->getContext(), Elements);
}

// Notes one function.
class Notes {
  SiteValues::Function &Noted;
  DenseMap<const DILocation *, DILocation *> &Locations;

public:
  Notes(SiteValues::Function &Noted, DenseMap<const DILocation *, DILocation *> &Locations)
      : Noted(Noted), Locations(Locations) {}

  void note(Function &F) {
    VariableFlow::Order Order(&F);
    for (BasicBlock *BB : Order)
      noteBlock(*BB);
    if (!Noted.Flow.solve(Order))
      Noted.Sites.clear();
  }

private:
  void noteBlock(BasicBlock &BB) {
    VariableFlow &Flow = Noted.Flow;
    Flow.begin(BB);
    for (Instruction &I : BB) {
      for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange()))
        if (Record.isDbgValue())
          if (VariableFlow::Number Number = Flow.add(Record))
            Record.setExpression(tagged(*Record.getExpression(), Number));
      SiteValues::Site Here = {Flow.Places[&BB],
                               static_cast<unsigned>(Flow.Blocks.back().Changes.size())};
      if (const MDNode *Scope = I.isVolatile() ? I.getMetadata(LLVMContext::MD_alias_scope) : nullptr)
        Noted.Sites[Scope] = Here;
      if (DILocation *Location = isa<CallBase>(I) ? I.getDebugLoc().get() : nullptr) {
        DILocation *Own = DILocation::getDistinct(I.getContext(), Location->getLine(),
                                                  Location->getColumn(), Location->getScope(),
                                                  Location->getInlinedAt());
        I.setDebugLoc(Own);
        Locations[Own] = Location;
        Noted.Sites[Own] = Here;
      }
    }
  }
};

class CheckPass : public MachineFunctionPass {
  const SiteValues &Values;
  // Where each variable was said to be last, in the block at hand.
  using Known = MapVector<DebugVariable, MachineInstr *>;

public:
  static char ID;

  explicit CheckPass(const SiteValues &Values) : MachineFunctionPass(ID), Values(Values) {}

  StringRef getPassName() const override { return "Check variables at sites"; }

  void getAnalysisUsage(AnalysisUsage &AU) const override {
    AU.setPreservesAll();
    MachineFunctionPass::getAnalysisUsage(AU);
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    auto Noted = Values.Functions.find(&MF.getFunction());
    if (Noted == Values.Functions.end())
      return false;
    for (MachineBasicBlock &MBB : MF)
      checkBlock(MBB, Noted->second);
    limitConstants(MF);
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        restore(MI);
    return true;
  }

private:
  static DebugVariable variableOf(const MachineInstr &Value) {
    return VariableFlow::variable(Value.getDebugVariable(), Value.getDebugLoc());
  }

  static const TargetInstrInfo &instructions(const MachineFunction &MF) {
    return *MF.getSubtarget().getInstrInfo();
  }

  // From `Before` on, the variable of `Value` has no value.
  static MachineInstr *end(MachineInstr &Value, MachineBasicBlock &MBB,
                           MachineBasicBlock::iterator Before) {
    MachineFunction &MF = *MBB.getParent();
    return BuildMI(MBB, Before, Value.getDebugLoc(),
                   instructions(MF).get(TargetOpcode::DBG_VALUE))
        .addReg(Register())
        .addReg(Register())
        .addMetadata(Value.getDebugVariable())
        .addMetadata(DIExpression::get(MF.getFunction().getContext(), {}));
  }

  // Whether what `Value` tells is where it says still at `Here`, further on in the
  // block.
  static bool isLeft(const MachineInstr &Value, const MachineInstr &Here) {
    const TargetRegisterInfo *Registers = Here.getMF()->getSubtarget().getRegisterInfo();
    for (auto I = std::next(Value.getIterator()); &*I != &Here; ++I)
      for (const MachineOperand &Operand : Value.debug_operands())
        if (!I->isMetaInstruction() && Operand.isReg() && Operand.getReg() &&
            I->modifiesRegister(Operand.getReg(), Registers))
          return false;
    return true;
  }

  // Whether registers and memory in which `Value` is hold all of it. What is narrower
  // than the variable would have to be extended, which debuggers do not know; and LLVM
  // loses track of what is stored of it.
  static bool isWhole(const MachineInstr &Value) {
    std::optional<uint64_t> Bits = Value.getDebugVariable()->getSizeInBits();
    const MachineFunction &MF = *Value.getMF();
    const TargetRegisterInfo &Registers = *MF.getSubtarget().getRegisterInfo();
    for (const MachineOperand &Operand : Value.debug_operands())
      if (Operand.isReg() && Operand.getReg().isPhysical() && Bits &&
          Registers.getRegSizeInBits(Operand.getReg(), MF.getRegInfo()) < *Bits)
        return false;
    for (const auto &Operation : Value.getDebugExpression()->expr_ops())
      if (Operation.getOp() == dwarf::DW_OP_deref_size && Bits && Operation.getArg(0) * 8 < *Bits)
        return false;
    return true;
  }

  // What names the site; null if it is none. A machine instruction that accesses memory
  // for several is at none.
  static bool isSite(const MachineInstr &MI, const MDNode *&Name) {
    Name = nullptr;
    if (MI.isCall()) {
      Name = MI.getDebugLoc().get();
      return true;
    }
    bool Access = false;
    for (const MachineMemOperand *Operand : MI.memoperands()) {
      if (!Operand->isVolatile())
        continue;
      const MDNode *Scope = Operand->getAAInfo().Scope;
      // Of one that reads and writes, the read counts.
      if (!Access || Operand->isLoad())
        Name = Scope;
      Access = true;
    }
    return Access;
  }

  static void checkBlock(MachineBasicBlock &MBB, const SiteValues::Function &Noted) {
    Known Last;
    // Those of them that are said to have no value, though they may be right later.
    DenseMap<DebugVariable, bool> Ended;
    for (auto I = MBB.begin(); I != MBB.end(); ++I) {
      MachineInstr &MI = *I;
      if (MI.isDebugValue()) {
        DebugVariable Variable = variableOf(MI);
        Last[Variable] = &MI;
        Ended[Variable] = false;
      }
      const MDNode *Name;
      if (!isSite(MI, Name))
        continue;
      VariableFlow::State State = Noted.at(Name);
      for (auto &[Variable, Value] : Last) {
        if (Value->isUndefDebugValue())
          continue;
        auto Place = Noted.Flow.Variables.find(Variable);
        VariableFlow::Number Number =
            State.empty() || Place == Noted.Flow.Variables.end() ? VariableFlow::Unknown
                                                                 : State[Place->second];
        bool Right = Number != VariableFlow::Unknown &&
                     untagged(Value->getDebugExpression()).first == Number && isWhole(*Value);
        bool &IsEnded = Ended[Variable];
        if (!Right && !IsEnded) {
          end(*Value, MBB, I);
          IsEnded = true;
        } else if (Right && IsEnded && isLeft(*Value, MI)) {
          MachineInstr *Again = MBB.getParent()->CloneMachineInstr(Value);
          MBB.insert(I, Again);
          Value = Again;
          IsEnded = false;
        }
      }
    }
  }

  // If a variable is first said to be constant in the function's first block, LLVM takes
  // for true everywhere what is said of it where its instructions are, if that is one
  // thing; unless it once has no value.
  static void limitConstants(MachineFunction &MF) {
    MapVector<DebugVariable, SmallVector<MachineInstr *, 4>> Said;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        if (MI.isDebugValue())
          Said[variableOf(MI)].push_back(&MI);
    for (auto &[Variable, All] : Said) {
      MachineInstr &First = *All.front();
      auto SaysTheSame = [&](const MachineInstr *Other) { return Other->isEquivalentDbgInstr(First); };
      bool IsConstant = all_of(First.debug_operands(),
                               [](const MachineOperand &Operand) { return Operand.isImm(); });
      if (!IsConstant || First.getParent() != &MF.front() ||
          (All.size() >= MF.size() && all_of(All, SaysTheSame)))
        continue;
      end(First, MF.front(), First.getIterator());
    }
  }

  void restore(MachineInstr &MI) const {
    if (MI.isDebugValue()) {
      const DIExpression *Plain = untagged(MI.getDebugExpression()).second;
      MI.getDebugExpressionOp().setMetadata(masked(Plain));
    }
    if (auto Found = Values.Locations.find(MI.getDebugLoc().get()); Found != Values.Locations.end())
      MI.setDebugLoc(Found->second);
  }
};

char CheckPass::ID = 0;

} // namespace

VariableFlow::State SiteValues::Function::at(const MDNode *Name) const {
  auto Found = Sites.find(Name);
  if (Found == Sites.end())
    return {};
  const VariableFlow::Block &In = Flow.Blocks[Found->second.Block];
  VariableFlow::State State = In.Entry;
  for (unsigned Change = 0; Change < Found->second.Changes; ++Change)
    State[In.Changes[Change].first] = In.Changes[Change].second;
  return State;
}

void SiteValues::note(Module &M) {
  for (llvm::Function &F : M)
    if (!F.isDeclaration() && F.getSubprogram())
      Notes(Functions[&F], Locations).note(F);
}

Pass *SiteValues::check() const { return new CheckPass(*this); }
