//! `wasm2so`: WebAssembly to an ordinary ELF shared object, ahead of time,
//! through LLVM, with exact traces.
//!
//! # The pipeline
//! | phase | folder |
//! |---|---|
//! | bytes to a validated module | [`module`] |
//! | function bodies to LLVM IR | [`translate`] |
//! | LLVM IR to optimised machine code, stamped | [`llvm`] |
//! | shards, thunks, debug information, descriptor, linking | [`emit`] |
//! | commands for debuggers | [`debuggers`] |
//!
//! Each phase borrows immutably from the one before. What the code expects of
//! its host is the crate `wasm2so_abi`; nothing here runs wasm.

pub mod debuggers;
pub mod emit;
pub mod error;
pub mod llvm;
pub mod module;
pub mod options;
pub mod translate;

use emit::link::{self, Part};
use emit::shards::{self, Input, Plan, ShardOutput};
use emit::{descriptor, kept, source};
use error::Error;
use llvm::sys::StampReport;
use llvm::target::Cpu;
use options::{DebugLevel, Emit, Options};
use rayon::prelude::*;
use std::path::Path;

/// Name and version, as the output records them.
pub const PRODUCER: &str =
    concat!("wasm2so ", env!("CARGO_PKG_VERSION"), " (LLVM ", env!("WASM2SO_LLVM_VERSION"), ")");

/// What a compilation did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Functions compiled.
    pub functions: usize,
    /// LLVM modules they were divided into.
    pub shards: usize,
    /// What stamping saw.
    pub stamps: StampReport,
}

/// Told as work goes on.
pub trait Progress: Sync {
    /// There are `count` pieces of work.
    fn total(&self, count: usize);
    /// One is done.
    fn step(&self);
}

/// Told to nobody.
impl Progress for () {
    fn total(&self, _: usize) {}
    fn step(&self) {}
}

/// Compiles `wasm` (binary format) into the file `output`.
///
/// `file_name` is the wasm file's name for debuggers. `output` is written
/// directly: callers that want it whole or not at all pass a temporary name.
///
/// # Errors
/// See [`Error`].
pub fn compile(
    wasm: &[u8],
    file_name: &str,
    output: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, Error> {
    let cpu = Cpu::resolve(&options.cpu)?;
    let module = module::parse(wasm)?;
    let plan = Plan::new(&module, options, &cpu)?;
    let input = Input { module: &module, file_name, options, cpu: &cpu, plan: &plan };
    progress.total(plan.shards.len() + 1);
    let stamps = match options.emit {
        Emit::Assembly | Emit::LlvmIr => {
            let (texts, stamps) = compile_shards(&input, progress, Ok)?;
            std::fs::write(output, texts.concat()).map_err(|source| Error::Io {
                action: "write",
                path: output.to_owned(),
                source,
            })?;
            stamps
        }
        Emit::Object | Emit::SharedObject => {
            let part = |bytes: Vec<u8>| Part::new(&bytes, output);
            let (mut objects, stamps) = compile_shards(&input, progress, part)?;
            let kept = kept::sections(&module, wasm, options);
            objects.push(part(descriptor::write(&module, file_name, &cpu, &plan, &kept))?);
            let shared = options.emit == Emit::SharedObject;
            link::link(&objects, output, shared, options)?;
            if shared && options.debug == DebugLevel::Source {
                source::apply(&module, output, options)?;
            }
            stamps
        }
    };
    progress.step();
    Ok(Summary { functions: module.bodies.len(), shards: plan.shards.len(), stamps })
}

/// Compiles all shards; `keep` puts away the bytes of each as soon as they are
/// there.
fn compile_shards<T: Send>(
    input: &Input<'_>,
    progress: &dyn Progress,
    keep: impl Fn(Vec<u8>) -> Result<T, Error> + Sync,
) -> Result<(Vec<T>, StampReport), Error> {
    let jobs = match input.options.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.min(input.plan.shards.len()))
        // LLVM recurses over deeply nested code.
        .stack_size(64 << 20)
        .build()
        .map_err(|e| Error::Llvm(format!("cannot start threads: {e}")))?;
    let mut outputs = pool.install(|| {
        // Who is done takes the next: the smallest come last.
        let shards = input.plan.shards.iter().enumerate().par_bridge();
        let outputs = shards.map(|(place, shard)| {
            let ShardOutput { bytes, stamps, complaints } = shards::compile(input, shard)?;
            progress.step();
            Ok((place, keep(bytes)?, stamps, complaints))
        });
        outputs.collect::<Result<Vec<_>, Error>>()
    })?;
    outputs.sort_unstable_by_key(|(place, ..)| *place);
    let mut total = StampReport::default();
    let mut kept = Vec::with_capacity(outputs.len());
    for (_, bytes, stamps, complaints) in outputs {
        total += stamps;
        for complaint in complaints.lines() {
            tracing::warn!("no exact location: {complaint}");
        }
        kept.push(bytes);
    }
    Ok((kept, total))
}
