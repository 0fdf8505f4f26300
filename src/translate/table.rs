//! Table operators.

use super::{FuncTranslator, Result};
use inkwell::IntPredicate;
use inkwell::values::{BasicValue, InstructionOpcode};
use wasm2so_abi::{Builtin, TrapCode};

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn table_get(&mut self, table: u32) -> Result {
        let index = self.pop_index();
        let element = self.checked_element(table, index);
        let (value, _) = self.ir.load(self.cx.types.ptr, element);
        self.push(value);
        Ok(())
    }

    /// Volatile, like a global's store: the host sees tables after a trap.
    pub(super) fn table_set(&mut self, table: u32) -> Result {
        let value = self.pop();
        let index = self.pop_index();
        let element = self.checked_element(table, index);
        self.ir.store(element, value).set_volatile(true).expect("a store can be volatile");
        Ok(())
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

    fn checked_element(
        &self,
        table: u32,
        index: inkwell::values::IntValue<'ctx>,
    ) -> inkwell::values::PointerValue<'ctx> {
        let outside = self.ir.icmp(IntPredicate::UGE, index, self.table_len(table));
        self.trap_if(outside, TrapCode::TableOutOfBounds, Some(index));
        self.table_element(table, index)
    }

    /// Pushes an i64 as the i32 that wasm expects.
    pub(super) fn push_narrow(&mut self, value: inkwell::values::IntValue<'ctx>) {
        let value = self.ir.cast(InstructionOpcode::Trunc, value, self.cx.types.i32);
        self.push(value.as_basic_value_enum());
    }
}
