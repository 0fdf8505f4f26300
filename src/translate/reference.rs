//! References, and the one way to call an intrinsic.

use super::{FuncTranslator, Result};
use crate::llvm::intrinsics::Intrinsic;
use inkwell::IntPredicate;
use inkwell::types::BasicTypeEnum;
use inkwell::values::{BasicMetadataValueEnum, BasicValueEnum, CallSiteValue};
use wasm2so_abi::Builtin;

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
        // The runtime binds imported ones beforehand.
        if index >= self.cx.module.imported_functions {
            let (byte, bit) = self.cx.layout.bound(place);
            let i8 = self.cx.types.i8;
            let (bits, _) = self.ir.load(i8, self.vmctx_field(byte));
            let bit = i8.const_int(bit.into(), false);
            let bound = self.ir.and(bits.into_int_value(), bit);
            let unbound = self.ir.icmp(IntPredicate::EQ, bound, i8.const_zero());
            self.rarely(unbound, |t| {
                t.call_builtin(Builtin::bind_function, &[t.const_i32(place).into()])
            });
        }
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
