//! The `wasm2so` program: options in, a file out, an exit code.

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, which the crate does not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Each shard needs what the one before it has freed: to give that back to the system
    // takes a thirtieth of the time to compile.
    // SAFETY: sets a number; no other thread is there yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    cli::main()
}
