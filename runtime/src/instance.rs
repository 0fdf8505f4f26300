//! Instances: a module with its own globals, memories and tables, linked.
//!
//! Here: what an instance is and offers. How it comes into being is in `build`.

mod build;
mod vmctx;

use crate::artifact::{Elements, Module};
use crate::constexpr::{Scope, evaluate};
use crate::error::InstantiateError;
use crate::func::{Binding, Func};
use crate::global::Global;
use crate::imports::{Extern, Imports};
use crate::memory::Memory;
use crate::store::{Pinned, StoreContext, StoreId, StoreInner};
use crate::table::{Table, TableData};
use crate::unwind::code::Code;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use vmctx::VmBlock;
use wasm2so_abi::{ExternKind, NULL_FUNCTION, Slot, TrapCode, VmFuncRef};

/// Names an instance of a module in a [`Store`](crate::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    store: StoreId,
    index: usize,
}

/// An instance, owned by the store. [`VmCtx::host`](wasm2so_abi::VmCtx) points
/// here.
pub(crate) struct InstanceData {
    pub(crate) store: NonNull<StoreInner>,
    id: StoreId,
    vm: VmBlock,
    imported_functions: Vec<Func>,
    /// This one and the next two include what is imported.
    pub(crate) memories: Vec<Memory>,
    pub(crate) tables: Vec<Table>,
    pub(crate) globals: Vec<Global>,
    /// Whether each element segment is dropped; active ones are, once applied.
    elems_dropped: Box<[Cell<bool>]>,
    /// The same of data segments.
    datas_dropped: Box<[Cell<bool>]>,
    /// Keeps what the imported functions' "vmctx" point at.
    bindings: Vec<Pinned<Binding>>,
    // Last: what is above points into it.
    module: Module,
}

impl Instance {
    /// Links `module` with `imports`, then brings it to life: segments are
    /// applied and the start function is run.
    ///
    /// # Errors
    /// When imports are missing or do not fit (all are named), a memory or
    /// table cannot be had, a segment does not fit, or the start function traps
    /// or fails. In the last two cases, what was done before stays done.
    pub fn new(
        store: &mut StoreContext,
        module: &Module,
        imports: &Imports,
    ) -> Result<Instance, InstantiateError> {
        let imports = imports.resolve(store, module)?;
        let instance = build::allocate(store, module, imports)?;
        build::initialise(store, instance).map_err(InstantiateError::Trap)?;
        if let Some(start) = module.start() {
            // An imported one, too, is called by the instance.
            instance.data(store).reference(start).call(store, &[])?;
        }
        Ok(instance)
    }

    /// The export with this name.
    ///
    /// # Panics
    /// As all methods do: when the instance belongs to another store.
    pub fn export(self, store: &StoreContext, name: &str) -> Option<Extern> {
        let data = self.data(store);
        let export = data.module.export(name)?;
        Some(data.get(export.kind, export.index))
    }

    /// The exported function with this name.
    pub fn func(self, store: &StoreContext, name: &str) -> Option<Func> {
        match self.export(store, name)? {
            Extern::Func(func) => Some(func),
            _ => None,
        }
    }

    /// The exported memory with this name.
    pub fn memory(self, store: &StoreContext, name: &str) -> Option<Memory> {
        match self.export(store, name)? {
            Extern::Memory(memory) => Some(memory),
            _ => None,
        }
    }

    /// The exported table with this name.
    pub fn table(self, store: &StoreContext, name: &str) -> Option<Table> {
        match self.export(store, name)? {
            Extern::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The exported global with this name.
    pub fn global(self, store: &StoreContext, name: &str) -> Option<Global> {
        match self.export(store, name)? {
            Extern::Global(global) => Some(global),
            _ => None,
        }
    }

    /// All exports, in the module's order.
    pub fn exports(self, store: &StoreContext) -> impl Iterator<Item = (&str, Extern)> {
        let data = self.data(store);
        let exports = data.module.exports().iter();
        exports.map(|export| (export.name.as_str(), data.get(export.kind, export.index)))
    }

    /// The module that it is an instance of.
    pub fn module(self, store: &StoreContext) -> &Module {
        &self.data(store).module
    }

    fn data(self, store: &StoreContext) -> &InstanceData {
        store.check_owner(self.store, "instance");
        // SAFETY: alive as long as the store, and written to only through a
        // `&mut` of it.
        unsafe { &*store.inner().instances[self.index].as_ptr() }
    }
}

impl StoreContext {
    /// All instances, in the order in which they were made.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &InstanceData> {
        // SAFETY: as in `Instance::data`.
        self.inner().instances.iter().map(|data| unsafe { &*data.as_ptr() })
    }
}

impl InstanceData {
    /// Address of what compiled code knows it by.
    pub(crate) fn vmctx(&self) -> u64 {
        self.vm.vmctx() as u64
    }

    /// The code of its module.
    pub(crate) fn code(&self) -> &Arc<Code> {
        self.module.code()
    }

    /// What is at `index` in the index space of `kind`; there is such a thing.
    fn get(&self, kind: ExternKind, index: u32) -> Extern {
        match kind {
            ExternKind::Function => self.func(index).into(),
            ExternKind::Table => self.tables[index as usize].into(),
            ExternKind::Memory => self.memories[index as usize].into(),
            ExternKind::Global => self.globals[index as usize].into(),
        }
    }

    /// Function `index`, which is imported or referenced. An imported one is
    /// what was imported, not this instance's reference to it.
    fn func(&self, index: u32) -> Func {
        if let Some(&imported) = self.imported_functions.get(index as usize) {
            return imported;
        }
        self.reference(index)
    }

    /// This instance's reference to function `index`.
    fn reference(&self, index: u32) -> Func {
        let funcref = NonNull::new(self.funcref(self.place(index)));
        // SAFETY: filled now, and as long-lived as the instance.
        unsafe { Func::from_raw(self.id, funcref.expect("within the block")) }
    }

    /// The reference to the function at `place` among those that there can be one
    /// to, filled if it was not.
    pub(crate) fn funcref(&self, place: u32) -> *mut VmFuncRef {
        let (byte, bit) = self.vm.bound(place);
        // SAFETY: in the block, of which nobody keeps a reference.
        unsafe {
            if *byte & bit == 0 {
                self.vm.funcref(place).write(self.define(self.module.referenced()[place as usize]));
                *byte |= bit;
            }
        }
        self.vm.funcref(place)
    }

    /// Place of function `index` among the function references.
    fn place(&self, index: u32) -> u32 {
        self.module.contents().place(index).expect("checked when loaded")
    }

    /// What `memory.init` copies from; empty once dropped.
    pub(crate) fn data_segment(&self, segment: u32) -> &[u8] {
        match self.datas_dropped[segment as usize].get() {
            true => &[],
            false => self.module.contents().datas.all[segment as usize].contents,
        }
    }

    pub(crate) fn drop_data(&self, segment: u32) {
        self.datas_dropped[segment as usize].set(true);
    }

    /// `table.init`, of `len` elements from `src` of a segment on.
    pub(crate) fn init_table(
        &self,
        table: &mut TableData,
        dst: u64,
        segment: u32,
        src: u32,
        len: u32,
    ) -> Result<(), TrapCode> {
        let dropped = self.elems_dropped[segment as usize].get();
        let contents = &self.module.contents().elems.all[segment as usize].contents;
        let end = u64::from(src) + u64::from(len);
        if end > if dropped { 0 } else { contents.len() as u64 } {
            return Err(TrapCode::TableOutOfBounds);
        }
        let places = 0..len as usize;
        table.write(dst, places.map(|place| self.element(contents, src as usize + place)))
    }

    /// The reference at `place` of an element segment.
    fn element(&self, contents: &Elements, place: usize) -> *mut c_void {
        match contents {
            Elements::Functions(functions) => match functions[place] {
                NULL_FUNCTION => std::ptr::null_mut(),
                function => self.funcref(function).cast(),
            },
            Elements::Expressions(expressions) => {
                let address = u128::from_le_bytes(evaluate(expressions[place], self).0) as usize;
                std::ptr::with_exposed_provenance_mut(address)
            }
        }
    }

    pub(crate) fn drop_elem(&self, segment: u32) {
        self.elems_dropped[segment as usize].set(true);
    }

    /// Where the value of global `index` is.
    fn global_slot(&self, index: u32) -> *mut Slot {
        match index.checked_sub(self.module.contents().descriptor.counts.imported_globals) {
            // SAFETY: the layout has that many imported globals.
            None => unsafe { *self.vm.imported_global(index) },
            Some(defined) => self.vm.defined_global(defined),
        }
    }
}

impl Scope for InstanceData {
    fn global(&self, index: u32) -> Slot {
        // SAFETY: lives as long as the store; no wasm code runs now.
        unsafe { *self.global_slot(index) }
    }

    fn function(&self, index: u32) -> *mut c_void {
        self.funcref(self.place(index)).cast()
    }
}
