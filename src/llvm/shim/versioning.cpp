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

#include "versioning.h"

#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"
#include "llvm/Transforms/Utils/ScalarEvolutionExpander.h"

using namespace llvm;

namespace wasm2so {

MDNode *provedScopes(LLVMContext &Context) {
  MDString *Name = MDString::get(Context, "wasm2so.proved");
  MDNode *Domain = MDNode::get(Context, {Name});
  return MDNode::get(Context, {MDNode::get(Context, {Name, Domain})});
}

void takeOffAtomic(Instruction &I) {
  if (auto *Load = dyn_cast<LoadInst>(&I))
    Load->setAtomic(AtomicOrdering::NotAtomic);
  else if (auto *Store = dyn_cast<StoreInst>(&I))
    Store->setAtomic(AtomicOrdering::NotAtomic);
}

namespace {

// Larger loops gain little, and their clones cost much.
constexpr unsigned MostInstructions = 400;
constexpr unsigned MostChecks = 12;
// Checks for so few iterations would cost more than they save.
constexpr unsigned FewIterations = 4;

// Bounds that keep sums of addresses in 64 bits from wrapping.
constexpr unsigned InvariantBits = 40;
constexpr uint64_t LargestStep = 1 << 30;
constexpr uint64_t LargestFactor = 1 << 16;
// What is not affine must not range over more than that, or the check would
// hardly ever succeed.
constexpr uint64_t LargestRange = 1 << 20;

// Values that an unsigned number takes in a loop, in 64 bits and without any
// sum that wraps.
struct Span {
  const SCEV *Start; // in the first iteration
  const SCEV *Step;  // more, or less, in each further one
  const SCEV *Most;  // no value is greater
  bool Exact;        // whether it is `Start + n * Step`; else only `Most` holds
};

// An access and where it goes.
struct Access {
  Instruction *I;
  Value *Root; // of the memory
  Span Offset;
};

// One loop, and what must hold before it for its accesses to be in bounds.
class Versioner {
  const Wasm2soMemories &Memories;
  Function &F;
  Loop &L;
  LoopInfo &LI;
  DominatorTree &DT;
  ScalarEvolution &SE;
  Type *I64;

  const SCEV *Backedges = nullptr; // at most so many are taken, in 64 bits
  SmallVector<const SCEVPredicate *, 4> Predicates;
  SmallSetVector<std::pair<const SCEV *, const SCEV *>, 4> AtMost;
  // By memory and variable part of the end: the largest constant part.
  MapVector<std::pair<uint64_t, const SCEV *>, uint64_t> Ends;
  SmallVector<Access, 16> Accesses;
  bool Stores = false;

public:
  Versioner(const Wasm2soMemories &Memories, Function &F, Loop &L, LoopInfo &LI,
            DominatorTree &DT, ScalarEvolution &SE)
      : Memories(Memories), F(F), L(L), LI(LI), DT(DT), SE(SE),
        I64(Type::getInt64Ty(F.getContext())) {}

  // Whether it did.
  bool run() {
    if (!prove())
      return false;
    Value *Holds = check();
    if (!Holds)
      return false;
    split(Holds);
    relax();
    return true;
  }

private:
  const SCEV *number(uint64_t N) { return SE.getConstant(I64, N); }

  // Whether a check can prove all accesses in bounds; collects what to check.
  bool prove() {
    if (!L.isLoopSimplifyForm() || !L.isInnermost())
      return false;
    unsigned Instructions = 0;
    for (BasicBlock *BB : L.blocks()) {
      for (Instruction &I : *BB) {
        if (++Instructions > MostInstructions)
          return false;
        Stores |= isa<StoreInst>(I);
        auto *Call = dyn_cast<CallBase>(&I);
        if (Call ? !isa<IntrinsicInst>(Call) || Call->mayReadOrWriteMemory()
                 : I.isFenceLike() || isa<AtomicRMWInst, AtomicCmpXchgInst>(I))
          return false;
      }
    }
    if (!countIterations())
      return false;
    for (BasicBlock *BB : L.blocks())
      for (Instruction &I : *BB)
        if (I.isVolatile() && !proveAccess(I))
          return false;
    return !Accesses.empty() && Ends.size() + AtMost.size() <= MostChecks;
  }

  // A loop that may end early and stores nothing searches, and mostly ends soon.
  bool countIterations() {
    const SCEV *Count = Stores ? SE.getPredicatedSymbolicMaxBackedgeTakenCount(&L, Predicates)
                               : SE.getPredicatedBackedgeTakenCount(&L, Predicates);
    if (isa<SCEVCouldNotCompute>(Count) || SE.getTypeSizeInBits(Count->getType()) > 64)
      return false;
    if (auto *Constant = dyn_cast<SCEVConstant>(Count))
      if (Constant->getAPInt().ult(FewIterations))
        return false;
    Backedges = SE.getNoopOrZeroExtend(Count, I64);
    if (SE.getTypeSizeInBits(Count->getType()) > 32)
      AtMost.insert({Backedges, number(UINT32_MAX)});
    return true;
  }

  bool proveAccess(Instruction &I) {
    Value *Pointer = getLoadStorePointerOperand(&I);
    if (!Pointer)
      return false;
    const SCEV *Offset = number(0);
    Value *Root = Pointer;
    while (auto *GEP = dyn_cast<GEPOperator>(Root)) {
      SmallMapVector<Value *, APInt, 4> Variable;
      APInt Constant(64, 0);
      if (!GEP->collectOffset(SE.getDataLayout(), 64, Variable, Constant))
        return false;
      Offset = SE.getAddExpr(Offset, SE.getConstant(Constant));
      for (auto &[Index, Scale] : Variable) {
        if (Index->getType() != I64)
          return false;
        Offset = SE.getAddExpr(Offset, SE.getMulExpr(SE.getSCEV(Index), SE.getConstant(Scale)));
      }
      Root = GEP->getPointerOperand();
    }
    // An address that is constant is one in the memory that starts at null of GS.
    if (auto *Number = addressNumber(Root)) {
      Offset = SE.getAddExpr(Offset, SE.getConstant(I64, Number->getZExtValue()));
      Root = ConstantPointerNull::get(cast<PointerType>(Root->getType()));
    }
    // A field of the instance cannot fault, and stays volatile.
    if (Root == F.getArg(0))
      return isa<SCEVConstant>(Offset);
    std::optional<uint64_t> Memory = memory(Root);
    if (!Memory || !L.isLoopInvariant(Root))
      return false;
    std::optional<Span> Where = span(Offset);
    if (!Where)
      return false;

    uint64_t Size = SE.getDataLayout().getTypeStoreSize(getLoadStoreType(&I));
    addEnd(*Memory, SE.getAddExpr(Where->Most, number(Size)));
    Accesses.push_back({&I, Root, *Where});
    return true;
  }

  // The number that the constant address `Pointer` is.
  static const ConstantInt *addressNumber(const Value *Pointer) {
    auto *Cast = dyn_cast<ConstantExpr>(Pointer);
    bool IsNumber = Cast && Cast->getOpcode() == Instruction::IntToPtr;
    return IsNumber ? dyn_cast<ConstantInt>(Cast->getOperand(0)) : nullptr;
  }

  void addEnd(uint64_t Memory, const SCEV *End) {
    uint64_t Constant = 0;
    if (auto *Whole = dyn_cast<SCEVConstant>(End)) {
      Constant = Whole->getAPInt().getZExtValue();
      if (Constant <= Memories.minimums[Memory])
        return;
      End = number(0);
    } else if (auto *Sum = dyn_cast<SCEVAddExpr>(End)) {
      if (auto *First = dyn_cast<SCEVConstant>(Sum->getOperand(0)))
        if (First->getAPInt().ult(uint64_t(1) << InvariantBits)) {
          Constant = First->getAPInt().getZExtValue();
          End = SE.getMinusSCEV(End, First);
        }
    }
    uint64_t &Largest = Ends[{Memory, End}];
    Largest = std::max(Largest, Constant);
  }

  // The linear memory that starts at `Root`.
  std::optional<uint64_t> memory(const Value *Root) const {
    // The base of memory 0 is in the segment register.
    if (isa<ConstantPointerNull>(Root))
      return Memories.count ? std::optional<uint64_t>(0) : std::nullopt;
    auto *Load = dyn_cast<LoadInst>(Root);
    if (!Load || !Load->hasMetadata(LLVMContext::MD_invariant_load))
      return std::nullopt;
    APInt Offset(64, 0);
    const Value *Field = Load->getPointerOperand()->stripAndAccumulateConstantOffsets(
        SE.getDataLayout(), Offset, /*AllowNonInbounds=*/true);
    uint64_t Place = Offset.getZExtValue() - Memories.first;
    uint64_t Index = Place / Memories.stride;
    if (Field != F.getArg(0) || Place % Memories.stride || Index >= Memories.count)
      return std::nullopt;
    return Index;
  }

  std::optional<Span> span(const SCEV *S) {
    if (SE.isLoopInvariant(S, &L))
      return invariant(S);
    if (auto *Wider = dyn_cast<SCEVZeroExtendExpr>(S))
      return span(Wider->getOperand());
    if (auto *Sequence = dyn_cast<SCEVAddRecExpr>(S); Sequence && Sequence->getLoop() == &L)
      if (std::optional<Span> Found = sequence(*Sequence))
        return Found;
    if (auto *Sum = dyn_cast<SCEVAddExpr>(S))
      if (std::optional<Span> Found = sum(*Sum))
        return Found;
    if (auto *Product = dyn_cast<SCEVMulExpr>(S))
      if (std::optional<Span> Found = product(*Product))
        return Found;
    APInt Most = SE.getUnsignedRangeMax(S);
    if (Most.ugt(LargestRange))
      return std::nullopt;
    return Span{number(0), number(0), number(Most.getZExtValue()), false};
  }

  std::optional<Span> invariant(const SCEV *S) {
    const SCEV *Wide = widen(S);
    if (!Wide)
      return std::nullopt;
    return Span{Wide, number(0), Wide, true};
  }

  // The invariant `S` in 64 bits. A constant in a narrower sum is added in 64
  // bits, so that it can be seen how far apart two addresses are: the sum does
  // not wrap if it is in bounds, for which a negative constant must be seen to.
  const SCEV *widen(const SCEV *S) {
    unsigned Bits = SE.getTypeSizeInBits(S->getType());
    if (Bits > 64 || SE.getUnsignedRangeMax(S).getActiveBits() > InvariantBits)
      return nullptr;
    if (auto *Constant = dyn_cast<SCEVConstant>(S))
      // What is negative is one that only wrapping brings back.
      return Constant->getAPInt().isNegative() ? nullptr : SE.getNoopOrZeroExtend(S, I64);
    if (auto *Wider = dyn_cast<SCEVZeroExtendExpr>(S))
      return widen(Wider->getOperand());
    const SCEVConstant *Constant = constantPart(S);
    if (!Constant || Bits == 64)
      return SE.getNoopOrZeroExtend(S, I64);
    const SCEV *Rest = SE.getNoopOrZeroExtend(SE.getMinusSCEV(S, Constant), I64);
    APInt Value = Constant->getAPInt().sext(64);
    if (Value.isNegative())
      AtMost.insert({SE.getConstant(-Value), Rest});
    return SE.getAddExpr(Rest, SE.getConstant(Value));
  }

  // A constant that is part of the sum `S`, or of where the sequences of outer
  // loops start that are.
  static const SCEVConstant *constantPart(const SCEV *S) {
    if (auto *Sequence = dyn_cast<SCEVAddRecExpr>(S))
      return constantPart(Sequence->getStart());
    if (auto *Sum = dyn_cast<SCEVAddExpr>(S))
      for (const SCEV *Operand : Sum->operands()) {
        if (auto *Constant = dyn_cast<SCEVConstant>(Operand))
          return Constant;
        if (const SCEVConstant *Part = constantPart(Operand))
          return Part;
      }
    return nullptr;
  }

  std::optional<Span> sequence(const SCEVAddRecExpr &S) {
    if (!S.isAffine())
      return std::nullopt;
    std::optional<Span> First = invariant(S.getStart());
    if (!First)
      return std::nullopt;
    const SCEV *Start = First->Start, *Step = S.getStepRecurrence(SE);
    if (auto *Constant = dyn_cast<SCEVConstant>(Step)) {
      APInt Value = Constant->getAPInt().sextOrTrunc(64);
      if (Value.abs().ugt(LargestStep))
        return std::nullopt;
      Step = SE.getConstant(Value);
      if (Value.isNegative()) {
        AtMost.insert({SE.getMulExpr(SE.getConstant(-Value), Backedges), Start});
        return Span{Start, Step, Start, true};
      }
    } else {
      if (SE.getTypeSizeInBits(Step->getType()) > 64)
        return std::nullopt;
      Step = SE.getNoopOrZeroExtend(Step, I64);
      AtMost.insert({Step, number(LargestStep)});
    }
    return Span{Start, Step, SE.getAddExpr(Start, SE.getMulExpr(Step, Backedges)), true};
  }

  std::optional<Span> sum(const SCEVAddExpr &S) {
    Span Sum{number(0), number(0), number(0), true};
    for (const SCEV *Operand : S.operands()) {
      std::optional<Span> Part = span(Operand);
      if (!Part)
        return std::nullopt;
      Sum = {SE.getAddExpr(Sum.Start, Part->Start), SE.getAddExpr(Sum.Step, Part->Step),
             SE.getAddExpr(Sum.Most, Part->Most), Sum.Exact && Part->Exact};
    }
    return Sum;
  }

  std::optional<Span> product(const SCEVMulExpr &S) {
    auto *Factor = dyn_cast<SCEVConstant>(S.getOperand(0));
    if (S.getNumOperands() != 2 || !Factor || Factor->getAPInt().ugt(LargestFactor))
      return std::nullopt;
    std::optional<Span> Part = span(S.getOperand(1));
    if (!Part)
      return std::nullopt;
    const SCEV *Times = number(Factor->getAPInt().getZExtValue());
    return Span{SE.getMulExpr(Part->Start, Times), SE.getMulExpr(Part->Step, Times),
                SE.getMulExpr(Part->Most, Times), Part->Exact};
  }

  // Computes before the loop whether all accesses are in bounds; null if that
  // cannot be computed there.
  Value *check() {
    Instruction *End = L.getLoopPreheader()->getTerminator();
    SCEVExpander Expander(SE, "bounds");
    auto Expands = [&](const SCEV *S) { return Expander.isSafeToExpandAt(S, End); };
    for (auto &[Less, More] : AtMost)
      if (!Expands(Less) || !Expands(More))
        return nullptr;
    for (auto &[Memory, Largest] : Ends)
      if (!Expands(Memory.second))
        return nullptr;
    for (Access &A : Accesses)
      if (!Expands(A.Offset.Start) || !Expands(A.Offset.Step))
        return nullptr;

    IRBuilder<> B(End);
    B.SetCurrentDebugLocation(DebugLoc());
    Value *Holds = B.getTrue();
    auto Demand = [&](Value *Condition) { Holds = B.CreateAnd(Holds, Condition); };
    for (auto &[Less, More] : AtMost)
      Demand(B.CreateICmpULE(Expander.expandCodeFor(Less, I64, End),
                             Expander.expandCodeFor(More, I64, End)));
    DenseMap<uint64_t, Value *> Lengths;
    for (auto &[Key, Constant] : Ends) {
      Value *&Length = Lengths[Key.first];
      if (!Length)
        Length = loadLength(B, Key.first);
      const SCEV *Whole = SE.getAddExpr(Key.second, number(Constant));
      Demand(B.CreateICmpULE(Expander.expandCodeFor(Whole, I64, End), Length));
    }
    if (!Predicates.empty()) {
      SCEVUnionPredicate All(Predicates, SE);
      Demand(B.CreateNot(Expander.expandCodeForPredicate(&All, End)));
    }
    return Holds;
  }

  // The current size in bytes of memory `Index`.
  Value *loadLength(IRBuilder<> &B, uint64_t Index) {
    uint64_t Field = Memories.first + Index * Memories.stride + Memories.state;
    Value *Address = B.CreateConstInBoundsGEP1_64(B.getInt8Ty(), F.getArg(0), Field);
    LoadInst *State = B.CreateLoad(B.getPtrTy(), Address);
    State->setMetadata(LLVMContext::MD_invariant_load, MDNode::get(F.getContext(), {}));
    Value *Length = B.CreateConstInBoundsGEP1_64(B.getInt8Ty(), State, Memories.length);
    return B.CreateLoad(I64, Length);
  }

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

  // Makes plain accesses of those that are proved.
  void relax() {
    BasicBlock *Header = L.getHeader(), *Preheader = L.getLoopPreheader();
    SCEVExpander Expander(SE, "address");
    IRBuilder<> B(&Header->front());
    B.SetCurrentDebugLocation(DebugLoc());
    PHINode *Turn = B.CreatePHI(I64, 2);
    B.SetInsertPoint(L.getLoopLatch()->getTerminator());
    Value *Next = B.CreateAdd(Turn, B.getInt64(1), "", true, true);
    Turn->addIncoming(B.getInt64(0), Preheader);
    Turn->addIncoming(Next, L.getLoopLatch());

    B.SetInsertPoint(Header, Header->getFirstInsertionPt());
    auto Flags = GEPNoWrapFlags::noUnsignedWrap() | GEPNoWrapFlags::noUnsignedSignedWrap();
    DenseMap<std::tuple<Value *, const SCEV *, const SCEV *>, Value *> Addresses;
    MDNode *Proved = provedScopes(F.getContext());
    for (auto &[I, Root, Offset] : Accesses) {
      I->setMetadata(LLVMContext::MD_alias_scope, Proved);
      takeOffAtomic(*I);
      if (auto *Load = dyn_cast<LoadInst>(I))
        Load->setVolatile(false);
      else
        cast<StoreInst>(I)->setVolatile(false);
      if (!Offset.Exact)
        continue;
      const SCEV *Start = Offset.Start;
      int64_t Constant = 0;
      if (auto *Sum = dyn_cast<SCEVAddExpr>(Start))
        if (auto *First = dyn_cast<SCEVConstant>(Sum->getOperand(0))) {
          Constant = First->getAPInt().getSExtValue();
          Start = SE.getMinusSCEV(Start, First);
        }
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
      I->setOperand(isa<LoadInst>(I) ? 0u : 1u, Final);
    }
    if (!Stores)
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

  SmallVector<Loop *, 8> Innermost;
  for (Loop *L : LI.getLoopsInPreorder())
    if (L->isInnermost())
      Innermost.push_back(L);
  bool Simplified = false, Versioned = false;
  for (Loop *L : Innermost) {
    Simplified |= simplifyLoop(L, &DT, &LI, &SE, &AC, nullptr, false);
    Simplified |= formLCSSA(*L, DT, &LI, &SE);
    if (Versioner(Memories, F, *L, LI, DT, SE).run()) {
      SE.forgetAllLoops();
      Versioned = true;
    }
  }
  if (!Versioned)
    return Simplified ? PreservedAnalyses::none() : PreservedAnalyses::all();
  FAM.invalidate(F, PreservedAnalyses::none());
  Then.run(F, FAM);
  return PreservedAnalyses::none();
}

} // namespace wasm2so
