#include "reducing.h"

#include "variables.h"
#include "versioning.h"

#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopStrengthReduce.h"
#include "llvm/Transforms/Utils/CanonicalizeFreezeInLoops.h"

using namespace llvm;

PreservedAnalyses wasm2so::ReduceVersioned::run(Function &F, FunctionAnalysisManager &FAM) {
  if (!isVersioned(F))
    return PreservedAnalyses::all();
  LoopPassManager Passes;
  Passes.addPass(CanonicalizeFreezeInLoopsPass());
  Passes.addPass(LoopStrengthReducePass());
  HiddenVariables Hidden(F);
  return createFunctionToLoopPassAdaptor(std::move(Passes)).run(F, FAM);
}
