// Which passes stay off giant functions. All of these are optional: code is as
// exact without them.

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/OptBisect.h"
#include "llvm-c/Core.h"

using namespace llvm;

namespace {

// Passes whose time grows with the square of the number of loops or blocks:
// those over scalar evolution, which forgets everything at each change, and over
// lazy value information. They go by their names in a pipeline.
class LinearTime : public OptPassGate {
public:
  bool isEnabled() const override { return true; }

  bool shouldRunPass(StringRef Pass, StringRef) const override {
    return !StringSwitch<bool>(Pass)
                .Cases({"simplify-counters", "loop-unroll-full", "loop-deletion"}, true)
                .Cases({"jump-threading", "correlated-propagation", "version-loops"}, true)
                .Default(false);
  }
};

} // namespace

// Has the passes that run in `Context` ask first.
extern "C" void wasm2so_skip_costly_passes(LLVMContextRef Context) {
  static LinearTime Gate;
  unwrap(Context)->setOptPassGate(Gate);
}
