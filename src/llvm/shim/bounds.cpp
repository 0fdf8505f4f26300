// Proves the accesses of a loop in bounds, as far as a check before it can.

#include "bounds.h"

#include "llvm/IR/DataLayout.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"

using namespace llvm;

namespace wasm2so {

namespace {

// Larger loops gain little, and their clones cost much.
constexpr unsigned MostVersioned = 400;
constexpr unsigned MostChecks = 12;
// Checks for fewer iterations, or for so few that go through fewer bytes access by
// access, would cost more than they save.
constexpr uint64_t FewestIterations = 4;
constexpr uint64_t FewestBytes = 16;

// An address of so many bits that wraps lies beyond the end of its memory. One of
// fewer bits starts again within it.
constexpr unsigned AddressBits = 32;
// Bounds that keep sums of addresses in 64 bits from wrapping.
constexpr unsigned InvariantBits = 40;
constexpr uint64_t LargestStep = 1 << 30;
constexpr uint64_t LargestFactor = 1 << 16;
constexpr unsigned MostSequences = 2;
// What is not affine must not range over more than that, or the check would
// hardly ever succeed.
constexpr uint64_t LargestRange = 1 << 20;

// The number that the constant address `Pointer` is.
const ConstantInt *addressNumber(const Value *Pointer) {
  auto *Cast = dyn_cast<ConstantExpr>(Pointer);
  bool IsNumber = Cast && Cast->getOpcode() == Instruction::IntToPtr;
  return IsNumber ? dyn_cast<ConstantInt>(Cast->getOperand(0)) : nullptr;
}

// A constant that is part of the sum `S`, or of where the sequences of outer
// loops start that are.
const SCEVConstant *constantPart(const SCEV *S) {
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

} // namespace

bool LoopBounds::scan() {
  if (!L.isLoopSimplifyForm() || !L.isInnermost())
    return false;
  for (BasicBlock *BB : L.blocks()) {
    for (Instruction &I : *BB) {
      if (++Instructions > MostVersioned)
        return false;
      Stores |= isa<StoreInst>(I);
      if (isa<LoadInst, StoreInst>(I)) {
        Type *Accessed = getLoadStoreType(&I);
        Vectors |= Accessed->isVectorTy();
        Widest = std::max<uint64_t>(Widest, F.getDataLayout().getTypeStoreSize(Accessed));
      }
      auto *Call = dyn_cast<CallBase>(&I);
      if (Call ? !isa<IntrinsicInst>(Call) || Call->mayReadOrWriteMemory()
               : I.isFenceLike() || isa<AtomicRMWInst, AtomicCmpXchgInst>(I))
        return false;
    }
  }
  return true;
}

bool LoopBounds::prove() {
  if (!Promising || !countIterations())
    return false;
  for (PHINode &Phi : L.getHeader()->phis())
    if (auto Counter = FloatCounter::of(Phi, L)) {
      auto *Turns = dyn_cast<SCEVConstant>(Backedges);
      if (Turns && Turns->getAPInt().ugt(Counter->MostTurns))
        continue;
      if (!Turns)
        demand(Backedges, number(Counter->MostTurns));
      Counters.insert({&Phi, *Counter});
    }
  for (BasicBlock *BB : L.blocks())
    for (Instruction &I : *BB)
      if (I.isVolatile() && !proveAccess(I))
        return false;
  return !Accesses.empty() && Ends.size() + AtMost.size() + AtLeast.size() <= MostChecks;
}

// A loop that may end early and stores nothing searches, and mostly ends soon.
bool LoopBounds::countIterations() {
  // What is cached of a count does not tell its predicates again.
  SE.forgetLoop(&L);
  const SCEV *Count = Stores ? SE.getPredicatedSymbolicMaxBackedgeTakenCount(&L, Predicates)
                             : SE.getPredicatedBackedgeTakenCount(&L, Predicates);
  // Among other loops this finds many that do not get faster: a fourth more code for
  // zstd.
  if (isa<SCEVCouldNotCompute>(Count))
    Count = Vectors ? countUpTo() : nullptr;
  if (!Count || SE.getTypeSizeInBits(Count->getType()) > 64)
    return false;
  uint64_t Fewest = std::max(FewestIterations, FewestBytes / Widest) - 1;
  if (auto *Constant = dyn_cast<SCEVConstant>(Count))
    if (Constant->getAPInt().ult(Fewest))
      return false;
  Backedges = SE.getNoopOrZeroExtend(Count, I64);
  if (!isa<SCEVConstant>(Count))
    demand(number(Fewest), Backedges);
  if (SE.getTypeSizeInBits(Count->getType()) > 32)
    demand(Backedges, number(UINT32_MAX));
  return true;
}

// The count of a loop that goes on while a sequence is less than a limit, if it does
// not wrap before: scalar evolution knows only those whose sequences cannot.
const SCEV *LoopBounds::countUpTo() {
  auto *Jump = dyn_cast<BranchInst>(L.getLoopLatch()->getTerminator());
  if (!Jump || !Jump->isConditional() || L.getExitingBlock() != L.getLoopLatch())
    return nullptr;
  auto *Test = dyn_cast<ICmpInst>(Jump->getCondition());
  if (!Test || !Test->getOperand(0)->getType()->isIntegerTy(32))
    return nullptr;
  auto Predicate = L.contains(Jump->getSuccessor(0)) ? Test->getPredicate()
                                                     : Test->getInversePredicate();
  const SCEV *Left = SE.getSCEV(Test->getOperand(0)), *Limit = SE.getSCEV(Test->getOperand(1));
  if (SE.isLoopInvariant(Left, &L)) {
    std::swap(Left, Limit);
    Predicate = ICmpInst::getSwappedPredicate(Predicate);
  }
  auto *Sequence = dyn_cast<SCEVAddRecExpr>(Left);
  if (!Sequence || Sequence->getLoop() != &L || !Sequence->isAffine() ||
      !SE.isLoopInvariant(Limit, &L) ||
      (Predicate != ICmpInst::ICMP_ULT && Predicate != ICmpInst::ICMP_SLT))
    return nullptr;
  auto *Step = dyn_cast<SCEVConstant>(Sequence->getStepRecurrence(SE));
  if (!Step || !Step->getAPInt().isStrictlyPositive() || Step->getAPInt().ugt(LargestStep))
    return nullptr;
  // Both from 0 on, in 64 bits.
  auto Widen = [&](const SCEV *S) {
    return Predicate == ICmpInst::ICMP_ULT
               ? SE.getZeroExtendExpr(S, I64)
               : SE.getAddExpr(SE.getSignExtendExpr(S, I64), number(uint64_t(1) << 31));
  };
  const SCEV *First = Widen(Sequence->getStart()), *End = Widen(Limit);
  uint64_t Size = Step->getAPInt().getZExtValue();
  demand(End, number((uint64_t(1) << 32) - Size));
  Counted = true;
  const SCEV *Way = SE.getMinusSCEV(SE.getUMaxExpr(First, End), First);
  return SE.getUDivExpr(SE.getAddExpr(Way, number(Size - 1)), number(Size));
}

// Has the check demand that `Less` is no greater than `More`.
void LoopBounds::demand(const SCEV *Less, const SCEV *More) {
  if (auto *Constant = dyn_cast<SCEVConstant>(Less)) {
    uint64_t &Least = AtLeast[More];
    Least = std::max(Least, Constant->getAPInt().getZExtValue());
  } else {
    AtMost.insert({Less, More});
  }
}

bool LoopBounds::proveAccess(Instruction &I) {
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

void LoopBounds::addEnd(uint64_t Memory, const SCEV *End) {
  if (auto *Whole = dyn_cast<SCEVConstant>(End))
    if (Whole->getAPInt().ule(Memories.minimums[Memory]))
      return;
  auto [Variable, Constant] = splitSum(End, SE);
  int64_t &Largest = Ends.try_emplace({Memory, Variable}, Constant).first->second;
  Largest = std::max(Largest, Constant);
}

std::pair<const SCEV *, int64_t> splitSum(const SCEV *S, ScalarEvolution &SE) {
  auto *Sum = dyn_cast<SCEVAddExpr>(S);
  auto *Constant = dyn_cast<SCEVConstant>(Sum ? Sum->getOperand(0) : S);
  if (!Constant)
    return {S, 0};
  return {SE.getMinusSCEV(S, Constant), Constant->getAPInt().getSExtValue()};
}

// The linear memory that starts at `Root`.
std::optional<uint64_t> LoopBounds::memory(const Value *Root) const {
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

std::optional<Span> LoopBounds::span(const SCEV *S) {
  if (SE.isLoopInvariant(S, &L))
    return invariant(S);
  if (auto *Wider = dyn_cast<SCEVZeroExtendExpr>(S))
    return span(Wider->getOperand());
  // The shift and the mask of a position of which some bits are behind the point.
  if (auto *Part = dyn_cast<SCEVTruncateExpr>(S)) {
    const SCEV *Whole = Part->getOperand();
    if (SE.getUnsignedRangeMax(Whole).getActiveBits() <= SE.getTypeSizeInBits(S->getType()))
      if (std::optional<Span> Found = span(Whole))
        return Found;
  }
  if (SE.getTypeSizeInBits(S->getType()) < AddressBits)
    return range(S);
  std::optional<Span> Found;
  if (auto *Sequence = dyn_cast<SCEVAddRecExpr>(S)) {
    if (Sequence->getLoop() == &L)
      Found = sequence(*Sequence);
  } else if (auto *Sum = dyn_cast<SCEVAddExpr>(S)) {
    Found = sum(*Sum);
  } else if (auto *Product = dyn_cast<SCEVMulExpr>(S)) {
    Found = product(*Product);
  } else if (auto *Quotient = dyn_cast<SCEVUDivExpr>(S)) {
    Found = quotient(*Quotient);
  } else if (auto *Least = dyn_cast<SCEVMinMaxExpr>(S)) {
    Found = minimum(*Least);
  } else if (auto *Unknown = dyn_cast<SCEVUnknown>(S)) {
    if (auto *Result = dyn_cast<IntrinsicInst>(Unknown->getValue()))
      Found = height(*Result);
  }
  return Found ? Found : range(S);
}

// The number `S`, of which no more is known.
Span LoopBounds::bent(const SCEV *S, const SCEV *Least, const SCEV *Most) {
  return {number(0), number(0), SE.getNoopOrZeroExtend(S, I64), Least, Most};
}

// All that is known of `S` are the values that it can take.
std::optional<Span> LoopBounds::range(const SCEV *S) {
  APInt Most = SE.getUnsignedRangeMax(S);
  if (Most.ugt(LargestRange))
    return std::nullopt;
  return bent(S, number(0), number(Most.getZExtValue()));
}

std::optional<Span> LoopBounds::invariant(const SCEV *S) {
  const SCEV *Wide = widen(S);
  if (!Wide)
    return std::nullopt;
  return Span{Wide, number(0), number(0), Wide, Wide};
}

// The invariant `S` in 64 bits. A constant in a narrower sum is added in 64
// bits, so that it can be seen how far apart two addresses are: the sum does
// not wrap if it is in bounds, for which a negative constant must be seen to.
const SCEV *LoopBounds::widen(const SCEV *S) {
  unsigned Bits = SE.getTypeSizeInBits(S->getType());
  if (Bits < AddressBits)
    return SE.getZeroExtendExpr(S, I64);
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
    demand(SE.getConstant(-Value), Rest);
  return SE.getAddExpr(Rest, SE.getConstant(Value));
}

std::optional<Span> LoopBounds::sequence(const SCEVAddRecExpr &S) {
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
      const SCEV *Way = SE.getMulExpr(SE.getConstant(-Value), Backedges);
      demand(Way, Start);
      return Span{Start, Step, number(0), SE.getMinusSCEV(Start, Way), Start};
    }
  } else {
    if (SE.getTypeSizeInBits(Step->getType()) > 64)
      return std::nullopt;
    Step = SE.getNoopOrZeroExtend(Step, I64);
    demand(Step, number(LargestStep));
  }
  const SCEV *End = SE.getAddExpr(Start, SE.getMulExpr(Step, Backedges));
  return Span{Start, Step, number(0), Start, End};
}

std::optional<Span> LoopBounds::sum(const SCEVAddExpr &S) {
  SmallVector<const SCEV *, 4> Same;
  copy_if(S.operands(), std::back_inserter(Same),
          [&](const SCEV *Operand) { return SE.isLoopInvariant(Operand, &L); });
  std::optional<Span> Sum = invariant(Same.empty() ? number(0) : SE.getAddExpr(Same));
  unsigned Sequences = 0;
  for (const SCEV *Operand : S.operands()) {
    if (!Sum || SE.isLoopInvariant(Operand, &L))
      continue;
    std::optional<Span> Part = span(Operand);
    if (!Part || (!Part->Step->isZero() && ++Sequences > MostSequences))
      return std::nullopt;
    Sum = {SE.getAddExpr(Sum->Start, Part->Start), SE.getAddExpr(Sum->Step, Part->Step),
           SE.getAddExpr(Sum->Rest, Part->Rest), SE.getAddExpr(Sum->Least, Part->Least),
           SE.getAddExpr(Sum->Most, Part->Most)};
  }
  return Sum;
}

std::optional<Span> LoopBounds::product(const SCEVMulExpr &S) {
  auto *Factor = dyn_cast<SCEVConstant>(S.getOperand(0));
  if (S.getNumOperands() != 2 || !Factor || Factor->getAPInt().ugt(LargestFactor))
    return std::nullopt;
  std::optional<Span> Part = span(S.getOperand(1));
  if (!Part)
    return std::nullopt;
  // Else the product might wrap.
  uint64_t Largest = SE.getUnsignedRangeMax(Part->Most).getLimitedValue(UINT32_MAX);
  if (Largest * Factor->getAPInt().getZExtValue() > UINT32_MAX)
    demand(Part->Most, number(UINT32_MAX));
  const SCEV *Times = number(Factor->getAPInt().getZExtValue());
  return Span{SE.getMulExpr(Part->Start, Times), SE.getMulExpr(Part->Step, Times),
              SE.getMulExpr(Part->Rest, Times), SE.getMulExpr(Part->Least, Times),
              SE.getMulExpr(Part->Most, Times)};
}

// As of a position of which some bits are behind the point.
std::optional<Span> LoopBounds::quotient(const SCEVUDivExpr &S) {
  auto *Divisor = dyn_cast<SCEVConstant>(S.getRHS());
  if (!Divisor || Divisor->isZero())
    return std::nullopt;
  std::optional<Span> Part = span(S.getLHS());
  if (!Part)
    return std::nullopt;
  const SCEV *By = number(Divisor->getAPInt().getZExtValue());
  const SCEV *Largest = number(SE.getUnsignedRangeMax(&S).getZExtValue());
  // If the dividend wraps it is less than it seems.
  return bent(&S, number(0), SE.getUMinExpr(SE.getUDivExpr(Part->Most, By), Largest));
}

// As of a place that is kept within an array.
std::optional<Span> LoopBounds::minimum(const SCEVMinMaxExpr &S) {
  bool Signed = isa<SCEVSMinExpr>(S);
  if (!(Signed || isa<SCEVUMinExpr>(S)) || SE.getTypeSizeInBits(S.getType()) != AddressBits)
    return std::nullopt;
  const SCEV *Most = nullptr;
  for (const SCEV *Operand : S.operands()) {
    bool Varies = !SE.isLoopInvariant(Operand, &L);
    if (Varies && (!Signed || SE.isKnownNonNegative(Operand)))
      continue;
    std::optional<Span> Part = span(Operand);
    if (!Part)
      return std::nullopt;
    // Else it might be negative, and the least.
    if (Signed)
      demand(Part->Most, number(INT32_MAX));
    if (!Most || !Varies)
      Most = Part->Most;
  }
  return Most ? std::optional<Span>(bent(&S, number(0), Most)) : std::nullopt;
}

// What is converted from a floating-point number that climbs.
std::optional<Span> LoopBounds::height(IntrinsicInst &Result) {
  std::optional<Climb> By = Climb::to(Result, L);
  if (!By)
    return std::nullopt;
  const SCEV *First, *Step;
  if (auto *Phi = dyn_cast<PHINode>(By->Leaf)) {
    auto Found = Counters.find(Phi);
    if (Found == Counters.end())
      return std::nullopt;
    First = number(Found->second.Start);
    Step = number(Found->second.Step);
  } else {
    std::optional<Span> Counter = span(SE.getSCEV(By->Leaf->getOperand(0)));
    if (!Counter || !Counter->straight())
      return std::nullopt;
    // Else it might wrap or be negative.
    demand(Counter->Most, number(INT32_MAX));
    First = Counter->Start;
    Step = Counter->Step;
  }
  const SCEV *Last = SE.getAddExpr(First, SE.getMulExpr(Step, Backedges));
  Heights.insert({&Result, {*By, First, Last}});
  const SCEV *Itself = SE.getSCEV(&Result);
  return bent(Itself, number(0), SE.getZeroExtendExpr(Itself, I64));
}

} // namespace wasm2so
