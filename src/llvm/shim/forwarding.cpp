// Loads of what has just been stored or loaded. LLVM leaves them, for they are
// volatile; but a load from where an access before it did not trap does not trap either,
// and reads what that one wrote or read. Producers have done away with most. Inlining
// brings more: results that a callee returns in memory, as `__multi3` its product.
//
// Such a callee gets a place as a sum, `zext(sp + 16)`, of which its caller reads by an
// offset, `zext(sp) + 16`. These are one place unless the sum wraps; then the load is
// beyond 4 GiB and traps. That it does not wrap is known from an access of the caller
// further up, or else a comparison tells, in whose rare branch the load stays.

#include "forwarding.h"

#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/Analysis/DomTreeUpdater.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;
using namespace llvm::PatternMatch;

namespace wasm2so {

namespace {

// Accesses before a load in its block among which to look for one at its place.
constexpr unsigned MostAccesses = 64;
// Blocks that dominate a load's in which to look for what is known of its index.
constexpr unsigned MostDominators = 32;

// No index and offset of wasm go further together.
constexpr uint64_t End = uint64_t(1) << 33;

// Where an access is: `Memory + zext(Index + Inner) + Outer`, where the first sum has 32
// bits and wraps. Constants have no index.
struct Place {
  Value *Memory;
  Value *Index = nullptr;
  uint64_t Inner = 0, Outer;
  uint64_t Size; // bytes that are accessed

  Place(Value *Pointer, Type *Accessed, const DataLayout &DL)
      : Size(DL.getTypeStoreSize(Accessed)) {
    APInt Offset(DL.getIndexTypeSizeInBits(Pointer->getType()), 0);
    Memory = Pointer->stripAndAccumulateConstantOffsets(DL, Offset, /*AllowNonInbounds=*/true);
    Outer = Offset.getZExtValue();
    if (Outer >= End) {
      Memory = Pointer;
      Outer = 0;
      return;
    }
    auto *Sum = dyn_cast<GEPOperator>(Memory);
    Value *Wrapping;
    if (!Sum || Sum->getNumIndices() != 1 || !Sum->getSourceElementType()->isIntegerTy(8) ||
        !match(Sum->getOperand(1), m_ZExt(m_Value(Wrapping))) ||
        !Wrapping->getType()->isIntegerTy(32))
      return;
    Memory = Sum->getPointerOperand();
    const APInt *Constant;
    if (match(Wrapping, m_c_Add(m_Value(Index), m_APInt(Constant))))
      Inner = Constant->getZExtValue();
    else
      Index = Wrapping;
  }

  bool hasBaseOf(const Place &Other) const {
    return Memory == Other.Memory && Index == Other.Index;
  }

  // From the index, if no sum wraps.
  uint64_t distance() const { return Inner + Outer; }

  // Whether it may have a byte in common with `Other`, where neither traps: then its
  // address is what the lower 32 bits are.
  bool mayOverlap(const Place &Other) const {
    uint32_t Apart = distance() - Other.distance();
    return !hasBaseOf(Other) || Apart < Other.Size || -Apart < Size;
  }
};

class Forwarder {
  // An access that did not trap, and what is there since then.
  struct Access {
    Place At;
    Value *Is;
  };

  Function &F;
  DominatorTree &DT;
  const DataLayout &DL;
  // Those of the block that is visited.
  SmallVector<Access, MostAccesses> Known;
  // How far from an index a block has an access: that sum does not wrap.
  DenseMap<std::pair<const BasicBlock *, const Value *>, uint64_t> Reached;
  // Loads that have no users any more.
  SmallVector<LoadInst *, 16> Done;
  // Those of which it is to be checked that they do not trap.
  SmallVector<std::pair<LoadInst *, Place>, 16> Unsure;

public:
  Forwarder(Function &F, DominatorTree &DT) : F(F), DT(DT), DL(F.getDataLayout()) {}

  PreservedAnalyses run() {
    for (BasicBlock *BB : ReversePostOrderTraversal<Function *>(&F)) {
      Known.clear();
      for (Instruction &I : *BB)
        visit(I);
    }
    DomTreeUpdater Updater(DT, DomTreeUpdater::UpdateStrategy::Eager);
    for (auto &[Load, At] : Unsure)
      check(*Load, At, Updater);
    for (LoadInst *Load : Done)
      Load->eraseFromParent();
    if (Done.empty() && Unsure.empty())
      return PreservedAnalyses::all();
    PreservedAnalyses Preserved;
    if (Unsure.empty())
      Preserved.preserveSet<CFGAnalyses>();
    Preserved.preserve<DominatorTreeAnalysis>();
    return Preserved;
  }

private:
  void visit(Instruction &I) {
    // These two tell accesses to linear memory from all others.
    if (isa<LoadInst, StoreInst>(I) && !(I.isVolatile() && I.isAtomic()))
      return;
    if (auto *Load = dyn_cast<LoadInst>(&I)) {
      Place At(Load->getPointerOperand(), Load->getType(), DL);
      if (!forward(*Load, At))
        remember(At, *Load, *Load);
    } else if (auto *Store = dyn_cast<StoreInst>(&I)) {
      Value *Is = Store->getValueOperand();
      Place At(Store->getPointerOperand(), Is->getType(), DL);
      erase_if(Known, [&](const Access &Before) { return Before.At.mayOverlap(At); });
      remember(At, *Is, *Store);
    } else if (I.mayWriteToMemory()) {
      Known.clear();
    }
  }

  void remember(const Place &At, Value &Is, const Instruction &I) {
    if (Known.size() == MostAccesses)
      Known.erase(Known.begin());
    Known.push_back({At, &Is});
    if (At.Inner == 0)
      reach(At, *I.getParent());
  }

  bool forward(LoadInst &Load, const Place &At) {
    auto Before = find_if(reverse(Known), [&](const Access &Before) {
      return Before.At.hasBaseOf(At) && Before.At.distance() == At.distance() &&
             Before.Is->getType() == Load.getType();
    });
    if (Before == Known.rend())
      return false;
    if (Before->At.Inner == At.Inner || isReached(At, *Load.getParent())) {
      Done.push_back(&Load);
    } else {
      if (At.Inner != 0 || !isUInt<32>(At.distance()))
        return false;
      Unsure.push_back({&Load, At});
      reach(At, *Load.getParent());
    }
    Load.replaceAllUsesWith(Before->Is);
    return true;
  }

  // Notes that the sum of the index and the distance of `At` does not wrap from here on.
  void reach(const Place &At, const BasicBlock &Here) {
    uint64_t &Furthest = Reached[{&Here, At.Index}];
    Furthest = std::max(Furthest, At.distance());
  }

  bool isReached(const Place &At, const BasicBlock &Here) const {
    const DomTreeNode *Node = DT[&Here];
    for (unsigned Count = 0; Node && Count < MostDominators; ++Count, Node = Node->getIDom())
      if (Reached.lookup({Node->getBlock(), At.Index}) >= At.distance())
        return true;
    return false;
  }

  // Leaves the load only where it traps, because the sum of its index and its distance
  // wraps.
  void check(LoadInst &Load, const Place &At, DomTreeUpdater &Updater) {
    IRBuilder<> B(&Load);
    Value *Wraps = B.CreateICmpUGT(At.Index, B.getInt32(~uint32_t(At.distance())));
    MDNode *Rarely = MDBuilder(F.getContext()).createUnlikelyBranchWeights();
    Instruction *Never = SplitBlockAndInsertIfThen(Wraps, Load.getIterator(),
                                                   /*Unreachable=*/true, Rarely, &Updater);
    Load.moveBefore(Never->getIterator());
    // Without this, LLVM may do away with a load after which nothing happens.
    B.SetInsertPoint(Never);
    B.CreateIntrinsic(Intrinsic::trap, {});
  }
};

} // namespace

PreservedAnalyses ForwardValues::run(Function &F, FunctionAnalysisManager &FAM) {
  return Forwarder(F, FAM.getResult<DominatorTreeAnalysis>(F)).run();
}

} // namespace wasm2so
