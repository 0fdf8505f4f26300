//! Linear-memory addresses and the accesses through them.
//!
//! Policy: a 32-bit index plus a 32-bit offset always lies in the memory's
//! reservation, so a plain machine access traps by itself. Each access is
//! volatile: a dropped, merged or moved access would be a lost or misplaced
//! trap. Volatile alone does not keep LLVM from replacing a phi of two loads by
//! one load of a phi, with no location; it leaves atomic ones alone, so until
//! code generation (which takes the mark off) accesses are unordered atomic
//! too. The optimiser's `version-loops` makes plain accesses of those that a
//! check before a loop has proved in bounds. Alignment hints promise nothing, so
//! every access has alignment 1.

use super::{FuncTranslator, Result};
use inkwell::AtomicOrdering;
use inkwell::types::{BasicType, BasicTypeEnum};
use inkwell::values::{BasicValueEnum, InstructionOpcode, InstructionValue, PointerValue};
use wasmparser::{MemArg, MemArgTarget};

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// Pops the index of an access and forms its address.
    fn pop_address(&mut self, memarg: MemArg) -> PointerValue<'ctx> {
        let base = self.access_base(memory_index(memarg));
        let index = self.pop_index();
        let address = self.ir.byte_offset(base, index);
        match memarg.offset {
            0 => address,
            offset => self.ir.byte_offset(address, self.const_i64(offset)),
        }
    }

    /// Pops an index and loads a value of type `ty` from there.
    pub(super) fn load_memory(
        &mut self,
        memarg: MemArg,
        ty: impl BasicType<'ctx>,
    ) -> BasicValueEnum<'ctx> {
        let address = self.pop_address(memarg);
        let (value, load) = self.ir.load(ty, address);
        make_site(load);
        value
    }

    /// Pops an index and stores `value` there.
    pub(super) fn store_memory(&mut self, memarg: MemArg, value: BasicValueEnum<'ctx>) {
        let address = self.pop_address(memarg);
        let store = self.ir.store(address, value);
        make_site(store);
    }

    /// A load that pushes what it reads.
    pub(super) fn load(&mut self, memarg: MemArg, ty: BasicTypeEnum<'ctx>) -> Result {
        let value = self.load_memory(memarg, ty);
        self.push(value);
        Ok(())
    }

    /// A load of fewer bits than it pushes; `extension` is `SExt` or `ZExt`.
    pub(super) fn load_extended(
        &mut self,
        memarg: MemArg,
        narrow: BasicTypeEnum<'ctx>,
        wide: BasicTypeEnum<'ctx>,
        extension: InstructionOpcode,
    ) -> Result {
        let value = self.load_memory(memarg, narrow);
        let value = self.ir.cast(extension, value, wide);
        self.push(value);
        Ok(())
    }

    /// A store of the whole operand.
    pub(super) fn store(&mut self, memarg: MemArg) -> Result {
        let value = self.pop();
        self.store_memory(memarg, value);
        Ok(())
    }

    /// A store of the operand's low bits.
    pub(super) fn store_narrow(&mut self, memarg: MemArg, narrow: BasicTypeEnum<'ctx>) -> Result {
        let value = self.pop();
        let value = self.ir.cast(InstructionOpcode::Trunc, value, narrow);
        self.store_memory(memarg, value);
        Ok(())
    }
}

/// Gives an access the properties that the module's description asks for.
fn make_site(access: InstructionValue<'_>) {
    access.set_volatile(true).expect("an access can be volatile");
    access.set_alignment(1).expect("1 is an alignment");
    access.set_atomic_ordering(AtomicOrdering::Unordered).expect("an access can be unordered");
}

/// The memory that an access names.
fn memory_index(memarg: MemArg) -> u32 {
    match memarg.target {
        MemArgTarget::Memory(index) => index,
        MemArgTarget::Array(_) => unreachable!("validated: GC arrays are not enabled"),
    }
}
