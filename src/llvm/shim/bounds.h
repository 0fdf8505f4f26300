// What must hold before a loop for its accesses to linear memory to be in bounds.

#pragma once

#include "climbing.h"
#include "versioning.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/IR/Function.h"
#include "llvm/Transforms/Utils/ScalarEvolutionExpander.h"

#include <optional>

namespace wasm2so {

// Values that an unsigned number takes in a loop, in 64 bits and without any
// sum that wraps.
struct Span {
  const llvm::SCEV *Start; // in the first iteration
  const llvm::SCEV *Step;  // more, or less, in each further one
  const llvm::SCEV *Rest;  // and this, different in each
  const llvm::SCEV *Least; // no value is less
  const llvm::SCEV *Most;  // no value is greater

  bool straight() const { return Rest->isZero(); }
};

// An access and where it goes.
struct Access {
  llvm::Instruction *I;
  llvm::Value *Root; // of the memory
  Span Offset;
};

// A number that climbs in a loop, while its counter goes from `First` to `Last`.
struct Height {
  Climb By;
  const llvm::SCEV *First, *Last;
};

// The innermost loop `L` of `F`, and what must hold before it for its accesses to
// be in bounds: that `Predicates` do, the first of each of `AtMost` is no greater
// than the second, each of `AtLeast` is as large as that, and `Ends` are within their
// memories. In these the largest that one of `Heights` becomes stands as that value.
class LoopBounds {
public:
  llvm::Function &F;
  llvm::Loop &L;
  llvm::ScalarEvolution &SE;
  const Wasm2soMemories &Memories;
  llvm::Type *const I64;

  const llvm::SCEV *Backedges = nullptr; // at most so many are taken, in 64 bits
  bool Counted = false; // so many are taken, but it takes this check to know
  llvm::SmallVector<const llvm::SCEVPredicate *, 4> Predicates;
  llvm::SmallSetVector<std::pair<const llvm::SCEV *, const llvm::SCEV *>, 4> AtMost;
  llvm::MapVector<const llvm::SCEV *, uint64_t> AtLeast;
  // By memory and variable part of the end: the largest constant part.
  llvm::MapVector<std::pair<uint64_t, const llvm::SCEV *>, int64_t> Ends;
  llvm::MapVector<llvm::IntrinsicInst *, Height> Heights;
  llvm::MapVector<llvm::PHINode *, FloatCounter> Counters;
  llvm::SmallVector<Access, 16> Accesses;
  bool Stores = false, Vectors = false;
  uint64_t Instructions = 0;
  uint64_t Widest = 1; // bytes of the widest access
  const bool Promising; // a check may prove all accesses in bounds, by the instructions

  LoopBounds(const Wasm2soMemories &Memories, llvm::Function &F, llvm::Loop &L,
             llvm::ScalarEvolution &SE)
      : F(F), L(L), SE(SE), Memories(Memories), I64(llvm::Type::getInt64Ty(F.getContext())),
        Promising(scan()) {}

  // Whether a check can prove all accesses in bounds; collects what to check.
  bool prove();

private:
  bool scan();
  const llvm::SCEV *number(uint64_t N) { return SE.getConstant(I64, N); }
  Span bent(const llvm::SCEV *S, const llvm::SCEV *Least, const llvm::SCEV *Most);
  bool countIterations();
  const llvm::SCEV *countUpTo();
  void demand(const llvm::SCEV *Less, const llvm::SCEV *More);
  bool proveAccess(llvm::Instruction &I);
  void addEnd(uint64_t Memory, const llvm::SCEV *End);
  std::optional<uint64_t> memory(const llvm::Value *Root) const;
  std::optional<Span> span(const llvm::SCEV *S);
  std::optional<Span> range(const llvm::SCEV *S);
  std::optional<Span> invariant(const llvm::SCEV *S);
  const llvm::SCEV *widen(const llvm::SCEV *S);
  std::optional<Span> sequence(const llvm::SCEVAddRecExpr &S);
  std::optional<Span> sum(const llvm::SCEVAddExpr &S);
  std::optional<Span> product(const llvm::SCEVMulExpr &S);
  std::optional<Span> quotient(const llvm::SCEVUDivExpr &S);
  std::optional<Span> minimum(const llvm::SCEVMinMaxExpr &S);
  std::optional<Span> height(llvm::IntrinsicInst &Result);
};

// The variable and the constant part of a sum.
std::pair<const llvm::SCEV *, int64_t> splitSum(const llvm::SCEV *S, llvm::ScalarEvolution &SE);

} // namespace wasm2so
