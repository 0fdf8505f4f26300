//! Every knob of the compiler and its default.

/// How much LLVM optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum OptLevel {
    O0,
    /// For debuggers: like `O0`, and at each wasm instruction there is somewhere to
    /// stop, with all variables and operands in memory.
    Og,
    O1,
    O2,
    #[default]
    O3,
}

impl OptLevel {
    /// Whether debuggers stop at each wasm instruction and see its operands.
    pub(crate) fn is_stepwise(self) -> bool {
        self == OptLevel::Og
    }

    /// Whether LLVM optimises: variables become values, not slots in memory.
    pub(crate) fn is_optimised(self) -> bool {
        self >= OptLevel::O1
    }
}

/// How much debug information the file carries. It never changes the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DebugLevel {
    /// None: traces name functions but no offsets.
    None,
    /// Line table and inlined functions: all that traces need.
    Line,
    /// Also every function, for debuggers to find by name.
    #[default]
    Functions,
    /// Also types and variables.
    Full,
    /// The wasm's own debug information, translated: debuggers show its sources,
    /// traces still show offsets. Without any in the wasm, as [`Full`](Self::Full).
    Source,
}

/// A debugger that sources are described for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Debugger {
    #[default]
    Gdb,
    Lldb,
}

/// What to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// The shared object.
    #[default]
    SharedObject,
    /// The code as one relocatable object.
    Object,
    /// The code as assembly.
    Assembly,
    /// Optimised LLVM IR.
    LlvmIr,
}

/// Where a listing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Absolute path of the directory.
    pub directory: String,
    /// Name of the file.
    pub name: String,
}

/// How to compile.
#[derive(Clone, Debug)]
pub struct Options {
    /// Optimisation level.
    pub opt_level: OptLevel,
    /// `native` or one of LLVM's names.
    pub cpu: String,
    /// Debug information.
    pub debug: DebugLevel,
    /// The debugger that [`DebugLevel::Source`] is for: pointers in linear memory are
    /// described as this one can follow them.
    pub debugger: Debugger,
    /// What to write.
    pub emit: Emit,
    /// The listing (see [`emit::listing`](crate::emit::listing)) that debuggers are
    /// to show as the source: its name and the absolute path of its directory. It
    /// is for the caller to write.
    pub listing: Option<Listing>,
    /// Keep the wasm's own debug information, for source positions in traces.
    pub keep_dwarf: bool,
    /// Threads; 0 means one per processor. The output does not depend on it.
    pub jobs: usize,
    /// For audits: a symbol at each machine instruction that touches memory,
    /// `wasm2so.access.N` at sites, `wasm2so.proved.N` where a check before a loop
    /// keeps the access in bounds, `wasm2so.other.N` elsewhere. The code is
    /// the same.
    pub audit_labels: bool,
    /// An external `ld`-compatible linker instead of the built-in one.
    pub linker: Option<std::path::PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            opt_level: OptLevel::default(),
            cpu: "native".to_owned(),
            debug: DebugLevel::default(),
            debugger: Debugger::default(),
            emit: Emit::default(),
            listing: None,
            keep_dwarf: false,
            jobs: 0,
            audit_labels: false,
            linker: None,
        }
    }
}
