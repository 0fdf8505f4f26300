//! References, and the one way to call an intrinsic.

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use inkwell::types::BasicTypeEnum;
use inkwell::values::{BasicMetadataValueEnum, BasicValueEnum, CallSiteValue};

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn ref_null(&mut self) -> Result {
        self.push(self.cx.types.ptr.const_null());
        Ok(())
    }

    pub(super) fn ref_is_null(&mut self) -> Result {
        let reference = self.pop_pointer();
        let null = self.ir.is_null(reference);
        self.push_bool(null);
        Ok(())
    }

    pub(super) fn ref_func(&mut self, index: u32) -> Result {
        let place = self.cx.module.funcref_place(index);
        let funcref = self.vmctx_field(self.cx.layout.funcref(place));
        self.push(funcref);
        Ok(())
    }

    /// Calls an intrinsic that returns a value.
    pub(super) fn intrinsic(
        &self,
        intrinsic: Intrinsic,
        overloads: &[BasicTypeEnum<'ctx>],
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> BasicValueEnum<'ctx> {
        self.call_intrinsic(intrinsic, overloads, args).try_as_basic_value().unwrap_basic()
    }

    /// Calls an intrinsic.
    pub(super) fn call_intrinsic(
        &self,
        intrinsic: Intrinsic,
        overloads: &[BasicTypeEnum<'ctx>],
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        self.ir.call(intrinsic.declare(self.cx.llvm, overloads), args)
    }
}
