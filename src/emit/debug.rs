//! DWARF: the line of an instruction is its byte offset in the wasm file.
//!
//! The line is the one coordinate with 32 bits; a column has 16.

use crate::module::Names;
use crate::options::{DebugLevel, Options};
use inkwell::context::ContextRef;
use inkwell::debug_info::{
    AsDIScope, DICompileUnit, DIFile, DIFlags, DIFlagsConstants, DILocation, DISubprogram,
    DISubroutineType, DWARFEmissionKind, DWARFSourceLanguage, DebugInfoBuilder,
};
use inkwell::module::{FlagBehavior, Module};
use std::ops::Range;

/// Writes the debug information of one LLVM module.
pub struct DebugInfo<'ctx> {
    builder: DebugInfoBuilder<'ctx>,
    unit: DICompileUnit<'ctx>,
    file: DIFile<'ctx>,
    ty: DISubroutineType<'ctx>,
    context: ContextRef<'ctx>,
    names: &'ctx Names<'ctx>,
    optimised: bool,
}

impl<'ctx> DebugInfo<'ctx> {
    /// `None` when `options` ask for none. `file_name` is the wasm file's, as
    /// debuggers name it.
    pub fn new(
        module: &Module<'ctx>,
        file_name: &str,
        names: &'ctx Names<'ctx>,
        options: &Options,
    ) -> Option<Self> {
        let kind = match options.debug {
            DebugLevel::None => return None,
            DebugLevel::Line => DWARFEmissionKind::LineTablesOnly,
            DebugLevel::Full | DebugLevel::Source => DWARFEmissionKind::Full,
        };
        let context = module.get_context();
        let number = |n| context.i32_type().const_int(n, false);
        let version = inkwell::debug_info::debug_metadata_version();
        module.add_basic_value_flag(
            "Debug Info Version",
            FlagBehavior::Warning,
            number(version.into()),
        );
        // GNU addr2line, objdump and perf lose inlined functions to version 5 as LLVM
        // writes it: they cannot read ranges whose addresses are in a table.
        module.add_basic_value_flag("Dwarf Version", FlagBehavior::Warning, number(4));
        let optimised = options.opt_level > crate::options::OptLevel::O0;
        let (builder, unit) = module.create_debug_info_builder(
            true,
            // There is no code for WebAssembly; debuggers read C best.
            DWARFSourceLanguage::C11,
            file_name,
            // No directory, so that tools print the bare name.
            "",
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
        let ty = builder.create_subroutine_type(file, None, &[], DIFlags::PUBLIC);
        Some(DebugInfo { builder, unit, file, ty, context, names, optimised })
    }

    /// The scope of function `index`, whose body has these offsets.
    pub fn function(&self, index: u32, body: &Range<u64>) -> DISubprogram<'ctx> {
        let line = body.start as u32;
        self.builder.create_function(
            self.unit.as_debug_info_scope(),
            &self.names.function(index),
            Some(""),
            self.file,
            line,
            self.ty,
            true,
            true,
            line,
            DIFlags::ZERO,
            self.optimised,
        )
    }

    /// The location of the instruction at `offset`.
    pub fn location(&self, scope: DISubprogram<'ctx>, offset: u64) -> DILocation<'ctx> {
        self.builder.create_debug_location(
            self.context,
            offset as u32,
            0,
            scope.as_debug_info_scope(),
            None,
        )
    }

    /// To be called when every function was translated.
    pub fn finish(&self) {
        self.builder.finalize();
    }
}
