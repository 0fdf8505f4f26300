//! Calls, tail calls and returns.

use super::{FuncTranslator, Result};
use crate::emit::{fixed_tables, thunks};
use crate::llvm::types::{TAIL_CONVENTION, WASM_CONVENTION};
use crate::module::Signature;
use inkwell::IntPredicate;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValueEnum, CallSiteValue, FunctionValue, InstructionOpcode,
    IntValue, LLVMTailCallKind, PointerValue,
};
use std::mem::offset_of;
use wasm2so_abi::{ReturnStyle, Slot, TrapCode, VmFuncRef, VmImportedFunction};

/// What is called, and the first argument it expects.
enum Callee<'ctx> {
    /// A function of this module.
    Known(FunctionValue<'ctx>),
    /// A function that an import or a reference names.
    Pointer {
        code: PointerValue<'ctx>,
        /// Null when it has no entry point of that convention.
        tail_code: PointerValue<'ctx>,
        vmctx: PointerValue<'ctx>,
    },
}

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn call(&mut self, index: u32) -> Result {
        let callee = self.direct_callee(index);
        self.call_and_push(callee, self.cx.module.signature(index));
        Ok(())
    }

    pub(super) fn call_indirect(&mut self, ty: u32, table: u32) -> Result {
        let callee = self.indirect_callee(ty, table);
        self.call_and_push(callee, &self.cx.module.types[ty as usize]);
        Ok(())
    }

    pub(super) fn return_call(&mut self, index: u32) -> Result {
        let callee = self.direct_callee(index);
        self.tail_call(callee, self.cx.module.functions[index as usize]);
        Ok(())
    }

    pub(super) fn return_call_indirect(&mut self, ty: u32, table: u32) -> Result {
        let callee = self.indirect_callee(ty, table);
        self.tail_call(callee, ty);
        Ok(())
    }

    /// Returns `values` as the function's results.
    pub(super) fn return_values(&self, values: &[BasicValueEnum<'ctx>]) {
        match ReturnStyle::of(self.results) {
            ReturnStyle::Void => self.ir.ret(None),
            ReturnStyle::Direct => self.ir.ret(Some(values[0])),
            ReturnStyle::Registers => {
                let mut all = self.cx.types.results(self.results).get_undef();
                for (i, &value) in values.iter().enumerate() {
                    all = self.ir.insert(all, value, i as u32);
                }
                self.ir.ret(Some(all.into()));
            }
            ReturnStyle::Memory => {
                let pointer = self.result_pointer.expect("this style has a result pointer");
                for (i, &value) in values.iter().enumerate() {
                    self.ir.store(self.slot(pointer, i), value);
                }
                self.ir.ret(None);
            }
        }
    }

    fn direct_callee(&mut self, index: u32) -> Callee<'ctx> {
        if index >= self.cx.module.imported_functions {
            return Callee::Known(self.cx.function(index));
        }
        let import = self.cx.layout.imported_function(index);
        let field =
            |offset: usize| self.load_invariant_pointer(self.vmctx_field(import + offset as u32));
        Callee::Pointer {
            code: field(offset_of!(VmImportedFunction, code)),
            tail_code: field(offset_of!(VmImportedFunction, tail_code)),
            vmctx: field(offset_of!(VmImportedFunction, vmctx)),
        }
    }

    /// Pops an index and finds the function of type `ty` behind it.
    fn indirect_callee(&mut self, ty: u32, table: u32) -> Callee<'ctx> {
        let index = self.pop_index();
        if let Some(functions) = self.cx.fixed_tables.len(table) {
            return self.fixed_callee(ty, table, functions, index);
        }
        let outside = self.ir.icmp(IntPredicate::UGE, index, self.table_len(table));
        self.trap_if(outside, TrapCode::UndefinedElement, Some(index));
        let element = self.table_element(table, index);
        let null = Some(TrapCode::UninitializedElement);
        let funcref = self.element_value(table, index, element, null);

        // What a reference points at never changes.
        let i32 = self.cx.types.i32;
        let field = |offset: usize| self.ir.field(funcref, offset as u64);
        let actual = self.load_invariant(i32, field(offset_of!(VmFuncRef, type_id)));
        let expected = self.load_invariant(i32, self.vmctx_field(self.cx.layout.type_id(ty)));
        let differs =
            self.ir.icmp(IntPredicate::NE, actual.into_int_value(), expected.into_int_value());
        self.trap_if(differs, TrapCode::IndirectCallTypeMismatch, Some(index));
        let pointer = |offset| self.load_invariant_pointer(field(offset));
        let tail_code = pointer(offset_of!(VmFuncRef, tail_code));
        let local_code = pointer(offset_of!(VmFuncRef, local_code));
        if !self.cx.foreign_references {
            return Callee::Pointer { code: local_code, tail_code, vmctx: self.vmctx };
        }
        let code = pointer(offset_of!(VmFuncRef, code));
        let vmctx = pointer(offset_of!(VmFuncRef, vmctx));
        if !self.cx.conventions.memory_in_gs {
            return Callee::Pointer { code, tail_code, vmctx };
        }
        let [theirs, ours] =
            [vmctx, self.vmctx].map(|vmctx| self.ir.ptr_to_int(vmctx, self.cx.types.i64));
        let local = self.ir.icmp(IntPredicate::EQ, theirs, ours);
        let code = self.ir.select(local, local_code, code).into_pointer_value();
        Callee::Pointer { code, tail_code, vmctx }
    }

    /// The function of type `ty` at `index` of a fixed table, whose first elements,
    /// so many, may be `functions`.
    fn fixed_callee(
        &self,
        ty: u32,
        table: u32,
        functions: u64,
        index: IntValue<'ctx>,
    ) -> Callee<'ctx> {
        let i32 = self.cx.types.i32;
        let start = fixed_tables::declare(self.cx, table, functions).as_pointer_value();
        let types = self.ir.element(i32, start, self.const_i64(functions));
        let places = self.cx.fixed_tables.places(table, ty);
        match fixed_tables::run(places) {
            // Being among them is all there is to see; whoever is not is told why not.
            Some(run) => {
                let first = self.const_i64(run.start.into());
                let count = self.const_i64(u64::from(run.end - run.start));
                let place = self.ir.sub(index, first);
                let [refused, accepted] = [(); 2].map(|()| self.ir.new_block(self.function));
                self.ir.br_if(self.ir.icmp(IntPredicate::UGE, place, count), refused, accepted);
                self.ir.position_at_end(refused);
                let (_, problem) = self.fixed_type(table, types, functions, index);
                self.raise(problem, Some(index));
                self.ir.position_at_end(accepted);
            }
            None => {
                let (actual, problem) = self.fixed_type(table, types, functions, index);
                let expected = self.const_i32(self.cx.fixed_tables.type_number(ty));
                let differs = self.ir.icmp(IntPredicate::NE, actual, expected);
                self.raise_if(differs, problem, Some(index));
            }
        }
        if let [only] = places {
            return Callee::Known(self.cx.function(only.function));
        }
        let offset = self.load_invariant(i32, self.ir.element(i32, start, index));
        let offset = self.ir.cast(InstructionOpcode::SExt, offset, self.cx.types.i64);
        let code = self.ir.byte_offset(start, offset.into_int_value());
        let tail_code = self.cx.types.ptr.const_null();
        Callee::Pointer { code, tail_code, vmctx: self.vmctx }
    }

    /// The number of the type at `index` of a fixed table, which is one of `types`, and
    /// the trap if that is not the one to call by. Raises one where there is none.
    fn fixed_type(
        &self,
        table: u32,
        types: PointerValue<'ctx>,
        functions: u64,
        index: IntValue<'ctx>,
    ) -> (IntValue<'ctx>, IntValue<'ctx>) {
        let [undefined, uninitialized, mismatch] = [
            TrapCode::UndefinedElement,
            TrapCode::UninitializedElement,
            TrapCode::IndirectCallTypeMismatch,
        ]
        .map(|code| self.const_i32(code as u32));
        let choose = |condition, then, otherwise| {
            self.ir.select(condition, then, otherwise).into_int_value()
        };
        let len = self.const_i64(self.cx.module.tables[table as usize].limits.min);
        let none = self.ir.icmp(IntPredicate::UGE, index, self.const_i64(functions));
        let outside = self.ir.icmp(IntPredicate::UGE, index, len);
        self.raise_if(none, choose(outside, undefined, uninitialized), Some(index));

        let i32 = self.cx.types.i32;
        let actual = self.load_invariant(i32, self.ir.element(i32, types, index)).into_int_value();
        let null = self.const_i32(fixed_tables::NO_TYPE);
        let null = self.ir.icmp(IntPredicate::EQ, actual, null);
        (actual, choose(null, uninitialized, mismatch))
    }

    fn call_and_push(&mut self, callee: Callee<'ctx>, signature: &Signature) {
        let args = self.pop_many(signature.params.len());
        let style = ReturnStyle::of(&signature.results);
        let buffer =
            (style == ReturnStyle::Memory).then(|| self.result_buffer(signature.results.len()));
        let (vmctx, code) = match callee {
            Callee::Known(function) => (self.vmctx, Err(function)),
            Callee::Pointer { code, vmctx, .. } => (vmctx, Ok(code)),
        };
        let args = call_args(None, vmctx, buffer, &args);
        let call = match code {
            Err(function) => self.cx.call_function(&self.ir, function, &args),
            Ok(code) => self.cx.call_pointer(&self.ir, code, WASM_CONVENTION, signature, &args),
        };
        match style {
            ReturnStyle::Void => {}
            ReturnStyle::Direct => self.push(call.try_as_basic_value().unwrap_basic()),
            ReturnStyle::Registers => {
                let all = call.try_as_basic_value().unwrap_basic().into_struct_value();
                for i in 0..signature.results.len() {
                    let value = self.ir.extract(all, i as u32);
                    self.push(value);
                }
            }
            ReturnStyle::Memory => {
                let buffer = buffer.expect("made for this style");
                for (i, &ty) in signature.results.iter().enumerate() {
                    let (value, _) = self.ir.load(self.cx.types.value(ty), self.slot(buffer, i));
                    self.push(value);
                }
            }
        }
    }

    /// A call that replaces the frame. Neither it nor its function may be
    /// inlined: the frame that inlining kept would show in traces.
    fn tail_call(&mut self, callee: Callee<'ctx>, ty: u32) {
        let signature = &self.cx.module.types[ty as usize];
        let args = self.pop_many(signature.params.len());
        let results = self.result_pointer;
        self.cx.attributes.set_no_inline(self.function);
        match callee {
            Callee::Known(function) => {
                let args = call_args(None, self.vmctx, results, &args);
                self.finish_tail_call(self.ir.call(function, &args));
            }
            Callee::Pointer { code, tail_code, vmctx } => {
                let direct = self.ir.new_block(self.function);
                let adapted = self.ir.new_block(self.function);
                self.ir.br_if(self.ir.is_null(tail_code), adapted, direct);
                self.ir.position_at_end(direct);
                let plain = call_args(None, vmctx, results, &args);
                self.finish_tail_call(self.cx.call_pointer(
                    &self.ir,
                    tail_code,
                    TAIL_CONVENTION,
                    signature,
                    &plain,
                ));
                self.ir.position_at_end(adapted);
                let adapter = thunks::adapter(self.cx, ty);
                let with_code = call_args(Some(code), vmctx, results, &args);
                self.finish_tail_call(self.ir.call(adapter, &with_code));
            }
        }
        self.reachable = false;
    }

    fn finish_tail_call(&self, call: CallSiteValue<'ctx>) {
        call.set_tail_call_kind(LLVMTailCallKind::LLVMTailCallKindMustTail);
        self.cx.attributes.set_site_no_inline(call);
        self.ir.ret(call.try_as_basic_value().basic());
    }

    /// Stack room for `count` results of a callee, shared by all calls.
    fn result_buffer(&mut self, count: usize) -> PointerValue<'ctx> {
        match self.result_buffer {
            Some((room, buffer)) if room >= count => buffer,
            _ => {
                let ty = self.cx.types.v128.array_type(count as u32);
                let buffer = self.in_prologue(|t| t.ir.alloca(ty));
                self.result_buffer = Some((count, buffer));
                buffer
            }
        }
    }

    /// The address of slot `index` behind `base`.
    fn slot(&self, base: PointerValue<'ctx>, index: usize) -> PointerValue<'ctx> {
        self.ir.field(base, (index * size_of::<Slot>()) as u64)
    }

    /// The address of element `index` (i64, in bounds) of a table.
    pub(super) fn table_element(&self, table: u32, index: IntValue<'ctx>) -> PointerValue<'ctx> {
        self.ir.element(self.cx.types.ptr, self.table_base(table), index)
    }
}

/// All arguments of a call: what an adapter is to call, vmctx, where results
/// go, the wasm arguments.
fn call_args<'ctx>(
    code: Option<PointerValue<'ctx>>,
    vmctx: PointerValue<'ctx>,
    results: Option<PointerValue<'ctx>>,
    args: &[BasicValueEnum<'ctx>],
) -> Vec<BasicMetadataValueEnum<'ctx>> {
    code.into_iter()
        .chain(std::iter::once(vmctx))
        .chain(results)
        .map(BasicMetadataValueEnum::from)
        .chain(args.iter().map(|&a| a.into()))
        .collect()
}
