//! Integer arithmetic, comparison and bit operations.

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use inkwell::IntPredicate;
use inkwell::types::IntType;
use inkwell::values::{InstructionOpcode, IntValue};
use wasm2so_abi::TrapCode;

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn int_const(&mut self, ty: IntType<'ctx>, value: u64) -> Result {
        self.push(ty.const_int(value, false));
        Ok(())
    }

    /// An operation that LLVM has as an instruction and that cannot trap.
    pub(super) fn int_binary(
        &mut self,
        build: fn(&crate::llvm::ir::Ir<'ctx>, IntValue<'ctx>, IntValue<'ctx>) -> IntValue<'ctx>,
    ) -> Result {
        let (a, b) = self.pop_ints();
        let value = build(&self.ir, a, b);
        self.push(value);
        Ok(())
    }

    /// A shift: wasm takes the amount modulo the width, LLVM does not.
    pub(super) fn int_shift(
        &mut self,
        build: fn(&crate::llvm::ir::Ir<'ctx>, IntValue<'ctx>, IntValue<'ctx>) -> IntValue<'ctx>,
    ) -> Result {
        let (a, amount) = self.pop_ints();
        let mask = a.get_type().const_int(u64::from(a.get_type().get_bit_width()) - 1, false);
        let amount = self.ir.and(amount, mask);
        let value = build(&self.ir, a, amount);
        self.push(value);
        Ok(())
    }

    pub(super) fn int_rotate(&mut self, funnel_shift: Intrinsic) -> Result {
        let (a, amount) = self.pop_ints();
        let value = self.intrinsic(
            funnel_shift,
            &[a.get_type().into()],
            &[a.into(), a.into(), amount.into()],
        );
        self.push(value);
        Ok(())
    }

    pub(super) fn int_compare(&mut self, predicate: IntPredicate) -> Result {
        let (a, b) = self.pop_ints();
        let value = self.ir.icmp(predicate, a, b);
        self.push_bool(value);
        Ok(())
    }

    pub(super) fn int_eqz(&mut self) -> Result {
        let a = self.pop_int();
        let value = self.ir.icmp(IntPredicate::EQ, a, a.get_type().const_zero());
        self.push_bool(value);
        Ok(())
    }

    /// `clz`, `ctz`: defined for 0.
    pub(super) fn int_count_zeros(&mut self, intrinsic: Intrinsic) -> Result {
        let a = self.pop_int();
        let zero_is_poison = self.cx.types.i1.const_zero();
        let value =
            self.intrinsic(intrinsic, &[a.get_type().into()], &[a.into(), zero_is_poison.into()]);
        self.push(value);
        Ok(())
    }

    pub(super) fn int_popcnt(&mut self) -> Result {
        let a = self.pop_int();
        let value = self.intrinsic(Intrinsic::CountOnes, &[a.get_type().into()], &[a.into()]);
        self.push(value);
        Ok(())
    }

    /// Sign-extends the low bits of the operand within its type.
    pub(super) fn int_extend_low(&mut self, low: IntType<'ctx>) -> Result {
        let a = self.pop_int();
        let narrow = self.ir.cast(InstructionOpcode::Trunc, a, low);
        let value = self.ir.cast(InstructionOpcode::SExt, narrow, a.get_type());
        self.push(value);
        Ok(())
    }

    pub(super) fn int_div_unsigned(&mut self) -> Result {
        let (a, b) = self.pop_divisible();
        let value = self.ir.udiv(a, b);
        self.push(value);
        Ok(())
    }

    pub(super) fn int_rem_unsigned(&mut self) -> Result {
        let (a, b) = self.pop_divisible();
        let value = self.ir.urem(a, b);
        self.push(value);
        Ok(())
    }

    pub(super) fn int_div_signed(&mut self) -> Result {
        let (a, b) = self.pop_divisible();
        let overflows = self.quotient_overflows(a, b);
        self.trap_if(overflows, TrapCode::IntegerOverflow, None);
        let value = self.ir.sdiv(a, b);
        self.push(value);
        Ok(())
    }

    /// The remainder of the one quotient that overflows is 0 in wasm and
    /// undefined in LLVM: divide by 1 instead.
    pub(super) fn int_rem_signed(&mut self) -> Result {
        let (a, b) = self.pop_divisible();
        let overflows = self.quotient_overflows(a, b);
        let b = self.ir.select(overflows, b.get_type().const_int(1, false), b).into_int_value();
        let value = self.ir.srem(a, b);
        self.push(value);
        Ok(())
    }

    /// Pops dividend and divisor; traps when the divisor is 0.
    fn pop_divisible(&mut self) -> (IntValue<'ctx>, IntValue<'ctx>) {
        let (a, b) = self.pop_ints();
        let zero = self.ir.icmp(IntPredicate::EQ, b, b.get_type().const_zero());
        self.trap_if(zero, TrapCode::IntegerDivideByZero, None);
        (a, b)
    }

    /// Whether `a / b` is the one signed quotient out of range.
    fn quotient_overflows(&self, a: IntValue<'ctx>, b: IntValue<'ctx>) -> IntValue<'ctx> {
        let least = a.get_type().const_int(1 << (a.get_type().get_bit_width() - 1), false);
        let is_least = self.ir.icmp(IntPredicate::EQ, a, least);
        let is_minus_one = self.ir.icmp(IntPredicate::EQ, b, b.get_type().const_all_ones());
        self.ir.and(is_least, is_minus_one)
    }
}
