//! From a native core dump to a wasm one: the instances whose functions are on the
//! stacks, and their memories and globals, read by the contract's layout.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::offset_of;
use std::ops::Range;
use std::sync::Arc;

use wasm2so_abi::{VmMemory, VmMemoryState};

use super::CoreDump;
use crate::imports::ExternType;
use crate::symbolize::{self, Machine};
use crate::unwind::code::Code;
use crate::unwind::state::ReadMemory;
use crate::wasm_core::{Instance, Memory, WasmCoreDump};
use crate::{Frame, Module, ValType, Value};

impl CoreDump {
    /// The wasm core dump of the process: the stacks of the threads that were in
    /// wasm, and the instances whose functions are on them.
    ///
    /// What is not in the native core dump is left out; of a memory's first contents,
    /// which the kernel does not save if they were never written to, it is taken from
    /// the module.
    pub fn to_wasm(&self) -> WasmCoreDump<'_> {
        let mut dump = WasmCoreDump::default();
        let mut places = Places {
            core: self,
            instances: HashMap::new(),
            memories: HashMap::new(),
            globals: HashMap::new(),
        };
        for thread in self.threads() {
            let (placed, states) = self.placed_stack(thread);
            if !placed.iter().any(|(_, frame)| matches!(frame, Frame::Wasm(_))) {
                continue;
            }
            let values = symbolize::values(&placed, |place| {
                // Others than the innermost were called from with any.
                let vectors = thread.vectors.as_ref().filter(|_| place == 0);
                Some(Machine { state: states.get(place)?, vectors, memory: &self.process })
            });
            let frames: Vec<Frame> = placed.into_iter().map(|(_, frame)| frame).collect();
            let name = format!("thread {}", thread.id);
            dump.add_thread(&name, &frames, values, |dump, code, vmctx| {
                places.instance(dump, code, vmctx)
            });
        }
        dump
    }
}

/// Where in a dump things of the process are, by their addresses.
struct Places<'a> {
    core: &'a CoreDump,
    /// By module, too.
    instances: HashMap<(u32, Option<u64>), u32>,
    memories: HashMap<u64, u32>,
    globals: HashMap<u64, u32>,
}

impl<'a> Places<'a> {
    /// The instance of a module at an address, which is added if it is not in the
    /// dump.
    fn instance(
        &mut self,
        dump: &mut WasmCoreDump<'a>,
        code: &Arc<Code>,
        vmctx: Option<u64>,
    ) -> u32 {
        let place = dump.module(code);
        if let Some(known) = self.instances.get(&(place, vmctx)) {
            return *known;
        }
        let mut instance = Instance { module: place, memories: Vec::new(), globals: Vec::new() };
        let module = self.core.modules().find(|module| Arc::ptr_eq(module.code(), code));
        if let (Some(module), Some(vmctx)) = (module, vmctx) {
            let counts = &code.descriptor().counts;
            let memories =
                (0..counts.memories).map(|index| self.memory(dump, module, vmctx, index));
            // An index space is as it is, or not there.
            instance.memories = memories.collect::<Option<_>>().unwrap_or_default();
            instance.globals = self.globals(dump, module, vmctx).unwrap_or_default();
        }
        let known = dump.add_instance(instance);
        self.instances.insert((place, vmctx), known);
        known
    }

    fn memory(
        &mut self,
        dump: &mut WasmCoreDump<'a>,
        module: &'a Module,
        vmctx: u64,
        index: u32,
    ) -> Option<u32> {
        let core = &self.core.process;
        let place = vmctx.checked_add(module.layout().memory(index).into())?;
        let base = core.read_word(place + offset_of!(VmMemory, base) as u64)?;
        let state = core.read_word(place + offset_of!(VmMemory, state) as u64)?;
        let len = core.read_word(state.checked_add(offset_of!(VmMemoryState, byte_len) as u64)?)?;
        let end = base.checked_add(len)?;
        if let Some(known) = self.memories.get(&base) {
            return Some(*known);
        }
        let mut parts: Vec<(u64, Cow<'a, [u8]>)> = Vec::new();
        let mut covered = 0;
        for (address, bytes) in core.parts(base..end) {
            let address = address - base;
            parts.extend(first_contents(module, index, covered..address));
            covered = address + bytes.len() as u64;
            parts.push((address, bytes.into()));
        }
        parts.extend(first_contents(module, index, covered..len));
        let known = dump.add_memory(Memory { len, max: None, parts });
        self.memories.insert(base, known);
        Some(known)
    }

    fn globals(
        &mut self,
        dump: &mut WasmCoreDump<'a>,
        module: &Module,
        vmctx: u64,
    ) -> Option<Vec<u32>> {
        let layout = module.layout();
        let types = module.imports().iter().filter_map(|import| match &import.ty {
            ExternType::Global(ty) => Some(ty.content),
            _ => None,
        });
        let mut globals = Vec::new();
        for (index, ty) in (0..).zip(types) {
            let place = vmctx.checked_add(layout.imported_global(index).into())?;
            globals.push(self.global(dump, self.core.process.read_word(place)?, ty)?);
        }
        for (index, (ty, _)) in (0..).zip(&module.contents().globals) {
            let slot = vmctx.checked_add(layout.defined_global(index).into())?;
            globals.push(self.global(dump, slot, ty.content)?);
        }
        Some(globals)
    }

    fn global(&mut self, dump: &mut WasmCoreDump<'a>, slot: u64, ty: ValType) -> Option<u32> {
        if let Some(known) = self.globals.get(&slot) {
            return Some(*known);
        }
        let bits = u128::from_le_bytes(self.core.process.read(slot, 16)?.try_into().ok()?);
        let known = dump.add_global(match ty {
            ValType::I32 => Value::I32(bits as i32),
            ValType::I64 => Value::I64(bits as i64),
            ValType::F32 => Value::F32(bits as u32),
            ValType::F64 => Value::F64(bits as u64),
            ValType::V128 => Value::V128(bits),
            // What they refer to is gone.
            ValType::FuncRef | ValType::ExternRef => Value::default_of(ty),
        });
        self.globals.insert(slot, known);
        Some(known)
    }
}

/// What of a memory's first contents lies in a range of its addresses.
fn first_contents<'a>(
    module: &'a Module,
    memory: u32,
    range: Range<u64>,
) -> impl Iterator<Item = (u64, Cow<'a, [u8]>)> {
    let runs = module.image(memory).into_iter().flat_map(|image| &image.runs);
    runs.filter_map(move |run| {
        let run_start = run.address as u64;
        let start = range.start.max(run_start);
        let end = range.end.min(run_start + run.bytes.len() as u64);
        let place = |address: u64| (address - run_start) as usize;
        (start < end).then(|| (start, run.bytes[place(start)..place(end)].into()))
    })
}
