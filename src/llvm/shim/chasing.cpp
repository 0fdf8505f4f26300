// Loads whose address depends on what they loaded in the turn of the loop before:
// walks along lists and trees, tables of states. Nothing else in such a loop takes
// as long as they do, one after the other, so that each cycle of theirs counts. So
// does each of a load by which a switch goes that the processor cannot foresee, as
// that of an interpreter. All others are best left to GS, which takes no register.

#include "chasing.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;

namespace wasm2so {

namespace {

// Instructions in a loop, from which on it has more to wait for than this.
constexpr unsigned MostSearched = 200;

// Whether `L` waits for `Load`, whose value is part of its address in a later turn, or
// of what a switch goes by.
bool isWaitedFor(LoadInst &Load, const Loop &L) {
  SmallVector<Instruction *, 16> Work{&Load};
  SmallPtrSet<Instruction *, 16> Seen;
  while (!Work.empty())
    for (Use &U : Work.pop_back_val()->uses()) {
      auto *User = cast<Instruction>(U.getUser());
      if (!L.contains(User))
        continue;
      if (User == &Load || isa<SwitchInst>(User))
        return true;
      if (Seen.insert(User).second)
        Work.push_back(User);
    }
  return false;
}

// The loads that `L` waits for.
SmallVector<LoadInst *, 4> waitedFor(const Loop &L) {
  SmallVector<LoadInst *, 4> Found;
  unsigned Count = 0;
  for (BasicBlock *BB : L.blocks())
    for (Instruction &I : *BB) {
      // A call takes longer than what there is to win.
      if (++Count > MostSearched || (isa<CallBase>(I) && !isa<IntrinsicInst>(I)))
        return {};
      auto *Load = dyn_cast<LoadInst>(&I);
      if (Load && Load->getPointerAddressSpace() == MemoryInGs)
        Found.push_back(Load);
    }
  erase_if(Found, [&](LoadInst *Load) { return !isWaitedFor(*Load, L); });
  return Found;
}

} // namespace

PreservedAnalyses ChasePointers::run(Function &F, FunctionAnalysisManager &FAM) {
  auto &LI = FAM.getResult<LoopAnalysis>(F);
  auto &DT = FAM.getResult<DominatorTreeAnalysis>(F);
  bool Changed = false;
  for (Loop *L : LI.getLoopsInPreorder()) {
    SmallVector<LoadInst *, 4> Loads = waitedFor(*L);
    if (Loads.empty())
      continue;
    IRBuilder<> B(DT[L->getHeader()]->getIDom()->getBlock()->getTerminator());
    B.SetCurrentDebugLocation(DebugLoc());
    LoadInst *Base = loadPointer(B, Memories.first);
    for (LoadInst *Load : Loads) {
      B.SetInsertPoint(Load);
      Value *Offset = B.CreatePtrToInt(Load->getPointerOperand(), B.getInt64Ty());
      Load->setOperand(0, B.CreateGEP(B.getInt8Ty(), Base, Offset));
    }
    Changed = true;
  }
  if (!Changed)
    return PreservedAnalyses::all();
  PreservedAnalyses Preserved;
  Preserved.preserveSet<CFGAnalyses>();
  return Preserved;
}

} // namespace wasm2so
