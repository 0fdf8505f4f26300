// Builds the check before a loop, of what its bounds demand.

#include "checks.h"

using namespace llvm;

namespace wasm2so {

namespace {

// Stretches of memory that are compared with each other.
constexpr unsigned MostPairs = 6;

// The stretch of the memory at `Root` that starts with `First` plus the least
// `Constant`, and ends before the greatest of `Ends`: of sums by their variable parts
// and of the largest constant parts.
struct Stretch {
  Value *Root;
  const SCEV *First;
  int64_t Constant;
  SmallMapVector<const SCEV *, int64_t, 4> Ends;
};

class Checker {
  const LoopBounds &Bounds;
  ScalarEvolution &SE;
  Type *I64;
  Instruction *Place;
  SCEVExpander Expander;
  IRBuilder<> B;
  Value *Holds;
  bool Computable = true;
  // The highest value of each number that climbs.
  ValueToSCEVMapTy Heights;
  DenseMap<uint64_t, Value *> Lengths;

public:
  explicit Checker(const LoopBounds &Bounds)
      : Bounds(Bounds), SE(Bounds.SE), I64(Bounds.I64),
        Place(Bounds.L.getLoopPreheader()->getTerminator()), Expander(SE, "bounds"), B(Place),
        Holds(B.getTrue()) {
    B.SetCurrentDebugLocation(DebugLoc());
  }

  // What is left of one that cannot be computed is dead code.
  LoopCheck build() {
    for (auto &[Result, Of] : Bounds.Heights)
      climb(*Result, Of);
    for (auto &[Less, More] : Bounds.AtMost)
      demandOrder(Less, More);
    for (auto &[More, Least] : Bounds.AtLeast)
      demandOrder(SE.getConstant(I64, Least), More);
    for (auto &[Key, Constant] : Bounds.Ends)
      if (Value *End = compute(sum(Key.second, Constant)))
        demand(B.CreateICmpULE(End, length(Key.first)));
    bool Apart = keepApart();
    for (const Access &A : Bounds.Accesses)
      Computable &= isComputable(A.Offset.Start) && isComputable(A.Offset.Step) &&
                    Expander.isSafeToExpand(A.Offset.Rest);
    Computable &= !Bounds.Counted || isComputable(Bounds.Backedges);
    for (const SCEVPredicate *P : Bounds.Predicates)
      Computable &= canCheck(*P, Bounds.Backedges, SE, Expander, Place);
    if (Computable && !Bounds.Predicates.empty()) {
      SCEVUnionPredicate All(Bounds.Predicates, SE);
      demand(B.CreateNot(Expander.expandCodeForPredicate(&All, Place)));
    }
    return {Computable ? Holds : nullptr, Apart};
  }

private:
  void demand(Value *Condition) { Holds = B.CreateAnd(Holds, Condition); }

  bool isComputable(const SCEV *S) const { return Expander.isSafeToExpandAt(S, Place); }

  // `S`, with the highest values of what climbs; null if it cannot be computed.
  Value *compute(const SCEV *S) {
    if (!Heights.empty())
      S = SCEVParameterRewriter::rewrite(S, SE, Heights);
    if (isComputable(S))
      return Expander.expandCodeFor(S, I64, Place);
    Computable = false;
    return nullptr;
  }

  void demandOrder(const SCEV *Less, const SCEV *More) {
    Value *Smaller = compute(Less), *Larger = compute(More);
    if (Computable)
      demand(B.CreateICmpULE(Smaller, Larger));
  }

  // Finds the highest value of `Result`: at one of its ends, if what it is converted
  // from is a number from 0 to 2^31 at both, and so all the way.
  void climb(IntrinsicInst &Result, const Height &Of) {
    Value *Counts[] = {compute(Of.First), compute(Of.Last)};
    if (!Computable)
      return;
    Value *Ends[] = {Of.By.at(Counts[0], B), Of.By.at(Counts[1], B)};
    for (Value *End : Ends) {
      demand(B.CreateFCmpOGE(End, ConstantFP::get(End->getType(), 0)));
      demand(B.CreateFCmpOLT(End, ConstantFP::get(End->getType(), 0x1p31)));
    }
    Value *Higher = B.CreateSelect(B.CreateFCmpOGT(Ends[0], Ends[1]), Ends[0], Ends[1]);
    Heights[&Result] = SE.getUnknown(B.CreateIntrinsic(
        Intrinsic::fptosi_sat, {Result.getType(), Higher->getType()}, {Higher}));
  }

  // The current size in bytes of memory `Index`.
  Value *length(uint64_t Index) {
    Value *&Length = Lengths[Index];
    if (!Length) {
      const Wasm2soMemories &Memories = Bounds.Memories;
      Value *State = loadPointer(B, Memories.first + Index * Memories.stride + Memories.state);
      Length = B.CreateLoad(
          I64, B.CreateConstInBoundsGEP1_64(B.getInt8Ty(), State, Memories.length));
    }
    return Length;
  }

  // Where the loop stores, or where what it loads at bent places may be.
  SmallVector<Stretch, 4> stretches(bool Stores) const {
    SmallVector<Stretch, 4> Found;
    for (const auto &[I, Root, Offset] : Bounds.Accesses) {
      if (isa<StoreInst>(I) != Stores || (!Stores && Offset.straight()))
        continue;
      auto [First, Least] = splitSum(Offset.Least, SE);
      auto [End, Most] = splitSum(Offset.Most, SE);
      auto Same = find_if(Found, [Root = Root, First = First](const Stretch &S) {
        return S.Root == Root && S.First == First;
      });
      if (Same == Found.end()) {
        Found.push_back({Root, First, Least, {}});
        Same = &Found.back();
      }
      Same->Constant = std::min(Same->Constant, Least);
      Most += SE.getDataLayout().getTypeStoreSize(getLoadStoreType(I));
      int64_t &Largest = Same->Ends.try_emplace(End, Most).first->second;
      Largest = std::max(Largest, Most);
    }
    return Found;
  }

  const SCEV *sum(const SCEV *S, int64_t Constant) {
    return SE.getAddExpr(S, SE.getConstant(I64, Constant, true));
  }

  // Whether `Lower` ends before `Upper` starts; null if that cannot be computed.
  Value *isBefore(const Stretch &Lower, const Stretch &Upper) {
    Value *Start = compute(sum(Upper.First, Upper.Constant)), *Is = B.getTrue();
    for (auto &[End, Constant] : Lower.Ends) {
      Value *Behind = compute(sum(End, Constant));
      if (!Computable)
        return nullptr;
      Is = B.CreateAnd(Is, B.CreateICmpULE(Behind, Start));
    }
    return Is;
  }

  // Whether vectors are faster although what is read at bent places must be put
  // together: x86 gathers 32 bits and more. What is narrower, lane by lane, takes
  // twice as long as without vectors, unless they make the places from floating point.
  bool mayGather() const {
    return !Bounds.Heights.empty() || all_of(Bounds.Accesses, [&](const Access &A) {
      return A.Offset.straight() ||
             SE.getDataLayout().getTypeStoreSize(getLoadStoreType(A.I)) >= 4;
    });
  }

  // Demands that nothing is read at a bent place where the loop stores: what LLVM
  // cannot find out by itself.
  bool keepApart() {
    SmallVector<Stretch, 4> Read = stretches(false), Written = stretches(true);
    if (Read.empty() || Read.size() * Written.size() > MostPairs || !mayGather())
      return false;
    for (const Stretch &One : Read)
      for (const Stretch &Other : Written)
        if (One.Root == Other.Root) {
          Value *Below = isBefore(One, Other), *Above = isBefore(Other, One);
          if (Computable)
            demand(B.CreateOr(Below, Above));
        }
    return true;
  }
};

} // namespace

LoopCheck buildCheck(const LoopBounds &Bounds) { return Checker(Bounds).build(); }

bool canCheck(const SCEVPredicate &P, const SCEV *Backedges, ScalarEvolution &SE,
              SCEVExpander &Expander, Instruction *Place) {
  auto Expands = [&](const SCEV *S) { return Expander.isSafeToExpandAt(S, Place); };
  // The overflow check of a sequence is made of the count, too.
  if (auto *Wrap = dyn_cast<SCEVWrapPredicate>(&P)) {
    const SCEVAddRecExpr *Sequence = Wrap->getExpr();
    return Expands(Backedges) && Expands(Sequence->getStart()) &&
           Expands(Sequence->getStepRecurrence(SE));
  }
  auto *Compare = dyn_cast<SCEVComparePredicate>(&P);
  return Compare && Expands(Compare->getLHS()) && Expands(Compare->getRHS());
}

} // namespace wasm2so
