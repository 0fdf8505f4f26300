//! Making vectors, and moving lanes between vectors and scalars.

use super::{FuncTranslator, Result};
use inkwell::types::VectorType;
use inkwell::values::{BasicValueEnum, InstructionOpcode};

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn vector_const(&mut self, value: wasmparser::V128) -> Result {
        let lanes = value.bytes().map(|b| self.cx.types.i8.const_int(b.into(), false));
        self.push_vector(VectorType::const_vector(&lanes));
        Ok(())
    }

    pub(super) fn vector_splat(&mut self, shape: VectorType<'ctx>) -> Result {
        let value = self.pop_lane(shape);
        let value = self.splat(shape, value);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_extract(&mut self, shape: VectorType<'ctx>, lane: u8) -> Result {
        let vector = self.pop_vector(shape);
        let value = self.ir.extract_lane(vector, lane.into());
        self.push(value);
        Ok(())
    }

    /// Extraction of a lane that is narrower than i32; `extension` is `SExt`
    /// or `ZExt`.
    pub(super) fn vector_extract_extended(
        &mut self,
        shape: VectorType<'ctx>,
        lane: u8,
        extension: InstructionOpcode,
    ) -> Result {
        let vector = self.pop_vector(shape);
        let value = self.ir.extract_lane(vector, lane.into());
        let value = self.ir.cast(extension, value, self.cx.types.i32);
        self.push(value);
        Ok(())
    }

    pub(super) fn vector_replace(&mut self, shape: VectorType<'ctx>, lane: u8) -> Result {
        let value = self.pop_lane(shape);
        let vector = self.pop_vector(shape);
        let vector = self.ir.insert_lane(vector, value, lane.into());
        self.push_vector(vector);
        Ok(())
    }

    pub(super) fn vector_shuffle(&mut self, lanes: [u8; 16]) -> Result {
        let (a, b) = self.pop_vectors(self.cx.types.i8x16);
        let value = self.ir.shuffle(a, b, &lanes.map(u32::from));
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_swizzle(&mut self) -> Result {
        let (a, indices) = self.pop_vectors(self.cx.types.i8x16);
        let value = self.byte_shuffle(a, indices);
        self.push_vector(value);
        Ok(())
    }

    /// Pops a scalar as a lane of `shape`: of an i32, the low bits.
    fn pop_lane(&mut self, shape: VectorType<'ctx>) -> BasicValueEnum<'ctx> {
        let value = self.pop();
        let lane = shape.get_element_type();
        if value.get_type() == lane {
            return value;
        }
        self.ir.cast(InstructionOpcode::Trunc, value, lane)
    }
}
