//! Floating-point arithmetic and comparison, on scalars and on vectors.
//!
//! LLVM assumes that signalling NaNs do not matter and drops an operation that
//! only quiets them (`x * 1.0`). Wasm requires the quiet bit in every result,
//! so a constant operand that invites such a fold is hidden behind a fence.

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use crate::llvm::ir::Ir;
use inkwell::FloatPredicate;
use inkwell::types::BasicType;
use inkwell::values::{BasicValueEnum, FloatMathValue, FloatValue, IntMathValue, IntValue};

/// Builds a binary operation on floats or vectors of floats.
pub(super) type FloatBinary<'ctx, T> = fn(&Ir<'ctx>, T, T) -> T;

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn float_const(
        &mut self,
        bits: BasicValueEnum<'ctx>,
        ty: impl BasicType<'ctx>,
    ) -> Result {
        let value = self.ir.bitcast(bits, ty);
        self.push(value);
        Ok(())
    }

    pub(super) fn float_binary(&mut self, build: FloatBinary<'ctx, FloatValue<'ctx>>) -> Result {
        let (a, b) = self.pop_floats();
        let (a, b) = (self.fence_constant(a), self.fence_constant(b));
        let value = build(&self.ir, a, b);
        self.push(value);
        Ok(())
    }

    pub(super) fn float_compare(&mut self, predicate: FloatPredicate) -> Result {
        let (a, b) = self.pop_floats();
        let value = self.ir.fcmp(predicate, a, b);
        self.push_bool(value);
        Ok(())
    }

    pub(super) fn float_neg(&mut self) -> Result {
        let a = self.pop_float();
        let value = self.ir.fneg(a);
        self.push(value);
        Ok(())
    }

    /// An operation that is an intrinsic of one operand.
    pub(super) fn float_unary(&mut self, intrinsic: Intrinsic) -> Result {
        let a = self.pop_float();
        let value = self.intrinsic(intrinsic, &[a.get_type().into()], &[a.into()]);
        self.push(value);
        Ok(())
    }

    pub(super) fn float_copysign(&mut self) -> Result {
        let (a, b) = self.pop_floats();
        let value =
            self.intrinsic(Intrinsic::CopySign, &[a.get_type().into()], &[a.into(), b.into()]);
        self.push(value);
        Ok(())
    }

    pub(super) fn float_min_max(
        &mut self,
        predicate: FloatPredicate,
        join: fn(&Ir<'ctx>, IntValue<'ctx>, IntValue<'ctx>) -> IntValue<'ctx>,
    ) -> Result {
        let (a, b) = self.pop_floats();
        let types = &self.cx.types;
        let bits = if a.get_type() == types.f32 { types.i32 } else { types.i64 };
        let value = self.min_max(predicate, join, bits, a, b);
        self.push(value);
        Ok(())
    }

    /// `min`, `max`: the operand that compares so with the other.
    ///
    /// Zeros of either sign are equal, so each operand is chosen once and the
    /// bits are joined: `or` for a minimum, `and` for a maximum. A NaN compares
    /// with nothing; adding the operands makes a quiet one.
    pub(super) fn min_max<F, I>(
        &self,
        predicate: FloatPredicate,
        join: fn(&Ir<'ctx>, I, I) -> I,
        bits: I::BaseType,
        a: F,
        b: F,
    ) -> BasicValueEnum<'ctx>
    where
        F: FloatMathValue<'ctx> + Copy + TryFrom<BasicValueEnum<'ctx>, Error = ()>,
        I: IntMathValue<'ctx> + TryFrom<BasicValueEnum<'ctx>, Error = ()>,
        I::BaseType: Copy,
    {
        let choose = |a: F, b: F| {
            let chosen = self.ir.select(self.ir.fcmp(predicate, a, b), a, b);
            self.ir.bitcast(chosen, bits).try_into().expect("cast to that type")
        };
        let joined = join(&self.ir, choose(a, b), choose(b, a));
        let sum =
            self.ir.fadd(self.fence_constant(a), self.fence_constant(b)).as_basic_value_enum();
        let joined = self.ir.bitcast(joined, sum.get_type());
        self.ir.select(self.ir.fcmp(FloatPredicate::UNO, a, b), sum, joined)
    }

    /// Hides a constant from the optimiser; see the module's description.
    pub(super) fn fence_constant<T>(&self, value: T) -> T
    where
        T: FloatMathValue<'ctx> + TryFrom<BasicValueEnum<'ctx>, Error = ()>,
    {
        if is_neutral(value.as_basic_value_enum()) { self.fence(value) } else { value }
    }

    /// Keeps the operation that makes `value` and the one that uses it apart.
    pub(super) fn fence<T>(&self, value: T) -> T
    where
        T: FloatMathValue<'ctx> + TryFrom<BasicValueEnum<'ctx>, Error = ()>,
    {
        let value = value.as_basic_value_enum();
        let fenced =
            self.intrinsic(Intrinsic::ArithmeticFence, &[value.get_type()], &[value.into()]);
        fenced.try_into().expect("a fence keeps the type")
    }
}

/// Whether `value` may be a constant with which some operation returns its
/// other operand or negates it. Of a vector, any constant may: its lanes can
/// be hidden in a cast.
fn is_neutral(value: BasicValueEnum<'_>) -> bool {
    match value {
        BasicValueEnum::FloatValue(value) => {
            [0.0, -0.0, 1.0, -1.0].iter().any(|&n| value == value.get_type().const_float(n))
        }
        BasicValueEnum::VectorValue(value) => value.is_const(),
        _ => false,
    }
}
