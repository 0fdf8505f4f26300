// Saturating conversions. LLVM computes what scalars are that are out of range each
// time; x86's conversion answers those with one number that is never or hardly ever
// right, which a branch can see that is never taken. Vectors it takes apart.

#include "conversions.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;

namespace wasm2so {

// The instruction that converts a number of type `From` to a signed integer.
static Intrinsic::ID conversion(const Type *From, bool Wide) {
  if (From->isFloatTy())
    return Wide ? Intrinsic::x86_sse_cvttss2si64 : Intrinsic::x86_sse_cvttss2si;
  return Wide ? Intrinsic::x86_sse2_cvttsd2si64 : Intrinsic::x86_sse2_cvttsd2si;
}

static void speedUp(IntrinsicInst &Exact) {
  Value *Number = Exact.getArgOperand(0);
  Type *From = Number->getType(), *To = Exact.getType();
  bool Signed = Exact.getIntrinsicID() == Intrinsic::fptosi_sat;
  unsigned Bits = To->getScalarSizeInBits();
  // 64 signed bits hold each unsigned number of 32.
  bool Wide = Bits == 64 || !Signed;

  IRBuilder<> B(&Exact);
  Type *Vector = FixedVectorType::get(From, 128 / From->getScalarSizeInBits());
  Value *First = B.CreateInsertElement(PoisonValue::get(Vector), Number, uint64_t(0));
  Value *Fast = B.CreateIntrinsic(conversion(From, Wide), {First});
  Value *Doubtful;
  if (Signed)
    Doubtful = B.CreateICmpEQ(Fast, ConstantInt::get(To, APInt::getSignedMinValue(Bits)));
  else if (Bits == 32)
    Doubtful = B.CreateICmpUGT(Fast, B.getInt64(UINT32_MAX));
  else
    Doubtful = B.CreateICmpSLT(Fast, B.getInt64(0));
  Value *Narrow = B.CreateTrunc(Fast, To);

  BasicBlock *Before = Exact.getParent();
  MDNode *Unlikely = MDBuilder(Exact.getContext()).createUnlikelyBranchWeights();
  Instruction *End = SplitBlockAndInsertIfThen(Doubtful, &Exact, false, Unlikely);
  B.SetInsertPoint(&Exact);
  PHINode *Result = B.CreatePHI(To, 2);
  Exact.replaceAllUsesWith(Result);
  Exact.moveBefore(End->getIterator());
  Result->addIncoming(Narrow, Before);
  Result->addIncoming(&Exact, End->getParent());
}

// Clamps the lanes: what is converted is in range.
static void clamp(IntrinsicInst &Exact) {
  Value *Number = Exact.getArgOperand(0);
  Type *From = Number->getType(), *To = Exact.getType();
  bool Signed = Exact.getIntrinsicID() == Intrinsic::fptosi_sat;
  unsigned Bits = To->getScalarSizeInBits();
  APInt Greatest = Signed ? APInt::getSignedMaxValue(Bits) : APInt::getMaxValue(Bits);
  APInt Least = Signed ? APInt::getSignedMinValue(Bits) : APInt::getZero(Bits);
  APFloat Highest(From->getScalarType()->getFltSemantics()), Lowest = Highest;
  bool Fits = Highest.convertFromAPInt(Greatest, Signed, APFloat::rmTowardZero) == APFloat::opOK;
  Lowest.convertFromAPInt(Least, Signed, APFloat::rmTowardZero);

  IRBuilder<> B(&Exact);
  Constant *High = ConstantFP::get(From, Highest), *Low = ConstantFP::get(From, Lowest);
  // What is no number becomes the lowest.
  Value *Clamped = B.CreateSelect(B.CreateFCmpOGT(Number, Low), Number, Low);
  Clamped = B.CreateSelect(B.CreateFCmpOLT(Clamped, High), Clamped, High);
  Value *Result = Signed ? B.CreateFPToSI(Clamped, To) : B.CreateFPToUI(Clamped, To);
  if (!Fits)
    Result = B.CreateSelect(B.CreateFCmpOGT(Number, High), ConstantInt::get(To, Greatest), Result);
  if (Signed)
    Result = B.CreateSelect(B.CreateFCmpORD(Number, Number), Result, Constant::getNullValue(To));
  Exact.replaceAllUsesWith(Result);
  Exact.eraseFromParent();
}

PreservedAnalyses FastConversions::run(Function &F, FunctionAnalysisManager &) {
  SmallVector<IntrinsicInst *, 8> Found;
  for (Instruction &I : instructions(F))
    if (auto *Call = dyn_cast<IntrinsicInst>(&I);
        Call && (Call->getIntrinsicID() == Intrinsic::fptosi_sat ||
                 Call->getIntrinsicID() == Intrinsic::fptoui_sat) &&
        (Call->getType()->getScalarSizeInBits() == 32 ||
         Call->getType()->getScalarSizeInBits() == 64))
      Found.push_back(Call);
  for (IntrinsicInst *Call : Found)
    Call->getType()->isVectorTy() ? clamp(*Call) : speedUp(*Call);
  return Found.empty() ? PreservedAnalyses::all() : PreservedAnalyses::none();
}

} // namespace wasm2so
