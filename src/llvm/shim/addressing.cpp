#include "addressing.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include <optional>

using namespace llvm;

namespace {

// What x86 adds to make an address.
struct Address {
  MachineOperand Base;
  std::optional<MachineOperand> Index;
  int64_t Scale, Displacement;
};

// Places of the parts of an address among the operands of an instruction, from that
// of its base on.
enum { BasePart, ScalePart, IndexPart, DisplacementPart, SegmentPart };

// What LLVM's installed headers do not name.
struct X86Names {
  Register Gs;
  Register Es; // whose base is always 0: stands for GS with 32-bit registers
  unsigned Low = 0; // the part of a register that is its low 32 bits
  const TargetRegisterClass *BaseClass = nullptr, *IndexClass = nullptr;

  explicit X86Names(const TargetRegisterInfo &TRI) {
    for (unsigned I = 1; I != TRI.getNumRegs(); ++I)
      if (StringRef Name = TRI.getName(I); Name == "GS" || Name == "ES")
        (Name == "GS" ? Gs : Es) = I;
    for (unsigned I = 1; I != TRI.getNumSubRegIndices(); ++I)
      if (StringRef(TRI.getSubRegIndexName(I)) == "sub_32bit")
        Low = I;
    for (const TargetRegisterClass *Class : TRI.regclasses())
      if (StringRef Name = TRI.getRegClassName(Class); Name == "GR64" || Name == "GR64_NOSP")
        (Name == "GR64" ? BaseClass : IndexClass) = Class;
  }
};

class FoldAddresses : public MachineFunctionPass {
  const TargetInstrInfo *TII = nullptr;
  const TargetRegisterInfo *TRI = nullptr;
  MachineRegisterInfo *MRI = nullptr;
  std::optional<X86Names> Names;

public:
  static char ID;

  FoldAddresses() : MachineFunctionPass(ID) {}

  StringRef getPassName() const override { return "Put 32-bit sums into addresses"; }

  void getAnalysisUsage(AnalysisUsage &AU) const override {
    AU.setPreservesCFG();
    MachineFunctionPass::getAnalysisUsage(AU);
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    TII = MF.getSubtarget().getInstrInfo();
    TRI = MF.getSubtarget().getRegisterInfo();
    MRI = &MF.getRegInfo();
    if (!Names)
      Names.emplace(*TRI);
    bool Changed = false;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : make_early_inc_range(MBB))
        if (MI.getOpcode() == TargetOpcode::SUBREG_TO_REG)
          Changed |= fold(MI);
    return Changed;
  }

private:
  // Where the address of `MI` begins if all of it is `Base`, and GS.
  std::optional<unsigned> addressOf(const MachineInstr &MI, Register Base) const {
    for (unsigned I = 0, End = MI.getNumOperands(); I + SegmentPart < End; ++I) {
      auto Is = [&](unsigned Part, Register R) {
        const MachineOperand &Operand = MI.getOperand(I + Part);
        return Operand.isReg() && Operand.getReg() == R && !Operand.getSubReg();
      };
      const MachineOperand &Displacement = MI.getOperand(I + DisplacementPart);
      if (Is(BasePart, Base) && MI.getOperand(I + ScalePart).isImm() && Is(IndexPart, Register()) &&
          Displacement.isImm() && Displacement.getImm() == 0 && Is(SegmentPart, Names->Gs))
        return takesAny(MI, I) ? std::optional<unsigned>(I) : std::nullopt;
    }
    return std::nullopt;
  }

  // Whether the base of an address, at `Place`, may be any register. Where `MI` names
  // the high byte of one, no register may be that needs a prefix which forbids that.
  bool takesAny(const MachineInstr &MI, unsigned Place) const {
    const TargetRegisterClass *Class = MI.getRegClassConstraint(Place, TII, TRI);
    return Class == Names->BaseClass;
  }

  // The sum that `MI` computes in 32 bits.
  std::optional<Address> sum(const MachineInstr &MI) const {
    if (MI.getNumOperands() < 2)
      return std::nullopt;
    StringRef Name = TII->getName(MI.getOpcode());
    auto IsValue = [&](unsigned I) {
      return MI.getOperand(I).isReg() && MI.getOperand(I).getReg().isVirtual();
    };
    if (!IsValue(1))
      return std::nullopt;
    const MachineOperand &First = MI.getOperand(1);
    if (Name == "LEA64_32r") {
      const MachineOperand &Displacement = MI.getOperand(1 + DisplacementPart);
      if (!Displacement.isImm() || MI.getOperand(1 + SegmentPart).getReg())
        return std::nullopt;
      Address Sum{First, {}, MI.getOperand(1 + ScalePart).getImm(), Displacement.getImm()};
      if (IsValue(1 + IndexPart))
        Sum.Index = MI.getOperand(1 + IndexPart);
      return Sum;
    }
    if (Name == "MOV32rr")
      return Address{First, {}, 1, 0};
    if (Name == "INC32r" || Name == "DEC32r")
      return Address{First, {}, 1, Name == "INC32r" ? 1 : -1};
    if (Name == "ADD32ri" && MI.getOperand(2).isImm())
      return Address{First, {}, 1, int32_t(MI.getOperand(2).getImm())};
    if (Name == "ADD32rr" && IsValue(2))
      return Address{First, MI.getOperand(2), 1, 0};
    return std::nullopt;
  }

  // A 64-bit register, of `Class`, whose low half is `Value`, before `Place`.
  Register widen(const MachineOperand &Value, const TargetRegisterClass *Class,
                 MachineInstr &Place) const {
    Register R = Value.getReg();
    if (!Value.getSubReg() && TRI->getRegSizeInBits(*MRI->getRegClass(R)) == 64)
      return R;
    Register Any = MRI->createVirtualRegister(Class), Wide = MRI->createVirtualRegister(Class);
    auto Build = [&](unsigned Opcode, Register To) {
      return BuildMI(*Place.getParent(), Place, DebugLoc(), TII->get(Opcode), To);
    };
    Build(TargetOpcode::IMPLICIT_DEF, Any);
    Build(TargetOpcode::INSERT_SUBREG, Wide)
        .addReg(Any)
        .addReg(R, {}, Value.getSubReg())
        .addImm(Names->Low);
    return Wide;
  }

  // Puts what the 32-bit register in `Extension` is computed from into all accesses
  // that use the 64-bit register which it makes of that.
  bool fold(MachineInstr &Extension) {
    const MachineOperand *Narrow = nullptr;
    for (const MachineOperand &Operand : Extension.uses())
      if (Operand.isReg())
        Narrow = &Operand;
    Register Wide = Extension.getOperand(0).getReg();
    if (!Narrow || !Narrow->getReg().isVirtual() || Narrow->getSubReg() ||
        !MRI->hasOneNonDBGUse(Narrow->getReg()))
      return false;
    MachineInstr *Sum = MRI->getUniqueVRegDef(Narrow->getReg());
    if (!Sum || Sum->getParent() != Extension.getParent())
      return false;
    for (const MachineOperand &Def : Sum->all_defs())
      if (Def.getReg().isPhysical() && !Def.isDead())
        return false;
    std::optional<Address> Parts = sum(*Sum);
    if (!Parts)
      return false;
    SmallVector<std::pair<MachineInstr *, unsigned>, 4> Accesses;
    for (MachineInstr &User : MRI->use_nodbg_instructions(Wide)) {
      std::optional<unsigned> Place = addressOf(User, Wide);
      // If it is there once more, it is what is stored, too.
      if (!Place || User.getParent() != Extension.getParent() ||
          count_if(User.operands(), [&](const MachineOperand &Operand) {
            return Operand.isReg() && Operand.getReg() == Wide;
          }) != 1)
        return false;
      Accesses.push_back({&User, *Place});
    }
    if (Accesses.empty())
      return false;

    Register Base = widen(Parts->Base, Names->BaseClass, *Sum), Index;
    if (Parts->Index)
      Index = widen(*Parts->Index, Names->IndexClass, *Sum);
    for (auto [Access, Place] : Accesses) {
      auto Set = [&, Access = Access, Place = Place](unsigned Part, Register R) {
        Access->getOperand(Place + Part).setReg(R);
        Access->getOperand(Place + Part).setIsKill(false);
      };
      Set(BasePart, Base);
      Access->getOperand(Place + ScalePart).setImm(Parts->Scale);
      Set(IndexPart, Index);
      Access->getOperand(Place + DisplacementPart).setImm(Parts->Displacement);
      Set(SegmentPart, Names->Es);
    }
    for (Register Used : {Base, Index, Parts->Base.getReg()})
      if (Used)
        MRI->clearKillFlags(Used);
    if (Parts->Index)
      MRI->clearKillFlags(Parts->Index->getReg());
    SmallSetVector<MachineInstr *, 4> Descriptions;
    for (Register Gone : {Wide, Narrow->getReg()})
      for (MachineInstr &User : MRI->use_instructions(Gone))
        if (User.isDebugValue())
          Descriptions.insert(&User);
    for (MachineInstr *Description : Descriptions)
      Description->setDebugValueUndef();
    Extension.eraseFromParent();
    Sum->eraseFromParent();
    return true;
  }
};

char FoldAddresses::ID = 0;

class NarrowAddresses : public MachineFunctionPass {
  std::optional<X86Names> Names;

public:
  static char ID;

  NarrowAddresses() : MachineFunctionPass(ID) {}

  StringRef getPassName() const override { return "Make registers of sums narrow"; }

  void getAnalysisUsage(AnalysisUsage &AU) const override {
    AU.setPreservesAll();
    MachineFunctionPass::getAnalysisUsage(AU);
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    if (!Names)
      Names.emplace(TRI);
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        for (unsigned I = SegmentPart; I < MI.getNumOperands(); ++I)
          if (MachineOperand &Segment = MI.getOperand(I);
              Segment.isReg() && Segment.getReg() == Names->Es) {
            Segment.setReg(Names->Gs);
            for (unsigned Part : {BasePart, IndexPart})
              if (MachineOperand &Operand = MI.getOperand(I - SegmentPart + Part); Operand.getReg())
                Operand.setReg(TRI.getSubReg(Operand.getReg(), Names->Low));
          }
    return true;
  }
};

char NarrowAddresses::ID = 0;

} // namespace

Pass *wasm2so::foldAddresses() { return new FoldAddresses(); }

Pass *wasm2so::narrowAddresses() { return new NarrowAddresses(); }
