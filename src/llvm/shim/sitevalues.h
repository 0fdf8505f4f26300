// Keeps what debug information says of variables true at every site.
//
// Code generation moves instructions past the points where variables change, and
// loses or moves these points, so that a variable would be shown as it was before,
// or as it will be. At a site, where a trap's trace or a core dump looks at it, that
// would be a wrong value. So what each variable is at each site is noted before
// code generation; and where the finished code says otherwise, it is made to say
// nothing. What the optimiser loses before that is not found here; see `narrowing` and
// `vanishing`.
//
// A variable's value is named by a number that its expression carries through code
// generation, in an operation that means nothing here (DW_OP_LLVM_tag_offset). A site
// is known by its alias scope if it accesses memory, or by a location of its own if
// it is a call.

#pragma once

#include "variableflow.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Module.h"
#include "llvm/Pass.h"

namespace wasm2so {

class SiteValues {
public:
  // Notes what variables are at the sites of `M`; its accesses have their scopes.
  void note(llvm::Module &M);

  // A pass to run after all that moves code or variables. It takes the numbers off
  // again.
  llvm::Pass *check() const;

  // So many changes into a block.
  struct Site {
    unsigned Block;
    unsigned Changes;
  };

  struct Function {
    VariableFlow Flow;
    // By scope or location.
    llvm::DenseMap<const llvm::MDNode *, Site> Sites;

    // What the variables are at a site; nothing if it is none.
    VariableFlow::State at(const llvm::MDNode *Site) const;
  };

  llvm::DenseMap<const llvm::Function *, Function> Functions;
  // The locations that calls had before they got their own.
  llvm::DenseMap<const llvm::DILocation *, llvm::DILocation *> Locations;
};

} // namespace wasm2so
