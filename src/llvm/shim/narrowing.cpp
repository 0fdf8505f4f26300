#include "narrowing.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
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

class Phis {
  // Null if they are gone, though there may be another at the address.
  DenseMap<const PHINode *, WeakVH> Before;
  // What each record tells of: what takes its place follows.
  DenseMap<const DbgVariableRecord *, SmallVector<WeakTrackingVH, 1>> Records;

public:
  void note(Function &F) {
    Before.clear();
    Records.clear();
    for (Instruction &I : instructions(F)) {
      if (auto *Phi = dyn_cast<PHINode>(&I))
        Before.try_emplace(Phi, Phi);
      for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange()))
        if (Record.isDbgValue() && !Record.isKillLocation())
          for (Value *V : Record.location_ops())
            Records[&Record].emplace_back(V);
    }
  }

  void check(Function &F) {
    for (Instruction &I : instructions(F))
      for (DbgVariableRecord &Record : filterDbgVars(I.getDbgRecordRange()))
        if (Record.isDbgValue() && any_of(Record.location_ops(), [&](Value *V) {
              auto *Phi = dyn_cast<PHINode>(V);
              return Phi && isNew(*Phi) && !standsForOld(*Phi, Record);
            }))
          Record.setKillLocation();
    Before.clear();
    Records.clear();
  }

private:
  bool isNew(const PHINode &Phi) const {
    auto Found = Before.find(&Phi);
    return Found == Before.end() || !Found->second;
  }

  // Whether the phi took the place of what the record told of in all uses.
  bool standsForOld(const PHINode &Phi, const DbgVariableRecord &Record) const {
    auto Found = Records.find(&Record);
    return Found != Records.end() && is_contained(Found->second, &Phi);
  }
};

class Narrowing {
  std::vector<Noted> Before;

  // Of what is read from memory, or a function returns, all bits are as they were.
  static bool isComputed(const Instruction &I) { return !I.mayReadOrWriteMemory(); }

public:
  // What variables are described by, and what that alone is computed from.
  void note(Function &F) {
    Before.clear();
    SetVector<Instruction *> Involved;
    for (Instruction &I : instructions(F))
      if (I.isUsedByMetadata() && isComputed(I))
        Involved.insert(&I);
    for (size_t Next = 0; Next < Involved.size(); ++Next)
      for (Value *Operand : Involved[Next]->operands())
        if (auto *From = dyn_cast<Instruction>(Operand);
            From && From->hasOneUse() && isComputed(*From))
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
      for (Instruction *I = Was.Self; I && I->hasOneUse() && isComputed(*I);
           I = dyn_cast<Instruction>(I->user_back())) {
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
  auto Watch = std::make_shared<std::pair<Narrowing, Phis>>();
  auto Watched = [](StringRef Pass, const Any &IR) -> Function * {
    const auto *F = any_cast<const Function *>(&IR);
    return F && Pass == "InstCombinePass" ? const_cast<Function *>(*F) : nullptr;
  };
  Callbacks.registerBeforeNonSkippedPassCallback([=](StringRef Pass, Any IR) {
    if (Function *F = Watched(Pass, IR)) {
      Watch->first.note(*F);
      Watch->second.note(*F);
    }
  });
  Callbacks.registerAfterPassCallback([=](StringRef Pass, Any IR, const PreservedAnalyses &) {
    if (Function *F = Watched(Pass, IR)) {
      Watch->first.check();
      Watch->second.check(*F);
    }
  });
}
