//! DWARF: the line of an instruction is its byte offset in the wasm file.
//!
//! The line is the one coordinate with 32 bits; a column has 16. Variables are
//! wasm's: parameters and locals, and `vmctx`, through which a debugger reaches
//! globals, memories and tables.

mod types;

use crate::llvm::sys::{self, Held};
use crate::module::{Names, Signature, WasmModule, names};
use crate::options::{DebugLevel, Options};
use inkwell::basic_block::BasicBlock;
use inkwell::context::ContextRef;
use inkwell::debug_info::{
    AsDIScope, DICompileUnit, DIExpression, DIFile, DIFlags, DIFlagsConstants, DILocalVariable,
    DILocation, DIScope, DISubprogram, DIType, DWARFEmissionKind, DWARFSourceLanguage,
    DebugInfoBuilder,
};
use inkwell::module::{FlagBehavior, Module};
use inkwell::values::GlobalValue;
use std::collections::HashSet;
use std::ops::Range;
use types::Types;
use wasm2so_abi::ValType;

/// The name of the instance pointer.
pub const VMCTX_NAME: &str = "vmctx";

/// Writes the debug information of one LLVM module.
pub struct DebugInfo<'ctx> {
    builder: DebugInfoBuilder<'ctx>,
    unit: DICompileUnit<'ctx>,
    file: DIFile<'ctx>,
    context: ContextRef<'ctx>,
    names: &'ctx Names<'ctx>,
    types: Types<'ctx>,
    no_operations: DIExpression<'ctx>,
    optimised: bool,
    /// Whether variables are described.
    pub variables: bool,
    /// Locals are named by their indices, not as the module calls them.
    by_index: bool,
}

impl<'ctx> DebugInfo<'ctx> {
    /// `None` when `options` ask for none. `file_name` is the wasm file's, as
    /// debuggers name it.
    pub fn new(
        llvm: &Module<'ctx>,
        file_name: &str,
        module: &'ctx WasmModule<'ctx>,
        options: &Options,
    ) -> Option<Self> {
        let kind = match options.debug {
            DebugLevel::None => return None,
            DebugLevel::Line => DWARFEmissionKind::LineTablesOnly,
            DebugLevel::Functions | DebugLevel::Full | DebugLevel::Source => {
                DWARFEmissionKind::Full
            }
        };
        let context = llvm.get_context();
        let number = |n| context.i32_type().const_int(n, false);
        let version = inkwell::debug_info::debug_metadata_version();
        llvm.add_basic_value_flag(
            "Debug Info Version",
            FlagBehavior::Warning,
            number(version.into()),
        );
        // GNU addr2line, objdump and perf lose inlined functions to version 5 as LLVM
        // writes it: they cannot read ranges whose addresses are in a table.
        llvm.add_basic_value_flag("Dwarf Version", FlagBehavior::Warning, number(4));
        let optimised = options.opt_level.is_optimised();
        // Without a listing no directory, so that tools print the bare name.
        let (directory, file_name) = match &options.listing {
            Some(listing) => (&*listing.directory, &*listing.name),
            None => ("", file_name),
        };
        let (builder, unit) = llvm.create_debug_info_builder(
            true,
            // There is no code for WebAssembly; debuggers read C best.
            DWARFSourceLanguage::C11,
            file_name,
            directory,
            crate::PRODUCER,
            optimised,
            "",
            0,
            "",
            kind,
            0,
            true,
            false,
            "",
            "",
        );
        let file = unit.get_file();
        let types = Types::new(&builder, file, module);
        let no_operations = builder.create_expression(Vec::new());
        let (names, variables) = (&module.names, options.debug >= DebugLevel::Full);
        Some(DebugInfo {
            builder,
            unit,
            file,
            context,
            names,
            types,
            no_operations,
            optimised,
            variables,
            by_index: options.debug == DebugLevel::Source,
        })
    }

    /// The scope of function `index`, whose body has these offsets.
    pub fn function(
        &self,
        index: u32,
        signature: &Signature,
        body: &Range<u64>,
    ) -> DISubprogram<'ctx> {
        let line = body.start as u32;
        self.builder.create_function(
            self.unit.as_debug_info_scope(),
            &self.names.function(index),
            Some(""),
            self.file,
            line,
            self.types.function(&self.builder, self.file, signature),
            true,
            true,
            line,
            DIFlags::ZERO,
            self.optimised,
        )
    }

    /// The location of the instruction at `offset`.
    pub fn location(&self, scope: DIScope<'ctx>, offset: u64) -> DILocation<'ctx> {
        self.builder.create_debug_location(self.context, offset as u32, 0, scope, None)
    }

    /// The parameters and locals, of these types, of function `index`, whose scope
    /// and whose body's offset these are. A local's line, counted from the function's,
    /// is its index: by that, and not by its name, programs know it.
    pub fn locals(
        &self,
        scope: DISubprogram<'ctx>,
        index: u32,
        start: u64,
        params: usize,
        types: &[ValType],
    ) -> Vec<DILocalVariable<'ctx>> {
        let mut names = Distinct::default();
        let locals = types.iter().enumerate().map(|(place, &ty)| {
            let line = start as u32 + place as u32;
            let name = match self.by_index {
                true => names::local_by_index(place as u32),
                false => names.make(self.names.local(index, place as u32), place),
            };
            let (scope, ty) = (scope.as_debug_info_scope(), self.types.value(ty));
            if place >= params {
                return self.auto_variable(scope, &name, line, ty);
            }
            let (number, flags) = (place as u32 + 1, DIFlags::ZERO);
            self.builder
                .create_parameter_variable(scope, &name, number, self.file, line, ty, true, flags)
        });
        locals.collect()
    }

    /// The instance pointer in a function's scope. The wasm declares it nowhere.
    pub fn vmctx(&self, scope: DISubprogram<'ctx>) -> DILocalVariable<'ctx> {
        self.auto_variable(scope.as_debug_info_scope(), VMCTX_NAME, 0, self.types.vmctx())
    }

    /// Describes `table`, one that never changes, by its symbol's name and as the
    /// numbers that it consists of.
    pub fn fixed_table(&self, table: GlobalValue<'ctx>, numbers: u64) {
        let name = table.get_name().to_string_lossy();
        let (scope, ty) =
            (self.unit.as_debug_info_scope(), self.types.numbers(&self.builder, numbers));
        let variable = self.builder.create_global_variable_expression(
            scope, &name, "", self.file, 0, ty, true, None, None, 0,
        );
        let dbg = self.context.get_kind_id("dbg");
        table.set_metadata(variable.as_metadata_value(self.context), dbg);
    }

    /// The scope in which, besides what `outer` has, there is an operand at this
    /// depth of the stack; and the operand.
    pub fn operand(
        &self,
        outer: DIScope<'ctx>,
        depth: usize,
        ty: ValType,
        offset: u64,
    ) -> (DIScope<'ctx>, DILocalVariable<'ctx>) {
        let line = offset as u32;
        let scope = self.builder.create_lexical_block(outer, self.file, line, 0);
        let scope = scope.as_debug_info_scope();
        let ty = self.types.value(ty);
        (scope, self.auto_variable(scope, &format!("stack{depth}"), line, ty))
    }

    fn auto_variable(
        &self,
        scope: DIScope<'ctx>,
        name: &str,
        line: u32,
        ty: DIType<'ctx>,
    ) -> DILocalVariable<'ctx> {
        let flags = DIFlags::ZERO;
        self.builder.create_auto_variable(scope, name, self.file, line, ty, true, flags, 0)
    }

    /// Says at the end of `block` how `variable` is held.
    pub fn describe(
        &self,
        variable: DILocalVariable<'ctx>,
        held: Held<'ctx>,
        location: DILocation<'ctx>,
        block: BasicBlock<'ctx>,
    ) {
        let how = self.no_operations;
        sys::describe_variable(&self.builder, variable, held, how, location, block);
    }

    /// To be called when every function was translated.
    pub fn finish(&self) {
        self.builder.finalize();
    }
}

/// Makes names differ, as members of a structure and variables of a scope must.
#[derive(Default)]
struct Distinct(HashSet<String>);

impl Distinct {
    /// `name`, or if something has it already, with `place` behind.
    fn make(&mut self, mut name: String, place: usize) -> String {
        while !self.0.insert(name.clone()) {
            name = format!("{name}_{place}");
        }
        name
    }
}
