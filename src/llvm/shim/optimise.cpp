// The optimisation pipeline: LLVM's passes, and ours between them.

#include "chasing.h"
#include "choosing.h"
#include "conversions.h"
#include "forwarding.h"
#include "multiplying.h"
#include "narrowing.h"
#include "vanishing.h"
#include "versioning.h"
#include "widening.h"

#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Passes/StandardInstrumentations.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm-c/TargetMachine.h"

using namespace llvm;

// Puts `OurPass` where a pipeline of `Passes` has `Name`.
template <typename Passes, typename OurPass>
static void offer(PassBuilder &Builder, StringRef Name, OurPass Pass) {
  Builder.registerPipelineParsingCallback(
      [=](StringRef Wanted, Passes &To, ArrayRef<PassBuilder::PipelineElement>) {
        if (Wanted != Name)
          return false;
        To.addPass(OurPass(Pass));
        return true;
      });
}

// Runs the passes of `Pipeline`, in LLVM's notation, on `ModuleRef`. In it,
// `wide-multiply`, `forward-values`, `hoist-invariants`, `simplify-counters`,
// `remove-stores`, `fast-conversions`, `chase-pointers`, `pack-structures`,
// `widen-vectors`, `version-loops` and `reduce-versioned` are ours; after `version-loops`
// the passes of `Versioned` run on the loops that it changed.
//
// Returns null, or what LLVM says of the notation.
extern "C" LLVMMemoryBufferRef wasm2so_optimise(LLVMModuleRef ModuleRef,
                                                LLVMTargetMachineRef MachineRef,
                                                const char *Pipeline, const char *Versioned,
                                                const Wasm2soMemories *Memories) {
  Module &M = *unwrap(ModuleRef);
  // Lets the context's gate keep passes off giant functions.
  PassInstrumentationCallbacks Callbacks;
  OptPassGateInstrumentation Gate(M.getContext());
  Gate.registerCallbacks(Callbacks);
  wasm2so::watchNarrowing(Callbacks);
  wasm2so::watchVanishing(Callbacks);
  Callbacks.addClassToPassName(wasm2so::VersionLoops::name(), "version-loops");
  Callbacks.addClassToPassName(wasm2so::SimplifyCounters::name(), "simplify-counters");
  PassBuilder Builder(reinterpret_cast<TargetMachine *>(MachineRef), PipelineTuningOptions(),
                      std::nullopt, &Callbacks);
  LoopAnalysisManager Loops;
  FunctionAnalysisManager Functions;
  CGSCCAnalysisManager Components;
  ModuleAnalysisManager Modules;
  Builder.registerModuleAnalyses(Modules);
  Builder.registerCGSCCAnalyses(Components);
  Builder.registerFunctionAnalyses(Functions);
  Builder.registerLoopAnalyses(Loops);
  Builder.crossRegisterProxies(Loops, Functions, Components, Modules);

  offer<FunctionPassManager>(Builder, "wide-multiply", wasm2so::WideMultiply());
  offer<FunctionPassManager>(Builder, "forward-values", wasm2so::ForwardValues());
  offer<LoopPassManager>(Builder, "hoist-invariants", wasm2so::HoistInvariants());
  offer<LoopPassManager>(Builder, "simplify-counters", wasm2so::SimplifyCounters());
  offer<FunctionPassManager>(Builder, "remove-stores", wasm2so::RemoveStores());
  offer<FunctionPassManager>(Builder, "fast-conversions", wasm2so::FastConversions());
  offer<FunctionPassManager>(Builder, "chase-pointers", wasm2so::ChasePointers(*Memories));
  offer<FunctionPassManager>(Builder, "pack-structures", wasm2so::PackStructures());
  offer<FunctionPassManager>(Builder, "widen-vectors", wasm2so::WidenVectors());
  offer<FunctionPassManager>(Builder, "reduce-versioned", wasm2so::ReduceVersioned());
  Builder.registerPipelineParsingCallback(
      [&](StringRef Name, FunctionPassManager &Passes, ArrayRef<PassBuilder::PipelineElement>) {
        FunctionPassManager Then;
        if (Name != "version-loops" || Builder.parsePassPipeline(Then, Versioned))
          return false;
        Passes.addPass(wasm2so::VersionLoops(*Memories, std::move(Then)));
        return true;
      });

  ModulePassManager Passes;
  if (Error Wrong = Builder.parsePassPipeline(Passes, Pipeline))
    return wrap(MemoryBuffer::getMemBufferCopy(toString(std::move(Wrong))).release());
  Passes.run(M, Modules);
  return nullptr;
}
