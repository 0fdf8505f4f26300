//! The `wasm2so` program: options in, a file out, an exit code.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, which the crate does not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // Each shard needs what the one before it has freed: to give that back to the system
    // takes a thirtieth of the time to compile.
    // SAFETY: sets a number; no other thread is there yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    cli::main()
}

#[cfg(test)]
mod tests {
    /// No other option's default is a second.
    #[test]
    fn purge_delay_is_still_that_option() {
        // SAFETY: reads a number.
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(super::PURGE_DELAY) }, 1000);
    }
}
