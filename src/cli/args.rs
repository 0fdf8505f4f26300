//! What can be said on the command line.

use super::output::STANDARD;
use anyhow::{Result, bail};
use clap::{Parser, ValueEnum, ValueHint};
use std::path::{Path, PathBuf};
use wasm2so::options::{self, DebugLevel, Emit, OptLevel, Options};

/// Compiles WebAssembly to a native shared object with exact traces.
///
/// Run the result with `wasmrun`, or debug it with gdb: `break
/// 'input.wasm':OFFSET` stops at the instruction with that byte offset.
#[derive(Parser, Debug)]
#[command(
    version,
    override_usage = "wasm2so [OPTIONS] <INPUT>",
    max_term_width = 80,
    arg_required_else_help = true
)]
pub struct Args {
    /// WebAssembly module, binary or text; `-` reads standard input.
    #[arg(value_hint = ValueHint::FilePath, required_unless_present_any = ["debugger_script", "completions", "man"])]
    pub input: Option<PathBuf>,

    /// Output file, `-` for standard output [default: the input's name with the
    /// output's extension, in the current directory].
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Optimisation level: 0 to 3, or `g` for debuggers, which then stop at each
    /// wasm instruction and see and change all variables.
    #[arg(short = 'O', value_name = "LEVEL", default_value = "3", hide_possible_values = true)]
    opt_level: Level,

    /// Processor to compile for: `native`, `x86-64-v2` (the least),
    /// `x86-64-v3`, or any of LLVM's names. The file says what it needs, and
    /// is refused on a machine that lacks it.
    #[arg(long, value_name = "NAME", default_value = "native")]
    cpu: String,

    /// What to write.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Kind::So)]
    emit: Kind,

    /// Threads [default: one per processor]. The output is the same with any
    /// number.
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = count,
        allow_negative_numbers = true,
        default_value = "0",
        hide_default_value = true
    )]
    jobs: usize,

    /// Debug information [default: full with -Og, else functions]. It changes
    /// neither the code nor its speed.
    #[arg(long, value_name = "AMOUNT", value_enum)]
    debug: Option<Debug>,

    /// Also write a listing, for debuggers to show as the source: a text file
    /// whose line N is the instruction at offset N [default: beside the output,
    /// the input's name with .wasm.wat].
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        num_args = 0..=1,
        require_equals = true
    )]
    listing: Option<Option<PathBuf>>,

    /// Keep the wasm's own DWARF or link to a source map, in sections that are
    /// not loaded: traces then show source positions even where the wasm file
    /// is not beside the output.
    #[arg(long)]
    keep_dwarf: bool,

    /// Put a symbol at each machine instruction that touches memory.
    #[arg(long, hide = true)]
    audit_labels: bool,

    /// Link with this `ld`-compatible program instead of the built-in linker.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::ExecutablePath)]
    linker: Option<PathBuf>,

    /// Say what was done; twice or more, say how.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// When to colour messages.
    #[command(flatten)]
    pub color: colorchoice_clap::Color,

    /// Print the `wasm` commands for this debugger, for its `source` or `command
    /// script import`. Files with full debug information hold those for gdb.
    #[arg(long, value_name = "DEBUGGER", value_enum)]
    pub debugger_script: Option<Debugger>,

    /// Print a completion script for this shell.
    #[arg(long, value_name = "SHELL", value_enum)]
    pub completions: Option<clap_complete::Shell>,

    /// Print the manual page.
    #[arg(long)]
    pub man: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    #[value(name = "0")]
    O0,
    #[value(name = "g")]
    Og,
    #[value(name = "1")]
    O1,
    #[value(name = "2")]
    O2,
    #[value(name = "3")]
    O3,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Shared object.
    So,
    /// Relocatable object.
    Obj,
    /// Assembly.
    Asm,
    /// Optimised LLVM IR.
    LlvmIr,
}

/// A debugger that there are commands for.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum Debugger {
    Gdb,
    Lldb,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Debug {
    /// Types and variables.
    Full,
    /// The sources of the wasm, by its DWARF: lines, functions, types and, with
    /// -Og or -O0, variables. Traces show offsets as ever.
    Source,
    /// The same for lldb, which does not follow the pointers that gdb does.
    SourceLldb,
    /// All functions, line table, inlined functions: where execution is.
    Functions,
    /// Line table and inlined functions: all that traces need.
    Line,
    /// Nothing; traces name functions but no offsets.
    None,
}

impl Args {
    /// As the compiler takes them.
    pub fn options(&self) -> Options {
        Options {
            opt_level: match self.opt_level {
                Level::O0 => OptLevel::O0,
                Level::Og => OptLevel::Og,
                Level::O1 => OptLevel::O1,
                Level::O2 => OptLevel::O2,
                Level::O3 => OptLevel::O3,
            },
            cpu: self.cpu.clone(),
            debug: match (self.debug, self.opt_level) {
                (Some(Debug::Full), _) | (None, Level::Og) => DebugLevel::Full,
                (Some(Debug::Source | Debug::SourceLldb), _) => DebugLevel::Source,
                (Some(Debug::Functions), _) | (None, _) => DebugLevel::Functions,
                (Some(Debug::Line), _) => DebugLevel::Line,
                (Some(Debug::None), _) => DebugLevel::None,
            },
            debugger: match self.debug {
                Some(Debug::SourceLldb) => options::Debugger::Lldb,
                _ => options::Debugger::Gdb,
            },
            emit: match self.emit {
                Kind::So => Emit::SharedObject,
                Kind::Obj => Emit::Object,
                Kind::Asm => Emit::Assembly,
                Kind::LlvmIr => Emit::LlvmIr,
            },
            listing: None,
            keep_dwarf: self.keep_dwarf,
            jobs: self.jobs,
            audit_labels: self.audit_labels,
            linker: self.linker.clone(),
        }
    }

    /// Where the listing goes, if there is to be one beside the output `target`.
    pub fn listing_path(&self, target: &Path) -> Option<PathBuf> {
        let beside = || {
            let input = self.input.as_deref().and_then(Path::file_stem);
            let mut name =
                input.filter(|stem| *stem != STANDARD).unwrap_or("stdin".as_ref()).to_owned();
            name.push(".wasm.wat");
            target.with_file_name(name)
        };
        self.listing.as_ref().map(|path| path.clone().unwrap_or_else(beside))
    }

    /// Where the output goes.
    pub fn output_path(&self, options: &Options) -> Result<PathBuf> {
        if let Some(output) = &self.output {
            return Ok(output.clone());
        }
        let extension = match options.emit {
            Emit::SharedObject => ".so",
            Emit::Object => ".o",
            Emit::Assembly => ".s",
            Emit::LlvmIr => ".ll",
        };
        match self.input.as_ref().and_then(|i| i.file_stem()) {
            Some(stem) if stem != STANDARD => {
                let mut name = stem.to_owned();
                name.push(extension);
                Ok(name.into())
            }
            _ => bail!("reading standard input needs -o FILE"),
        }
    }
}

fn count(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "not a number of threads")
}
