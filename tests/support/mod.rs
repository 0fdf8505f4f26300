//! What the tests share: compiling in process, finding programs and tools.
#![allow(dead_code, missing_docs)]

pub mod callees;
pub mod dump;
pub mod process;
pub mod random;
pub mod truth;

use std::path::{Path, PathBuf};
use std::process::Command;
use wasm2so::options::{OptLevel, Options};

/// The compiler's default options at `level`, on one thread.
pub fn options(level: OptLevel) -> Options {
    Options { opt_level: level, jobs: 1, ..Options::default() }
}

/// Compiles `wasm` in process to `output`; every site must be exact.
pub fn compile(wasm: &[u8], file_name: &str, output: &Path, options: &Options) -> wasm2so::Summary {
    let summary = wasm2so::compile(wasm, file_name, output, options, &())
        .unwrap_or_else(|e| panic!("{file_name}: {e}"));
    assert_eq!(summary.stamps.violations, 0, "{file_name}: sites without an exact location");
    summary
}

/// Binary form of a module in text form.
pub fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|e| panic!("{e}"))
}

/// The compiler's program.
pub fn wasm2so() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wasm2so"))
}

/// The runtime's program, which cargo puts beside the compiler's.
pub fn wasmrun() -> Command {
    let path = Path::new(env!("CARGO_BIN_EXE_wasm2so")).with_file_name("wasmrun");
    assert!(path.exists(), "{} is missing: run `cargo build --workspace`", path.display());
    Command::new(path)
}

/// A program that a test cannot do without.
pub fn tool(name: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    assert!(found, "this test needs `{name}`: scripts/setup installs it");
    Command::new(name)
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A real program, built by `tests/programs/build` when it is missing.
pub fn program(file: &str) -> PathBuf {
    let folder = root().join("target/programs");
    let status = Command::new(root().join("tests/programs/build"))
        .arg(&folder)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("tests/programs/build can be run");
    assert!(status.success(), "tests/programs/build failed; run it by hand to see why");
    let path = folder.join(file);
    assert!(path.exists(), "tests/programs/build made no {}", path.display());
    path
}
