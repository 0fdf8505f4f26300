// Products of 128 bits. wasm has no instruction for them, so compilers and libraries
// put them together of four products of halves: `__multi3`, which each product of C's
// `__int128` and Rust's `u128` is a call of, hash functions, arithmetic on large
// numbers. x86 has one instruction.
//
// With x = 2^32 h + l and y = 2^32 k + m, the product is
//
//   2^64 hk + 2^32 (lk + hm) + lm
//
// and its upper half hk plus what is carried out of the rest, for which there are
// three ways (see `Product`). The terms of that may be among others of a sum.

#include "multiplying.h"

#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/IR/ValueHandle.h"
#include "llvm/Transforms/Utils/Local.h"

#include <array>

using namespace llvm;
using namespace llvm::PatternMatch;

namespace wasm2so {

namespace {

constexpr unsigned Half = 32;
constexpr uint64_t Carry = uint64_t(1) << Half;

// How far sums are looked into.
constexpr unsigned MostDepth = 8;

// The number of whose lower half `V` consists, or null.
Value *lowHalfOf(Value *V) {
  Value *Whole;
  if (match(V, m_And(m_Value(Whole), m_SpecificInt(UINT32_MAX))))
    return Whole;
  if (match(V, m_ZExt(m_Trunc(m_Value(Whole)))) && Whole->getType() == V->getType() &&
      cast<User>(V)->getOperand(0)->getType()->isIntegerTy(Half))
    return Whole;
  return nullptr;
}

// The number of whose upper half `V` consists, or null.
Value *highHalfOf(Value *V) {
  Value *Whole;
  return match(V, m_LShr(m_Value(Whole), m_SpecificInt(Half))) ? Whole : nullptr;
}

// Whether `V` is the sum of `A` and `B`.
bool isSum(Value *V, Value *&A, Value *&B) {
  if (match(V, m_Add(m_Value(A), m_Value(B))))
    return true;
  return match(V, m_Or(m_Value(A), m_Value(B))) &&
         haveNoCommonBitsSet(A, B, SimplifyQuery(cast<Instruction>(V)->getDataLayout()));
}

// Appends the terms of the sum `V`: a sum that others use too is a term.
void termsOf(Value *V, SmallVectorImpl<Value *> &Terms, unsigned Depth = 0) {
  Value *A, *B;
  if (Depth > MostDepth || (Depth && !V->hasOneUse()) || !isSum(V, A, B)) {
    Terms.push_back(V);
    return;
  }
  termsOf(A, Terms, Depth + 1);
  termsOf(B, Terms, Depth + 1);
}

// A sum of what a product consists of, modulo 2^64: how many times each.
enum Part { LowLow, LowHigh, HighLow, Carried, Parts };
using Sum = std::array<uint64_t, Parts>;

Sum operator+(Sum A, const Sum &B) {
  for (unsigned I = 0; I < Parts; ++I)
    A[I] += B[I];
  return A;
}

// A comparison that tells whether a sum, the first, carries: it is less than one of what
// was added.
struct Overflow {
  Value *Term;
  Sum Total, Added;
};

// The product of two 64-bit numbers, and what computes it from their halves.
class Product {
  Value *X, *Y;
  // Of both upper halves, and of both lower halves once that was seen.
  Value *HighHigh;
  Instruction *Lowest = nullptr;

public:
  Product(Value *X, Value *Y, Value *HighHigh) : X(X), Y(Y), HighHigh(HighHigh) {}

  // Those of `Terms` that together are the upper half, or none.
  SmallVector<Value *, 6> upperHalf(ArrayRef<Value *> Terms) {
    SmallVector<Value *, 6> Found = addedWithoutCarry(Terms);
    if (Found.empty())
      Found = addedWithCarries(Terms);
    if (Found.empty() || !Lowest)
      return {};
    Found.push_back(HighHigh);
    return Found;
  }

  // Computes it all, where the product of the lower halves is, and returns the upper
  // half. What is the lower half becomes that. Null if that is not before `Root`.
  Value *compute(Instruction *Root, const DominatorTree &DT) {
    if (!DT.dominates(Lowest, Root))
      return nullptr;
    IRBuilder<> B(Lowest);
    Type *Wide = B.getInt128Ty();
    Value *All = B.CreateMul(B.CreateZExt(X, Wide), B.CreateZExt(Y, Wide));
    Value *Low = B.CreateTrunc(All, X->getType());
    for (Instruction *Old : lowerHalves())
      if (DT.dominates(cast<Instruction>(Low), Old))
        Old->replaceAllUsesWith(Low);
    return B.CreateTrunc(B.CreateLShr(All, 2 * Half), X->getType());
  }

private:
  // Which one of the products of halves `V` is.
  std::optional<Part> part(Value *V) {
    Value *A, *B;
    if (!match(V, m_Mul(m_Value(A), m_Value(B))))
      return std::nullopt;
    for (int Swapped = 0; Swapped < 2; ++Swapped, std::swap(A, B)) {
      bool Low[] = {lowHalfOf(A) == X, lowHalfOf(B) == Y};
      if (Low[0] && Low[1]) {
        Lowest = cast<Instruction>(V);
        return LowLow;
      }
      if (Low[0] && highHalfOf(B) == Y)
        return LowHigh;
      if (Low[1] && highHalfOf(A) == X)
        return HighLow;
    }
    return std::nullopt;
  }

  // So many times one part. Of a square both in the middle are the same.
  Sum times(uint64_t Count, Part P) const {
    Sum S{};
    S[P == HighLow && X == Y ? LowHigh : P] = Count;
    return S;
  }

  // What there are of `V` when it is taken so many times.
  std::optional<Sum> sum(Value *V, uint64_t Count = 1, unsigned Depth = 0) {
    if (auto P = part(V))
      return times(Count, *P);
    if (Depth > MostDepth)
      return std::nullopt;
    Value *A, *B;
    if (isSum(V, A, B)) {
      auto First = sum(A, Count, Depth + 1);
      auto Second = First ? sum(B, Count, Depth + 1) : std::nullopt;
      return Second ? std::optional(*First + *Second) : std::nullopt;
    }
    uint64_t Shift;
    if (match(V, m_Shl(m_Value(A), m_ConstantInt(Shift))) && Shift < 2 * Half)
      return sum(A, Count << Shift, Depth + 1);
    if (Value *Whole = highHalfOf(V); Whole && part(Whole) == LowLow)
      return times(Count, Carried);
    if (Value *Whole = lowHalfOf(V)) {
      // Above the half, it makes no difference modulo 2^64.
      if (Count % Carry == 0)
        return sum(Whole, Count, Depth + 1);
      if (part(Whole) == LowLow)
        return times(Count, LowLow) + times(-Count * Carry, Carried);
    }
    return std::nullopt;
  }

  Sum all() const {
    return times(1, LowLow) + times(Carry, LowHigh) + times(Carry, HighLow);
  }

  // A sum whose upper half is carried, while its lower half goes into another: halves
  // alone, or one product and at most two, so that it never carries itself.
  struct Step {
    Value *Term, *Total;
    SmallVector<Value *, 2> Halves;
    Sum Rest{};
  };

  bool isStep(Value *V, Step &S, unsigned &Whole, unsigned Depth = 0) {
    Value *A, *B;
    if (Depth < 2 && isSum(V, A, B))
      return isStep(A, S, Whole, Depth + 1) && isStep(B, S, Whole, Depth + 1);
    if (auto P = part(V); P && P != LowLow) {
      S.Rest = S.Rest + times(1, *P);
      return ++Whole == 1;
    }
    if (Value *Of = highHalfOf(V); Of && part(Of) == LowLow) {
      S.Rest = S.Rest + times(1, Carried);
      return true;
    }
    if (Value *Of = lowHalfOf(V)) {
      S.Halves.push_back(Of);
      return true;
    }
    return false;
  }

  // The first way: (lk + hm + (lm >> 32)) >> 32, in sums that cannot carry. The lower
  // half of each goes into another, but for the last.
  SmallVector<Value *, 6> addedWithoutCarry(ArrayRef<Value *> Terms) {
    SmallVector<Step, 3> Steps;
    for (Value *Term : Terms) {
      Step S;
      unsigned Whole = 0;
      S.Term = Term;
      S.Total = highHalfOf(Term);
      if (S.Total && isStep(S.Total, S, Whole) &&
          (!Whole || S.Halves.size() + S.Rest[Carried] <= 2))
        Steps.push_back(std::move(S));
    }
    Sum Total{};
    SmallVector<Value *, 6> Found;
    SmallVector<Value *, 4> Halves;
    for (const Step &S : Steps) {
      Total = Total + S.Rest;
      Found.push_back(S.Term);
      append_range(Halves, S.Halves);
    }
    unsigned Last = 0;
    for (const Step &S : Steps) {
      auto Uses = count(Halves, S.Total);
      if (Uses > 1)
        return {};
      Last += !Uses;
    }
    bool Complete = Total == times(1, LowHigh) + times(1, HighLow) + times(1, Carried);
    if (!Complete || Last != 1 || Halves.size() + 1 != Steps.size())
      return {};
    return Found;
  }

  // Whether a comparison, which may be extended, is such an `Overflow`.
  std::optional<Overflow> overflow(Value *Term, Value *Condition) {
    Value *Less, *More;
    CmpPredicate Is;
    while (match(Condition, m_ZExt(m_Value(Less))))
      Condition = Less;
    if (!match(Condition, m_ICmp(Is, m_Value(Less), m_Value(More))))
      return std::nullopt;
    if (Is == ICmpInst::ICMP_UGT)
      std::swap(Less, More);
    else if (Is != ICmpInst::ICMP_ULT)
      return std::nullopt;
    auto Total = sum(Less), Added = Total ? sum(More) : std::nullopt;
    if (!Added)
      return std::nullopt;
    return Overflow{Term, *Total, *Added};
  }

  // The second and third way, in sums that carry:
  // (lk >> 32) + (hm >> 32) and the carries of lm + 2^32 lk and of that + 2^32 hm, or
  // (lk + hm) >> 32, 2^32 times the carry of that and the one of lm + 2^32 (lk + hm).
  SmallVector<Value *, 6> addedWithCarries(ArrayRef<Value *> Terms) {
    SmallVector<std::pair<Value *, Sum>, 4> Shifted;
    SmallVector<Overflow, 4> Ones, Halves;
    for (Value *Term : Terms) {
      Value *Of = highHalfOf(Term), *Condition;
      if (Of) {
        if (auto Total = sum(Of))
          Shifted.push_back({Term, *Total});
      } else if (match(Term, m_Shl(m_ZExt(m_Value(Condition)), m_SpecificInt(Half))) ||
                 match(Term, m_Select(m_Value(Condition), m_SpecificInt(Carry), m_Zero()))) {
        if (auto Over = overflow(Term, Condition))
          Halves.push_back(*Over);
      } else if (match(Term, m_ZExt(m_Value(Condition)))) {
        if (auto Over = overflow(Term, Condition))
          Ones.push_back(*Over);
      }
    }
    auto carry = [](ArrayRef<Overflow> Of, const Sum &A, const Sum &B) -> Value * {
      for (const Overflow &Over : Of)
        if (Over.Total == A + B && (Over.Added == A || Over.Added == B))
          return Over.Term;
      return nullptr;
    };
    auto shifted = [&](const Sum &S, Value *But = nullptr) -> Value * {
      for (auto &[Term, Total] : Shifted)
        if (Total == S && Term != But)
          return Term;
      return nullptr;
    };

    const Sum Middle[] = {times(1, LowHigh), times(1, HighLow)};
    const Sum High[] = {times(Carry, LowHigh), times(Carry, HighLow)};
    const Sum Lower = times(1, LowLow);
    SmallVector<Value *, 6> Found = {shifted(Middle[0] + Middle[1]),
                                     carry(Halves, Middle[0], Middle[1]),
                                     carry(Ones, Lower, High[0] + High[1])};
    if (!is_contained(Found, nullptr))
      return Found;
    Value *First = shifted(Middle[0]), *Second = shifted(Middle[1], First);
    for (int I = 0; I < 2; ++I) {
      Found = {First, Second, carry(Ones, Lower, High[I]),
               carry(Ones, Lower + High[I], High[1 - I])};
      if (!is_contained(Found, nullptr))
        return Found;
    }
    return {};
  }

  // What adds up to the lower half: a sum of the product of the lower halves or of its
  // lower half, or a sum of that.
  SmallVector<Instruction *, 4> lowerHalves() {
    SmallVector<Instruction *, 4> Found;
    SmallVector<std::pair<Value *, unsigned>, 8> Work = {{Lowest, 0}};
    while (!Work.empty()) {
      auto [V, Depth] = Work.pop_back_val();
      for (User *U : V->users()) {
        Value *A, *B;
        bool Added = isSum(U, A, B);
        if (Added && sum(U) == all())
          Found.push_back(cast<Instruction>(U));
        else if (isa<TruncInst, ZExtInst>(U))
          Work.push_back({U, Depth});
        else if (Depth == 0 && (Added || lowHalfOf(U) == V))
          Work.push_back({U, 1});
      }
    }
    for (User *U : X->users())
      if (match(U, m_c_Mul(m_Specific(X), m_Specific(Y))))
        Found.push_back(cast<Instruction>(U));
    return Found;
  }
};

// The sum that `V` is a term of.
Instruction *sumWith(Instruction *V) {
  Value *A, *B;
  while (V->hasOneUse() && isSum(V->user_back(), A, B))
    V = V->user_back();
  return V;
}

// Computes at once the product whose upper halves' product is `HighHigh`, if it is one.
bool replace(Instruction *HighHigh, FunctionAnalysisManager &FAM) {
  Value *X = highHalfOf(HighHigh->getOperand(0)), *Y = highHalfOf(HighHigh->getOperand(1));
  if (isa<Constant>(X) || isa<Constant>(Y))
    return false;
  Instruction *Root = sumWith(HighHigh);
  SmallVector<Value *, 8> Terms;
  termsOf(Root, Terms);
  Product P(X, Y, HighHigh);
  SmallVector<Value *, 6> Upper = P.upperHalf(Terms);
  if (Upper.empty())
    return false;
  Value *Total = P.compute(Root, FAM.getResult<DominatorTreeAnalysis>(*Root->getFunction()));
  if (!Total)
    return false;

  IRBuilder<> B(Root);
  for (Value *Term : Terms) {
    auto Found = find(Upper, Term);
    if (Found == Upper.end())
      Total = B.CreateAdd(Total, Term);
    else
      Upper.erase(Found);
  }
  Root->replaceAllUsesWith(Total);
  RecursivelyDeleteTriviallyDeadInstructions(Root);
  return true;
}

} // namespace

PreservedAnalyses WideMultiply::run(Function &F, FunctionAnalysisManager &FAM) {
  SmallVector<WeakVH, 8> Found;
  for (Instruction &I : instructions(F))
    if (I.getType()->isIntegerTy(2 * Half) && I.getOpcode() == Instruction::Mul &&
        highHalfOf(I.getOperand(0)) && highHalfOf(I.getOperand(1)))
      Found.push_back(&I);
  bool Changed = false;
  for (WeakVH &HighHigh : Found)
    if (HighHigh)
      Changed |= replace(cast<Instruction>(HighHigh), FAM);
  if (!Changed)
    return PreservedAnalyses::all();
  PreservedAnalyses Preserved;
  Preserved.preserveSet<CFGAnalyses>();
  return Preserved;
}

} // namespace wasm2so
