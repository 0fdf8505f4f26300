// LLD as a library: one ELF link, in process.

#include "lld/Common/Driver.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm-c/Core.h"

LLD_HAS_DRIVER(elf)

// Links as `ld.lld Args...` would (Args[0] is the program's name). Not
// reentrant: LLD keeps global state. Returns LLD's exit code; what it printed
// goes to `Diagnostics`. Leaves all of LLVM's options reset, as LLD does unless
// it fails early.
extern "C" int wasm2so_lld(const char *const *Args, size_t Count, LLVMMemoryBufferRef *Diagnostics) {
  std::string Text;
  llvm::raw_string_ostream Stream(Text);
  lld::Result Result = lld::lldMain(llvm::ArrayRef<const char *>(Args, Count), Stream, Stream,
                                    {{lld::Gnu, &lld::elf::link}});
  llvm::cl::ResetAllOptionOccurrences();
  *Diagnostics = llvm::wrap(llvm::MemoryBuffer::getMemBufferCopy(Text).release());
  return Result.retCode;
}
