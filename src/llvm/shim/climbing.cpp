// Finds numbers that only rise or only fall, step by step.

#include "climbing.h"

#include "llvm/IR/Constants.h"

using namespace llvm;

namespace wasm2so {

namespace {

constexpr unsigned MostSteps = 8;

// The whole number, not negative, that `V` is: translation hides some constants.
std::optional<int64_t> wholeNumber(const Value *V) {
  if (auto *Fence = dyn_cast<IntrinsicInst>(V);
      Fence && Fence->getIntrinsicID() == Intrinsic::arithmetic_fence)
    V = Fence->getArgOperand(0);
  auto *Constant = dyn_cast<ConstantFP>(V);
  APSInt Whole(32, /*isUnsigned=*/false);
  bool Exact;
  if (!Constant || Constant->isNegative() ||
      Constant->getValueAPF().convertToInteger(Whole, APFloat::rmTowardZero, &Exact) !=
          APFloat::opOK)
    return std::nullopt;
  return Whole.getExtValue();
}

// The operand of `I` with which it only rises or only falls, whatever the others are.
// Such an instruction makes no finite number of one that is not.
Value *climbsWith(Instruction &I, const Loop &L) {
  switch (I.getOpcode()) {
  case Instruction::FNeg:
  case Instruction::FPExt:
  case Instruction::FPTrunc:
    return I.getOperand(0);
  case Instruction::FAdd:
  case Instruction::FSub:
  case Instruction::FMul:
    if (L.isLoopInvariant(I.getOperand(1)))
      return I.getOperand(0);
    return L.isLoopInvariant(I.getOperand(0)) ? I.getOperand(1) : nullptr;
  case Instruction::FDiv:
    return L.isLoopInvariant(I.getOperand(1)) ? I.getOperand(0) : nullptr;
  case Instruction::Call:
    if (auto *Call = dyn_cast<IntrinsicInst>(&I))
      switch (Call->getIntrinsicID()) {
      case Intrinsic::floor:
      case Intrinsic::ceil:
      case Intrinsic::trunc:
      case Intrinsic::roundeven:
        return Call->getArgOperand(0);
      default:
        break;
      }
    return nullptr;
  default:
    return nullptr;
  }
}

} // namespace

std::optional<FloatCounter> FloatCounter::of(PHINode &Phi, const Loop &L) {
  Type *Of = Phi.getType();
  if (!(Of->isFloatTy() || Of->isDoubleTy()) || Phi.getParent() != L.getHeader())
    return std::nullopt;
  auto *Sum = dyn_cast<BinaryOperator>(Phi.getIncomingValueForBlock(L.getLoopLatch()));
  if (!Sum || Sum->getOpcode() != Instruction::FAdd)
    return std::nullopt;
  unsigned Own = Sum->getOperand(0) == &Phi ? 0 : 1;
  if (Sum->getOperand(Own) != &Phi)
    return std::nullopt;
  auto Start = wholeNumber(Phi.getIncomingValueForBlock(L.getLoopPreheader()));
  auto Step = wholeNumber(Sum->getOperand(1 - Own));
  int64_t Most = Of->isFloatTy() ? int64_t(1) << 24 : INT32_MAX;
  if (!Start || !Step || *Step == 0 || *Start > Most)
    return std::nullopt;
  return FloatCounter{*Start, *Step, uint64_t((Most - *Start) / *Step)};
}

std::optional<Climb> Climb::to(IntrinsicInst &Result, const Loop &L) {
  auto ID = Result.getIntrinsicID();
  if ((ID != Intrinsic::fptosi_sat && ID != Intrinsic::fptoui_sat) ||
      !Result.getType()->isIntegerTy(32))
    return std::nullopt;
  Climb Found;
  Value *V = Result.getArgOperand(0);
  for (unsigned Count = 0; Count < MostSteps; ++Count) {
    auto *I = dyn_cast<Instruction>(V);
    if (!I || !L.contains(I))
      return std::nullopt;
    if (isa<SIToFPInst, UIToFPInst, PHINode>(I)) {
      Found.Leaf = I;
      std::reverse(Found.Steps.begin(), Found.Steps.end());
      return Found;
    }
    V = climbsWith(*I, L);
    if (!V)
      return std::nullopt;
    Found.Steps.push_back(I);
  }
  return std::nullopt;
}

Value *Climb::at(Value *Number, IRBuilder<> &B) const {
  // What it counts is below 2^31.
  Value *Is = B.CreateSIToFP(Number, Leaf->getType());
  Value *Was = Leaf;
  for (Instruction *Step : Steps) {
    Instruction *Copy = B.Insert(Step->clone());
    Copy->setDebugLoc(DebugLoc());
    Copy->dropPoisonGeneratingFlags();
    Copy->replaceUsesOfWith(Was, Is);
    Was = Step;
    Is = Copy;
  }
  return Is;
}

} // namespace wasm2so
