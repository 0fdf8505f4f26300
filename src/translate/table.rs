//! Table operators.

use super::{FuncTranslator, Result};
use inkwell::IntPredicate;
use inkwell::values::{BasicValue, InstructionOpcode, IntValue, PointerValue};
use wasm2so_abi::{Builtin, TrapCode};

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn table_get(&mut self, table: u32) -> Result {
        let index = self.pop_index();
        let element = self.checked_element(table, index);
        let value = self.element_value(table, index, element, None);
        self.push(value);
        Ok(())
    }

    /// Volatile, like a global's store: the host sees tables after a trap.
    pub(super) fn table_set(&mut self, table: u32) -> Result {
        let value = self.pop();
        let index = self.pop_index();
        let element = self.checked_element(table, index);
        if self.cx.binds_functions[table as usize] {
            // Before the store, for it forgets what null stood for.
            self.rarely(self.ir.is_null(value.into_pointer_value()), |t| {
                let one = t.const_i64(1);
                let args = [t.const_i32(table).into(), index.into(), value.into(), one.into()];
                t.call_builtin(Builtin::table_fill, &args)
            });
        }
        self.ir.store(element, value).set_volatile(true).expect("a store can be volatile");
        Ok(())
    }

    /// The value of `element`, at `index` of a table. Null raises `null`, if that
    /// is a trap.
    pub(super) fn element_value(
        &self,
        table: u32,
        index: IntValue<'ctx>,
        element: PointerValue<'ctx>,
        null: Option<TrapCode>,
    ) -> PointerValue<'ctx> {
        let ptr = self.cx.types.ptr;
        let stored = self.ir.load(ptr, element).0.into_pointer_value();
        let trap_if_null = |value| {
            if let Some(code) = null {
                self.trap_if(self.ir.is_null(value), code, Some(index));
            }
        };
        if !self.cx.binds_functions[table as usize] {
            trap_if_null(stored);
            return stored;
        }
        let from = self.ir.block();
        let (bound, binding) = self.rarely(self.ir.is_null(stored), |t| {
            let args = [t.const_i32(table).into(), index.into()];
            let bound = t.call_builtin(Builtin::table_get, &args).try_as_basic_value();
            let bound = bound.unwrap_basic().into_pointer_value();
            trap_if_null(bound);
            (bound, t.ir.block())
        });
        let value = self.ir.phi(ptr);
        value.add_incoming(&[(&stored, from), (&bound, binding)]);
        value.as_basic_value().into_pointer_value()
    }

    pub(super) fn table_size(&mut self, table: u32) -> Result {
        let len = self.table_len(table);
        self.push_narrow(len);
        Ok(())
    }

    pub(super) fn table_grow(&mut self, table: u32) -> Result {
        let delta = self.pop_index();
        let value = self.pop();
        let args = [self.const_i32(table).into(), delta.into(), value.into()];
        let old = self.call_builtin(Builtin::table_grow, &args);
        self.push_narrow(old.try_as_basic_value().unwrap_basic().into_int_value());
        Ok(())
    }

    pub(super) fn table_fill(&mut self, table: u32) -> Result {
        let len = self.pop_index();
        let value = self.pop();
        let dst = self.pop_index();
        let args = [self.const_i32(table).into(), dst.into(), value.into(), len.into()];
        self.call_fallible(Builtin::table_fill, &args);
        Ok(())
    }

    pub(super) fn table_copy(&mut self, dst_table: u32, src_table: u32) -> Result {
        let len = self.pop_index();
        let src = self.pop_index();
        let dst = self.pop_index();
        let args = [
            self.const_i32(dst_table).into(),
            self.const_i32(src_table).into(),
            dst.into(),
            src.into(),
            len.into(),
        ];
        self.call_fallible(Builtin::table_copy, &args);
        Ok(())
    }

    pub(super) fn table_init(&mut self, segment: u32, table: u32) -> Result {
        let len = self.pop_int();
        let src = self.pop_int();
        let dst = self.pop_index();
        let args = [
            self.const_i32(table).into(),
            self.const_i32(segment).into(),
            dst.into(),
            src.into(),
            len.into(),
        ];
        self.call_fallible(Builtin::table_init, &args);
        Ok(())
    }

    pub(super) fn elem_drop(&mut self, segment: u32) -> Result {
        self.call_builtin(Builtin::elem_drop, &[self.const_i32(segment).into()]);
        Ok(())
    }

    fn checked_element(&self, table: u32, index: IntValue<'ctx>) -> PointerValue<'ctx> {
        let outside = self.ir.icmp(IntPredicate::UGE, index, self.table_len(table));
        self.trap_if(outside, TrapCode::TableOutOfBounds, Some(index));
        self.table_element(table, index)
    }

    /// Pushes an i64 as the i32 that wasm expects.
    pub(super) fn push_narrow(&mut self, value: IntValue<'ctx>) {
        let value = self.ir.cast(InstructionOpcode::Trunc, value, self.cx.types.i32);
        self.push(value.as_basic_value_enum());
    }
}
