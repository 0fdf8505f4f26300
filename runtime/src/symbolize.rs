//! Names for recorded frames: the function, the wasm byte offset and what was
//! inlined, from the `.so`'s own debug information, where the line number is the
//! offset. Used outside of signal handlers only.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, NativeEndian};
use memmap2::Mmap;
use object::{Object, ObjectSection};
use wasm2so_abi::Function;

use crate::activation::Activation;
pub use crate::unwind::code::Code;
use crate::unwind::record::{RawFrame, Recorder, Trace};

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
    /// Its name in the name section.
    pub func_name: Option<String>,
    /// Offset of the instruction from the start of the wasm file; of a caller,
    /// that of the call.
    pub module_offset: Option<u64>,
    /// The same from the start of the function's body.
    pub func_offset: Option<u64>,
    /// Whether the function is inlined into that of the next frame.
    pub inlined: bool,
    /// Program counter; after a call, the return address.
    pub pc: u64,
    /// Address in the `.so` file of the machine instruction (after a call: of
    /// its last byte), as `addr2line` wants it.
    pub native_offset: u64,
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

/// Names the frames of `trace`.
pub(crate) fn frames(trace: &Trace) -> Vec<Frame> {
    // Recursion repeats few program counters often.
    let mut known: HashMap<u64, Vec<Frame>> = HashMap::new();
    let mut frames = Vec::new();
    for (place, (raw, module)) in trace.frames().enumerate() {
        if place == trace.gap() && trace.omitted() > 0 {
            frames.push(Frame::Omitted(trace.omitted()));
        }
        let Some(module) = module else {
            frames.push(Frame::Host);
            continue;
        };
        let named = known.entry(raw.lookup_pc()).or_insert_with(|| {
            module.symbols.get_or_init(|| Symbols::load(module)).frames(module, raw)
        });
        frames.extend_from_slice(named);
    }
    frames
}

/// What is known of a module's code beyond its descriptor.
pub(crate) struct Symbols {
    debug: Option<Mutex<DebugInfo>>,
}

/// An inlined or outermost function at a program counter.
struct Location {
    name: Option<String>,
    offset: Option<u64>,
}

impl Symbols {
    fn load(code: &Code) -> Self {
        Symbols { debug: DebugInfo::load(code).map(Mutex::new) }
    }

    /// The functions at `raw`, innermost first; none for the compiler's own glue.
    fn frames(&self, code: &Arc<Code>, raw: &RawFrame) -> Vec<Frame> {
        let pc = raw.lookup_pc();
        let start = code.cfi().function_start(pc).ok();
        if start.is_some_and(|start| is_thunk(code, start)) {
            return Vec::new();
        }
        let mut locations = match &self.debug {
            Some(debug) => {
                debug.lock().unwrap_or_else(PoisonError::into_inner).locations(pc - code.bias())
            }
            None => Vec::new(),
        };
        if locations.is_empty() {
            let known = start.and_then(|start| function_at_address(code, start));
            if self.debug.is_some() && known.is_none() {
                // Glue of another kind.
                return Vec::new();
            }
            locations.push(Location { name: None, offset: None });
        }
        let outermost = locations.len() - 1;
        let named = locations.into_iter().enumerate().map(|(depth, Location { name, offset })| {
            let by_address = || start.filter(|_| depth == outermost);
            let function = offset
                .and_then(|offset| function_at_offset(code, offset))
                .or_else(|| function_at_address(code, by_address()?));
            let body_start = function.map(|(_, function)| function.body_start);
            Frame::Wasm(WasmFrame {
                module: code.clone(),
                func_index: function.map(|(index, _)| index),
                func_name: match function {
                    Some((index, _)) => function_name(code, index).map(str::to_owned),
                    None => name,
                },
                module_offset: offset,
                func_offset: offset.zip(body_start).and_then(|(a, b)| a.checked_sub(b)),
                inlined: depth != outermost,
                pc: raw.pc,
                native_offset: pc - code.bias(),
            })
        });
        named.collect()
    }
}

/// The `.debug_*` sections of a file.
struct DebugInfo {
    // Before the file that it borrows from.
    context: Context<EndianSlice<'static, NativeEndian>>,
    _file: Mmap,
}

impl DebugInfo {
    /// Those of the module's file, or of the file that was split off it.
    fn load(code: &Code) -> Option<Self> {
        let file = map(code.path())?;
        let object = object::File::parse(&*file).ok()?;
        if !is_loaded_file(code, &object) {
            tracing::warn!(path = %code.path().display(), "the file was replaced since it was loaded");
            return None;
        }
        let split = split_files(code.path(), &object);
        let has_debug_info = object.section_by_name(".debug_line").is_some();
        if has_debug_info {
            return Self::open(file);
        }
        split.iter().find_map(|path| Self::open(map(path)?))
    }

    fn open(file: Mmap) -> Option<Self> {
        // SAFETY: the mapping lives, and does not move, as long as what borrows
        // from it: both are fields of the result.
        let bytes: &'static [u8] = unsafe { slice::from_raw_parts(file.as_ptr(), file.len()) };
        let object = object::File::parse(bytes).ok()?;
        object.section_by_name(".debug_line")?;
        let section = |id: gimli::SectionId| {
            let section = object.section_by_name(id.name());
            let data = section.and_then(|section| section.data().ok()).unwrap_or(&[]);
            Ok::<_, gimli::Error>(EndianSlice::new(data, NativeEndian))
        };
        let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
        Some(DebugInfo { context, _file: file })
    }

    /// The functions at an address in the file, innermost first.
    fn locations(&self, address: u64) -> Vec<Location> {
        let mut locations = Vec::new();
        let Ok(mut frames) = self.context.find_frames(address).skip_all_loads() else {
            return locations;
        };
        while let Ok(Some(frame)) = frames.next() {
            let Some(function) = frame.function else { continue };
            let name = function.raw_name().ok().map(|name| name.into_owned());
            let line = frame.location.and_then(|location| location.line);
            locations.push(Location { name, offset: line.map(u64::from) });
        }
        locations
    }
}

fn map(path: &Path) -> Option<Mmap> {
    let file = File::open(path).ok()?;
    // SAFETY: as for every mapped file, others must not truncate it meanwhile;
    // the loader makes the same assumption about the same file.
    unsafe { Mmap::map(&file) }.ok()
}

/// Whether the file is still the one that was loaded, by its build ID.
fn is_loaded_file(code: &Code, file: &object::File<'_>) -> bool {
    let Some(note) = file.section_by_name(".note.gnu.build-id") else { return true };
    let Ok(data) = note.data() else { return false };
    let start = note.address().wrapping_add(code.bias());
    let end = start.wrapping_add(data.len() as u64);
    let range = code.range();
    if start < range.start || end > range.end || start > end {
        return false;
    }
    // SAFETY: inside the loaded object; the section is one that is loaded.
    let loaded = unsafe { slice::from_raw_parts(start as *const u8, data.len()) };
    loaded == data
}

/// Where debuggers, too, look for the debug information that was split off.
fn split_files(path: &Path, file: &object::File<'_>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Ok(Some((name, _))) = file.gnu_debuglink() {
        let name = String::from_utf8_lossy(name);
        let directory = path.parent().unwrap_or(Path::new("."));
        paths.extend([directory.join(&*name), directory.join(".debug").join(&*name)]);
    }
    if let Ok(Some([first, rest @ ..])) = file.build_id() {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        paths.push(format!("/usr/lib/debug/.build-id/{first:02x}/{rest}.debug").into());
    }
    paths
}

/// The function around an offset in the wasm file, and its index.
fn function_at_offset(code: &Code, offset: u64) -> Option<(u32, &Function)> {
    let functions = functions(code);
    let place = functions.partition_point(|f| f.body_end <= offset);
    let function = functions.get(place).filter(|f| f.body_start <= offset)?;
    Some((function_index(code, place), function))
}

/// The function whose machine code starts at `address`, and its index.
fn function_at_address(code: &Code, address: u64) -> Option<(u32, &Function)> {
    let functions = functions(code);
    let place = functions.iter().position(|f| f.code as u64 == address)?;
    Some((function_index(code, place), &functions[place]))
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

/// Whether the function at `start` only converts between calling conventions.
fn is_thunk(code: &Code, start: u64) -> bool {
    // SAFETY: `code` keeps the checked descriptor mapped.
    let types = unsafe { code.descriptor().types.as_slice() };
    types.iter().any(|ty| {
        ty.host_thunk as u64 == start
            || ty.entry.is_some_and(|entry| entry as usize as u64 == start)
    })
}
