#include "hoisting.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"

using namespace llvm;

// Blocks of a loop that is not large.
static constexpr unsigned MostBlocks = 32;

PreservedAnalyses wasm2so::HoistInvariants::run(Loop &L, LoopAnalysisManager &AM,
                                                LoopStandardAnalysisResults &Results,
                                                LPMUpdater &Updater) {
  LICMOptions Options;
  Options.AllowSpeculation = L.getNumBlocks() <= MostBlocks;
  return LICMPass(Options).run(L, AM, Results, Updater);
}
