//! Reading the instance: the fields behind vmctx, and calls of builtins.

use super::FuncTranslator;
use super::context::builtin_convention;
use inkwell::types::BasicType;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValueEnum, CallSiteValue, IntValue, PointerValue,
};
use std::mem::offset_of;
use wasm2so_abi::{Builtin, VmMemory, VmMemoryState, VmTable, VmTableState};

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// The address `offset` bytes into the instance.
    pub(super) fn vmctx_field(&self, offset: u32) -> PointerValue<'ctx> {
        self.ir.field(self.vmctx, offset.into())
    }

    /// Loads what never changes while the instance lives.
    pub(super) fn load_invariant<T: BasicType<'ctx>>(
        &self,
        ty: T,
        pointer: PointerValue<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let (value, load) = self.ir.load(ty, pointer);
        let context = self.ir.context();
        load.set_metadata(context.metadata_node(&[]), context.get_kind_id("invariant.load"))
            .expect("a load can carry metadata");
        value
    }

    pub(super) fn load_invariant_pointer(&self, pointer: PointerValue<'ctx>) -> PointerValue<'ctx> {
        self.load_invariant(self.cx.types.ptr, pointer).into_pointer_value()
    }

    /// What an access to linear memory `index` adds its index to: null of GS, if
    /// the base is there.
    pub(super) fn access_base(&mut self, index: u32) -> PointerValue<'ctx> {
        if index == 0 && self.cx.conventions.memory_in_gs {
            return self.cx.types.gs_ptr.const_null();
        }
        self.memory_base(index)
    }

    /// Base of linear memory `index`, loaded once per function.
    pub(super) fn memory_base(&mut self, index: u32) -> PointerValue<'ctx> {
        if let Some(base) = self.memory_bases[index as usize] {
            return base;
        }
        let base = self.in_prologue(|t| {
            let offset = t.cx.layout.memory(index) + offset_of!(VmMemory, base) as u32;
            t.load_invariant_pointer(t.vmctx_field(offset))
        });
        self.memory_bases[index as usize] = Some(base);
        base
    }

    /// Current size in bytes of linear memory `index`, as i64.
    pub(super) fn memory_byte_len(&self, index: u32) -> IntValue<'ctx> {
        let offset = self.cx.layout.memory(index) + offset_of!(VmMemory, state) as u32;
        let state = self.load_invariant_pointer(self.vmctx_field(offset));
        let len = self.ir.field(state, offset_of!(VmMemoryState, byte_len) as u64);
        self.ir.load(self.cx.types.i64, len).0.into_int_value()
    }

    /// Base of the elements of table `index`.
    pub(super) fn table_base(&self, index: u32) -> PointerValue<'ctx> {
        let offset = self.cx.layout.table(index) + offset_of!(VmTable, base) as u32;
        self.load_invariant_pointer(self.vmctx_field(offset))
    }

    /// Current number of elements of table `index`, as i64.
    pub(super) fn table_len(&self, index: u32) -> IntValue<'ctx> {
        let offset = self.cx.layout.table(index) + offset_of!(VmTable, state) as u32;
        let state = self.load_invariant_pointer(self.vmctx_field(offset));
        let len = self.ir.field(state, offset_of!(VmTableState, len) as u64);
        self.ir.load(self.cx.types.i64, len).0.into_int_value()
    }

    /// Does what `then` builds when `condition` (i1) holds, which is rare.
    pub(super) fn rarely<R>(&self, condition: IntValue<'ctx>, then: impl FnOnce(&Self) -> R) -> R {
        let [rare, going_on] = [(); 2].map(|()| self.ir.new_block(self.function));
        self.ir.br_if_rarely(condition, rare, going_on);
        self.ir.position_at_end(rare);
        let built = then(self);
        self.ir.br(going_on);
        self.ir.position_at_end(going_on);
        built
    }

    /// Calls a builtin of the runtime with `args` after vmctx.
    pub(super) fn call_builtin(
        &self,
        builtin: Builtin,
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        let mut all = vec![self.vmctx.into()];
        all.extend_from_slice(args);
        let call = self.ir.call(self.cx.builtin(builtin), &all);
        call.set_call_convention(builtin_convention(builtin));
        call
    }
}
