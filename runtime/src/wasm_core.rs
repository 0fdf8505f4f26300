//! WebAssembly core dumps: what wasm code was doing, as a wasm file, in the format
//! of `Coredump.md` of WebAssembly's tool conventions. Here is the format; what
//! fills it is in `live` for a store of this process, and in
//! `core_dump::wasm` for a process that is no more.

mod live;

use std::borrow::Cow;
use std::io::{self, Write};

use wasm_encoder::{
    ConstExpr, CoreDumpInstancesSection, CoreDumpModulesSection, CoreDumpSection,
    CoreDumpStackSection, CoreDumpValue, DataSection, GlobalSection, GlobalType, HeapType,
    MemorySection, MemoryType, Section,
};

use crate::unwind::code::Code;
use crate::{Frame, Value, WasmFrame, symbolize};

/// A WebAssembly core dump: stacks, and the memories and globals of the instances
/// whose functions are on them.
///
/// Frames are listed as [`Trap::frames`](crate::Trap::frames) has them, innermost
/// first, with what was inlined; host functions have no place in the format. An
/// offset counts from the first byte of the function's body, its locals, as
/// [`WasmFrame::func_offset`] does; where it is not known, that of the machine code
/// before it takes its place, as for [`WasmFrame::near_offset`], else 0. Globals that
/// are references are null.
///
/// A frame's instance is taken to be the one that there is of its module; of several
/// the first.
#[derive(Debug, Default)]
pub struct WasmCoreDump<'a> {
    name: String,
    modules: Vec<String>,
    instances: Vec<Instance>,
    memories: Vec<Memory<'a>>,
    globals: Vec<Value>,
    threads: Vec<Thread>,
}

/// An instance, by what it is of and has: places in the dump.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) module: u32,
    pub(crate) memories: Vec<u32>,
    pub(crate) globals: Vec<u32>,
}

/// A memory; sizes in bytes.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    pub(crate) len: u64,
    pub(crate) max: Option<u64>,
    /// Contents by address, in order; the rest is zero, or unknown.
    pub(crate) parts: Vec<(u64, Cow<'a, [u8]>)>,
}

/// A thread's stack.
#[derive(Debug)]
struct Thread {
    name: String,
    frames: Vec<StackFrame>,
}

/// A function on a stack.
#[derive(Debug)]
struct StackFrame {
    instance: u32,
    function: u32,
    offset: u32,
    /// As far as they are known.
    locals: Vec<Option<Value>>,
}

impl<'a> WasmCoreDump<'a> {
    /// An empty one of the program `name`.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        WasmCoreDump { name: name.into(), ..Self::default() }
    }

    /// Adds a module; returns its place.
    pub(crate) fn add_module(&mut self, code: &Code) -> u32 {
        push(&mut self.modules, code.wasm_path().to_string_lossy().into_owned())
    }

    /// Adds an instance; returns its place.
    pub(crate) fn add_instance(&mut self, instance: Instance) -> u32 {
        push(&mut self.instances, instance)
    }

    /// Adds a memory; returns its place.
    pub(crate) fn add_memory(&mut self, memory: Memory<'a>) -> u32 {
        push(&mut self.memories, memory)
    }

    /// Adds a global; returns its place.
    pub(crate) fn add_global(&mut self, value: Value) -> u32 {
        push(&mut self.globals, value)
    }

    /// Adds a thread's stack; `instance` finds the place of a frame's.
    pub(crate) fn add_thread(
        &mut self,
        name: &str,
        frames: &[Frame],
        instance: impl Fn(&Code) -> u32,
    ) {
        let mut thread = Thread { name: name.to_owned(), frames: Vec::new() };
        for frame in frames {
            match frame {
                Frame::Host => {}
                // There is no other place for this.
                Frame::Omitted(count) => thread.name += &format!(" (without {count} frames)"),
                Frame::Wasm(frame) => {
                    // Without an index, the format cannot tell of it.
                    let Some(function) = frame.func_index else { continue };
                    let instance = instance(&frame.module);
                    let (offset, locals) = (code_offset(frame), locals_of(frame));
                    thread.frames.push(StackFrame { instance, function, offset, locals });
                }
            }
        }
        self.threads.push(thread);
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer; more than 4 GiB of memory that are not zero, which no
    /// wasm file can hold.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(&wasm_encoder::Module::HEADER)?;
        write_section(&mut writer, &CoreDumpSection::new(&*self.name))?;
        let mut modules = CoreDumpModulesSection::new();
        for module in &self.modules {
            modules.module(module);
        }
        write_section(&mut writer, &modules)?;
        let mut instances = CoreDumpInstancesSection::new();
        for Instance { module, memories, globals } in &self.instances {
            instances.instance(*module, memories.iter().copied(), globals.iter().copied());
        }
        write_section(&mut writer, &instances)?;
        for thread in &self.threads {
            write_section(&mut writer, &thread.section())?;
        }
        write_section(&mut writer, &self.memory_section())?;
        write_section(&mut writer, &self.global_section())?;
        write_section(&mut writer, &self.data_section()?)?;
        writer.flush()
    }

    fn memory_section(&self) -> MemorySection {
        let mut section = MemorySection::new();
        for memory in &self.memories {
            section.memory(MemoryType {
                minimum: memory.len / WASM_PAGE,
                maximum: memory.max.map(|max| max / WASM_PAGE),
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        section
    }

    fn global_section(&self) -> GlobalSection {
        let mut section = GlobalSection::new();
        for value in &self.globals {
            let (val_type, value) = constant(value);
            section.global(GlobalType { val_type, mutable: false, shared: false }, &value);
        }
        section
    }

    /// The pages that are not all zero, those that follow each other as one segment.
    fn data_section(&self) -> io::Result<DataSection> {
        // Readers refuse more than some 100,000 segments.
        let total: u64 = self.memories.iter().map(|memory| memory.len).sum();
        let page = if total <= 512 << 20 { 4096 } else { WASM_PAGE as usize };
        let segments = (0..).zip(&self.memories).flat_map(|(index, memory)| {
            let parts = memory.parts.iter();
            parts.flat_map(move |(start, bytes)| {
                runs(bytes, page).map(move |(at, run)| (index, start + at as u64, run))
            })
        });
        let segments: Vec<(u32, u64, &[u8])> = segments.collect();
        // Each has a head of some 20 bytes at most.
        let size: u64 = segments.iter().map(|(.., run)| run.len() as u64 + 20).sum();
        if size > u64::from(u32::MAX) {
            return Err(io::Error::other("there is more memory in use than a wasm file can hold"));
        }
        let mut section = DataSection::new();
        for (memory, address, run) in segments {
            let offset = ConstExpr::i32_const((address as u32).cast_signed());
            section.active(memory, &offset, run.iter().copied());
        }
        Ok(section)
    }
}

const WASM_PAGE: u64 = wasm2so_abi::WASM_PAGE_SIZE;

fn push<T>(all: &mut Vec<T>, one: T) -> u32 {
    all.push(one);
    all.len() as u32 - 1
}

/// Sections are written one by one: memory may be large.
fn write_section(writer: &mut impl Write, section: &impl Section) -> io::Result<()> {
    let mut bytes = vec![section.id()];
    section.encode(&mut bytes);
    writer.write_all(&bytes)
}

/// The pages of `bytes` that are not all zero, as runs with their places.
fn runs(bytes: &[u8], page: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let in_use = move |page: &&[u8]| page.iter().any(|byte| *byte != 0);
    let mut next = 0;
    std::iter::from_fn(move || {
        let zero = bytes[next..].chunks(page).take_while(|page| !in_use(page));
        let start = (next + zero.count() * page).min(bytes.len());
        let run = bytes[start..].chunks(page).take_while(in_use);
        next = (start + run.count() * page).min(bytes.len());
        (start < next).then(|| (start, &bytes[start..next]))
    })
}

/// Where the frame is, as the format counts: from the start of the function's body.
fn code_offset(frame: &WasmFrame) -> u32 {
    let near = || {
        let function = symbolize::function(&frame.module, frame.func_index?)?;
        frame.near_offset?.checked_sub(function.body_start)
    };
    frame.func_offset.or_else(near).unwrap_or(0) as u32
}

/// The function's locals, parameters first, as far as they are known: that there are
/// parameters, and no values.
fn locals_of(frame: &WasmFrame) -> Vec<Option<Value>> {
    let function = frame.func_index.and_then(|index| symbolize::function(&frame.module, index));
    // SAFETY: `module` keeps the checked descriptor mapped.
    let types = unsafe { frame.module.descriptor().types.as_slice() };
    let params = function.map_or(0, |function| types[function.type_index as usize].params.len);
    vec![None; params as usize]
}

impl Thread {
    fn section(&self) -> CoreDumpStackSection {
        let mut section = CoreDumpStackSection::new(&*self.name);
        for StackFrame { instance, function, offset, locals } in &self.frames {
            let locals: Vec<CoreDumpValue> = locals.iter().map(local).collect();
            section.frame(*instance, *function, *offset, locals, []);
        }
        section
    }
}

fn local(value: &Option<Value>) -> CoreDumpValue {
    match *value {
        Some(Value::I32(value)) => CoreDumpValue::I32(value),
        Some(Value::I64(value)) => CoreDumpValue::I64(value),
        Some(Value::F32(bits)) => CoreDumpValue::F32(f32::from_bits(bits).into()),
        Some(Value::F64(bits)) => CoreDumpValue::F64(f64::from_bits(bits).into()),
        // The format has no others.
        None | Some(Value::V128(_) | Value::FuncRef(_) | Value::ExternRef(_)) => {
            CoreDumpValue::Missing
        }
    }
}

fn constant(value: &Value) -> (wasm_encoder::ValType, ConstExpr) {
    use wasm_encoder::ValType;
    match *value {
        Value::I32(value) => (ValType::I32, ConstExpr::i32_const(value)),
        Value::I64(value) => (ValType::I64, ConstExpr::i64_const(value)),
        Value::F32(bits) => (ValType::F32, ConstExpr::f32_const(f32::from_bits(bits).into())),
        Value::F64(bits) => (ValType::F64, ConstExpr::f64_const(f64::from_bits(bits).into())),
        Value::V128(bits) => (ValType::V128, ConstExpr::v128_const(bits.cast_signed())),
        Value::FuncRef(_) => (ValType::FUNCREF, ConstExpr::ref_null(HeapType::FUNC)),
        Value::ExternRef(_) => (ValType::EXTERNREF, ConstExpr::ref_null(HeapType::EXTERN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_pages_are_left_out() {
        let found = |bytes: &[u8]| -> Vec<(usize, usize)> {
            runs(bytes, 4).map(|(start, run)| (start, run.len())).collect()
        };
        assert_eq!(found(&[]), []);
        assert_eq!(found(&[0; 9]), []);
        assert_eq!(found(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3]), [(4, 8), (16, 1)]);
        assert_eq!(found(&[1; 4]), [(0, 4)]);
    }
}
