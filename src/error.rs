//! Everything that can go wrong in a compilation.

use std::path::PathBuf;

/// Why there is no output. Offsets are from the start of the wasm file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a valid module.
    #[error("not a valid WebAssembly module: {message} (at offset {offset:#x})")]
    Invalid {
        /// Where.
        offset: u64,
        /// What is wrong.
        message: String,
    },
    /// Valid, but with something that is not compiled (yet).
    #[error("not supported: {what} (at offset {offset:#x})")]
    Unsupported {
        /// Where.
        offset: u64,
        /// The proposal or construct.
        what: String,
    },
    /// Text format that does not parse.
    #[error("not valid WebAssembly text: {0}")]
    Text(String),
    /// A component instead of a module.
    #[error(
        "this is a WebAssembly component, not a core module; extract the module it wraps and compile that"
    )]
    Component,
    /// `--cpu` cannot be honoured.
    #[error(
        "no code can be made for processor `{name}`: {problem}; try `native`, `x86-64-v2` or `x86-64-v3`"
    )]
    Cpu {
        /// As given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The module cannot be printed as text.
    #[error("no listing can be made, compile without: {0}")]
    Listing(String),
    /// The linker failed.
    #[error("linking failed: {0}")]
    Link(String),
    /// LLVM refused its input.
    #[error(
        "LLVM failed on valid input, which is a bug in wasm2so; please report it with the module: {0}"
    )]
    Llvm(String),
    /// Reading or writing a file failed.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl From<wasmparser::BinaryReaderError> for Error {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Error::Invalid { offset: error.offset(), message: error.message().to_owned() }
    }
}
