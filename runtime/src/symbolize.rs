//! Names for recorded frames: the function, the wasm byte offset and what was
//! inlined, from the `.so`'s own debug information, where the line number is the
//! offset; from there to the sources, by the wasm's. Also the values of locals, if the
//! frames' state was kept. Used outside of signal handlers only.

mod dwarf;
pub(crate) mod host;
mod native;
mod source;
mod symbols;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use wasm2so_abi::Function;

use crate::Value;
use crate::activation::Activation;
pub use crate::unwind::code::Code;
use crate::unwind::record::{Recorder, Trace};
use native::Location;
pub(crate) use native::Machine;
pub(crate) use source::Sources;
pub use source::{DebugFileError, SourceFrame};
pub(crate) use symbols::Symbols;

/// An entry of a stack trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A wasm function.
    Wasm(WasmFrame),
    /// Host functions, between the wasm function that called them and the one
    /// that they called.
    Host,
    /// So many frames were not kept.
    Omitted(u64),
}

/// A wasm function on the stack. What is not known is `None`, never a guess.
#[derive(Clone, Debug)]
pub struct WasmFrame {
    /// The module's code.
    pub module: Arc<Code>,
    /// Index of the function in the module.
    pub func_index: Option<u32>,
    /// Its name in the name section; of an unknown function that of its symbol.
    pub func_name: Option<String>,
    /// Offset of the instruction from the start of the wasm file; of a caller,
    /// that of the call.
    pub module_offset: Option<u64>,
    /// The same from the start of the function's body.
    pub func_offset: Option<u64>,
    /// Of an interrupted function's machine instruction that belongs to no wasm
    /// one (a spill, say): the offset of the last one before it, in the order of
    /// the machine code, that does.
    pub near_offset: Option<u64>,
    /// Whether the function is inlined into that of the next frame.
    pub inlined: bool,
    /// Program counter; after a call, the return address.
    pub pc: u64,
    /// Address in the `.so` file of the machine instruction (after a call: of
    /// its last byte), as `addr2line` wants it.
    pub native_offset: u64,
}

impl WasmFrame {
    /// Where the instruction is in what the wasm was compiled from, then where
    /// that was inlined by the source's compiler, innermost first. Empty when it
    /// is not known. Without an offset, that of `near_offset`.
    ///
    /// The wasm's debug information is read at the first call: from the `.so`
    /// if it was kept there, else from the wasm file beside it if that has not
    /// changed since; see also [`Module::use_debug_file`].
    ///
    /// [`Module::use_debug_file`]: crate::Module::use_debug_file
    pub fn source(&self) -> Arc<[SourceFrame]> {
        let offset = self.module_offset.or(self.near_offset);
        offset.map_or_else(Arc::default, |offset| sources_at(&self.module, offset))
    }
}

impl PartialEq for WasmFrame {
    fn eq(&self, other: &Self) -> bool {
        let key = |frame: &Self| (Arc::as_ptr(&frame.module), frame.pc, frame.func_index);
        key(self) == key(other) && self.module_offset == other.module_offset
    }
}

impl Eq for WasmFrame {}

/// The wasm functions that are on this thread's stack, innermost first; for host
/// functions. Empty outside of wasm.
pub fn current_stack() -> Vec<Frame> {
    let mut recorder = Recorder::new();
    recorder.record_from_host(Activation::innermost());
    // SAFETY: the modules run.
    frames(&unsafe { recorder.to_trace() })
}

/// The positions in the sources of the instruction at an offset in the wasm
/// file.
pub(crate) fn sources_at(code: &Code, offset: u64) -> Arc<[SourceFrame]> {
    let mut sources = code.sources.lock().unwrap_or_else(PoisonError::into_inner);
    sources.get_or_insert_with(|| Sources::find(code)).at(code, offset)
}

/// Names the frames of `trace`.
pub(crate) fn frames(trace: &Trace) -> Vec<Frame> {
    placed_frames(trace).into_iter().map(|(_, frame)| frame).collect()
}

/// The same, each with its place among those of `trace`, which frames of inlined
/// functions share with that of what they are inlined into.
pub(crate) fn placed_frames(trace: &Trace) -> Vec<(usize, Frame)> {
    // Recursion repeats few program counters often.
    let mut known: HashMap<(u64, bool), Vec<WasmFrame>> = HashMap::new();
    let mut frames = Vec::new();
    for (place, (raw, module)) in trace.frames().enumerate() {
        if place == trace.gap() && trace.omitted() > 0 {
            frames.push((usize::MAX, Frame::Omitted(trace.omitted())));
        }
        let Some(module) = module else {
            frames.push((place, Frame::Host));
            continue;
        };
        let functions = known.entry((raw.pc, raw.after_call));
        let found = || functions_at(module, raw.pc, raw.lookup_pc());
        let functions = functions.or_insert_with(found).iter().cloned();
        frames.extend(functions.map(|function| (place, Frame::Wasm(function))));
    }
    frames
}

/// What a function's variables hold; what is not known is `None`.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// The locals, parameters first.
    pub(crate) locals: Vec<Option<Value>>,
    /// The operand stack before the instruction, lowest first; empty if it is not
    /// described.
    pub(crate) operands: Vec<Option<Value>>,
}

/// What a frame holds.
#[derive(Debug, Default)]
pub(crate) struct FrameValues {
    /// The instance that the function is of.
    pub(crate) vmctx: Option<u64>,
    /// Its variables; at least parameters are there.
    pub(crate) variables: Variables,
    /// Whether the debug information tells of variables at all.
    pub(crate) are_described: bool,
}

/// What each of `frames` holds; frames of one place are in the state that
/// `machine_at` knows.
pub(crate) fn values<'a>(
    frames: &[(usize, Frame)],
    machine_at: impl Fn(usize) -> Option<Machine<'a>>,
) -> Vec<FrameValues> {
    let mut values = Vec::new();
    for inlined in frames.chunk_by(|(place, _), (next, _)| place == next) {
        let machine = machine_at(inlined[0].0);
        let variables = match (machine, &inlined[0].1) {
            (Some(machine), Frame::Wasm(frame)) => {
                let symbols = frame.module.symbols.get_or_init(|| Symbols::load(&frame.module));
                symbols.variables(frame.native_offset, machine)
            }
            _ => Vec::new(),
        };
        let mut variables = variables.into_iter();
        values.extend(inlined.iter().map(|(_, frame)| {
            let mut variables = variables.next().unwrap_or_default();
            let params = match frame {
                Frame::Wasm(frame) => param_count(frame),
                _ => 0,
            };
            let locals = &mut variables.locals;
            let are_described = machine.is_none() || !locals.is_empty() || params == 0;
            if locals.is_empty() {
                *locals = vec![None; params];
            }
            FrameValues {
                vmctx: machine.and_then(|machine| machine.state.vmctx),
                variables,
                are_described,
            }
        }));
    }
    values
}

/// How many parameters a function has; 0 if it is not known which it is.
fn param_count(frame: &WasmFrame) -> usize {
    let function = frame.func_index.and_then(|index| function(&frame.module, index));
    // SAFETY: `module` keeps the checked descriptor mapped.
    let types = unsafe { frame.module.descriptor().types.as_slice() };
    function.map_or(0, |function| types[function.type_index as usize].params.len as usize)
}

/// The functions at an address in the module's file, innermost first.
pub(crate) fn functions_at_address(code: &Arc<Code>, address: u64) -> Vec<WasmFrame> {
    let pc = code.bias().wrapping_add(address);
    if code.range().contains(&pc) { functions_at(code, pc, pc) } else { Vec::new() }
}

/// Makes [`functions_at_address`] quick for many addresses.
pub(crate) fn index(code: &Code) {
    code.symbols.get_or_init(|| Symbols::load(code)).index();
}

/// The functions at the machine instruction around `pc`, innermost first; none
/// for the compiler's own glue. `frame_pc` is what they report.
fn functions_at(code: &Arc<Code>, frame_pc: u64, pc: u64) -> Vec<WasmFrame> {
    let symbols = code.symbols.get_or_init(|| Symbols::load(code));
    let start = code.cfi().function_start(pc).ok();
    if start.is_some_and(|start| is_thunk(code, start)) {
        return Vec::new();
    }
    let known = || function_starting_at(code, symbols, start?);
    let mut locations = symbols.locations(pc - code.bias());
    if locations.is_empty() {
        if symbols.has_debug_info() && known().is_none() {
            // Glue of another kind.
            return Vec::new();
        }
        let name = start.and_then(|start| symbols.name(start - code.bias()));
        locations.push(Location { name, offset: None });
    }
    // Only the innermost frame can be interrupted; it alone may be without.
    let near = locations[0].offset.is_none().then(|| {
        let start = start?.wrapping_sub(code.bias());
        symbols.last_offset(start..pc - code.bias())
    });
    let mut near = near.flatten();
    let outermost = locations.len() - 1;
    let named = locations.into_iter().enumerate().map(|(depth, Location { name, offset })| {
        let near_offset = near.take();
        let function = match offset {
            Some(offset) => function_at_offset(code, offset),
            None if depth == outermost => known(),
            None => near_offset
                .and_then(|near| function_at_offset(code, near))
                .filter(|(index, _)| name.as_deref() == function_name(code, *index)),
        };
        let body_start = function.map(|(_, function)| function.body_start);
        WasmFrame {
            module: code.clone(),
            func_index: function.map(|(index, _)| index),
            func_name: match function {
                Some((index, _)) => function_name(code, index).map(str::to_owned),
                None => name,
            },
            module_offset: offset,
            func_offset: offset.zip(body_start).and_then(|(a, b)| a.checked_sub(b)),
            near_offset,
            inlined: depth != outermost,
            pc: frame_pc,
            native_offset: pc - code.bias(),
        }
    });
    named.collect()
}

/// The function around an offset in the wasm file, and its index.
fn function_at_offset(code: &Code, offset: u64) -> Option<(u32, &Function)> {
    let functions = functions(code);
    let place = functions.partition_point(|f| f.body_end <= offset);
    let function = functions.get(place).filter(|f| f.body_start <= offset)?;
    Some((function_index(code, place), function))
}

/// The function whose machine code starts at `start`, and its index: as the
/// descriptor says; else by the line of its first instruction, the function's
/// own; else by its symbol, `wasm[INDEX]::NAME`.
fn function_starting_at<'a>(
    code: &'a Code,
    symbols: &Symbols,
    start: u64,
) -> Option<(u32, &'a Function)> {
    let address = start - code.bias();
    let by_line = || function_at_offset(code, symbols.locations(address).pop()?.offset?);
    let by_symbol = || {
        let symbol = symbols.name(address)?;
        let index = symbol.strip_prefix("wasm[")?.split(']').next()?.parse().ok()?;
        Some((index, function(code, index)?))
    };
    function_at_address(code, start).or_else(by_line).or_else(by_symbol)
}

/// The function whose own code starts at `address`, and its index.
fn function_at_address(code: &Code, address: u64) -> Option<(u32, &Function)> {
    let functions = functions(code);
    let place = functions.iter().position(|f| own_code(f) == address)?;
    Some((function_index(code, place), &functions[place]))
}

/// Where the code starts that is the function's, not a way to it.
fn own_code(function: &Function) -> u64 {
    let Function { local_code, tail_code, .. } = function;
    if tail_code.is_null() { local_code.get() as u64 } else { tail_code.get() as u64 }
}

/// Function `index`, if the module defines it.
pub(crate) fn function(code: &Code, index: u32) -> Option<&Function> {
    let imported = code.descriptor().counts.imported_functions;
    functions(code).get(index.checked_sub(imported)? as usize)
}

fn function_index(code: &Code, place: usize) -> u32 {
    code.descriptor().counts.imported_functions + place as u32
}

fn functions(code: &Code) -> &[Function] {
    // SAFETY: `code` keeps the checked descriptor mapped.
    unsafe { code.descriptor().functions.as_slice() }
}

fn function_name(code: &Code, index: u32) -> Option<&str> {
    // SAFETY: `code` keeps the checked descriptor mapped.
    unsafe {
        let names = code.descriptor().function_names.as_slice();
        let place = names.binary_search_by_key(&index, |name| name.index).ok()?;
        Some(names[place].name.as_str())
    }
}

/// Whether the function at `start` is only a way to another.
fn is_thunk(code: &Code, start: u64) -> bool {
    // SAFETY: `code` keeps the checked descriptor mapped.
    let types = unsafe { code.descriptor().types.as_slice() };
    functions(code).iter().any(|f| f.code.get() as u64 == start && own_code(f) != start)
        || types.iter().any(|ty| ty.entry.get() as u64 == start)
}
