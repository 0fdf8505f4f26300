// Widening: vectors of wasm have 128 bits, those of the processor 256 or 512. A loop
// whose accesses `version-loops` has proved in bounds and that goes through memory
// vector by vector gets one before it, of which each turn does the work of two or four
// turns: each value in it holds the values of those turns, one after the other. The
// loop itself does what is left, at least one turn, so that what is used after it
// needs no thought.
//
// Instructions for wider vectors mostly do with each 128 bits what the narrow ones do.
// So values of more than 128 bits (two vectors that are to be narrowed to one, say) are
// cut in parts of 128 bits, and the first parts of all turns come first.
//
// All accesses move on by one vector a turn, so how far apart two of them are never
// changes: it is checked once, before the loop, that what one turn stores no other of
// those that become one touches.

#include "widening.h"

#include "checks.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace llvm;

namespace wasm2so {

namespace {

constexpr unsigned WasmBits = 128;
constexpr unsigned WasmBytes = WasmBits / 8;
// Fewer turns of the wide loop would not pay for the checks.
constexpr unsigned FewestTurns = 2;
constexpr unsigned MostDistances = 12;

FixedVectorType *vectorType(const Value *V) { return dyn_cast<FixedVectorType>(V->getType()); }

// How many times 128 bits a vector has.
unsigned parts(const FixedVectorType *Type) {
  return std::max<unsigned>(Type->getPrimitiveSizeInBits() / WasmBits, 1);
}

// Whether `V`, if it is a vector, is less than 128 bits or a multiple of them.
bool isWhole(const Value *V) {
  FixedVectorType *Type = vectorType(V);
  unsigned Bits = Type ? Type->getPrimitiveSizeInBits().getFixedValue() : 0;
  return Bits < WasmBits || Bits % WasmBits == 0;
}

// Whether `I`, which has no part in vectors, only computes.
bool isScalar(const Instruction &I) {
  return isa<BinaryOperator, CastInst, GetElementPtrInst, ICmpInst, SelectInst, FreezeInst>(I) &&
         none_of(I.operands(), [](const Use &U) { return U->getType()->isVectorTy(); });
}

class Widener {
  Loop &L;
  LoopInfo &LI;
  DominatorTree &DT;
  ScalarEvolution &SE;
  const unsigned Times; // turns that become one
  const uint64_t Apart; // bytes that those go through
  BasicBlock *const Body;
  Type *const I64;

  SmallVector<std::pair<PHINode *, const SCEVAddRecExpr *>, 4> Counters;
  SmallVector<PHINode *, 2> Carried; // vectors of the turn before
  struct Access {
    const SCEV *Start; // as a number of 64 bits
    bool Stores;
  };
  SmallVector<Access, 8> Accesses;
  SmallSetVector<const SCEV *, 8> Distances; // between two accesses, not yet known
  const SCEV *Backedges = nullptr;
  SmallVector<const SCEVPredicate *, 4> Predicates; // that must hold for that to be the count

  BasicBlock *Entry = nullptr, *Wide = nullptr, *Exit = nullptr; // of the new loop
  DenseMap<Value *, Value *> Map; // from what is in the loop to what is in the new one

public:
  Widener(Loop &L, LoopInfo &LI, DominatorTree &DT, ScalarEvolution &SE, unsigned Times)
      : L(L), LI(LI), DT(DT), SE(SE), Times(Times), Apart(WasmBytes * Times),
        Body(L.getHeader()), I64(Type::getInt64Ty(Body->getContext())) {}

  // Whether it did.
  bool run() {
    if (!L.isLoopSimplifyForm() || L.getNumBlocks() != 1 || !understand())
      return false;
    Value *Turns = nullptr;
    Value *Holds = check(Turns);
    if (!Holds)
      return false;
    split(Holds, Turns);
    return true;
  }

private:
  bool understand() {
    for (Instruction &I : *Body)
      if (!I.isTerminator() && !understand(I))
        return false;
    if (none_of(Accesses, [](const Access &A) { return A.Stores; }) || !separate())
      return false;
    // What is cached of a count does not tell its predicates again.
    SE.forgetLoop(&L);
    Backedges = SE.getPredicatedBackedgeTakenCount(&L, Predicates);
    if (isa<SCEVCouldNotCompute>(Backedges) || SE.getTypeSizeInBits(Backedges->getType()) > 64)
      return false;
    Backedges = SE.getNoopOrZeroExtend(Backedges, I64);
    auto *Known = dyn_cast<SCEVConstant>(Backedges);
    return !Known || Known->getAPInt().uge(FewestTurns * Times);
  }

  bool understand(Instruction &I) {
    if (!isWhole(&I) || !all_of(I.operands(), [](const Use &U) { return isWhole(U); }))
      return false;
    if (auto *Phi = dyn_cast<PHINode>(&I)) {
      if (vectorType(Phi))
        return understandCarried(*Phi);
      auto *Sequence = Phi->getType()->isIntegerTy()
                           ? dyn_cast<SCEVAddRecExpr>(SE.getSCEV(Phi))
                           : nullptr;
      if (!Sequence || Sequence->getLoop() != &L || !Sequence->isAffine())
        return false;
      Counters.push_back({Phi, Sequence});
      return true;
    }
    if (isa<LoadInst, StoreInst>(I))
      return understandAccess(I);
    if (!vectorType(&I))
      return isScalar(I);
    if (auto *Call = dyn_cast<IntrinsicInst>(&I)) {
      Intrinsic::ID ID = Call->getIntrinsicID();
      return (isTriviallyVectorizable(ID) || ID == Intrinsic::arithmetic_fence) &&
             all_of(Call->args(), [&](const Use &U) {
               return vectorType(U) ? U->getType() == I.getType() : isa<Constant>(U);
             });
    }
    if (isa<CmpInst>(I) && parts(vectorType(I.getOperand(0))) > 1)
      return false;
    if (isa<BinaryOperator, UnaryOperator, CastInst, CmpInst, ShuffleVectorInst, FreezeInst>(I))
      return all_of(I.operands(), [](const Use &U) { return vectorType(U); });
    auto *Select = dyn_cast<SelectInst>(&I);
    return Select && (L.isLoopInvariant(Select->getCondition()) ||
                      (vectorType(Select->getCondition()) && parts(vectorType(&I)) == 1));
  }

  // A vector that the next turn uses must be there before that turn would use it.
  bool understandCarried(PHINode &Phi) {
    auto *Next = dyn_cast<Instruction>(Phi.getIncomingValueForBlock(Body));
    auto CarriesIt = [&](PHINode *Other) { return Other->getIncomingValueForBlock(Body) == Next; };
    auto IsEarly = [&](const User *U) {
      auto *I = cast<Instruction>(U);
      return L.contains(I) && !Next->comesBefore(I);
    };
    if (!Next || isa<PHINode>(Next) || !L.contains(Next) || parts(vectorType(Next)) > 1 ||
        any_of(Carried, CarriesIt) || any_of(Phi.users(), IsEarly))
      return false;
    Carried.push_back(&Phi);
    return true;
  }

  bool understandAccess(Instruction &I) {
    auto *Load = dyn_cast<LoadInst>(&I);
    bool Simple = Load ? Load->isSimple() : cast<StoreInst>(I).isSimple();
    auto *Type = dyn_cast<FixedVectorType>(getLoadStoreType(&I));
    if (!Simple || !Type || Type->getPrimitiveSizeInBits() != WasmBits)
      return false;
    auto *Sequence = dyn_cast<SCEVAddRecExpr>(SE.getSCEV(getLoadStorePointerOperand(&I)));
    if (!Sequence || Sequence->getLoop() != &L || !Sequence->isAffine())
      return false;
    auto *Step = dyn_cast<SCEVConstant>(Sequence->getStepRecurrence(SE));
    if (!Step || Step->getAPInt() != WasmBytes)
      return false;
    const SCEV *Start = SE.getLosslessPtrToIntExpr(Sequence->getStart());
    if (isa<SCEVCouldNotCompute>(Start))
      return false;
    Accesses.push_back({Start, !Load});
    return true;
  }

  // Whether what one turn stores can be kept apart from what others of those that become
  // one touch.
  bool separate() {
    for (const Access &A : Accesses)
      for (const Access &B : Accesses) {
        if (!A.Stores || &A == &B)
          continue;
        const SCEV *Distance = SE.getMinusSCEV(B.Start, A.Start);
        if (auto *Known = dyn_cast<SCEVConstant>(Distance)) {
          if (!Known->isZero() && Known->getAPInt().abs().ult(Apart))
            return false;
        } else if (!Distances.contains(SE.getNegativeSCEV(Distance))) {
          Distances.insert(Distance);
        }
      }
    return Distances.size() <= MostDistances;
  }

  // Computes before the loop the turns of the wide one, and whether it may run; null
  // if that cannot be computed there.
  Value *check(Value *&Turns) {
    Instruction *End = L.getLoopPreheader()->getTerminator();
    SCEVExpander Expander(SE, "wide");
    auto Expands = [&](const SCEV *S) { return Expander.isSafeToExpandAt(S, End); };
    if (!Expands(Backedges) || !all_of(Distances, Expands) ||
        !all_of(Counters, [&](auto &Counter) {
          return Expands(Counter.second->getStepRecurrence(SE));
        }) ||
        !all_of(Predicates, [&](const SCEVPredicate *P) {
          return canCheck(*P, Backedges, SE, Expander, End);
        }))
      return nullptr;
    IRBuilder<> B(End);
    B.SetCurrentDebugLocation(DebugLoc());
    Turns = B.CreateUDiv(Expander.expandCodeFor(Backedges, I64, End), B.getInt64(Times));
    Value *Holds = B.CreateICmpUGE(Turns, B.getInt64(FewestTurns));
    for (const SCEV *Each : Distances) {
      Value *Distance = Expander.expandCodeFor(Each, I64, End);
      Value *Same = B.CreateICmpEQ(Distance, B.getInt64(0));
      Value *Far = B.CreateICmpUGT(B.CreateAdd(Distance, B.getInt64(Apart - 1)),
                                   B.getInt64(2 * (Apart - 1)));
      Holds = B.CreateAnd(Holds, B.CreateOr(Same, Far));
    }
    if (!Predicates.empty()) {
      SCEVUnionPredicate All(Predicates, SE);
      Holds = B.CreateAnd(Holds, B.CreateNot(Expander.expandCodeForPredicate(&All, End)));
    }
    return Holds;
  }

  void split(Value *Holds, Value *Turns) {
    BasicBlock *Before = L.getLoopPreheader();
    BasicBlock *Rest = SplitBlock(Before, Before->getTerminator(), &DT, &LI);
    Function &F = *Body->getParent();
    Entry = BasicBlock::Create(F.getContext(), "", &F, Rest);
    Wide = BasicBlock::Create(F.getContext(), "", &F, Rest);
    Exit = BasicBlock::Create(F.getContext(), "", &F, Rest);
    IRBuilder<> B(Before->getTerminator());
    B.SetCurrentDebugLocation(DebugLoc());
    B.CreateCondBr(Holds, Entry, Rest);
    Before->getTerminator()->eraseFromParent();
    B.SetInsertPoint(Entry);
    B.CreateBr(Wide);
    B.SetInsertPoint(Exit);
    B.CreateBr(Rest);

    // The counters, and on which the loop after this one goes on.
    B.SetInsertPoint(Wide);
    SCEVExpander Expander(SE, "wide");
    SmallVector<std::pair<PHINode *, Value *>, 4> Steps;
    for (auto &[Phi, Sequence] : Counters) {
      PHINode *Own = B.CreatePHI(Phi->getType(), 2);
      Own->addIncoming(Phi->getIncomingValueForBlock(Rest), Entry);
      Map[Phi] = Own;
      Instruction *End = Entry->getTerminator();
      Value *Step = Expander.expandCodeFor(Sequence->getStepRecurrence(SE), Phi->getType(), End);
      Value *Factor = ConstantInt::get(Step->getType(), Times);
      Steps.push_back({Own, IRBuilder<>(End).CreateMul(Step, Factor)});
    }
    PHINode *Turn = B.CreatePHI(I64, 2);
    Turn->addIncoming(B.getInt64(0), Entry);
    DenseMap<const Value *, std::pair<PHINode *, PHINode *>> Carriers; // by what they carry
    for (PHINode *Phi : Carried) {
      PHINode *Own = B.CreatePHI(wide(vectorType(Phi)), 2);
      Value *First = Phi->getIncomingValueForBlock(Rest);
      // Its last part counts.
      Own->addIncoming(operand(First), Entry);
      Carriers[Phi->getIncomingValueForBlock(Body)] = {Phi, Own};
    }
    for (Instruction &I : *Body)
      if (!isa<PHINode>(I) && !I.isTerminator()) {
        copy(I, B);
        if (auto Carrier = Carriers.find(&I); Carrier != Carriers.end()) {
          auto [Phi, Own] = Carrier->second;
          Own->addIncoming(Map[&I], Wide);
          Map[Phi] = window(Own, Map[&I], vectorType(Phi), Times, B);
        }
      }
    B.SetCurrentDebugLocation(DebugLoc());
    for (auto &[Own, Step] : Steps)
      Own->addIncoming(B.CreateAdd(Own, Step), Wide);
    Value *Next = B.CreateAdd(Turn, B.getInt64(1), "", true, true);
    Turn->addIncoming(Next, Wide);
    B.CreateCondBr(B.CreateICmpEQ(Next, Turns), Exit, Wide);

    B.SetInsertPoint(Rest, Rest->begin());
    for (auto &[Phi, Sequence] : Counters) {
      PHINode *Start = B.CreatePHI(Phi->getType(), 2);
      Start->addIncoming(Phi->getIncomingValueForBlock(Rest), Before);
      Start->addIncoming(cast<PHINode>(Map[Phi])->getIncomingValueForBlock(Wide), Exit);
      Phi->setIncomingValueForBlock(Rest, Start);
    }
    for (PHINode *Phi : Carried) {
      Value *Last = Map[Phi->getIncomingValueForBlock(Body)];
      IRBuilder<> Late(Exit->getTerminator());
      PHINode *Start = B.CreatePHI(Phi->getType(), 2);
      Start->addIncoming(Phi->getIncomingValueForBlock(Rest), Before);
      Start->addIncoming(window(Last, Last, vectorType(Phi), 1, Late), Exit);
      Phi->setIncomingValueForBlock(Rest, Start);
    }
    for (BasicBlock *Outside : {Entry, Exit})
      if (Loop *Outer = L.getParentLoop())
        Outer->addBasicBlockToLoop(Outside, LI);
    Loop *New = LI.AllocateLoop();
    L.getParentLoop() ? L.getParentLoop()->addChildLoop(New) : LI.addTopLevelLoop(New);
    New->addBasicBlockToLoop(Wide, LI);
    DT.recalculate(F);
    // It runs a few times at most.
    addStringMetadataToLoop(&L, "llvm.loop.unroll.disable", 1);
  }

  // The instruction `I` for the turns that become one.
  void copy(Instruction &I, IRBuilder<> &B) {
    B.SetCurrentDebugLocation(I.getDebugLoc());
    Value *New;
    if (auto *Shuffle = dyn_cast<ShuffleVectorInst>(&I))
      New = copyShuffle(*Shuffle, B);
    else if (auto *Call = dyn_cast<IntrinsicInst>(&I))
      New = copyCall(*Call, B);
    else if (auto *Cast = dyn_cast<CastInst>(&I); Cast && vectorType(Cast))
      New = copyCast(*Cast, B);
    else
      New = copyAsIs(I, B);
    Map[&I] = New;
  }

  // With other operands and of another type.
  Value *copyAsIs(Instruction &I, IRBuilder<> &B) {
    Instruction *New = I.clone();
    for (Use &Operand : New->operands())
      Operand.set(operand(Operand));
    if (FixedVectorType *Type = vectorType(New))
      New->mutateType(wide(Type));
    return B.Insert(New);
  }

  Value *copyCall(IntrinsicInst &I, IRBuilder<> &B) {
    SmallVector<Value *, 3> Arguments;
    for (Value *Argument : I.args())
      Arguments.push_back(operand(Argument));
    CallInst *New = B.CreateIntrinsic(wide(vectorType(&I)), I.getIntrinsicID(), Arguments);
    if (isa<FPMathOperator>(I))
      New->copyFastMathFlags(&I);
    return New;
  }

  Value *copyCast(CastInst &I, IRBuilder<> &B) {
    auto *From = vectorType(I.getOperand(0)), *To = vectorType(&I);
    if (Value *Whole = extension(I, B))
      return Whole;
    Value *New = copyAsIs(I, B);
    if (isa<BitCastInst>(I) || parts(From) == parts(To))
      return New;
    SmallVector<int, 64> Mask(Times * To->getNumElements());
    for (unsigned Turn = 0; Turn < Times; ++Turn)
      for (unsigned Lane = 0; Lane < To->getNumElements(); ++Lane)
        Mask[place(To, Turn, Lane)] = place(From, Turn, Lane);
    return B.CreateShuffleVector(New, Mask);
  }

  // The extension by zeros of lanes of a vector: puts zeros between them, which takes
  // none from one part of 128 bits to another.
  Value *extension(CastInst &I, IRBuilder<> &B) {
    auto *Lanes = dyn_cast<ShuffleVectorInst>(I.getOperand(0));
    if (!isa<ZExtInst>(I) || !Lanes || !L.contains(Lanes) || parts(vectorType(&I)) > 1)
      return nullptr;
    FixedVectorType *From = vectorType(Lanes->getOperand(0)), *To = vectorType(&I);
    int Count = From->getNumElements(), Zero = Count * Times;
    ArrayRef<int> Taken = Lanes->getShuffleMask();
    if (parts(From) > 1 || any_of(Taken, [&](int Lane) { return Lane < 0 || Lane >= Count; }))
      return nullptr;
    unsigned Ratio = To->getScalarSizeInBits() / From->getScalarSizeInBits();
    SmallVector<int, 64> Mask(Times * Taken.size() * Ratio, Zero);
    for (unsigned Turn = 0; Turn < Times; ++Turn)
      for (unsigned Lane = 0; Lane < Taken.size(); ++Lane)
        Mask[place(To, Turn, Lane) * Ratio] = place(From, Turn, Taken[Lane]);
    Value *Wider = operand(Lanes->getOperand(0));
    Value *Zeros = Constant::getNullValue(Wider->getType());
    return B.CreateBitCast(B.CreateShuffleVector(Wider, Zeros, Mask), wide(To));
  }

  Value *copyShuffle(ShuffleVectorInst &I, IRBuilder<> &B) {
    FixedVectorType *From = vectorType(I.getOperand(0)), *To = vectorType(&I);
    int Lanes = From->getNumElements();
    SmallVector<int, 64> Mask(Times * To->getNumElements());
    for (unsigned Turn = 0; Turn < Times; ++Turn)
      for (auto [Lane, Taken] : enumerate(I.getShuffleMask()))
        Mask[place(To, Turn, Lane)] =
            Taken < 0       ? Taken
            : Taken < Lanes ? place(From, Turn, Taken)
                            : Times * Lanes + place(From, Turn, Taken - Lanes);
    return B.CreateShuffleVector(operand(I.getOperand(0)), operand(I.getOperand(1)), Mask);
  }

  // Of the turns in `First`, the last, and then of those in `Then` as many as make
  // `Turns`; vectors of `Type`.
  Value *window(Value *First, Value *Then, FixedVectorType *Type, unsigned Turns, IRBuilder<> &B) {
    unsigned Lanes = Type->getNumElements();
    return B.CreateShuffleVector(
        First, Then, createSequentialMask((Times - 1) * Lanes, Turns * Lanes, 0));
  }

  // The operand `V` of one, which may be the same in all turns.
  Value *operand(Value *V) {
    if (Value *Known = Map.lookup(V))
      return Known;
    FixedVectorType *Type = vectorType(V);
    if (!Type)
      return V;
    SmallVector<int, 64> Mask(Times * Type->getNumElements());
    for (unsigned Turn = 0; Turn < Times; ++Turn)
      for (unsigned Lane = 0; Lane < Type->getNumElements(); ++Lane)
        Mask[place(Type, Turn, Lane)] = Lane;
    return Map[V] = IRBuilder<>(Entry->getTerminator()).CreateShuffleVector(V, Mask);
  }

  // Where the wide vector for several of `Type` has a lane of the one of a turn.
  unsigned place(FixedVectorType *Type, unsigned Turn, unsigned Lane) const {
    unsigned OfPart = Type->getNumElements() / parts(Type);
    return Lane / OfPart * OfPart * Times + Turn * OfPart + Lane % OfPart;
  }

  FixedVectorType *wide(FixedVectorType *Type) const {
    return FixedVectorType::get(Type->getElementType(), Type->getNumElements() * Times);
  }
};

} // namespace

PreservedAnalyses WidenVectors::run(Function &F, FunctionAnalysisManager &FAM) {
  auto &Target = FAM.getResult<TargetIRAnalysis>(F);
  unsigned Bits = Target.getRegisterBitWidth(TargetTransformInfo::RGK_FixedWidthVector)
                      .getFixedValue();
  auto &LI = FAM.getResult<LoopAnalysis>(F);
  if (Bits < 2 * WasmBits || LI.empty())
    return PreservedAnalyses::all();
  auto &DT = FAM.getResult<DominatorTreeAnalysis>(F);
  auto &SE = FAM.getResult<ScalarEvolutionAnalysis>(F);

  SmallVector<Loop *, 8> Innermost;
  for (Loop *L : LI.getLoopsInPreorder())
    if (L->isInnermost())
      Innermost.push_back(L);
  bool Changed = false;
  for (Loop *L : Innermost)
    if (Widener(*L, LI, DT, SE, Bits / WasmBits).run()) {
      SE.forgetAllLoops();
      Changed = true;
    }
  return Changed ? PreservedAnalyses::none() : PreservedAnalyses::all();
}

} // namespace wasm2so
