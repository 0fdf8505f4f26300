//! The operand stack.

use super::FuncTranslator;
use inkwell::IntPredicate;
use inkwell::values::{
    BasicValue, BasicValueEnum, FloatValue, InstructionOpcode, IntValue, PointerValue,
};

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn push(&mut self, value: impl BasicValue<'ctx>) {
        self.operands.push(value.as_basic_value_enum());
    }

    /// Pushes an i1 as the i32 that wasm expects.
    pub(super) fn push_bool(&mut self, value: IntValue<'ctx>) {
        let value = self.ir.zext(value, self.cx.types.i32);
        self.push(value);
    }

    pub(super) fn pop(&mut self) -> BasicValueEnum<'ctx> {
        self.operands.pop().expect("validated: the stack has an operand")
    }

    pub(super) fn pop_int(&mut self) -> IntValue<'ctx> {
        self.pop().into_int_value()
    }

    /// Pops an i32 as the i1 of whether it is not 0.
    pub(super) fn pop_condition(&mut self) -> IntValue<'ctx> {
        let value = self.pop_int();
        let compared = value
            .as_instruction()
            .filter(|extended| extended.get_opcode() == InstructionOpcode::ZExt)
            .and_then(|extended| extended.get_operand(0)?.value());
        match compared {
            Some(BasicValueEnum::IntValue(bit)) if bit.get_type().get_bit_width() == 1 => bit,
            _ => self.ir.icmp(IntPredicate::NE, value, self.const_i32(0)),
        }
    }

    pub(super) fn pop_float(&mut self) -> FloatValue<'ctx> {
        self.pop().into_float_value()
    }

    pub(super) fn pop_pointer(&mut self) -> PointerValue<'ctx> {
        self.pop().into_pointer_value()
    }

    /// The two topmost integers, in the order they were pushed.
    pub(super) fn pop_ints(&mut self) -> (IntValue<'ctx>, IntValue<'ctx>) {
        let b = self.pop_int();
        (self.pop_int(), b)
    }

    /// The two topmost floats, in the order they were pushed.
    pub(super) fn pop_floats(&mut self) -> (FloatValue<'ctx>, FloatValue<'ctx>) {
        let b = self.pop_float();
        (self.pop_float(), b)
    }

    /// The topmost `count` operands, in the order they were pushed.
    pub(super) fn pop_many(&mut self, count: usize) -> Vec<BasicValueEnum<'ctx>> {
        self.operands.split_off(self.operands.len() - count)
    }

    /// An i32 operand that counts or indexes, as i64.
    pub(super) fn pop_index(&mut self) -> IntValue<'ctx> {
        let index = self.pop_int();
        self.ir.zext(index, self.cx.types.i64)
    }

    pub(super) fn const_i32(&self, value: u32) -> IntValue<'ctx> {
        self.cx.types.i32.const_int(value.into(), false)
    }

    pub(super) fn const_i64(&self, value: u64) -> IntValue<'ctx> {
        self.cx.types.i64.const_int(value, false)
    }
}
