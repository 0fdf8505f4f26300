//! Fixed-width SIMD, as operations on LLVM vectors.
//!
//! Where LLVM has no such operation, a family builds the plain pattern that
//! the code generator recognises as one machine instruction; only [`x86`]
//! names an instruction of the target. A v128 travels as [`Types::v128`]:
//! operations cast it to the shape they work on and back.
//!
//! [`Types::v128`]: crate::llvm::types::Types::v128

mod convert;
mod dispatch;
mod float;
mod int;
mod lanes;
mod memory;
mod x86;

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use crate::llvm::ir::Ir;
use inkwell::types::VectorType;
use inkwell::values::{BasicValueEnum, InstructionOpcode, VectorValue};

/// Builds a binary operation on vectors.
type VectorBinary<'ctx> = fn(&Ir<'ctx>, VectorValue<'ctx>, VectorValue<'ctx>) -> VectorValue<'ctx>;

/// Which lanes of a vector an operation reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

impl<'ctx> FuncTranslator<'ctx, '_> {
    fn pop_vector(&mut self, shape: VectorType<'ctx>) -> VectorValue<'ctx> {
        let value = self.pop();
        self.ir.bitcast(value, shape).into_vector_value()
    }

    /// The two topmost vectors, in the order they were pushed.
    fn pop_vectors(&mut self, shape: VectorType<'ctx>) -> (VectorValue<'ctx>, VectorValue<'ctx>) {
        let b = self.pop_vector(shape);
        (self.pop_vector(shape), b)
    }

    fn push_vector(&mut self, value: VectorValue<'ctx>) {
        let value = self.ir.bitcast(value, self.cx.types.v128);
        self.push(value);
    }

    /// Pushes lanes of i1 as lanes of all ones or all zeros.
    fn push_mask(&mut self, mask: VectorValue<'ctx>) {
        let types = &self.cx.types;
        let shape = match mask.get_type().get_size() {
            16 => types.i8x16,
            8 => types.i16x8,
            4 => types.i32x4,
            _ => types.i64x2,
        };
        let value = self.vector_cast_value(InstructionOpcode::SExt, mask, shape);
        self.push_vector(value);
    }

    /// [`Ir::cast`] of a vector to a vector.
    fn vector_cast_value(
        &self,
        opcode: InstructionOpcode,
        value: VectorValue<'ctx>,
        to: VectorType<'ctx>,
    ) -> VectorValue<'ctx> {
        self.ir.cast(opcode, value, to).into_vector_value()
    }

    /// Calls an intrinsic on vectors of one shape that returns that shape.
    fn vector_intrinsic(
        &self,
        intrinsic: Intrinsic,
        args: &[VectorValue<'ctx>],
    ) -> VectorValue<'ctx> {
        let shape = args[0].get_type();
        let args: Vec<_> = args.iter().map(|&a| a.into()).collect();
        self.intrinsic(intrinsic, &[shape.into()], &args).into_vector_value()
    }

    /// A vector of `value` in every lane.
    fn splat(&self, shape: VectorType<'ctx>, value: BasicValueEnum<'ctx>) -> VectorValue<'ctx> {
        let poison = shape.get_poison();
        let first = self.ir.insert_lane(poison, value, 0);
        self.ir.shuffle(first, poison, &vec![0; shape.get_size() as usize])
    }

    /// A vector of integer `value`, sign-extended, in every lane.
    fn splat_const(&self, shape: VectorType<'ctx>, value: i64) -> VectorValue<'ctx> {
        let lane = shape.get_element_type().into_int_type().const_int(value as u64, true);
        VectorType::const_vector(&vec![lane; shape.get_size() as usize])
    }

    /// Half of the lanes of a vector.
    fn half(&self, value: VectorValue<'ctx>, half: Half) -> VectorValue<'ctx> {
        let count = value.get_type().get_size() / 2;
        let first = if half == Half::Low { 0 } else { count };
        let mask: Vec<u32> = (first..first + count).collect();
        self.ir.shuffle(value, value.get_type().get_poison(), &mask)
    }

    /// The lanes of `low`, then those of `high`.
    fn concat(&self, low: VectorValue<'ctx>, high: VectorValue<'ctx>) -> VectorValue<'ctx> {
        let mask: Vec<u32> = (0..2 * low.get_type().get_size()).collect();
        self.ir.shuffle(low, high, &mask)
    }
}
