//! Conversions between shapes.

use super::{FuncTranslator, Half, Result};
use crate::llvm::intrinsics::Intrinsic;
use crate::translate::convert::Sign;
use inkwell::types::VectorType;
use inkwell::values::{InstructionOpcode, VectorValue};

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// A conversion of every lane that is one LLVM cast.
    pub(super) fn vector_convert(
        &mut self,
        from: VectorType<'ctx>,
        to: VectorType<'ctx>,
        opcode: InstructionOpcode,
    ) -> Result {
        let value = self.pop_vector(from);
        let value = self.vector_cast_value(opcode, value, to);
        self.push_vector(value);
        Ok(())
    }

    /// A conversion of half the lanes to lanes twice as wide.
    pub(super) fn vector_convert_half(
        &mut self,
        from: VectorType<'ctx>,
        to: VectorType<'ctx>,
        half: Half,
        opcode: InstructionOpcode,
    ) -> Result {
        let value = self.pop_vector(from);
        let value = self.vector_cast_value(opcode, self.half(value, half), to);
        self.push_vector(value);
        Ok(())
    }

    /// The lanes of two vectors, half as wide: out of the range of the result,
    /// which `sign` is of, saturates. The operands are signed.
    pub(super) fn vector_narrow(
        &mut self,
        from: VectorType<'ctx>,
        to: VectorType<'ctx>,
        sign: Sign,
    ) -> Result {
        let (a, b) = self.pop_vectors(from);
        let value = self.concat(a, b);
        let bits = to.get_element_type().into_int_type().get_bit_width();
        let (least, greatest) = match sign {
            Sign::Signed => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            Sign::Unsigned => (0, (1 << bits) - 1),
        };
        let least = self.splat_const(value.get_type(), least);
        let greatest = self.splat_const(value.get_type(), greatest);
        let value = self.vector_intrinsic(Intrinsic::SignedMax, &[value, least]);
        let value = self.vector_intrinsic(Intrinsic::SignedMin, &[value, greatest]);
        let value = self.vector_cast_value(InstructionOpcode::Trunc, value, to);
        self.push_vector(value);
        Ok(())
    }

    /// `trunc_sat`: out of range saturates, NaN becomes 0, missing lanes are 0.
    pub(super) fn vector_float_to_int(&mut self, from: VectorType<'ctx>, sign: Sign) -> Result {
        let value = self.pop_vector(from);
        let to = self.cx.types.i32.vec_type(from.get_size());
        let converted = self.saturate(sign, to.into(), value.into()).into_vector_value();
        let value = self.fill_with_zeros(converted);
        self.push_vector(value);
        Ok(())
    }

    /// `demote_zero`: quiets NaNs even when it undoes a promotion.
    pub(super) fn vector_demote(&mut self) -> Result {
        let value = self.pop_vector(self.cx.types.f64x2);
        let value = self.fence(value);
        let to = self.cx.types.f32.vec_type(2);
        let value = self.vector_cast_value(InstructionOpcode::FPTrunc, value, to);
        let value = self.fill_with_zeros(value);
        self.push_vector(value);
        Ok(())
    }

    /// Four lanes of 32 bits from two, or from four.
    fn fill_with_zeros(&self, value: VectorValue<'ctx>) -> VectorValue<'ctx> {
        if value.get_type().get_size() == 4 {
            return value;
        }
        self.concat(value, value.get_type().const_zero())
    }
}
