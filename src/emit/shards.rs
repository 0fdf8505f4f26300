//! Shards: LLVM modules that are optimised and compiled side by side.
//!
//! How functions are divided depends on the wasm alone, so the output is the
//! same whatever the number of threads. Producers put functions that call each
//! other next to each other; a shard is a run of neighbours.

use super::debug::DebugInfo;
use super::fixed_tables::{self, FixedTables};
use super::thunks;
use crate::error::Error;
use crate::llvm::attrs::Attributes;
use crate::llvm::sys::{self, Emission, FileType, StampReport};
use crate::llvm::target::{self, Cpu};
use crate::module::{Body, WasmModule};
use crate::options::{DebugLevel, Emit, Options};
use crate::translate::{self, Conventions, ShardCx};
use inkwell::context::Context;
use inkwell::module::Linkage;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wasmparser::Operator;

/// Wasm code per shard, in bytes: enough to inline across, small enough to
/// keep several processors busy on an ordinary module.
const SHARD_BYTES: u64 = 128 << 10;

/// The last shards are smaller, half of what is left but not less than this, so that
/// the processors come to the end together. (With an eighth, QuickJS had 13 instead of
/// 9 and ran 5% slower: functions that call each other were in different ones.)
const LEAST_SHARD_BYTES: u64 = 64 << 10;

/// Functions of no more wasm code than this, in bytes, that call no others are also in the
/// other shards that call them, to be inlined there: `memcmp`, `__multi3`. (With all of that
/// size, QuickJS took 5 to 9% longer to compile, and ran no faster.)
const LENT_BYTES: u64 = 128;

/// Shards of larger modules hold more: each keeps a file open until it is linked.
const MAX_SHARDS: u64 = 512;

/// A function with more loops than this is a shard of its own, without the
/// passes that take quadratic time over them; so is one of more bytes than that.
/// The largest interpreters that people write have a tenth of either.
const MANY_LOOPS: usize = 400;
const GIANT_BYTES: u64 = 512 << 10;

/// A piece of work for one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Functions with these indices.
    functions: Range<u32>,
    /// Functions of other shards, to be inlined.
    borrowed: BTreeSet<u32>,
    /// It is one giant function, which gets no passes that take more than linear
    /// time.
    giant: bool,
    /// Also the thunks and the trap function.
    thunks: bool,
}

/// A compiled shard.
pub struct ShardOutput {
    /// Object, assembly or IR text.
    pub bytes: Vec<u8>,
    /// What stamping saw.
    pub stamps: StampReport,
    /// What it complained of.
    pub complaints: String,
}

/// How a module is divided, and what that means for its functions.
pub struct Plan {
    /// The shards, in output order.
    pub shards: Vec<Shard>,
    /// By function index: whether only its own shard refers to it.
    private: Vec<bool>,
    /// How functions are called and reach memory.
    pub conventions: Conventions,
    /// The tables that never change, by which functions are called.
    fixed_tables: FixedTables,
}

impl Plan {
    /// Divides `module`; into one shard when the output is text, which only
    /// then is a whole that other tools can read.
    ///
    /// # Errors
    /// When a body does not parse, which validation excludes.
    pub fn new(module: &WasmModule<'_>, options: &Options, cpu: &Cpu) -> Result<Self, Error> {
        let mut shards = match options.emit {
            Emit::SharedObject | Emit::Object => divide(module)?,
            Emit::Assembly | Emit::LlvmIr => vec![Shard::of(module.defined_functions())],
        };
        shards.last_mut().expect("there is at least one").thunks = true;
        let Calls { private, tail_calls, changed_tables, foreign } = Calls::of(module, &shards)?;
        if options.opt_level.is_optimised() {
            lend(module, &mut shards, &foreign)?;
        }
        let memory_in_gs = !tail_calls && !module.memories.is_empty() && cpu.has_gs_base();
        let conventions = Conventions { tail_calls, memory_in_gs };
        // Code of the tail convention is called in two ways.
        let fixed_tables = match tail_calls {
            true => FixedTables::default(),
            false => FixedTables::of(module, &changed_tables),
        };
        Ok(Plan { shards, private, conventions, fixed_tables })
    }

    /// Whether only its own shard refers to function `index`.
    fn is_private(&self, index: u32) -> bool {
        self.private[index as usize]
    }
}

impl Shard {
    fn of(functions: Range<u32>) -> Self {
        Shard { functions, borrowed: BTreeSet::new(), giant: false, thunks: false }
    }
}

/// Puts neighbours together: into at least one shard, which may be empty.
fn divide(module: &WasmModule<'_>) -> Result<Vec<Shard>, Error> {
    let all = module.defined_functions();
    let mut rest = module.code_section.len() as u64;
    let least = LEAST_SHARD_BYTES.max(rest / MAX_SHARDS);
    let most = least.max(SHARD_BYTES);
    let mut shards: Vec<Shard> = Vec::new();
    let mut room = 0;
    for index in all.clone() {
        let body = module.body(index).expect("the range holds defined functions");
        let size = body.size();
        let giant = is_giant(body)?;
        match shards.last_mut() {
            Some(shard) if !giant && !shard.giant && size <= room => shard.functions.end += 1,
            _ => {
                shards.push(Shard { giant, ..Shard::of(index..index + 1) });
                room = (rest / 2).clamp(least, most);
            }
        }
        room = room.saturating_sub(size);
        rest -= size;
    }
    if shards.is_empty() {
        shards.push(Shard::of(all));
    }
    Ok(shards)
}

/// Whether a function is one for [`Shard::giant`].
fn is_giant(body: &Body<'_>) -> Result<bool, Error> {
    let size = body.size();
    // A loop takes three bytes.
    if size > GIANT_BYTES || size < 3 * MANY_LOOPS as u64 {
        return Ok(size > GIANT_BYTES);
    }
    let mut loops = 0;
    for operator in body.reader.get_operators_reader()? {
        loops += usize::from(matches!(operator?, Operator::Loop { .. }));
    }
    Ok(loops > MANY_LOOPS)
}

/// Lends functions to shards that call them: by function, those in `callers`.
fn lend(
    module: &WasmModule<'_>,
    shards: &mut [Shard],
    callers: &BTreeMap<u32, BTreeSet<usize>>,
) -> Result<(), Error> {
    for (&index, callers) in callers {
        if module.body(index).map_or(Ok(false), is_lent)? {
            for &caller in callers {
                shards[caller].borrowed.insert(index);
            }
        }
    }
    Ok(())
}

/// Whether a function is small and calls no other.
fn is_lent(body: &Body<'_>) -> Result<bool, Error> {
    if body.size() > LENT_BYTES {
        return Ok(false);
    }
    let mut operators = body.reader.get_operators_reader()?;
    while !operators.eof() {
        match operators.read()? {
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

/// Who calls whom, and how, and what that may change.
struct Calls {
    /// By function index: no reference can name it and no other shard calls it.
    private: Vec<bool>,
    tail_calls: bool,
    /// By table: code changes it.
    changed_tables: Vec<bool>,
    /// By function: the places of other shards that call it.
    foreign: BTreeMap<u32, BTreeSet<usize>>,
}

impl Calls {
    fn of(module: &WasmModule<'_>, shards: &[Shard]) -> Result<Self, Error> {
        let mut calls = Calls {
            private: vec![true; module.functions.len()],
            tail_calls: false,
            changed_tables: vec![false; module.tables.len()],
            foreign: BTreeMap::new(),
        };
        for &index in &module.referenced {
            calls.private[index as usize] = false;
        }
        for (place, Shard { functions, .. }) in shards.iter().enumerate() {
            for index in functions.clone() {
                let body = module.body(index).expect("shards hold defined functions");
                for operator in body.reader.get_operators_reader()? {
                    calls.add(&operator?, place, functions);
                }
            }
        }
        Ok(calls)
    }

    /// Adds what an operator does in the shard at `place`, which holds `callers`.
    fn add(&mut self, operator: &Operator<'_>, place: usize, callers: &Range<u32>) {
        self.tail_calls |=
            matches!(operator, Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. });
        if let Operator::Call { function_index } | Operator::ReturnCall { function_index } =
            operator
            && !callers.contains(function_index)
        {
            self.private[*function_index as usize] = false;
            self.foreign.entry(*function_index).or_default().insert(place);
        }
        if let Operator::TableSet { table }
        | Operator::TableGrow { table }
        | Operator::TableFill { table }
        | Operator::TableInit { table, .. }
        | Operator::TableCopy { dst_table: table, .. } = operator
        {
            self.changed_tables[*table as usize] = true;
        }
    }
}

/// What every shard is compiled with.
pub struct Input<'a> {
    /// The wasm module.
    pub module: &'a WasmModule<'a>,
    /// Its file's name in the line table.
    pub file_name: &'a str,
    /// The compiler's options.
    pub options: &'a Options,
    /// The processor.
    pub cpu: &'a Cpu,
    /// The division.
    pub plan: &'a Plan,
}

/// Translates, optimises and compiles one shard.
///
/// # Errors
/// [`Error::Unsupported`], or [`Error::Llvm`] for a bug of ours.
pub fn compile(input: &Input<'_>, shard: &Shard) -> Result<ShardOutput, Error> {
    let context = Context::create();
    let Range { start, end } = shard.functions;
    let llvm = context.create_module(&format!("functions {start}..{end}"));
    sys::configure(llvm.get_context());
    if shard.giant {
        sys::skip_costly_passes(llvm.get_context());
    }
    let opt_level = input.options.opt_level;
    let machine = target::machine(input.cpu, opt_level);
    llvm.set_triple(&machine.get_triple());
    llvm.set_data_layout(&machine.get_target_data().get_data_layout());

    let attributes = Attributes::new(
        llvm.get_context(),
        input.module.vm_layout().filled().into(),
        &input.cpu.name,
        &input.cpu.features,
    );
    let debug = DebugInfo::new(&llvm, input.file_name, input.module, input.options);
    let Plan { conventions, fixed_tables, .. } = input.plan;
    let cx =
        ShardCx::new(input.module, *conventions, fixed_tables, &llvm, attributes, opt_level, debug);
    let translate = |index| {
        let body = input.module.body(index).expect("shards hold defined functions");
        translate::translate(&cx, index, body)
    };
    for index in shard.functions.clone() {
        translate(index)?;
        if input.plan.is_private(index) {
            cx.function(index).set_linkage(Linkage::Internal);
        }
    }
    for &index in &shard.borrowed {
        translate(index)?;
        cx.function(index).set_linkage(Linkage::AvailableExternally);
    }
    if shard.thunks {
        thunks::build(&cx);
        fixed_tables::define(&cx);
    }
    if let Some(debug) = &cx.debug {
        debug.finish();
    }
    if cfg!(debug_assertions) || tracing::enabled!(tracing::Level::DEBUG) {
        llvm.verify().map_err(|e| Error::Llvm(e.to_string()))?;
    }
    target::optimise(&llvm, input.module, &machine, opt_level)?;
    let file_type = match input.options.emit {
        Emit::LlvmIr => {
            let bytes = llvm.print_to_string().to_bytes().to_vec();
            return Ok(ShardOutput {
                bytes,
                stamps: StampReport::default(),
                complaints: String::new(),
            });
        }
        Emit::Assembly => FileType::Assembly,
        Emit::Object | Emit::SharedObject => FileType::Object,
    };
    let emission = Emission {
        label: input.options.audit_labels,
        variables: cx.debug.as_ref().is_some_and(|debug| debug.variables),
        stepwise: opt_level.is_stepwise(),
        sites: input.options.debug == DebugLevel::Source && opt_level.is_optimised(),
    };
    let (bytes, stamps, complaints) = sys::emit(&llvm, &machine, file_type, emission);
    Ok(ShardOutput { bytes, stamps, complaints })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptLevel;

    /// What the two shards of a module borrow at a level.
    fn borrowed(text: &str, opt_level: OptLevel) -> [Vec<u32>; 2] {
        let wasm = wat::parse_str(text).unwrap();
        let options = Options { opt_level, ..Options::default() };
        let cpu = Cpu::resolve("x86-64-v2").unwrap();
        let plan = Plan::new(&crate::module::parse(&wasm).unwrap(), &options, &cpu).unwrap();
        let borrowed = plan.shards.iter().map(|shard| shard.borrowed.iter().copied().collect());
        borrowed.collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn shards_borrow_what_is_small_and_calls_nothing() {
        let nops = |count: u64| "nop ".repeat(count as usize);
        let (many, some) = (nops(SHARD_BYTES), nops(LENT_BYTES));
        let text = format!(
            "(module (import \"\" \"f\" (func $imported))
                (func $first
                    call $imported call $near call $small call $large call $calls call $loops
                    call $last call $small {many})
                (func $near)
                (func $small nop unreachable)
                (func $large {some})
                (func $calls call $near)
                (func $loops loop end)
                (func $last (global.set 0 (i32.const 1)))
                (func $uncalled nop)
                (global (mut i32) (i32.const 0)))"
        );
        assert_eq!(borrowed(&text, OptLevel::O1), [vec![2, 3, 6, 7], vec![]]);
        assert_eq!(borrowed(&text, OptLevel::O0), [vec![], vec![]]);
    }
}
