// Puts 32-bit sums that are addresses into the instructions that access memory.

#pragma once

#include "llvm/Pass.h"

namespace wasm2so {

// A pass over machine code that is still in SSA form.
//
// The address of an access is a 32-bit sum that wraps, so instruction selection
// computes it before the access, which adds 64 bits. But x86 adds 32-bit registers
// as wasm does, in an access with the address-size prefix; segment GS, where the
// base of memory is, comes on top of that.
//
// Register allocation knows of no 32-bit registers in addresses. So they are 64-bit
// ones until all is done, and the segment is ES, which nothing else uses.
llvm::Pass *foldAddresses();

// A pass to run after all that knows instructions: makes 32-bit registers of them.
llvm::Pass *narrowAddresses();

} // namespace wasm2so
