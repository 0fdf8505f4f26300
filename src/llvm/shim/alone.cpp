#include "alone.h"

#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/DebugProgramInstruction.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;

namespace wasm2so {

namespace {

AttributeSet known(Value *V, const Instruction *At, const DominatorTree &DT, ScalarEvolution &SE) {
  AttrBuilder Known(V->getContext());
  if (isGuaranteedNotToBeUndefOrPoison(V, nullptr, At, &DT))
    Known.addAttribute(Attribute::NoUndef);
  if (V->getType()->isIntegerTy()) {
    ConstantRange Range = SE.getUnsignedRange(SE.getSCEV(V));
    if (!Range.isFullSet() && !Range.isEmptySet())
      Known.addRangeAttr(Range);
  }
  return AttributeSet::get(V->getContext(), Known);
}

// Records elsewhere cannot follow what passes do with what is computed in `Own`.
void forgetOutside(Function *Own) {
  for (BasicBlock &BB : *Own)
    for (Instruction &I : BB) {
      SmallVector<DbgVariableRecord *, 4> Records;
      if (I.isUsedByMetadata())
        findDbgValues(&I, Records);
      for (DbgVariableRecord *Record : Records)
        if (Record->getFunction() != Own)
          Record->setKillLocation();
    }
}

} // namespace

LoopAlone::LoopAlone(Loop &L, DominatorTree &DT, ScalarEvolution &SE)
    : F(*L.getHeader()->getParent()), Preheader(L.getLoopPreheader()), Header(L.getHeader()) {
  for (BasicBlock &BB : F)
    if (L.contains(&BB))
      Blocks.insert(&BB);
  SmallVector<BasicBlock *, 8> After;
  L.getUniqueExitBlocks(After);
  for (BasicBlock *Exit : After)
    // Passes see that a trap is one.
    if (isa<UnreachableInst>(Exit->getTerminator()) &&
        all_of(predecessors(Exit), [&](auto *BB) { return L.contains(BB); }))
      Blocks.insert(Exit);
    else
      Exits.insert(Exit);

  SmallSetVector<Value *, 16> Used;
  Used.insert(F.getArg(0));
  auto Use = [&](Value *V) {
    auto *I = dyn_cast<Instruction>(V);
    if (I ? !Blocks.contains(I->getParent()) : isa<Argument>(V))
      Used.insert(V);
  };
  for (BasicBlock *BB : Blocks)
    for (Instruction &I : *BB)
      for_each(I.operand_values(), Use);
  for (BasicBlock *Exit : Exits)
    for (PHINode &Phi : Exit->phis())
      for (auto [V, From] : zip_equal(Phi.incoming_values(), Phi.blocks()))
        if (Blocks.contains(From))
          Use(V);
  for (Value *V : Used)
    Inputs.push_back({V, known(V, Preheader->getTerminator(), DT, SE)});
}

void LoopAlone::run(FunctionPassManager &Passes, FunctionAnalysisManager &FAM) {
  LLVMContext &Context = F.getContext();
  SmallVector<Type *, 16> Types;
  for (const Input &In : Inputs)
    Types.push_back(In.V->getType());
  auto Declare = [&](ArrayRef<Type *> Parameters, bool More) {
    auto *Type = FunctionType::get(Type::getVoidTy(Context), Parameters, More);
    return Function::Create(Type, GlobalValue::ExternalLinkage, "", F.getParent());
  };
  Leave = Declare(Type::getInt32Ty(Context), true);
  Function *Own = Declare(Types, false);
  Own->addFnAttrs(AttrBuilder(Context, F.getAttributes().getFnAttrs()));
  for (auto [Index, In] : enumerate(Inputs))
    Own->addParamAttrs(Index, AttrBuilder(Context, In.Known));
  Own->addParamAttrs(0, AttrBuilder(Context, F.getAttributes().getParamAttrs(0)));
  take(Own);
  Passes.run(*Own, FAM);
  FAM.clear(*Own, Own->getName());
  giveBack(Own);
  Own->eraseFromParent();
  Leave->eraseFromParent();
}

// Moves the blocks to `Own`.
void LoopAlone::take(Function *Own) {
  LLVMContext &Context = F.getContext();
  auto *Entry = BasicBlock::Create(Context, "", Own);
  BranchInst::Create(Header, Entry);
  Header->replacePhiUsesWith(Preheader, Entry);
  Preheader->getTerminator()->eraseFromParent();
  new UnreachableInst(Context, Preheader);

  for (auto [Number, Exit] : enumerate(Exits))
    leaveFor(Exit, Number, Own);
  for (BasicBlock *BB : Blocks)
    Own->splice(Own->end(), &F, BB->getIterator());
  forgetOutside(Own);

  DenseMap<Value *, Value *> Parameters;
  for (auto [In, Parameter] : zip_equal(Inputs, Own->args()))
    Parameters[In.V] = &Parameter;
  for (BasicBlock &BB : *Own)
    for (Instruction &I : BB)
      for (Use &U : I.operands())
        if (Value *Parameter = Parameters.lookup(U))
          U.set(Parameter);
}

// Has the loop return from `Own` where it goes to `Exit`.
void LoopAlone::leaveFor(BasicBlock *Exit, unsigned Number, Function *Own) {
  IRBuilder<> B(BasicBlock::Create(F.getContext(), "", Own));
  for (BasicBlock *BB : Blocks)
    BB->getTerminator()->replaceSuccessorWith(Exit, B.GetInsertBlock());
  SmallVector<Value *, 4> Arguments = {B.getInt32(Number)};
  for (PHINode &Phi : Exit->phis()) {
    PHINode *Part = B.CreatePHI(Phi.getType(), 1);
    for (unsigned I = Phi.getNumIncomingValues(); I--;)
      if (BasicBlock *From = Phi.getIncomingBlock(I); Blocks.contains(From))
        Part->addIncoming(Phi.removeIncomingValue(I, false), From);
    Arguments.push_back(Part);
  }
  B.CreateCall(Leave, Arguments);
  B.CreateRetVoid();
}

// Moves what has become of the blocks back to where they were.
void LoopAlone::giveBack(Function *Own) {
  for (auto [In, Parameter] : zip_equal(Inputs, Own->args()))
    Parameter.replaceAllUsesWith(In.V);

  // Passes may have put several returns together.
  for (User *U : Leave->users())
    changeToUnreachable(cast<CallInst>(U)->getNextNode());
  EliminateUnreachableBlocks(*Own);
  for (User *U : make_early_inc_range(Leave->users())) {
    auto *Call = cast<CallInst>(U);
    BasicBlock *From = Call->getParent();
    BasicBlock *Exit = Exits[cast<ConstantInt>(Call->getArgOperand(0))->getZExtValue()];
    for (auto [Phi, V] : zip_equal(Exit->phis(), drop_begin(Call->args())))
      Phi.addIncoming(V, From);
    From->getTerminator()->eraseFromParent();
    Call->eraseFromParent();
    BranchInst::Create(Exit, From);
  }

  Preheader->getTerminator()->eraseFromParent();
  BranchInst::Create(&Own->getEntryBlock(), Preheader);
  F.splice(std::next(Preheader->getIterator()), Own);
}

} // namespace wasm2so
