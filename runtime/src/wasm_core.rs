//! WebAssembly core dumps: what wasm code was doing, as a wasm file, in the format
//! of `Coredump.md` of WebAssembly's tool conventions. Here is the format; what
//! fills it is in `live` for a store of this process, and in
//! `core_dump::wasm` for a process that is no more.

mod live;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use wasm_encoder::{
    ConstExpr, CoreDumpInstancesSection, CoreDumpModulesSection, CoreDumpSection,
    CoreDumpStackSection, CoreDumpValue, DataSection, GlobalSection, GlobalType, HeapType,
    MemorySection, MemoryType, Section,
};

use crate::symbolize::{self, FrameValues, Variables};
use crate::unwind::code::Code;
use crate::{Frame, Value, WasmFrame};

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
/// Locals, parameters first, have the values that they had there if the module was
/// compiled with debug information about variables and these still existed; values
/// that are not numbers are left out. The operand stack, as it was before the
/// instruction, is there if the module was compiled with `-Og`. A frame of which it is not known which of several
/// instances of its module it is of has one without memories and globals.
#[derive(Debug, Default)]
pub struct WasmCoreDump<'a> {
    modules: Vec<Arc<Code>>,
    instances: Vec<Instance>,
    memories: Vec<Memory<'a>>,
    globals: Vec<Value>,
    threads: Vec<Thread>,
    undescribed: BTreeSet<PathBuf>,
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
    variables: Variables,
}

impl<'a> WasmCoreDump<'a> {
    /// The place of a module, which is added if it is not there.
    pub(crate) fn module(&mut self, code: &Arc<Code>) -> u32 {
        let known = self.modules.iter().position(|known| Arc::ptr_eq(known, code));
        known.map_or_else(|| push(&mut self.modules, code.clone()), |place| place as u32)
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

    /// Adds a thread's stack, of frames that hold `values`; `instance` finds the place
    /// of a frame's, by its address if that is known.
    pub(crate) fn add_thread(
        &mut self,
        name: &str,
        frames: &[Frame],
        values: Vec<FrameValues>,
        mut instance: impl FnMut(&mut Self, &Arc<Code>, Option<u64>) -> u32,
    ) {
        let mut thread = Thread { name: name.to_owned(), frames: Vec::new() };
        for (frame, values) in frames.iter().zip(values) {
            match frame {
                Frame::Host => {}
                // There is no other place for this.
                Frame::Omitted(count) => thread.name += &format!(" (without {count} frames)"),
                Frame::Wasm(frame) => {
                    // Without an index, the format cannot tell of it.
                    let Some(function) = frame.func_index else { continue };
                    let instance = instance(self, &frame.module, values.vmctx);
                    let (offset, variables) = (code_offset(frame), values.variables);
                    thread.frames.push(StackFrame { instance, function, offset, variables });
                    if !values.are_described {
                        self.undescribed.insert(frame.module.path().to_owned());
                    }
                }
            }
        }
        self.threads.push(thread);
    }

    /// The `.so` files without debug information about variables: those whose functions
    /// have locals of which no value is known, ever.
    pub fn without_locals(&self) -> Vec<PathBuf> {
        self.undescribed.iter().cloned().collect()
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer; more than 4 GiB of memory that are not zero, which no
    /// wasm file can hold.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(&wasm_encoder::Module::HEADER)?;
        write_section(&mut writer, &CoreDumpSection::new(&*self.name()))?;
        let mut modules = CoreDumpModulesSection::new();
        for module in &self.modules {
            modules.module(&*name(module));
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

    /// That of the module whose function is the outermost of the first stack.
    fn name(&self) -> String {
        let outermost = self.threads.first().and_then(|thread| thread.frames.last());
        let module = outermost.map(|frame| self.instances[frame.instance as usize].module);
        module.map(|module| name(&self.modules[module as usize])).unwrap_or_default()
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

/// What a module is found by.
fn name(code: &Code) -> String {
    code.wasm_path().to_string_lossy().into_owned()
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

impl Thread {
    fn section(&self) -> CoreDumpStackSection {
        let mut section = CoreDumpStackSection::new(&*self.name);
        for StackFrame { instance, function, offset, variables } in &self.frames {
            let values = |all: &[Option<Value>]| -> Vec<_> { all.iter().map(dumped).collect() };
            let (locals, operands) = (values(&variables.locals), values(&variables.operands));
            section.frame(*instance, *function, *offset, locals, operands);
        }
        section
    }
}

fn dumped(value: &Option<Value>) -> CoreDumpValue {
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
