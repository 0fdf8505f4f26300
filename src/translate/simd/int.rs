//! Integer and bitwise operations on lanes.

use super::{FuncTranslator, Half, Result, VectorBinary};
use crate::llvm::intrinsics::Intrinsic;
use inkwell::IntPredicate;
use inkwell::types::{IntType, VectorType};
use inkwell::values::{InstructionOpcode, IntValue, VectorValue};
use std::num::NonZeroU32;

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// An operation that LLVM has as an instruction.
    pub(super) fn vector_binary(
        &mut self,
        shape: VectorType<'ctx>,
        build: VectorBinary<'ctx>,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let value = build(&self.ir, a, b);
        self.push_vector(value);
        Ok(())
    }

    /// An operation that is an intrinsic of two operands.
    pub(super) fn vector_binary_intrinsic(
        &mut self,
        shape: VectorType<'ctx>,
        intrinsic: Intrinsic,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let value = self.vector_intrinsic(intrinsic, &[a, b]);
        self.push_vector(value);
        Ok(())
    }

    /// An operation that is an intrinsic of one operand.
    pub(super) fn vector_unary_intrinsic(
        &mut self,
        shape: VectorType<'ctx>,
        intrinsic: Intrinsic,
    ) -> Result {
        let a = self.pop_vector(shape);
        let value = self.vector_intrinsic(intrinsic, &[a]);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_compare(
        &mut self,
        shape: VectorType<'ctx>,
        predicate: IntPredicate,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let mask = self.ir.icmp(predicate, a, b);
        self.push_mask(mask);
        Ok(())
    }

    /// A shift of all lanes by one amount, modulo their width.
    pub(super) fn vector_shift(
        &mut self,
        shape: VectorType<'ctx>,
        build: VectorBinary<'ctx>,
    ) -> Result {
        let amount = self.pop_int();
        let a = self.pop_vector(shape);
        let lane = shape.get_element_type().into_int_type();
        let amount = self.ir.and(amount, self.const_i32(lane.get_bit_width() - 1));
        let amount = match lane.get_bit_width() {
            32 => amount.into(),
            64 => self.ir.cast(InstructionOpcode::ZExt, amount, lane),
            _ => self.ir.cast(InstructionOpcode::Trunc, amount, lane),
        };
        let value = build(&self.ir, a, self.splat(shape, amount));
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_not(&mut self) -> Result {
        let a = self.pop_vector(self.cx.types.v128);
        let value = self.ir.not(a);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_and_not(&mut self) -> Result {
        let (a, b) = self.pop_vectors(self.cx.types.v128);
        let value = self.ir.and(a, self.ir.not(b));
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_bitselect(&mut self) -> Result {
        let mask = self.pop_vector(self.cx.types.v128);
        let (a, b) = self.pop_vectors(self.cx.types.v128);
        let chosen = self.ir.and(a, mask);
        let others = self.ir.and(b, self.ir.not(mask));
        let value = self.ir.or(chosen, others);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_neg(&mut self, shape: VectorType<'ctx>) -> Result {
        let a = self.pop_vector(shape);
        let value = self.ir.neg(a);
        self.push_vector(value);
        Ok(())
    }

    /// The least integer is its own absolute value.
    pub(super) fn vector_abs(&mut self, shape: VectorType<'ctx>) -> Result {
        let a = self.pop_vector(shape);
        let least_is_poison = self.cx.types.i1.const_zero();
        let args = [a.into(), least_is_poison.into()];
        let value = self.intrinsic(Intrinsic::Abs, &[shape.into()], &args).into_vector_value();
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_any_true(&mut self) -> Result {
        let a = self.pop_vector(self.cx.types.v128);
        let bits = self.lane_bits(a);
        let value = self.ir.icmp(IntPredicate::NE, bits, bits.get_type().const_zero());
        self.push_bool(value);
        Ok(())
    }

    pub(super) fn vector_all_true(&mut self, shape: VectorType<'ctx>) -> Result {
        let a = self.pop_vector(shape);
        let zeros = self.ir.icmp(IntPredicate::EQ, a, shape.const_zero());
        let bits = self.lane_bits(zeros);
        let value = self.ir.icmp(IntPredicate::EQ, bits, bits.get_type().const_zero());
        self.push_bool(value);
        Ok(())
    }

    /// The sign bits of the lanes.
    pub(super) fn vector_bitmask(&mut self, shape: VectorType<'ctx>) -> Result {
        let a = self.pop_vector(shape);
        let negative = self.ir.icmp(IntPredicate::SLT, a, shape.const_zero());
        let value = self.ir.zext(self.lane_bits(negative), self.cx.types.i32);
        self.push(value);
        Ok(())
    }

    /// The bits of all lanes as one integer, lane 0 lowest.
    fn lane_bits(&self, value: VectorValue<'ctx>) -> IntValue<'ctx> {
        let shape = value.get_type();
        let bits = shape.get_size() * shape.get_element_type().into_int_type().get_bit_width();
        let bits = NonZeroU32::new(bits).expect("a vector has lanes");
        let whole = self.ir.context().custom_width_int_type(bits).expect("at most 128 bits");
        self.ir.bitcast(value, whole).into_int_value()
    }

    /// `(a + b + 1) / 2`, unsigned, without overflow.
    pub(super) fn vector_average(
        &mut self,
        shape: VectorType<'ctx>,
        wide: IntType<'ctx>,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let wide = wide.vec_type(shape.get_size());
        let one = self.splat_const(wide, 1);
        let a = self.vector_cast_value(InstructionOpcode::ZExt, a, wide);
        let b = self.vector_cast_value(InstructionOpcode::ZExt, b, wide);
        let sum = self.ir.add(self.ir.add(a, b), one);
        let value = self.ir.lshr(sum, one);
        let value = self.vector_cast_value(InstructionOpcode::Trunc, value, shape);
        self.push_vector(value);
        Ok(())
    }

    /// Sums of adjacent lanes, twice as wide. A pair read as one wide lane has
    /// its first lane in the low half.
    pub(super) fn vector_add_pairs(
        &mut self,
        wide: VectorType<'ctx>,
        shift_down: VectorBinary<'ctx>,
    ) -> Result {
        let pairs = self.pop_vector(wide);
        let bits = wide.get_element_type().into_int_type().get_bit_width();
        let half = self.splat_const(wide, i64::from(bits / 2));
        let first = shift_down(&self.ir, self.ir.shl(pairs, half), half);
        let second = shift_down(&self.ir, pairs, half);
        let value = self.ir.add(first, second);
        self.push_vector(value);
        Ok(())
    }

    /// Products, as lanes of `wide`, of half the lanes of `narrow`.
    pub(super) fn vector_extended_mul(
        &mut self,
        narrow: VectorType<'ctx>,
        wide: VectorType<'ctx>,
        half: Half,
        extension: InstructionOpcode,
    ) -> Result {
        let (a, b) = self.pop_vectors(narrow);
        let a = self.vector_cast_value(extension, self.half(a, half), wide);
        let b = self.vector_cast_value(extension, self.half(b, half), wide);
        let value = self.ir.mul(a, b);
        self.push_vector(value);
        Ok(())
    }

    /// Sums of adjacent products; only four times the least i16 wraps around.
    pub(super) fn vector_dot(&mut self) -> Result {
        let (a, b) = self.pop_vectors(self.cx.types.i16x8);
        let wide = self.cx.types.i32.vec_type(8);
        let a = self.vector_cast_value(InstructionOpcode::SExt, a, wide);
        let b = self.vector_cast_value(InstructionOpcode::SExt, b, wide);
        let products = self.ir.mul(a, b);
        let even = self.ir.shuffle(products, wide.get_poison(), &[0, 2, 4, 6]);
        let odd = self.ir.shuffle(products, wide.get_poison(), &[1, 3, 5, 7]);
        let value = self.ir.add(even, odd);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_q15_mul(&mut self) -> Result {
        let (a, b) = self.pop_vectors(self.cx.types.i16x8);
        let value = self.q15_mul(a, b);
        self.push_vector(value);
        Ok(())
    }
}
