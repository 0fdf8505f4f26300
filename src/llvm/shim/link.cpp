// LLD as a library: one ELF link, in process.

#include "lld/Common/Driver.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm-c/Core.h"
#include <csignal>
#include <iterator>
#include <mutex>

LLD_HAS_DRIVER(elf)

namespace {

// When LLVM first writes a file, it sets handlers of signals, which remove the file.
// Those of faults may belong to a runtime in this process, which needs them.
void keepFaultHandlers() {
  static std::once_flag Once;
  std::call_once(Once, [] {
    constexpr int Faults[] = {SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS};
    struct sigaction Before[std::size(Faults)];
    stack_t Stack;
    sigaltstack(nullptr, &Stack);
    for (size_t I = 0; I != std::size(Faults); ++I)
      sigaction(Faults[I], nullptr, &Before[I]);
    constexpr llvm::StringRef None = "/nonexistent";
    llvm::sys::RemoveFileOnSignal(None);
    llvm::sys::DontRemoveFileOnSignal(None);
    for (size_t I = 0; I != std::size(Faults); ++I)
      sigaction(Faults[I], &Before[I], nullptr);
    sigaltstack(&Stack, nullptr);
  });
}

} // namespace

// Links as `ld.lld Args...` would (Args[0] is the program's name). Not
// reentrant: LLD keeps global state. Returns LLD's exit code; what it printed
// goes to `Diagnostics`. Leaves all of LLVM's options reset, as LLD does unless
// it fails early.
extern "C" int wasm2so_lld(const char *const *Args, size_t Count, LLVMMemoryBufferRef *Diagnostics) {
  keepFaultHandlers();
  std::string Text;
  llvm::raw_string_ostream Stream(Text);
  lld::Result Result = lld::lldMain(llvm::ArrayRef<const char *>(Args, Count), Stream, Stream,
                                    {{lld::Gnu, &lld::elf::link}});
  llvm::cl::ResetAllOptionOccurrences();
  *Diagnostics = llvm::wrap(llvm::MemoryBuffer::getMemBufferCopy(Text).release());
  return Result.retCode;
}
