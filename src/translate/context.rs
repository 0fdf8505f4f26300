//! What the functions of one shard share: the LLVM module, its types,
//! attributes and declarations.

use crate::emit::debug::DebugInfo;
use crate::emit::fixed_tables::FixedTables;
use crate::llvm::attrs::Attributes;
use crate::llvm::ir::Ir;
use crate::llvm::types::{RARE_CONVENTION, TAIL_CONVENTION, Types, WASM_CONVENTION};
use crate::module::{Signature, WasmModule};
use crate::options::OptLevel;
use inkwell::GlobalVisibility;
use inkwell::module::{Linkage, Module};
use inkwell::types::BasicMetadataTypeEnum;
use inkwell::values::{BasicMetadataValueEnum, CallSiteValue, FunctionValue, PointerValue};
use std::cell::RefCell;
use std::collections::HashMap;
use wasm2so_abi::{Builtin, BuiltinType, VmLayout};

/// How the functions of a module are called and reach memory.
#[derive(Clone, Copy, Debug)]
pub struct Conventions {
    /// The module makes tail calls: its functions are of the tail convention.
    pub tail_calls: bool,
    /// The base of memory 0 is in GS while code of an instance runs. Never
    /// together with tail calls: nobody could put back what was there before.
    pub memory_in_gs: bool,
}

impl Conventions {
    /// Whether others come to a function through a wrapper.
    pub fn wrapped(self) -> bool {
        self.tail_calls || self.memory_in_gs
    }

    /// LLVM's number of the convention of the functions that the module defines.
    fn of_functions(self) -> u32 {
        if self.tail_calls { TAIL_CONVENTION } else { WASM_CONVENTION }
    }
}

/// Context of one shard; see the module's description.
pub struct ShardCx<'ctx, 'a> {
    /// The wasm module.
    pub module: &'a WasmModule<'a>,
    /// How its functions are called and reach memory.
    pub conventions: Conventions,
    /// Its tables that never change.
    pub fixed_tables: &'a FixedTables,
    /// The LLVM module being built.
    pub llvm: &'a Module<'ctx>,
    /// Its types.
    pub types: Types<'ctx>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Layout of vmctx.
    pub layout: VmLayout,
    /// Whether a table may hold references to functions of others.
    pub foreign_references: bool,
    /// How much it is to be optimised.
    pub opt_level: OptLevel,
    /// Of each table: whether null in it may stand for a function.
    pub binds_functions: Vec<bool>,
    /// Its debug information, when wanted.
    pub debug: Option<DebugInfo<'ctx>>,
    functions: RefCell<HashMap<u32, FunctionValue<'ctx>>>,
}

impl<'ctx, 'a> ShardCx<'ctx, 'a> {
    /// A context without declarations yet.
    pub fn new(
        module: &'a WasmModule<'a>,
        conventions: Conventions,
        fixed_tables: &'a FixedTables,
        llvm: &'a Module<'ctx>,
        attributes: Attributes,
        opt_level: OptLevel,
        debug: Option<DebugInfo<'ctx>>,
    ) -> Self {
        ShardCx {
            module,
            conventions,
            fixed_tables,
            llvm,
            types: Types::new(llvm.get_context()),
            attributes,
            layout: module.vm_layout(),
            foreign_references: module.has_foreign_references(),
            opt_level,
            binds_functions: (0..module.tables.len() as u32)
                .map(|table| module.binds_functions(table))
                .collect(),
            debug,
            functions: RefCell::default(),
        }
    }

    /// The declaration of defined function `index`: visible to the other
    /// shards, not outside the `.so`.
    pub fn function(&self, index: u32) -> FunctionValue<'ctx> {
        *self.functions.borrow_mut().entry(index).or_insert_with(|| {
            let ty = self.types.function(self.module.signature(index));
            let function = self.llvm.add_function(
                &self.module.names.symbol(index),
                ty,
                Some(Linkage::External),
            );
            self.finish_wasm_declaration(function, self.conventions.of_functions());
            self.attributes.set_vmctx(function);
            function
        })
    }

    /// A call of a function that the module defines.
    pub fn call_function(
        &self,
        ir: &Ir<'ctx>,
        function: FunctionValue<'ctx>,
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        let call = ir.call(function, args);
        self.finish_wasm_call(call, self.conventions.of_functions());
        call
    }

    /// A call of what a pointer names, of type `signature` and that convention.
    pub fn call_pointer(
        &self,
        ir: &Ir<'ctx>,
        code: PointerValue<'ctx>,
        convention: u32,
        signature: &Signature,
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        let call = ir.call_indirect(self.types.function(signature), code, args);
        self.finish_wasm_call(call, convention);
        call
    }

    fn finish_wasm_call(&self, call: CallSiteValue<'ctx>, convention: u32) {
        call.set_call_convention(convention);
        if convention == WASM_CONVENTION {
            self.attributes.set_vmctx_argument(call);
        }
    }

    /// The function by which code calls a builtin, of the C convention. It has no
    /// lines, so that a debugger's step does not go into the runtime.
    pub fn builtin(&self, builtin: Builtin) -> FunctionValue<'ctx> {
        let symbol = format!("wasm2so.{}", builtin.name());
        self.llvm.get_function(&symbol).unwrap_or_else(|| {
            let types = &self.types;
            let params = builtin.params().iter().map(|param| match param {
                BuiltinType::U32 => types.i32.into(),
                BuiltinType::U64 => types.i64.into(),
                BuiltinType::Ptr => types.ptr.into(),
                BuiltinType::Void | BuiltinType::Never => unreachable!("no parameter type"),
            });
            let params: Vec<BasicMetadataTypeEnum> =
                std::iter::once(types.ptr.into()).chain(params).collect();
            let ty = match builtin.result() {
                BuiltinType::U32 => types.i32.fn_type(&params, false),
                BuiltinType::U64 => types.i64.fn_type(&params, false),
                BuiltinType::Ptr => types.ptr.fn_type(&params, false),
                BuiltinType::Void | BuiltinType::Never => {
                    types.context().void_type().fn_type(&params, false)
                }
            };
            let function = self.llvm.add_function(&symbol, ty, Some(Linkage::External));
            self.finish_declaration(function, builtin_convention(builtin));
            self.attributes.set_no_inline(function);
            function
        })
    }

    /// Sets what every declaration of a function has that is called as wasm
    /// functions are: its first parameter is vmctx, or stands for it.
    pub fn finish_wasm_declaration(&self, function: FunctionValue<'ctx>, convention: u32) {
        self.finish_declaration(function, convention);
        if convention == WASM_CONVENTION {
            self.attributes.set_vmctx_register(function);
        }
    }

    /// Sets what every declaration has.
    pub fn finish_declaration(&self, function: FunctionValue<'ctx>, convention: u32) {
        function.set_call_conventions(convention);
        function.as_global_value().set_visibility(GlobalVisibility::Hidden);
        self.attributes.set_wasm_function(function);
    }
}

/// LLVM's number of the convention by which code calls a builtin.
pub fn builtin_convention(builtin: Builtin) -> u32 {
    match builtin {
        Builtin::table_get | Builtin::bind_function => RARE_CONVENTION,
        _ => WASM_CONVENTION,
    }
}
