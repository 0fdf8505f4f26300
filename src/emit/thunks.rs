//! The bridges between host and wasm, and between the two conventions: entry
//! thunks, wrappers, adapters, and the ways to the runtime's builtins.
//! Contracts: `wasm2so_abi`. None of them has debug information, so none shows
//! in a trace.

use crate::llvm::intrinsics::Intrinsic;
use crate::llvm::ir::Ir;
use crate::llvm::types::{TAIL_CONVENTION, Types, WASM_CONVENTION};
use crate::module::WasmModule;
use crate::translate::{ShardCx, builtin_convention};
use inkwell::IntPredicate;
use inkwell::module::Linkage;
use inkwell::types::BasicType;
use inkwell::values::{
    BasicMetadataValueEnum, FunctionValue, IntValue, LLVMTailCallKind, PointerValue,
};
use std::collections::BTreeSet;
use std::mem::offset_of;
use wasm2so_abi::{Builtin, ReturnStyle, Slot, VmCtx, VmMemory};

/// Types, by index, of functions that the host can call.
pub fn entry_types(module: &WasmModule<'_>) -> BTreeSet<u32> {
    module.referenced.iter().map(|&f| module.functions[f as usize]).collect()
}

/// Symbol of the entry thunk of type `index`.
pub fn entry_symbol(index: u32) -> String {
    format!("wasm2so.enter.{index}")
}

/// Builds all thunks of the module.
pub fn build(cx: &ShardCx<'_, '_>) {
    let thunks = Thunks { cx, ir: Ir::new(cx.types.context()), types: cx.types };
    for &builtin in Builtin::ALL {
        thunks.builtin(builtin);
    }
    for ty in entry_types(cx.module) {
        thunks.entry(ty);
    }
    if cx.conventions.wrapped() {
        for &function in &cx.module.referenced {
            if function >= cx.module.imported_functions {
                thunks.wrapper(function);
            }
        }
    }
    if cx.conventions.tail_calls {
        for ty in 0..cx.module.types.len() as u32 {
            thunks.adapter(ty);
        }
    }
}

/// Symbol of the wrapper through which others call function `index`: of the wasm
/// convention, and keeping what the caller has in GS.
pub fn wrapper_symbol(index: u32) -> String {
    format!("wasm2so.wrap.{index}")
}

/// The adapter for type `index`: of the tail convention, it calls code of the
/// wasm convention, its first argument, with the others.
pub fn adapter<'ctx>(cx: &ShardCx<'ctx, '_>, index: u32) -> FunctionValue<'ctx> {
    let symbol = format!("wasm2so.adapt.{index}");
    cx.llvm.get_function(&symbol).unwrap_or_else(|| {
        let ty = cx.types.function(&cx.module.types[index as usize]);
        let params: Vec<_> =
            std::iter::once(cx.types.ptr.into()).chain(ty.get_param_types()).collect();
        let ty = match ty.get_return_type() {
            Some(result) => result.fn_type(&params, false),
            None => cx.types.context().void_type().fn_type(&params, false),
        };
        let function = cx.llvm.add_function(&symbol, ty, Some(Linkage::External));
        cx.finish_declaration(function, TAIL_CONVENTION);
        function
    })
}

struct Thunks<'ctx, 'a> {
    cx: &'a ShardCx<'ctx, 'a>,
    ir: Ir<'ctx>,
    types: Types<'ctx>,
}

impl<'ctx> Thunks<'ctx, '_> {
    /// Jumps on to the runtime's builtin, which so finds the site's return address
    /// on top of the stack; or calls it, to keep registers.
    fn builtin(&self, builtin: Builtin) {
        let function = self.cx.builtin(builtin);
        self.start(function);
        let vmctx = param(function, 0).into_pointer_value();
        let table = self.load_pointer(vmctx, offset_of!(VmCtx, builtins));
        let code = self.load_pointer(table, builtin.offset());
        let args: Vec<_> = function.get_params().into_iter().map(Into::into).collect();
        let call = self.ir.call_indirect(function.get_type(), code, &args);
        if builtin_convention(builtin) == WASM_CONVENTION {
            call.set_tail_call_kind(LLVMTailCallKind::LLVMTailCallKindMustTail);
        }
        self.ir.ret(call.try_as_basic_value().basic());
    }

    /// An [`EntryThunk`](wasm2so_abi::EntryThunk). It calls code that expects the
    /// base of memory in GS; to write it there takes as long as all the rest, so
    /// it is left there, and mostly is there already.
    fn entry(&self, index: u32) {
        let signature = &self.cx.module.types[index as usize];
        let ptr = self.types.ptr;
        let ty =
            self.types.context().void_type().fn_type(&[ptr.into(), ptr.into(), ptr.into()], false);
        let function = self.cx.llvm.add_function(&entry_symbol(index), ty, Some(Linkage::External));
        self.cx.finish_declaration(function, WASM_CONVENTION);
        self.start(function);
        let [code, vmctx, slots] = [0, 1, 2].map(|i| param(function, i).into_pointer_value());
        if self.cx.conventions.memory_in_gs {
            let base = self.memory_base(vmctx);
            let differs = self.ir.icmp(IntPredicate::NE, self.read_gs_base(), base);
            let [set, call] = [(); 2].map(|()| self.ir.new_block(function));
            self.ir.br_if(differs, set, call);
            self.ir.position_at_end(set);
            self.write_gs_base(base.into());
            self.ir.br(call);
            self.ir.position_at_end(call);
        }

        let style = ReturnStyle::of(&signature.results);
        let mut args: Vec<BasicMetadataValueEnum> = vec![vmctx.into()];
        // Arguments are all read before the first result is written.
        args.extend((style == ReturnStyle::Memory).then_some(BasicMetadataValueEnum::from(slots)));
        for (i, &ty) in signature.params.iter().enumerate() {
            args.push(self.ir.load(self.types.value(ty), self.slot(slots, i)).0.into());
        }
        let call = self.cx.call_pointer(&self.ir, code, WASM_CONVENTION, signature, &args);
        match style {
            ReturnStyle::Void | ReturnStyle::Memory => {}
            ReturnStyle::Direct => {
                self.ir.store(slots, call.try_as_basic_value().unwrap_basic());
            }
            ReturnStyle::Registers => {
                let all = call.try_as_basic_value().unwrap_basic().into_struct_value();
                for i in 0..signature.results.len() {
                    self.ir.store(self.slot(slots, i), self.ir.extract(all, i as u32));
                }
            }
        }
        self.ir.ret(None);
    }

    fn wrapper(&self, index: u32) {
        let inner = self.cx.function(index);
        let symbol = wrapper_symbol(index);
        let function =
            self.cx.llvm.add_function(&symbol, inner.get_type(), Some(Linkage::External));
        self.cx.finish_wasm_declaration(function, WASM_CONVENTION);
        self.start(function);
        let args: Vec<_> = function.get_params().into_iter().map(Into::into).collect();
        let previous = self.cx.conventions.memory_in_gs.then(|| {
            let base = self.memory_base(param(function, 0).into_pointer_value());
            let previous = self.read_gs_base();
            self.write_gs_base(base.into());
            previous
        });
        let call = self.cx.call_function(&self.ir, inner, &args);
        // Inlined here, it would lose its debug information.
        self.cx.attributes.set_site_no_inline(call);
        if let Some(previous) = previous {
            self.write_gs_base(previous.into());
        }
        self.ir.ret(call.try_as_basic_value().basic());
    }

    /// The base of memory 0.
    fn memory_base(&self, vmctx: PointerValue<'ctx>) -> IntValue<'ctx> {
        let memory = self.cx.layout.memory(0) as usize + offset_of!(VmMemory, base);
        self.ir.ptr_to_int(self.load_pointer(vmctx, memory), self.types.i64)
    }

    fn read_gs_base(&self) -> IntValue<'ctx> {
        let read = Intrinsic::X86ReadGsBase.declare(self.cx.llvm, &[]);
        self.ir.call(read, &[]).try_as_basic_value().unwrap_basic().into_int_value()
    }

    fn write_gs_base(&self, base: BasicMetadataValueEnum<'ctx>) {
        self.ir.call(Intrinsic::X86WriteGsBase.declare(self.cx.llvm, &[]), &[base]);
    }

    fn adapter(&self, index: u32) {
        let function = adapter(self.cx, index);
        self.start(function);
        let mut params = function.get_params().into_iter();
        let code = params.next().expect("the code comes first").into_pointer_value();
        let args: Vec<_> = params.map(Into::into).collect();
        let signature = &self.cx.module.types[index as usize];
        let call = self.cx.call_pointer(&self.ir, code, WASM_CONVENTION, signature, &args);
        self.ir.ret(call.try_as_basic_value().basic());
    }

    fn start(&self, function: FunctionValue<'ctx>) {
        self.ir.position_at_end(self.ir.new_block(function));
    }

    fn slot(&self, base: PointerValue<'ctx>, index: usize) -> PointerValue<'ctx> {
        self.ir.field(base, (index * size_of::<Slot>()) as u64)
    }

    fn load_pointer(&self, base: PointerValue<'ctx>, offset: usize) -> PointerValue<'ctx> {
        self.ir.load(self.types.ptr, self.ir.field(base, offset as u64)).0.into_pointer_value()
    }
}

fn param<'ctx>(function: FunctionValue<'ctx>, index: u32) -> inkwell::values::BasicValueEnum<'ctx> {
    function.get_nth_param(index).expect("declared with it")
}
