//! Vector loads and stores. Each is one access of the width that wasm gives
//! it: what is read or written beyond would trap elsewhere.

use super::{FuncTranslator, Half, Result};
use inkwell::types::VectorType;
use inkwell::values::InstructionOpcode;
use wasmparser::MemArg;

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// Loads 8 bytes as lanes of `narrow` and widens them; `extension` is
    /// `SExt` or `ZExt`. As an i64, because LLVM may split a short vector.
    pub(super) fn vector_load_extended(
        &mut self,
        memarg: MemArg,
        narrow: VectorType<'ctx>,
        wide: VectorType<'ctx>,
        extension: InstructionOpcode,
    ) -> Result {
        let bits = self.load_memory(memarg, self.cx.types.i64);
        let value = self.ir.insert_lane(self.cx.types.i64x2.get_poison(), bits, 0);
        self.push_vector(value);
        self.vector_convert_half(narrow, wide, Half::Low, extension)
    }

    pub(super) fn vector_load_splat(&mut self, memarg: MemArg, shape: VectorType<'ctx>) -> Result {
        let lane = self.load_memory(memarg, shape.get_element_type());
        let value = self.splat(shape, lane);
        self.push_vector(value);
        Ok(())
    }

    /// Loads lane 0; the others are 0.
    pub(super) fn vector_load_zero(&mut self, memarg: MemArg, shape: VectorType<'ctx>) -> Result {
        let lane = self.load_memory(memarg, shape.get_element_type());
        let value = self.ir.insert_lane(shape.const_zero(), lane, 0);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_load_lane(
        &mut self,
        memarg: MemArg,
        shape: VectorType<'ctx>,
        lane: u8,
    ) -> Result {
        let vector = self.pop_vector(shape);
        let value = self.load_memory(memarg, shape.get_element_type());
        let vector = self.ir.insert_lane(vector, value, lane.into());
        self.push_vector(vector);
        Ok(())
    }

    pub(super) fn vector_store_lane(
        &mut self,
        memarg: MemArg,
        shape: VectorType<'ctx>,
        lane: u8,
    ) -> Result {
        let vector = self.pop_vector(shape);
        let value = self.ir.extract_lane(vector, lane.into());
        self.store_memory(memarg, value);
        Ok(())
    }
}
