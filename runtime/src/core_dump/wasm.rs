//! From a native core dump to a wasm one: the instances that ran, found through
//! what the frames of [`enter`](crate::activation::switch) keep, and their memories
//! and globals, read by the contract's layout.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;

use wasm2so_abi::{VmImportedFunction, VmMemory, VmMemoryState};

use super::{CoreDump, CoreThread};
use crate::activation::switch::instance_of_entry;
use crate::imports::ExternType;
use crate::unwind::code::Code;
use crate::wasm_core::{Instance, Memory, WasmCoreDump};
use crate::{Frame, Module, ValType, Value};

impl CoreDump {
    /// The wasm core dump of the process: the stacks of the threads that were in
    /// wasm, and the instances that were entered, with those that they import
    /// functions of, as far as they are on a stack.
    ///
    /// What is not in the native core dump is left out; of a memory's first contents,
    /// which the kernel does not save if they were never written to, it is taken from
    /// the module.
    pub fn to_wasm(&self) -> WasmCoreDump<'_> {
        let mut found = Instances::default();
        let mut stacks = Vec::new();
        for thread in self.threads() {
            let frames = self.stack(thread);
            if frames.iter().any(|frame| matches!(frame, Frame::Wasm(_))) {
                self.find_instances(thread, &mut found);
                stacks.push((thread, frames));
            }
        }
        let name = stacks.first().and_then(|(_, frames)| {
            let wasm = |frame: &Frame| match frame {
                Frame::Wasm(frame) => Some(frame.module.wasm_path().to_string_lossy().into_owned()),
                _ => None,
            };
            frames.iter().rev().find_map(wasm)
        });
        let mut places = Places {
            core: self,
            dump: WasmCoreDump::new(name.unwrap_or_default()),
            memories: HashMap::new(),
            globals: HashMap::new(),
        };
        let mut instances = HashMap::new();
        for (_, frames) in &stacks {
            for frame in frames {
                if let Frame::Wasm(frame) = frame {
                    let place = instances.entry(Arc::as_ptr(&frame.module));
                    place.or_insert_with(|| places.add(&frame.module, &found));
                }
            }
        }
        let mut dump = places.dump;
        for (thread, frames) in &stacks {
            let name = format!("thread {}", thread.id);
            dump.add_thread(&name, frames, |code| instances[&ptr::from_ref(code)]);
        }
        dump
    }

    /// Adds the instances that the thread entered, and those that they import from.
    fn find_instances<'a>(&'a self, thread: &CoreThread, found: &mut Instances<'a>) {
        let read = |address| self.process.read_word(address);
        let mut callee = None;
        let mut entered = Vec::new();
        self.walk(thread, |pc, registers| {
            let module = self.module_around(pc).map(|(module, _)| module);
            if module.is_none()
                && let Some(entry) = callee
                && let Some(frame) = registers.frame_pointer()
            {
                entered.extend(instance_of_entry(frame, read).map(|vmctx| (entry, vmctx)));
            }
            callee = module;
        });
        while let Some((module, vmctx)) = entered.pop() {
            if found.add(module, vmctx) {
                entered.extend(self.imported_from(module, vmctx));
            }
        }
    }

    /// The instances that an instance imports functions from.
    fn imported_from(&self, module: &Module, vmctx: u64) -> Vec<(&Module, u64)> {
        let layout = module.layout();
        let field = |index: u32, offset: usize| {
            let place = u64::from(layout.imported_function(index)) + offset as u64;
            self.process.read_word(vmctx.checked_add(place)?)
        };
        let instances = (0..module.num_imported_functions()).filter_map(|index| {
            let code = field(index, offset_of!(VmImportedFunction, code))?;
            let other = field(index, offset_of!(VmImportedFunction, vmctx))?;
            // A host function's code is in none.
            let (module, _) = self.module_around(code)?;
            Some((module, other))
        });
        instances.collect()
    }
}

/// Instances by address, with their modules.
#[derive(Default)]
struct Instances<'a>(Vec<(&'a Module, u64)>);

impl<'a> Instances<'a> {
    /// Adds one; returns false if it is known.
    fn add(&mut self, module: &'a Module, vmctx: u64) -> bool {
        let known = self.0.iter().any(|(_, known)| *known == vmctx);
        if !known {
            self.0.push((module, vmctx));
        }
        !known
    }
}

/// The dump, and where in it things of the process are, by their addresses.
struct Places<'a> {
    core: &'a CoreDump,
    dump: WasmCoreDump<'a>,
    memories: HashMap<u64, u32>,
    globals: HashMap<u64, u32>,
}

impl<'a> Places<'a> {
    /// Adds a module and its first instance; returns the place of that.
    fn add(&mut self, code: &Code, found: &Instances<'a>) -> u32 {
        let module = self.dump.add_module(code);
        let mut instance = Instance { module, memories: Vec::new(), globals: Vec::new() };
        let mut all = found.0.iter().filter(|(module, _)| ptr::eq(&**module.code(), code));
        if let Some((module, vmctx)) = all.next() {
            let counts = &code.descriptor().counts;
            let memories = (0..counts.memories).map(|index| self.memory(module, *vmctx, index));
            // An index space is as it is, or not there.
            instance.memories = memories.collect::<Option<_>>().unwrap_or_default();
            instance.globals = self.globals(module, *vmctx).unwrap_or_default();
        }
        if all.next().is_some() {
            tracing::warn!(module = code.name(), "the first of several instances is dumped");
        }
        self.dump.add_instance(instance)
    }

    fn memory(&mut self, module: &'a Module, vmctx: u64, index: u32) -> Option<u32> {
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
        let known = self.dump.add_memory(Memory { len, max: None, parts });
        self.memories.insert(base, known);
        Some(known)
    }

    fn globals(&mut self, module: &Module, vmctx: u64) -> Option<Vec<u32>> {
        let layout = module.layout();
        let types = module.imports().iter().filter_map(|import| match &import.ty {
            ExternType::Global(ty) => Some(ty.content),
            _ => None,
        });
        let mut globals = Vec::new();
        for (index, ty) in (0..).zip(types) {
            let place = vmctx.checked_add(layout.imported_global(index).into())?;
            globals.push(self.global(self.core.process.read_word(place)?, ty)?);
        }
        for (index, (ty, _)) in (0..).zip(&module.contents().globals) {
            let slot = vmctx.checked_add(layout.defined_global(index).into())?;
            globals.push(self.global(slot, ty.content)?);
        }
        Some(globals)
    }

    fn global(&mut self, slot: u64, ty: ValType) -> Option<u32> {
        if let Some(known) = self.globals.get(&slot) {
            return Some(*known);
        }
        let bits = u128::from_le_bytes(self.core.process.read(slot, 16)?.try_into().ok()?);
        let known = self.dump.add_global(match ty {
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
