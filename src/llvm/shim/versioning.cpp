// Loop versioning: a check before a loop proves all its accesses to linear
// memory in bounds; then they need not be volatile, and LLVM may do with them
// what it does with those of C.
//
// An innermost loop is cloned. The clone stays as it was, exact. The other one
// runs if no access can leave the memory, which never shrinks, in any iteration
// and if none of the 32-bit sums that make up addresses wraps; so it has plain
// accesses at 64-bit addresses. Nothing in it can fault, so there is no trap
// whose place or whose view of memory the optimiser could spoil: calls are not
// allowed in it, and a fence at its exits, which is no machine instruction, keeps
// its stores before whatever may fault after it. Traps that leave it are calls
// that may read memory.
//
// What bounds a loop is found in bounds.cpp, for numbers in floating point in
// climbing.cpp; checks.cpp builds the check. Then passes make use of the plain
// accesses, in alone.cpp.

#include "alone.h"
#include "checks.h"

#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/IVDescriptors.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/ScalarEvolutionExpander.h"

using namespace llvm;

namespace wasm2so {

namespace {

constexpr const char *VersionedMark = "wasm2so-versioned";

} // namespace

bool isVersioned(const Function &F) { return F.hasFnAttribute(VersionedMark); }

LoadInst *loadPointer(IRBuilder<> &B, uint64_t Offset) {
  Value *Instance = B.GetInsertBlock()->getParent()->getArg(0);
  Value *Field = B.CreateConstInBoundsGEP1_64(B.getInt8Ty(), Instance, Offset);
  LoadInst *Pointer = B.CreateLoad(B.getPtrTy(), Field);
  Pointer->setMetadata(LLVMContext::MD_invariant_load, MDNode::get(B.getContext(), {}));
  return Pointer;
}

MDNode *provedScope(LLVMContext &Context) {
  MDString *Name = MDString::get(Context, "wasm2so.proved");
  MDNode *Domain = MDNode::get(Context, {Name});
  return MDNode::get(Context, {Name, Domain});
}

bool isProved(const MDNode *Scopes) {
  return Scopes && is_contained(Scopes->operands(), provedScope(Scopes->getContext()));
}

void takeOffAtomic(Instruction &I) {
  if (auto *Load = dyn_cast<LoadInst>(&I))
    Load->setAtomic(AtomicOrdering::NotAtomic);
  else if (auto *Store = dyn_cast<StoreInst>(&I))
    Store->setAtomic(AtomicOrdering::NotAtomic);
}

namespace {

// The loops of a function must be worth one in so many of its instructions. What is in
// a loop within another counts so many times, level by level, as long as the outer one
// is no more than so many times as large: in the loop of an interpreter an inner one
// hardly ever runs.
constexpr uint64_t MostOfFunction = 20;
constexpr uint64_t NestedLoopRuns = 8;
constexpr uint64_t MostOfNest = 8;
constexpr unsigned MostLevels = 6;

// Whether a loop of this form may become one over vectors.
bool hasVectorForm(Loop &L, ScalarEvolution &SE, DominatorTree &DT) {
  if (L.getExitingBlock() != L.getLoopLatch())
    return false;
  return all_of(L.getHeader()->phis(), [&](PHINode &Phi) {
    InductionDescriptor Induction;
    RecurrenceDescriptor Reduction;
    return InductionDescriptor::isInductionPHI(&Phi, &L, &SE, Induction) ||
           RecurrenceDescriptor::isReductionPHI(&Phi, &L, Reduction, nullptr, nullptr, &DT, &SE) ||
           RecurrenceDescriptor::isFixedOrderRecurrence(&Phi, &L, &DT) ||
           FloatCounter::of(Phi, L);
  });
}

// What is read may be anywhere, as from a table.
bool hasVectorStores(const LoopBounds &Bounds) {
  return all_of(Bounds.Accesses, [](const Access &A) {
    return isa<LoadInst>(A.I) || (A.Offset.straight() && !A.Offset.Step->isZero());
  });
}

// Whether all accesses of the loop can be proved, and nothing is known yet to keep it
// from becoming one over vectors. To version all others took a tenth to a quarter of
// the time to compile real programs, of which none ran faster, and made SHA-256 slower.
bool mayVectorize(LoopBounds &Bounds, DominatorTree &DT) {
  if (!Bounds.Promising)
    return false;
  // Of wasm's vectors, those of the processor hold several.
  if (Bounds.Vectors)
    return Bounds.prove();
  // The dearest last.
  return hasVectorForm(Bounds.L, Bounds.SE, DT) && Bounds.prove() && hasVectorStores(Bounds);
}

// What versioning a loop is good for.
struct Gain {
  uint64_t Instructions; // that become faster, as `MostOfFunction` counts them
  Loop *Nest;            // the outermost loop that counts
};

Gain gain(LoopBounds Bounds, DominatorTree &DT) {
  if (!mayVectorize(Bounds, DT))
    return {};
  Gain Found = {Bounds.Instructions, &Bounds.L};
  uint64_t Inner = Bounds.Instructions;
  Loop *Outer = Bounds.L.getParentLoop();
  for (unsigned Level = 1; Outer && Level < MostLevels; ++Level, Outer = Outer->getParentLoop()) {
    uint64_t Size = 0;
    for (const BasicBlock *BB : Outer->blocks())
      if ((Size += BB->size()) > Inner * MostOfNest)
        return Found;
    Inner = Size;
    Found = {Found.Instructions * NestedLoopRuns, Outer};
  }
  return Found;
}

// Makes plain accesses of those of a loop that are proved.
class Relaxer {
  const LoopBounds &Bounds;
  Loop &L;
  ScalarEvolution &SE;
  SCEVExpander Expander;
  Instruction *Before;
  IRBuilder<> B;
  // How often the loop has come round.
  PHINode *Turn = nullptr;
  // Where accesses of a root, a start and a step are.
  DenseMap<std::tuple<Value *, const SCEV *, const SCEV *>, Value *> Addresses;
  // Of accesses that have nothing bent in their place, if what is read at a bent place
  // is not where they are.
  MDNode *Straight = nullptr;

public:
  Relaxer(const LoopBounds &Bounds, bool Apart)
      : Bounds(Bounds), L(Bounds.L), SE(Bounds.SE), Expander(SE, "address"),
        Before(L.getLoopPreheader()->getTerminator()), B(Before) {
    if (!Apart)
      return;
    MDBuilder Scopes(B.getContext());
    Straight = Scopes.createAnonymousAliasScope(Scopes.createAnonymousAliasScopeDomain());
  }

  void run() {
    countTurns();
    B.SetInsertPoint(L.getHeader(), L.getHeader()->getFirstInsertionPt());
    countInIntegers();
    for (const Access &A : Bounds.Accesses) {
      setScopes(A);
      takeOffAtomic(*A.I);
      if (auto *Load = dyn_cast<LoadInst>(A.I))
        Load->setVolatile(false);
      else
        cast<StoreInst>(A.I)->setVolatile(false);
      A.I->setOperand(isa<LoadInst>(A.I) ? 0u : 1u, address(A));
    }
    // What climbs was seen to be in range.
    for (auto &[Result, Height] : Bounds.Heights) {
      IRBuilder<> Here(Result);
      Result->replaceAllUsesWith(Here.CreateFPToSI(Result->getArgOperand(0), Result->getType()));
      Result->eraseFromParent();
    }
    if (Bounds.Stores)
      fence();
  }

private:
  void countTurns() {
    BasicBlock *Latch = L.getLoopLatch();
    B.SetInsertPoint(&L.getHeader()->front());
    B.SetCurrentDebugLocation(DebugLoc());
    Turn = B.CreatePHI(Bounds.I64, 2);
    B.SetInsertPoint(Latch->getTerminator());
    Turn->addIncoming(B.getInt64(0), L.getLoopPreheader());
    Turn->addIncoming(B.CreateAdd(Turn, B.getInt64(1), "", true, true), Latch);
    if (!Bounds.Counted)
      return;
    // So that LLVM need not find out again.
    Value *Last = Expander.expandCodeFor(Bounds.Backedges, Bounds.I64, Before);
    auto *Jump = cast<BranchInst>(Latch->getTerminator());
    bool Stays = L.contains(Jump->getSuccessor(0));
    Jump->setCondition(Stays ? B.CreateICmpNE(Turn, Last) : B.CreateICmpEQ(Turn, Last));
  }

  // Vectors have no counters in floating point: their sums would be others.
  void countInIntegers() {
    for (auto &[Phi, Counter] : Bounds.Counters) {
      Value *Count = B.CreateMul(B.CreateTrunc(Turn, B.getInt32Ty()), B.getInt32(Counter.Step));
      Count = B.CreateAdd(Count, B.getInt32(Counter.Start));
      Phi->replaceAllUsesWith(B.CreateSIToFP(Count, Phi->getType()));
      Phi->eraseFromParent();
    }
  }

  // LLVM compares loads with loads as well before it compares places.
  void setScopes(const Access &A) {
    LLVMContext &Context = B.getContext();
    SmallVector<Metadata *, 2> Scopes = {provedScope(Context)};
    if (Straight && A.Offset.straight())
      Scopes.push_back(Straight);
    else if (Straight && isa<LoadInst>(A.I))
      A.I->setMetadata(LLVMContext::MD_noalias, MDNode::get(Context, Straight));
    A.I->setMetadata(LLVMContext::MD_alias_scope, MDNode::get(Context, Scopes));
  }

  Value *address(const Access &A) {
    const auto Up = GEPNoWrapFlags::noUnsignedWrap() | GEPNoWrapFlags::noUnsignedSignedWrap();
    const auto Down = GEPNoWrapFlags::noUnsignedSignedWrap();
    const auto &Offset = A.Offset;
    // A constant is where an array of its own starts.
    auto [Start, Constant] = isa<SCEVConstant>(Offset.Start)
                                 ? std::pair(Offset.Start, int64_t(0))
                                 : splitSum(Offset.Start, SE);
    Value *&Address = Addresses[{A.Root, Start, Offset.Step}];
    if (!Address) {
      Address = startAddress(A.Root, Expander.expandCodeFor(Start, Bounds.I64, Before));
      if (!Offset.Step->isZero()) {
        bool Rises = SE.isKnownNonNegative(Offset.Step);
        Value *Step = Expander.expandCodeFor(Offset.Step, Bounds.I64, Before);
        Value *Moved = B.CreateMul(Turn, Step, "", Rises, true);
        Address = B.CreateGEP(B.getInt8Ty(), Address, Moved, "", Rises ? Up : Down);
      }
    }
    Value *Final = Address;
    if (Constant)
      Final = B.CreateGEP(B.getInt8Ty(), Address, B.getInt64(Constant), "",
                          Constant > 0 ? Up : Down);
    if (Offset.straight())
      return Final;
    IRBuilder<> Here(A.I);
    return Here.CreateGEP(B.getInt8Ty(), Final,
                          Expander.expandCodeFor(Offset.Rest, Bounds.I64, A.I), "", Up);
  }

  // `Offset` bytes into the memory at `Root`, as a pointer of its own: LLVM then
  // sees the arrays of a program in the one object that a memory is, and knows
  // which accesses it has to tell apart by a check at run time.
  Value *startAddress(Value *Root, Value *Offset) {
    IRBuilder<> Here(Before);
    if (!isa<ConstantPointerNull>(Root))
      Offset = Here.CreateAdd(Here.CreatePtrToInt(Root, Bounds.I64), Offset, "", true, false);
    return Here.CreateIntToPtr(Offset, Root->getType());
  }

  void fence() {
    SmallVector<BasicBlock *, 4> Exits;
    L.getUniqueExitBlocks(Exits);
    for (BasicBlock *Exit : Exits) {
      B.SetInsertPoint(Exit, Exit->getFirstInsertionPt());
      B.SetCurrentDebugLocation(DebugLoc());
      B.CreateFence(AtomicOrdering::SequentiallyConsistent, SyncScope::SingleThread);
    }
  }
};

// Versions one loop.
class Versioner {
  LoopBounds Bounds;
  Function &F;
  Loop &L;
  LoopInfo &LI;
  DominatorTree &DT;

public:
  Versioner(LoopBounds Of, LoopInfo &LI, DominatorTree &DT)
      : Bounds(std::move(Of)), F(Bounds.F), L(Bounds.L), LI(LI), DT(DT) {}

  // Whether it did.
  bool run() {
    if (!Bounds.prove())
      return false;
    LoopCheck Check = buildCheck(Bounds);
    if (!Check.Holds)
      return false;
    split(Check.Holds);
    Relaxer(Bounds, Check.Apart).run();
    return true;
  }

private:
  // Clones the loop; the clone, which stays as it is, runs unless `Holds`.
  void split(Value *Holds) {
    BasicBlock *Before = L.getLoopPreheader();
    BasicBlock *Preheader = SplitBlock(Before, Before->getTerminator(), &DT, &LI);
    ValueToValueMapTy Map;
    SmallVector<BasicBlock *, 8> Blocks;
    Loop *Exact = cloneLoopWithPreheader(Preheader, Before, &L, Map, "", &LI, &DT, Blocks);
    remapInstructionsInBlocks(Blocks, Map);

    MDBuilder Metadata(F.getContext());
    Instruction *Jump = Before->getTerminator();
    IRBuilder<> B(Jump);
    B.SetCurrentDebugLocation(DebugLoc());
    B.CreateCondBr(Holds, Preheader, Exact->getLoopPreheader(),
                   Metadata.createLikelyBranchWeights());
    Jump->eraseFromParent();

    SmallVector<BasicBlock *, 4> Exits;
    L.getUniqueExitBlocks(Exits);
    for (BasicBlock *Exit : Exits)
      for (PHINode &Phi : Exit->phis())
        for (unsigned I = 0, Count = Phi.getNumIncomingValues(); I != Count; ++I)
          if (L.contains(Phi.getIncomingBlock(I))) {
            Value *Incoming = Phi.getIncomingValue(I);
            Value *Copy = Map.lookup(Incoming);
            Phi.addIncoming(Copy ? Copy : Incoming,
                            cast<BasicBlock>(Map.lookup(Phi.getIncomingBlock(I))));
          }
    DT.recalculate(F);
    formDedicatedExitBlocks(&L, &DT, &LI, nullptr, true);
    formDedicatedExitBlocks(Exact, &DT, &LI, nullptr, true);
    // It will hardly ever run.
    for (const char *Done : {"llvm.loop.isvectorized", "llvm.loop.unroll.disable"})
      addStringMetadataToLoop(Exact, Done, 1);
  }
};

} // namespace

PreservedAnalyses VersionLoops::run(Function &F, FunctionAnalysisManager &FAM) {
  auto &LI = FAM.getResult<LoopAnalysis>(F);
  if (LI.empty() || F.arg_empty())
    return PreservedAnalyses::all();
  auto &DT = FAM.getResult<DominatorTreeAnalysis>(F);
  auto &SE = FAM.getResult<ScalarEvolutionAnalysis>(F);
  auto &AC = FAM.getResult<AssumptionAnalysis>(F);

  SmallVector<Loop *, 8> Innermost;
  SmallVector<std::pair<Loop *, Loop *>, 8> Worthy;
  SmallSetVector<Loop *, 8> Nests;
  for (Loop *L : LI.getLoopsInPreorder())
    if (L->isInnermost())
      Innermost.push_back(L);
  bool Changed = false;
  uint64_t Worth = 0;
  for (Loop *L : Innermost) {
    Changed |= simplifyLoop(L, &DT, &LI, &SE, &AC, nullptr, false);
    Changed |= formLCSSA(*L, DT, &LI, &SE);
    if (Gain Own = gain(LoopBounds(Memories, F, *L, SE), DT); Own.Nest) {
      Worth += Own.Instructions;
      Worthy.push_back({L, Own.Nest});
    }
  }
  if (Worth * MostOfFunction >= F.getInstructionCount())
    // Each is proved anew: what is known of it goes as another is split.
    for (auto [L, Nest] : Worthy) {
      Changed = true;
      if (Versioner(LoopBounds(Memories, F, *L, SE), LI, DT).run()) {
        SE.forgetAllLoops();
        Nests.insert(Nest);
      }
    }
  if (Nests.empty())
    return Changed ? PreservedAnalyses::none() : PreservedAnalyses::all();
  F.addFnAttr(VersionedMark);

  Nests.remove_if([All = Nests](Loop *L) {
    return any_of(All, [&](Loop *Outer) { return Outer != L && Outer->contains(L); });
  });
  for (Loop *L : Nests) {
    simplifyLoop(L, &DT, &LI, &SE, &AC, nullptr, false);
    formLCSSARecursively(*L, DT, &LI, &SE);
  }
  std::vector<LoopAlone> Alone;
  for (Loop *L : Nests)
    Alone.emplace_back(*L, DT, SE);
  FAM.invalidate(F, PreservedAnalyses::none());
  for (LoopAlone &Loop : Alone)
    Loop.run(Then, FAM);
  EliminateUnreachableBlocks(F);
  return PreservedAnalyses::none();
}

} // namespace wasm2so
