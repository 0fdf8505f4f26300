#include "choosing.h"

#include "variables.h"
#include "versioning.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Scalar/DeadStoreElimination.h"
#include "llvm/Transforms/Scalar/IndVarSimplify.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopStrengthReduce.h"
#include "llvm/Transforms/Utils/CanonicalizeFreezeInLoops.h"
#include "llvm/Transforms/Vectorize/SLPVectorizer.h"

using namespace llvm;

namespace wasm2so {

namespace {

// Blocks of a loop that is not large.
constexpr unsigned MostBlocks = 32;

// Bytes of a structure that is a vector.
constexpr uint64_t StructureBytes = 16;

enum class Accesses { OfStructures, OfOthers, None };

// What a loop goes through, as far as that may become vectors.
Accesses accesses(Loop &L, ScalarEvolution &SE) {
  Accesses Found = Accesses::None;
  for (BasicBlock *BB : L.blocks())
    for (Instruction &I : *BB) {
      if (!isa<LoadInst, StoreInst>(I))
        continue;
      if (I.isVolatile() || getLoadStoreType(&I)->isVectorTy())
        return Accesses::None;
      auto *Sequence = dyn_cast<SCEVAddRecExpr>(SE.getSCEV(getLoadStorePointerOperand(&I)));
      auto *Step = Sequence && Sequence->getLoop() == &L
                       ? dyn_cast<SCEVConstant>(Sequence->getStepRecurrence(SE))
                       : nullptr;
      bool OfStructures = Step && Step->getAPInt().urem(StructureBytes) == 0 &&
                          getLoadStoreType(&I)->isFloatingPointTy();
      if (!OfStructures)
        return Accesses::OfOthers;
      Found = Accesses::OfStructures;
    }
  return Found;
}

class ReduceLoop : public PassInfoMixin<ReduceLoop> {
  LoopPassManager Passes;

public:
  ReduceLoop() {
    Passes.addPass(CanonicalizeFreezeInLoopsPass());
    Passes.addPass(LoopStrengthReducePass());
  }

  PreservedAnalyses run(Loop &L, LoopAnalysisManager &AM, LoopStandardAnalysisResults &Results,
                        LPMUpdater &Updater) {
    bool Versioned = any_of(L.blocks(), [](const BasicBlock *BB) {
      return any_of(*BB, [](const Instruction &I) {
        return isProved(I.getMetadata(LLVMContext::MD_alias_scope));
      });
    });
    return Versioned ? Passes.run(L, AM, Results, Updater) : PreservedAnalyses::all();
  }
};

} // namespace

PreservedAnalyses HoistInvariants::run(Loop &L, LoopAnalysisManager &AM,
                                       LoopStandardAnalysisResults &Results, LPMUpdater &Updater) {
  LICMOptions Options;
  Options.AllowSpeculation = L.getNumBlocks() <= MostBlocks;
  return LICMPass(Options).run(L, AM, Results, Updater);
}

PreservedAnalyses SimplifyCounters::run(Loop &L, LoopAnalysisManager &AM,
                                        LoopStandardAnalysisResults &Results,
                                        LPMUpdater &Updater) {
  if (!Results.SE.hasLoopInvariantBackedgeTakenCount(&L))
    return PreservedAnalyses::all();
  return IndVarSimplifyPass().run(L, AM, Results, Updater);
}

PreservedAnalyses RemoveStores::run(Function &F, FunctionAnalysisManager &FAM) {
  bool Any = any_of(instructions(F), [](const Instruction &I) {
    return isa<StoreInst, MemIntrinsic>(I) && !I.isVolatile();
  });
  return Any ? DSEPass().run(F, FAM) : PreservedAnalyses::all();
}

PreservedAnalyses PackStructures::run(Function &F, FunctionAnalysisManager &FAM) {
  auto &SE = FAM.getResult<ScalarEvolutionAnalysis>(F);
  bool Any = false;
  for (Loop *L : FAM.getResult<LoopAnalysis>(F).getLoopsInPreorder()) {
    if (!L->isInnermost())
      continue;
    Accesses Are = accesses(*L, SE);
    if (Are == Accesses::OfOthers)
      return PreservedAnalyses::all();
    Any |= Are == Accesses::OfStructures;
  }
  return Any ? SLPVectorizerPass().run(F, FAM) : PreservedAnalyses::all();
}

PreservedAnalyses ReduceVersioned::run(Function &F, FunctionAnalysisManager &FAM) {
  if (!isVersioned(F))
    return PreservedAnalyses::all();
  HiddenVariables Hidden(F);
  return createFunctionToLoopPassAdaptor(ReduceLoop()).run(F, FAM);
}

} // namespace wasm2so
