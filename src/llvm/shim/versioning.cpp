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
// climbing.cpp; checks.cpp builds the check.

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

void takeOffAtomic(Instruction &I) {
  if (auto *Load = dyn_cast<LoadInst>(&I))
    Load->setAtomic(AtomicOrdering::NotAtomic);
  else if (auto *Store = dyn_cast<StoreInst>(&I))
    Store->setAtomic(AtomicOrdering::NotAtomic);
}

namespace {

// The passes that follow go over the whole function: its loops must be worth one
// in so many of its instructions. What is in a loop within another counts so many
// times, level by level, as long as the outer one is no more than so many times as
// large: in the loop of an interpreter an inner one hardly ever runs.
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

// How many instructions versioning a loop would make faster, as `MostOfFunction`
// counts them.
uint64_t worth(LoopBounds Bounds, DominatorTree &DT) {
  if (!mayVectorize(Bounds, DT))
    return 0;
  uint64_t Worth = Bounds.Instructions, Inner = Worth;
  const Loop *Outer = Bounds.L.getParentLoop();
  for (unsigned Level = 1; Outer && Level < MostLevels; ++Level, Outer = Outer->getParentLoop()) {
    uint64_t Size = 0;
    for (const BasicBlock *BB : Outer->blocks())
      if ((Size += BB->size()) > Inner * MostOfNest)
        return Worth;
    Inner = Size;
    Worth *= NestedLoopRuns;
  }
  return Worth;
}

// Versions one loop.
class Versioner {
  LoopBounds Bounds;
  Function &F;
  Loop &L;
  LoopInfo &LI;
  DominatorTree &DT;
  ScalarEvolution &SE;
  Type *I64;

public:
  Versioner(LoopBounds Of, LoopInfo &LI, DominatorTree &DT)
      : Bounds(std::move(Of)), F(Bounds.F), L(Bounds.L), LI(LI), DT(DT), SE(Bounds.SE),
        I64(Bounds.I64) {}

  // Whether it did.
  bool run() {
    if (!Bounds.prove())
      return false;
    LoopCheck Check = buildCheck(Bounds);
    if (!Check.Holds)
      return false;
    split(Check.Holds);
    relax(Check.Apart);
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

  // `Offset` bytes into the memory at `Root`, as a pointer of its own: LLVM then
  // sees the arrays of a program in the one object that a memory is, and knows
  // which accesses it has to tell apart by a check at run time.
  static Value *startAddress(Value *Root, Value *Offset, Instruction *Place) {
    IRBuilder<> B(Place);
    if (!isa<ConstantPointerNull>(Root))
      Offset = B.CreateAdd(B.CreatePtrToInt(Root, B.getInt64Ty()), Offset, "", true, false);
    return B.CreateIntToPtr(Offset, Root->getType());
  }

  // Makes plain accesses of those that are proved; `Apart`, if nothing is read at a bent
  // place where the loop stores.
  void relax(bool Apart) {
    BasicBlock *Header = L.getHeader(), *Preheader = L.getLoopPreheader();
    SCEVExpander Expander(SE, "address");
    IRBuilder<> B(&Header->front());
    B.SetCurrentDebugLocation(DebugLoc());
    PHINode *Turn = B.CreatePHI(I64, 2);
    B.SetInsertPoint(L.getLoopLatch()->getTerminator());
    Value *Next = B.CreateAdd(Turn, B.getInt64(1), "", true, true);
    Turn->addIncoming(B.getInt64(0), Preheader);
    Turn->addIncoming(Next, L.getLoopLatch());
    // So that LLVM need not find out again.
    if (Bounds.Counted) {
      Value *Last = Expander.expandCodeFor(Bounds.Backedges, I64, Preheader->getTerminator());
      auto *Jump = cast<BranchInst>(L.getLoopLatch()->getTerminator());
      bool Stays = L.contains(Jump->getSuccessor(0));
      Jump->setCondition(Stays ? B.CreateICmpNE(Turn, Last) : B.CreateICmpEQ(Turn, Last));
    }

    B.SetInsertPoint(Header, Header->getFirstInsertionPt());
    // Vectors have no counters in floating point: their sums would be others.
    for (auto &[Phi, Counter] : Bounds.Counters) {
      Value *Count = B.CreateMul(B.CreateTrunc(Turn, B.getInt32Ty()), B.getInt32(Counter.Step));
      Count = B.CreateAdd(Count, B.getInt32(Counter.Start));
      Phi->replaceAllUsesWith(B.CreateSIToFP(Count, Phi->getType()));
      Phi->eraseFromParent();
    }
    auto Flags = GEPNoWrapFlags::noUnsignedWrap() | GEPNoWrapFlags::noUnsignedSignedWrap();
    DenseMap<std::tuple<Value *, const SCEV *, const SCEV *>, Value *> Addresses;
    // LLVM compares loads with loads as well before it compares places.
    MDNode *Proved = provedScope(F.getContext()), *Straight = nullptr;
    if (Apart) {
      MDBuilder Scopes(F.getContext());
      Straight = Scopes.createAnonymousAliasScope(Scopes.createAnonymousAliasScopeDomain());
    }
    auto List = [&](ArrayRef<Metadata *> Scopes) { return MDNode::get(F.getContext(), Scopes); };
    for (auto &[I, Root, Offset] : Bounds.Accesses) {
      bool IsStraight = Offset.straight();
      I->setMetadata(LLVMContext::MD_alias_scope,
                     Apart && IsStraight ? List({Proved, Straight}) : List(Proved));
      if (Apart && !IsStraight && isa<LoadInst>(I))
        I->setMetadata(LLVMContext::MD_noalias, List(Straight));
      takeOffAtomic(*I);
      if (auto *Load = dyn_cast<LoadInst>(I))
        Load->setVolatile(false);
      else
        cast<StoreInst>(I)->setVolatile(false);
      // A constant is where an array of its own starts.
      auto [Start, Constant] = isa<SCEVConstant>(Offset.Start)
                                   ? std::pair(Offset.Start, int64_t(0))
                                   : splitSum(Offset.Start, SE);
      Value *&Address = Addresses[{Root, Start, Offset.Step}];
      if (!Address) {
        Instruction *Place = Preheader->getTerminator();
        Address = startAddress(Root, Expander.expandCodeFor(Start, I64, Place), Place);
        if (!Offset.Step->isZero()) {
          bool Up = SE.isKnownNonNegative(Offset.Step);
          Value *Step = Expander.expandCodeFor(Offset.Step, I64, Place);
          Value *Moved = B.CreateMul(Turn, Step, "", Up, true);
          Address = B.CreateGEP(B.getInt8Ty(), Address, Moved, "",
                                Up ? Flags : GEPNoWrapFlags::noUnsignedSignedWrap());
        }
      }
      Value *Final = Address;
      if (Constant)
        Final = B.CreateGEP(B.getInt8Ty(), Address, B.getInt64(Constant), "",
                            Constant > 0 ? Flags : GEPNoWrapFlags::noUnsignedSignedWrap());
      if (!Offset.straight()) {
        IRBuilder<> Here(I);
        Final = Here.CreateGEP(B.getInt8Ty(), Final, Expander.expandCodeFor(Offset.Rest, I64, I),
                               "", Flags);
      }
      I->setOperand(isa<LoadInst>(I) ? 0u : 1u, Final);
    }
    // What climbs was seen to be in range.
    for (auto &[Result, Height] : Bounds.Heights) {
      IRBuilder<> Here(Result);
      Result->replaceAllUsesWith(Here.CreateFPToSI(Result->getArgOperand(0), Result->getType()));
      Result->eraseFromParent();
    }
    if (!Bounds.Stores)
      return;
    SmallVector<BasicBlock *, 4> Exits;
    L.getUniqueExitBlocks(Exits);
    for (BasicBlock *Exit : Exits) {
      B.SetInsertPoint(Exit, Exit->getFirstInsertionPt());
      B.SetCurrentDebugLocation(DebugLoc());
      B.CreateFence(AtomicOrdering::SequentiallyConsistent, SyncScope::SingleThread);
    }
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

  SmallVector<Loop *, 8> Innermost, Worthy;
  for (Loop *L : LI.getLoopsInPreorder())
    if (L->isInnermost())
      Innermost.push_back(L);
  bool Changed = false, Versioned = false;
  uint64_t Worth = 0;
  for (Loop *L : Innermost) {
    Changed |= simplifyLoop(L, &DT, &LI, &SE, &AC, nullptr, false);
    Changed |= formLCSSA(*L, DT, &LI, &SE);
    if (uint64_t Own = worth(LoopBounds(Memories, F, *L, SE), DT)) {
      Worth += Own;
      Worthy.push_back(L);
    }
  }
  if (Worth * MostOfFunction >= F.getInstructionCount())
    // Each is proved anew: what is known of it goes as another is split.
    for (Loop *L : Worthy) {
      Changed = true;
      if (Versioner(LoopBounds(Memories, F, *L, SE), LI, DT).run()) {
        SE.forgetAllLoops();
        Versioned = true;
      }
    }
  if (!Versioned)
    return Changed ? PreservedAnalyses::none() : PreservedAnalyses::all();
  F.addFnAttr(VersionedMark);
  FAM.invalidate(F, PreservedAnalyses::none());
  Then.run(F, FAM);
  return PreservedAnalyses::none();
}

} // namespace wasm2so
