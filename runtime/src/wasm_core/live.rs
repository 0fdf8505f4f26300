//! Core dumps of instances in a store of this process.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Instance, Memory, WasmCoreDump};
use crate::instance::InstanceData;
use crate::symbolize::{self, FrameValues};
use crate::unwind::code::Code;
use crate::{Frame, Global, Memory as WasmMemory, StoreContext, Trap};

impl<'a> WasmCoreDump<'a> {
    /// Of a trap; `store` is the one that its functions ran in, unchanged since.
    /// What [`Config::keep_locals`](crate::Config::keep_locals) tells of is known only if
    /// that was set.
    pub fn of_trap(trap: &Trap, store: &'a StoreContext) -> Self {
        Self::new(trap.frames(), trap.values(), store)
    }

    /// Of any stack of functions that run, or ran, in `store`: see
    /// [`current_stack`](crate::current_stack). Without values of locals.
    pub fn of_stack(frames: &[Frame], store: &'a StoreContext) -> Self {
        let frames: Vec<(usize, Frame)> = frames.iter().cloned().enumerate().collect();
        let values = symbolize::values(&frames, |_| None);
        let frames: Vec<Frame> = frames.into_iter().map(|(_, frame)| frame).collect();
        Self::new(&frames, values, store)
    }

    fn new(frames: &[Frame], values: Vec<FrameValues>, store: &'a StoreContext) -> Self {
        let mut dump = WasmCoreDump::default();
        let mut places = Places {
            store,
            instances: HashMap::new(),
            memories: HashMap::new(),
            globals: HashMap::new(),
        };
        dump.add_thread("main", frames, values, |dump, code, vmctx| {
            places.instance(dump, code, vmctx)
        });
        dump
    }
}

/// Where in a dump things of the store are.
struct Places<'a> {
    store: &'a StoreContext,
    /// By module and address.
    instances: HashMap<(u32, Option<u64>), u32>,
    memories: HashMap<WasmMemory, u32>,
    globals: HashMap<Global, u32>,
}

impl<'a> Places<'a> {
    /// The instance of a module at an address, or the one that there is; it is added
    /// if it is not in the dump.
    fn instance(
        &mut self,
        dump: &mut WasmCoreDump<'a>,
        code: &Arc<Code>,
        vmctx: Option<u64>,
    ) -> u32 {
        let all = || self.store.instances().filter(|data| Arc::ptr_eq(data.code(), code));
        let data = match vmctx {
            Some(vmctx) => all().find(|data| data.vmctx() == vmctx),
            None => all().next().filter(|_| all().nth(1).is_none()),
        };
        let module = dump.module(code);
        let key = (module, data.map(InstanceData::vmctx));
        if let Some(known) = self.instances.get(&key) {
            return *known;
        }
        let mut instance = Instance { module, memories: Vec::new(), globals: Vec::new() };
        if let Some(data) = data {
            let memories = data.memories.iter().map(|memory| self.memory(dump, *memory));
            instance.memories = memories.collect();
            let globals = data.globals.iter().map(|global| self.global(dump, *global));
            instance.globals = globals.collect();
        }
        let place = dump.add_instance(instance);
        self.instances.insert(key, place);
        place
    }

    fn memory(&mut self, dump: &mut WasmCoreDump<'a>, memory: WasmMemory) -> u32 {
        let store = self.store;
        *self.memories.entry(memory).or_insert_with(|| {
            let bytes = memory.data(store);
            let max = memory.ty(store).max.map(|pages| pages * super::WASM_PAGE);
            dump.add_memory(Memory { len: bytes.len() as u64, max, parts: vec![(0, bytes.into())] })
        })
    }

    fn global(&mut self, dump: &mut WasmCoreDump<'a>, global: Global) -> u32 {
        let store = self.store;
        *self.globals.entry(global).or_insert_with(|| dump.add_global(global.get(store)))
    }
}
