//! The `wasm2so` program: options in, a file out, an exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
