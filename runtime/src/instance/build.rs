//! Instantiation: laying out what compiled code sees, then running what the
//! specification says, in its order. Imports are resolved by now.

use super::vmctx::VmBlock;
use super::{Instance, InstanceData};
use crate::artifact::{Module, SegmentMode};
use crate::builtins::BUILTINS;
use crate::constexpr::evaluate;
use crate::error::ResourceError;
use crate::func::{Func, Importer, host_trap};
use crate::global::{Global, GlobalData};
use crate::imports::Extern;
use crate::memory::{Memory, MemoryData};
use crate::store::{Pinned, StoreContext, StoreInner};
use crate::table::{Table, TableData};
use crate::trap::{Trap, TrapDetail};
use std::cell::Cell;
use wasm2so_abi::{ConstOp, Slot, VmCtx, VmFuncRef, VmImportedFunction};

/// Makes an instance of `module` with `imports` in `store`, everything in place
/// but still zero, except what the memories' image holds.
///
/// # Errors
/// When a memory or table cannot be had; then nothing was made.
pub(super) fn allocate(
    store: &mut StoreContext,
    module: &Module,
    imports: Vec<Extern>,
) -> Result<Instance, ResourceError> {
    let contents = module.contents();
    let tables = contents.tables.iter().map(|&ty| TableData::new(ty));
    let tables = tables.collect::<Result<Vec<_>, _>>()?;
    let memories = allocate_memories(store.inner_mut(), module)?;

    let back = store.as_ptr();
    let inner = store.inner_mut();
    let instance = Instance { store: inner.id, index: inner.instances.len() };
    let mut data = InstanceData {
        store: back,
        id: inner.id,
        vm: VmBlock::new(module.layout()),
        imported_functions: Vec::new(),
        memories: Vec::new(),
        tables: Vec::new(),
        globals: Vec::new(),
        elems_dropped: vec![Cell::new(false); contents.elems.all.len()].into(),
        datas_dropped: vec![Cell::new(false); contents.datas.all.len()].into(),
        bindings: Vec::new(),
        module: module.clone(),
    };
    for import in imports {
        match import {
            Extern::Func(func) => data.imported_functions.push(func),
            Extern::Table(table) => data.tables.push(table),
            Extern::Memory(memory) => data.memories.push(memory),
            Extern::Global(global) => data.globals.push(global),
        }
    }
    data.memories.extend(memories.into_iter().map(|memory| Memory::insert(inner, memory)));
    data.tables.extend(tables.into_iter().map(|table| Table::insert(inner, table)));
    for (index, &(ty, _)) in contents.globals.iter().enumerate() {
        let global = GlobalData::in_instance(ty, data.vm.defined_global(index as u32));
        data.globals.push(Global::insert(inner, global));
    }

    let data = Pinned::new(data);
    let raw = data.as_ptr();
    inner.instances.push(data);
    // SAFETY: fresh, and no other reference to it is in use.
    unsafe {
        (*raw).vm.vmctx().write(VmCtx { builtins: &raw const BUILTINS, host: raw.cast() });
        (*raw).fill(store, instance);
        (*raw).bind_tables(store.inner_mut());
    }
    Ok(instance)
}

/// The memories that `module` defines.
fn allocate_memories(
    store: &mut StoreInner,
    module: &Module,
) -> Result<Vec<MemoryData>, ResourceError> {
    let mut memories = Vec::new();
    let contents = module.contents();
    let imported = contents.descriptor.counts.memories - contents.memories.len() as u32;
    for (index, &ty) in (imported..).zip(&contents.memories) {
        match MemoryData::new(store, ty, module.image(index)) {
            Ok(memory) => memories.push(memory),
            Err(error) => {
                let taken = memories.iter().map(MemoryData::byte_len).sum();
                store.return_memory(taken);
                return Err(error);
            }
        }
    }
    Ok(memories)
}

/// Gives globals their first values, applies active segments, makes passive
/// ones ready.
///
/// # Errors
/// When a segment does not fit; those before it stay applied.
pub(super) fn initialise(store: &mut StoreContext, instance: Instance) -> Result<(), Trap> {
    let raw = store.inner().instances[instance.index].as_ptr();
    let store = store.inner_mut();
    // SAFETY: alive as long as the store, which only holds a pointer to it;
    // nobody has another reference but to share it.
    let data = unsafe { &*raw };
    let module = data.module.clone();
    let contents = module.contents();
    for (index, (_, init)) in contents.globals.iter().enumerate() {
        let value = evaluate(init, data);
        // SAFETY: the layout has that many globals.
        unsafe { *data.vm.defined_global(index as u32) = value };
    }
    // One that does not fit leaves those after it to be used by what is reachable
    // of the instance.
    for &index in &contents.elems.handled {
        let elem = &contents.elems.all[index as usize];
        if let SegmentMode::Active { target, offset } = elem.mode {
            let table = store.table_mut(data.tables[target as usize]);
            let at = data.offset(offset);
            let len = elem.contents.len() as u32;
            if let Err(code) = data.init_table(table, at, index, 0, len) {
                let detail = TrapDetail::Index(at.max(table.len()));
                // Functions in a table of others may see the memories, to which
                // no data was to be written yet.
                let memories = data.memories.iter().zip(0..);
                for (&memory, _) in memories.filter(|(_, i)| module.image(*i).is_some()) {
                    let _ = store.memory_mut(memory).clear();
                }
                return Err(host_trap(code, detail));
            }
        }
        data.drop_elem(index);
    }
    for &index in &contents.datas.handled {
        let segment = &contents.datas.all[index as usize];
        if let SegmentMode::Active { target, offset } = segment.mode {
            let memory = store.memory_mut(data.memories[target as usize]);
            let at = data.offset(offset);
            memory.write(at, segment.contents).map_err(|code| {
                let size = memory.byte_len();
                let detail = TrapDetail::Address { address: at.max(size), memory_size: Some(size) };
                host_trap(code, detail)
            })?;
        }
        data.drop_data(index);
    }
    Ok(())
}

impl InstanceData {
    /// Fills the tail but for the values of globals.
    fn fill(&mut self, store: &StoreContext, instance: Instance) {
        let module = self.module.clone();
        let inner = store.inner();
        // SAFETY, for all writes: within the block, whose arrays have as many
        // places as the module has things of the kind, and nobody uses it yet.
        for (index, &memory) in (0..).zip(&self.memories) {
            // SAFETY: see above.
            unsafe { self.vm.memory(index).write(inner.memory(memory).vm_memory()) };
        }
        for (index, &table) in (0..).zip(&self.tables) {
            // SAFETY: see above.
            unsafe { self.vm.table(index).write(inner.table(table).vm_table()) };
        }
        let imported_globals = module.contents().descriptor.counts.imported_globals;
        for (index, &global) in (0..imported_globals).zip(&self.globals) {
            // SAFETY: see above.
            unsafe { self.vm.imported_global(index).write(inner.global(global).slot) };
        }
        for (index, id) in (0..).zip(&module.contents().type_ids) {
            // SAFETY: see above.
            unsafe { self.vm.type_id(index).write(id.get()) };
        }
        // References to imported functions are the first that there can be.
        let mut places = (0..).zip(module.referenced()).peekable();
        for index in 0..module.num_imported_functions() {
            let reference = self.import(store, instance, index);
            let VmFuncRef { code, tail_code, vmctx, .. } = reference;
            // SAFETY: see above.
            unsafe {
                self.vm.imported_function(index).write(VmImportedFunction {
                    code,
                    tail_code,
                    vmctx,
                });
            }
            if let Some((place, _)) = places.next_if(|&(_, &referenced)| referenced == index) {
                let (byte, bit) = self.vm.bound(place);
                // SAFETY: see above.
                unsafe {
                    self.vm.funcref(place).write(reference);
                    *byte |= bit;
                }
            }
        }
    }

    /// Tells the tables that have first contents of them.
    fn bind_tables(&self, store: &mut StoreInner) {
        for (index, &table) in (0..).zip(&self.tables) {
            let image = self.module.contents().table_image(index);
            if !image.is_empty() {
                store.table_mut(table).show(image, self.into());
            }
        }
    }

    /// Imported function `index` as this instance sees it.
    fn import(&mut self, store: &StoreContext, instance: Instance, index: u32) -> VmFuncRef {
        let func: Func = self.imported_functions[index as usize];
        let Some(binding) = func.binding(store) else { return *func.funcref(store) };
        let memory = self.module.contents().memory.map(|index| self.memories[index as usize]);
        let binding = Pinned::new(binding.rebind(Importer { instance, memory }));
        let vmctx = binding.as_ptr().cast();
        self.bindings.push(binding);
        VmFuncRef { vmctx, ..*func.funcref(store) }
    }

    /// A reference to function `index`, which the module defines.
    pub(super) fn define(&self, index: u32) -> VmFuncRef {
        let function = self.module.function(index).expect("checked when loaded");
        VmFuncRef {
            code: function.code.get(),
            local_code: function.local_code.get(),
            tail_code: function.tail_code.get(),
            vmctx: self.vm.vmctx().cast(),
            entry: self.module.entry_thunk(function.type_index),
            type_id: self.module.type_id(function.type_index).get(),
            reserved: 0,
        }
    }

    /// The place of an active segment.
    fn offset(&self, steps: &[ConstOp]) -> u64 {
        let Slot(bytes) = evaluate(steps, self);
        // Of a 32-bit table or memory: unsigned, and nothing above it is set.
        u128::from_le_bytes(bytes) as u32 as u64
    }
}
