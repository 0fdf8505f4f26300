// Aligns tight loops. LLVM aligns all loops alike, to half of what processors read
// decoded instructions by: the same loop takes a fifth longer where it crosses its end.
// To align larger ones, or those with several blocks, made more programs slower than
// faster.

#include "aligning.h"

#include "llvm/CodeGen/MachineFunctionPass.h"

using namespace llvm;

namespace wasm2so {

namespace {

constexpr uint64_t Piece = 32;
// So many take no more than a piece.
constexpr unsigned MostAligned = 8;

class AlignLoops : public MachineFunctionPass {
public:
  static char ID;
  AlignLoops() : MachineFunctionPass(ID) {}

  bool runOnMachineFunction(MachineFunction &MF) override {
    bool Changed = false;
    for (MachineBasicBlock &Block : MF)
      if (Block.isSuccessor(&Block) && size(Block) <= MostAligned) {
        Block.setAlignment(std::max(Block.getAlignment(), Align(Piece)));
        Changed = true;
      }
    return Changed;
  }

private:
  // Without what is there for debuggers.
  static unsigned size(const MachineBasicBlock &Block) {
    return count_if(Block, [](const MachineInstr &MI) { return !MI.isMetaInstruction(); });
  }
};

char AlignLoops::ID = 0;

} // namespace

Pass *alignLoops() { return new AlignLoops(); }

} // namespace wasm2so
