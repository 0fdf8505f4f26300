#include "narrowing.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/ValueHandle.h"

#include <memory>
#include <vector>

using namespace llvm;

namespace {

// An instruction, and its operands: what has taken their place since follows.
struct Noted {
  Instruction *Self;
  WeakVH Alive;
  SmallVector<WeakTrackingVH, 2> Operands;

  explicit Noted(Instruction *I) : Self(I), Alive(I) {
    for (Value *Operand : I->operands())
      Operands.emplace_back(Operand);
  }

  // Whether an operand is now another value: not merely what stands for it.
  bool isChanged() const {
    if (!Alive || Self->getNumOperands() != Operands.size())
      return false;
    SmallVector<Value *, 2> Now(Self->operand_values());
    for (const WeakTrackingVH &Operand : Operands) {
      auto Found = find(Now, static_cast<Value *>(Operand));
      if (Found == Now.end())
        return true;
      // They may have changed places.
      Now.erase(Found);
    }
    return false;
  }
};

class Narrowing {
  std::vector<Noted> Before;

public:
  // What variables are described by, and what that alone is computed from.
  void note(Function &F) {
    Before.clear();
    SetVector<Instruction *> Involved;
    for (Instruction &I : instructions(F))
      if (I.isUsedByMetadata())
        Involved.insert(&I);
    for (size_t Next = 0; Next < Involved.size(); ++Next)
      for (Value *Operand : Involved[Next]->operands())
        if (auto *From = dyn_cast<Instruction>(Operand); From && From->hasOneUse())
          Involved.insert(From);
    for (Instruction *I : Involved)
      if (I->getType()->isIntOrIntVectorTy())
        Before.emplace_back(I);
  }

  // Only values with one user are narrowed; further on, the first that has several is
  // right again.
  void check() {
    for (const Noted &Was : Before) {
      if (!Was.isChanged())
        continue;
      for (Instruction *I = Was.Self; I && I->hasOneUse(); I = dyn_cast<Instruction>(I->user_back())) {
        SmallVector<DbgVariableRecord *, 4> Records;
        findDbgValues(I, Records);
        for (DbgVariableRecord *Record : Records)
          Record->setKillLocation();
      }
    }
    Before.clear();
  }
};

} // namespace

void wasm2so::watchNarrowing(PassInstrumentationCallbacks &Callbacks) {
  auto Watch = std::make_shared<Narrowing>();
  auto Watched = [](StringRef Pass, const Any &IR) -> Function * {
    const auto *F = any_cast<const Function *>(&IR);
    return F && Pass == "InstCombinePass" ? const_cast<Function *>(*F) : nullptr;
  };
  Callbacks.registerBeforeNonSkippedPassCallback([=](StringRef Pass, Any IR) {
    if (Function *F = Watched(Pass, IR))
      Watch->note(*F);
  });
  Callbacks.registerAfterPassCallback([=](StringRef Pass, Any IR, const PreservedAnalyses &) {
    if (Watched(Pass, IR))
      Watch->check();
  });
}
