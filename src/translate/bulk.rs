//! Memory operators beyond loads and stores.

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use inkwell::IntPredicate;
use inkwell::values::{InstructionOpcode, IntValue};
use wasm2so_abi::{Builtin, TrapCode, WASM_PAGE_SIZE};

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn memory_size(&mut self, memory: u32) -> Result {
        let bytes = self.memory_byte_len(memory);
        let shift = self.const_i64(WASM_PAGE_SIZE.trailing_zeros().into());
        let pages = self.ir.lshr(bytes, shift);
        self.push_narrow(pages);
        Ok(())
    }

    pub(super) fn memory_grow(&mut self, memory: u32) -> Result {
        let delta = self.pop_index();
        let args = [self.const_i32(memory).into(), delta.into()];
        let old = self.call_builtin(Builtin::memory_grow, &args);
        self.push_narrow(old.try_as_basic_value().unwrap_basic().into_int_value());
        Ok(())
    }

    /// Checked as a whole before the first byte moves. The move itself is
    /// volatile, so that it stays between the accesses around it.
    pub(super) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) -> Result {
        let len = self.pop_index();
        let src = self.pop_index();
        let dst = self.pop_index();
        self.check_range(src_memory, src, len);
        self.check_range(dst_memory, dst, len);
        let (dst_base, src_base) = (self.memory_base(dst_memory), self.memory_base(src_memory));
        let to = self.ir.byte_offset(dst_base, dst);
        let from = self.ir.byte_offset(src_base, src);
        let types = &self.cx.types;
        let volatile = types.i1.const_all_ones();
        self.call_intrinsic(
            Intrinsic::MemoryMove,
            &[types.ptr.into(), types.ptr.into(), types.i64.into()],
            &[to.into(), from.into(), len.into(), volatile.into()],
        );
        Ok(())
    }

    /// As [`Self::memory_copy`].
    pub(super) fn memory_fill(&mut self, memory: u32) -> Result {
        let len = self.pop_index();
        let value = self.pop();
        let dst = self.pop_index();
        self.check_range(memory, dst, len);
        let base = self.memory_base(memory);
        let to = self.ir.byte_offset(base, dst);
        let types = &self.cx.types;
        let byte = self.ir.cast(InstructionOpcode::Trunc, value, types.i8);
        let volatile = types.i1.const_all_ones();
        self.call_intrinsic(
            Intrinsic::MemorySet,
            &[types.ptr.into(), types.i64.into()],
            &[to.into(), byte.into(), len.into(), volatile.into()],
        );
        Ok(())
    }

    pub(super) fn memory_init(&mut self, segment: u32, memory: u32) -> Result {
        let len = self.pop_int();
        let src = self.pop_int();
        let dst = self.pop_index();
        let args = [
            self.const_i32(memory).into(),
            self.const_i32(segment).into(),
            dst.into(),
            src.into(),
            len.into(),
        ];
        self.call_fallible(Builtin::memory_init, &args);
        Ok(())
    }

    pub(super) fn data_drop(&mut self, segment: u32) -> Result {
        self.call_builtin(Builtin::data_drop, &[self.const_i32(segment).into()]);
        Ok(())
    }

    /// Traps unless `len` bytes from `start` (both zero-extended from i32) lie
    /// inside the memory.
    fn check_range(&self, memory: u32, start: IntValue<'ctx>, len: IntValue<'ctx>) {
        let end = self.ir.add(start, len);
        let outside = self.ir.icmp(IntPredicate::UGT, end, self.memory_byte_len(memory));
        self.trap_if(outside, TrapCode::MemoryOutOfBounds, Some(end));
    }
}
