//! Core dumps of instances in a store of this process.

use std::collections::HashMap;
use std::ptr;

use super::{Instance, Memory, WasmCoreDump};
use crate::unwind::code::Code;
use crate::{Frame, Global, Memory as WasmMemory, StoreContext, Trap};

impl<'a> WasmCoreDump<'a> {
    /// Of a trap; `store` is the one that its functions ran in, unchanged since.
    pub fn of_trap(trap: &Trap, store: &'a StoreContext) -> Self {
        Self::of_stack(trap.frames(), store)
    }

    /// Of any stack of functions that run, or ran, in `store`: see
    /// [`current_stack`](crate::current_stack).
    pub fn of_stack(frames: &[Frame], store: &'a StoreContext) -> Self {
        let mut places = Places {
            store,
            dump: WasmCoreDump::default(),
            instances: HashMap::new(),
            memories: HashMap::new(),
            globals: HashMap::new(),
        };
        for frame in frames {
            if let Frame::Wasm(frame) = frame {
                places.add_module(&frame.module);
            }
        }
        let Places { mut dump, instances, .. } = places;
        dump.name = dump.modules.last().cloned().unwrap_or_default();
        dump.add_thread("main", frames, |code| instances[&ptr::from_ref(code)]);
        dump
    }
}

/// The dump, and where in it things of the store are.
struct Places<'a> {
    store: &'a StoreContext,
    dump: WasmCoreDump<'a>,
    /// The instance that stands for each module.
    instances: HashMap<*const Code, u32>,
    memories: HashMap<WasmMemory, u32>,
    globals: HashMap<Global, u32>,
}

impl<'a> Places<'a> {
    /// Adds a module and its first instance.
    fn add_module(&mut self, code: &Code) {
        if self.instances.contains_key(&ptr::from_ref(code)) {
            return;
        }
        let module = self.dump.add_module(code);
        let mut instance = Instance { module, memories: Vec::new(), globals: Vec::new() };
        let all = self.store.instances();
        let mut all = all.filter(|data| ptr::eq(&**data.code(), code));
        if let Some(data) = all.next() {
            instance.memories = data.memories.iter().map(|memory| self.memory(*memory)).collect();
            instance.globals = data.globals.iter().map(|global| self.global(*global)).collect();
        }
        if all.next().is_some() {
            tracing::warn!(module = code.name(), "the first of several instances is dumped");
        }
        let instance = self.dump.add_instance(instance);
        self.instances.insert(code, instance);
    }

    fn memory(&mut self, memory: WasmMemory) -> u32 {
        let (store, dump) = (self.store, &mut self.dump);
        *self.memories.entry(memory).or_insert_with(|| {
            let bytes = memory.data(store);
            let max = memory.ty(store).max.map(|pages| pages * super::WASM_PAGE);
            dump.add_memory(Memory { len: bytes.len() as u64, max, parts: vec![(0, bytes.into())] })
        })
    }

    fn global(&mut self, global: Global) -> u32 {
        let (store, dump) = (self.store, &mut self.dump);
        *self.globals.entry(global).or_insert_with(|| dump.add_global(global.get(store)))
    }
}
