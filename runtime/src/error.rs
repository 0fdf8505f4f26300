//! What can go wrong at the library's surface, one type per question asked.
//! Traps have their own file.

use crate::imports::ExternType;
use crate::signature::FuncType;
use crate::trap::Trap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;
use wasm2so_abi::{ABI_VERSION, Mismatch, ROOT_SYMBOL, ValType};

/// What a host function may fail with; callers can downcast it.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Why a file is no usable module.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is WebAssembly, not yet compiled.
    #[error("`{}` is not compiled yet; compile it with `wasm2so` and run the .so file", path.display())]
    NotCompiled {
        /// The file.
        path: PathBuf,
    },
    /// The dynamic loader refused the file.
    #[error("cannot load `{}`: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        source: libloading::Error,
    },
    /// The file is a library, but not of `wasm2so`.
    #[error("`{}` was not made by wasm2so: it has no symbol `{ROOT_SYMBOL}`; compile a .wasm file with `wasm2so`", path.display())]
    NotAModule {
        /// The file.
        path: PathBuf,
    },
    /// The compiler and this runtime do not fit together.
    #[error("`{}` cannot be used by this wasmrun: {}; compile it again with the wasm2so of this version", path.display(), explain(*mismatch))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What is different.
        mismatch: Mismatch,
    },
    /// The module was compiled for another processor.
    #[error("`{}` needs CPU features that this machine lacks or this wasmrun does not know: {}; compile it again for this CPU", path.display(), missing.join(", "))]
    CpuFeatures {
        /// The file.
        path: PathBuf,
        /// LLVM's names of the features.
        missing: Vec<String>,
    },
    /// The module contradicts the contract that it claims to follow.
    #[error("`{}` is damaged: {what}; compile it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: Malformed,
    },
    /// The module has no unwind tables, so its traces could not be exact.
    #[error("`{}` has no usable unwind tables: {source}; do not strip `.eh_frame`", path.display())]
    Unwind {
        /// The file.
        path: PathBuf,
        /// What is missing.
        source: io::Error,
    },
}

/// How a module contradicts the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The file was cut off.
    #[error("it ends too early")]
    Truncated,
    /// A number stands for nothing.
    #[error("{what} {code} does not exist")]
    Code {
        /// What the number should stand for.
        what: &'static str,
        /// The number.
        code: u32,
    },
    /// An index points at nothing.
    #[error("there is no {what} {index}")]
    Index {
        /// What the index should point at.
        what: &'static str,
        /// The index.
        index: u32,
    },
    /// A function of this type cannot be called.
    #[error("type {0} has no thunk, though a function of it needs one")]
    Thunk(u32),
    /// The size of the instance would be wrong.
    #[error("the sizes of its index spaces contradict its sections")]
    Counts,
    /// Pages of the image lie where they cannot be mapped.
    #[error("its memories' first contents do not fit them")]
    Image,
}

fn explain(mismatch: Mismatch) -> String {
    match mismatch {
        Mismatch::Magic => "it does not start with wasm2so's mark".into(),
        Mismatch::Version(version) => {
            format!("it follows version {version} of the contract, this is version {ABI_VERSION}")
        }
        Mismatch::Layout(hash) => format!(
            "it was made by a different build of version {ABI_VERSION} of the contract \
             (layout {hash:016x}, this is {:016x})",
            wasm2so_abi::layout_hash()
        ),
    }
}

/// Why a module could not be instantiated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstantiateError {
    /// Imports are missing or do not fit.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A segment did not fit, or the start function trapped. What was done
    /// before that stays done.
    #[error("trap while instantiating: {0}")]
    Trap(Trap),
    /// A host function that the start function called failed.
    #[error("a host function failed while instantiating: {0}")]
    Host(HostError),
    /// A memory or table could not be had.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

/// Every import of a module that could not be linked.
#[derive(Debug, Error)]
pub struct LinkError {
    /// Name of the module that imports.
    pub module: String,
    /// What is wrong, in the order of the imports; at least one.
    pub problems: Vec<ImportProblem>,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot link `{}`", self.module.escape_debug())?;
        match self.problems.as_slice() {
            [problem] => write!(f, ": {problem}"),
            problems => {
                f.write_str(":")?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// Why one import could not be linked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// Nothing has this name.
    #[error("unknown import: `{}` `{}`: define a {expected}", module.escape_debug(), name.escape_debug())]
    Unknown {
        /// First name of the import.
        module: String,
        /// Second name of the import.
        name: String,
        /// What it must be.
        expected: ExternType,
    },
    /// What has this name is of the wrong type.
    #[error("incompatible import type: `{}` `{}` must be a {expected}, but is a {found}", module.escape_debug(), name.escape_debug())]
    Incompatible {
        /// First name of the import.
        module: String,
        /// Second name of the import.
        name: String,
        /// What it must be.
        expected: ExternType,
        /// What it is.
        found: ExternType,
    },
    /// What has this name belongs to another store.
    #[error("`{}` `{}` belongs to another store: define a {expected} of this one", module.escape_debug(), name.escape_debug())]
    OtherStore {
        /// First name of the import.
        module: String,
        /// Second name of the import.
        name: String,
        /// What it must be.
        expected: ExternType,
    },
}

/// Why a memory or table could not be made or enlarged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// A memory would exceed its maximum or what an address can reach.
    #[error("a memory of {pages} pages exceeds its limit of {limit}")]
    MemorySize {
        /// The size asked for.
        pages: u64,
        /// The most it can have.
        limit: u64,
    },
    /// The memories of a store would exceed
    /// [`Config::max_memory`](crate::Config::max_memory).
    #[error("{requested} bytes of linear memory exceed the limit of {limit}; raise the limit")]
    MemoryBudget {
        /// Bytes of all memories.
        requested: u64,
        /// The limit.
        limit: u64,
    },
    /// A table would exceed its maximum or the greatest size supported.
    #[error("a table of {elements} elements exceeds its limit of {limit}")]
    TableSize {
        /// The size asked for.
        elements: u64,
        /// The most it can have.
        limit: u64,
    },
    /// The system refused.
    #[error("cannot {action} for a {what}: {source}")]
    Os {
        /// What was asked of it.
        action: &'static str,
        /// For what.
        what: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

/// Why a table or global could not be used in this way.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The table has no such element.
    #[error("no element {index} in a table of {len}")]
    TableIndex {
        /// The index.
        index: u64,
        /// The table's size.
        len: u64,
    },
    /// The value is of the wrong type.
    #[error("expected a value of type {}, not {}", expected.name(), found.name())]
    Type {
        /// The type needed.
        expected: ValType,
        /// The type given.
        found: ValType,
    },
    /// The global cannot change.
    #[error("the global is immutable")]
    Immutable,
    /// The value is a function of another store.
    #[error("the function belongs to another store")]
    OtherStore,
    /// There is no room.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

/// Why a call did not return.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The wasm code trapped.
    #[error(transparent)]
    Trap(Trap),
    /// A host function failed.
    #[error(transparent)]
    Host(HostError),
    /// The arguments do not fit the function; it was not called.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
}

/// Why arguments do not fit a function.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Too many or too few.
    #[error("{found} arguments for a function of type {ty}")]
    Count {
        /// The function's type.
        ty: FuncType,
        /// Number of arguments.
        found: usize,
    },
    /// One is of the wrong type.
    #[error("argument {index} is of type {}, for a function of type {ty}", found.name())]
    Type {
        /// The function's type.
        ty: FuncType,
        /// Which argument, from 0.
        index: usize,
        /// Its type.
        found: ValType,
    },
    /// One is a function of another store.
    #[error("argument {index} is a function of another store")]
    OtherStore {
        /// Which argument, from 0.
        index: usize,
    },
}

/// A function is not of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the function has type {found}, not {expected}")]
pub struct SignatureError {
    /// The type asked for.
    pub expected: FuncType,
    /// The function's type.
    pub found: FuncType,
}

/// A host function broke its promise about its results.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ResultError {
    #[error("the host function's result {index} is of type {}, not {}", found.name(), expected.name())]
    Type { index: usize, expected: ValType, found: ValType },
    #[error("the host function's result {index} is a function of another store")]
    OtherStore { index: usize },
}

impl From<CallError> for InstantiateError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Trap(trap) => InstantiateError::Trap(trap),
            CallError::Host(error) => InstantiateError::Host(error),
            CallError::Arguments(_) => unreachable!("a start function has no parameters"),
        }
    }
}
