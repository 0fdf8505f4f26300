#include "reaching.h"

#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/ReachingDefAnalysis.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

using namespace llvm;

namespace {

// Goes by the ID of LLVM's: it is found in its place.
class ReachingDefinitions : public ReachingDefInfoWrapperPass {
public:
  StringRef getPassName() const override { return "Definitions that reach vectors"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    return isAsked(MF) && ReachingDefInfoWrapperPass::runOnMachineFunction(MF);
  }

private:
  const TargetRegisterClass *Vectors = nullptr;

  bool isAsked(const MachineFunction &MF) {
    return usesVectors(MF) || any_of(MF, [&](const MachineBasicBlock &MBB) {
             return any_of(MBB, hasFalseDependency);
           });
  }

  // `X86 Execution Dependency Fix` asks about what reads any. That a call may change them
  // is no use.
  bool usesVectors(const MachineFunction &MF) {
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    if (!Vectors)
      Vectors = *find_if(TRI.regclasses(), [&](const TargetRegisterClass *Class) {
        return StringRef(TRI.getRegClassName(Class)) == "VR128X";
      });
    return any_of(*Vectors,
                  [&](MCPhysReg Reg) { return MF.getRegInfo().isPhysRegUsed(Reg, true); });
  }

  // `BreakFalseDeps` asks how far away the definitions are that this has to wait for.
  static bool hasFalseDependency(const MachineInstr &MI) {
    const TargetSubtargetInfo &Target = MI.getMF()->getSubtarget();
    const TargetInstrInfo &TII = *Target.getInstrInfo();
    const TargetRegisterInfo *TRI = Target.getRegisterInfo();
    return any_of(enumerate(MI.operands()), [&](const auto &Operand) {
      const auto &[Place, MO] = Operand;
      if (!MO.isReg() || !MO.getReg())
        return false;
      return MO.isDef() ? TII.getPartialRegUpdateClearance(MI, Place, TRI) != 0
                        : MO.isUndef() && TII.getUndefRegClearance(MI, Place, TRI) != 0;
    });
  }
};

} // namespace

Pass *wasm2so::reachingDefinitions() { return new ReachingDefinitions; }
