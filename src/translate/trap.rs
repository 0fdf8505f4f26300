//! Raising traps.
//!
//! A trap is a call that takes vmctx and never returns. LLVM's own trap would
//! let it drop stores to the instance that the host looks at afterwards. Two
//! equal traps stay two because nothing in the pipeline merges calls.

use super::FuncTranslator;
use inkwell::values::IntValue;
use wasm2so_abi::{Builtin, NO_DETAIL, TrapCode};

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// Raises `code`; what follows in the block cannot be reached.
    pub(super) fn trap(&self, code: TrapCode, detail: Option<IntValue<'ctx>>) {
        self.raise(self.const_i32(code as u32), detail);
    }

    /// Raises `code` when `condition` (i1) holds, and goes on otherwise.
    pub(super) fn trap_if(
        &self,
        condition: IntValue<'ctx>,
        code: TrapCode,
        detail: Option<IntValue<'ctx>>,
    ) {
        self.raise_if(condition, self.const_i32(code as u32), detail);
    }

    /// Calls a builtin that returns a trap code, and raises that unless it is 0.
    pub(super) fn call_fallible(
        &self,
        builtin: Builtin,
        args: &[inkwell::values::BasicMetadataValueEnum<'ctx>],
    ) {
        let code = self.call_builtin(builtin, args);
        let code = code.try_as_basic_value().unwrap_basic().into_int_value();
        let failed = self.ir.icmp(inkwell::IntPredicate::NE, code, self.const_i32(0));
        self.raise_if(failed, code, None);
    }

    /// Raises the trap that `code` numbers when `condition` holds.
    pub(super) fn raise_if(
        &self,
        condition: IntValue<'ctx>,
        code: IntValue<'ctx>,
        detail: Option<IntValue<'ctx>>,
    ) {
        let trapping = self.ir.new_block(self.function);
        let going_on = self.ir.new_block(self.function);
        self.ir.br_if(condition, trapping, going_on);
        self.ir.position_at_end(trapping);
        self.raise(code, detail);
        self.ir.position_at_end(going_on);
    }

    /// Raises the trap that `code` numbers.
    pub(super) fn raise(&self, code: IntValue<'ctx>, detail: Option<IntValue<'ctx>>) {
        let detail = detail.unwrap_or_else(|| self.const_i64(NO_DETAIL));
        let call = self.call_builtin(Builtin::trap, &[code.into(), detail.into()]);
        self.cx.attributes.set_trap_site(call);
        self.ir.unreachable();
    }
}
