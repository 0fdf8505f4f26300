//! Conversions between number types.

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use inkwell::FloatPredicate;
use inkwell::types::{BasicTypeEnum, FloatType, IntType};
use inkwell::values::{BasicValueEnum, InstructionOpcode};
use wasm2so_abi::TrapCode;

/// Whether an integer is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Signed,
    Unsigned,
}

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// A conversion that is one LLVM cast.
    pub(super) fn convert(&mut self, opcode: InstructionOpcode, to: BasicTypeEnum<'ctx>) -> Result {
        let value = self.pop();
        let value = self.ir.cast(opcode, value, to);
        self.push(value);
        Ok(())
    }

    /// `f32.demote_f64`: must quiet a NaN even when it undoes a promotion.
    pub(super) fn float_demote(&mut self) -> Result {
        let value = self.pop_float();
        let value = self.fence(value);
        let value = self.ir.cast(InstructionOpcode::FPTrunc, value, self.cx.types.f32);
        self.push(value);
        Ok(())
    }

    /// `trunc_sat`: out of range saturates, NaN becomes 0.
    pub(super) fn float_to_int_saturating(&mut self, sign: Sign, to: IntType<'ctx>) -> Result {
        let value = self.pop_float();
        let value = self.saturate(sign, to.into(), value.into());
        self.push(value);
        Ok(())
    }

    /// A float, or floats, as the next integers of type `to`.
    pub(super) fn saturate(
        &self,
        sign: Sign,
        to: BasicTypeEnum<'ctx>,
        value: BasicValueEnum<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let intrinsic = match sign {
            Sign::Signed => Intrinsic::FloatToSignedSat,
            Sign::Unsigned => Intrinsic::FloatToUnsignedSat,
        };
        self.intrinsic(intrinsic, &[to, value.get_type()], &[value.into()])
    }

    /// `trunc`: traps when the truncated value does not fit, or on a NaN.
    pub(super) fn float_to_int(&mut self, sign: Sign, to: IntType<'ctx>) -> Result {
        let value = self.pop_float();
        let ty = value.get_type();
        let (lowest, includes_lowest, limit) = self.range(sign, to, ty);
        let above = if includes_lowest { FloatPredicate::OGE } else { FloatPredicate::OGT };
        let above = self.ir.fcmp(above, value, ty.const_float(lowest));
        let below = self.ir.fcmp(FloatPredicate::OLT, value, ty.const_float(limit));
        let fits = self.ir.and(above, below);

        let failing = self.ir.new_block(self.function);
        let fitting = self.ir.new_block(self.function);
        self.ir.br_if(fits, fitting, failing);
        self.ir.position_at_end(failing);
        let nan = self.ir.fcmp(FloatPredicate::UNO, value, value);
        self.trap_if(nan, TrapCode::InvalidConversionToInteger, None);
        self.trap(TrapCode::IntegerOverflow, None);
        self.ir.position_at_end(fitting);

        let opcode = match sign {
            Sign::Signed => InstructionOpcode::FPToSI,
            Sign::Unsigned => InstructionOpcode::FPToUI,
        };
        let value = self.ir.cast(opcode, value, to);
        self.push(value);
        Ok(())
    }

    /// The floats that truncate into range: a lower bound, whether it belongs
    /// to the range, and an upper bound that does not. All are exact.
    fn range(&self, sign: Sign, to: IntType<'ctx>, from: FloatType<'ctx>) -> (f64, bool, f64) {
        let bits = to.get_bit_width() as i32;
        match sign {
            Sign::Unsigned => (-1.0, false, 2f64.powi(bits)),
            Sign::Signed => {
                let limit = 2f64.powi(bits - 1);
                // One below the least i32 is representable only in f64.
                if bits == 32 && from == self.cx.types.f64 {
                    (-limit - 1.0, false, limit)
                } else {
                    (-limit, true, limit)
                }
            }
        }
    }
}
