//! Local and global variables, and the operators that only move operands.

use super::{FuncTranslator, Result};
use inkwell::values::PointerValue;

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn local_get(&mut self, index: u32) -> Result {
        let local = &self.locals[index as usize];
        let (value, _) = self.ir.load_slot(self.cx.types.value(local.ty), local.slot);
        self.push(value);
        Ok(())
    }

    pub(super) fn local_set(&mut self, index: u32) -> Result {
        let value = self.pop();
        self.ir.store_slot(self.locals[index as usize].slot, value);
        Ok(())
    }

    pub(super) fn local_tee(&mut self, index: u32) -> Result {
        let value = *self.operands.last().expect("validated");
        self.local_set(index)?;
        self.push(value);
        Ok(())
    }

    pub(super) fn global_get(&mut self, index: u32) -> Result {
        let global = self.cx.module.globals[index as usize];
        let slot = self.global_slot(index);
        let ty = self.cx.types.value(global.ty);
        let value =
            if global.mutable { self.ir.load(ty, slot).0 } else { self.load_invariant(ty, slot) };
        self.push(value);
        Ok(())
    }

    /// Volatile: the host sees globals after a trap, so no store may be taken
    /// for dead because a later one follows it.
    pub(super) fn global_set(&mut self, index: u32) -> Result {
        let value = self.pop();
        let slot = self.global_slot(index);
        self.ir.store(slot, value).set_volatile(true).expect("a store can be volatile");
        Ok(())
    }

    fn global_slot(&self, index: u32) -> PointerValue<'ctx> {
        match index.checked_sub(self.cx.module.imported_globals) {
            Some(defined) => self.vmctx_field(self.cx.layout.defined_global(defined)),
            None => {
                self.load_invariant_pointer(self.vmctx_field(self.cx.layout.imported_global(index)))
            }
        }
    }

    pub(super) fn drop_operand(&mut self) -> Result {
        self.pop();
        Ok(())
    }

    pub(super) fn select(&mut self) -> Result {
        let condition = self.pop_condition();
        let otherwise = self.pop();
        let then = self.pop();
        let value = self.ir.select(condition, then, otherwise);
        self.push(value);
        Ok(())
    }
}
