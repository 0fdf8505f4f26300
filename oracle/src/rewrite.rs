//! Rewriting a module: what every [`Edit`] has in common. Existing indices
//! stay as they are; new globals and memories come after them and are exported.

use crate::layout::Layout;
use anyhow::{Result, anyhow};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, GlobalSection, GlobalType,
    Instruction, MemorySection, MemoryType, Module, SectionId, ValType,
};
use wasmparser::{Operator, Parser};

/// A change to every function of a module.
pub trait Edit {
    /// Mutable globals (i32) to add: their exported names and initial values.
    fn globals(&self) -> &'static [(&'static str, i32)];

    /// A memory to add: its exported name and size in pages.
    fn memory(&self) -> Option<(&'static str, u64)> {
        None
    }

    /// Pages that every memory has at least.
    fn least_pages(&self) -> u64 {
        0
    }

    /// Functions to export.
    fn functions(&self) -> Vec<(&'static str, u32)> {
        Vec::new()
    }

    /// Local variables to add to every function.
    fn locals(&self) -> &'static [ValType] {
        &[]
    }

    /// Writes what comes instead of `operator`, which is at `offset` and is
    /// `instruction` in the new module.
    fn operator(
        &mut self,
        operator: &Operator<'_>,
        offset: u32,
        instruction: &Instruction<'_>,
        out: &mut Output<'_>,
    );
}

/// Where an edit writes.
pub struct Output<'a> {
    function: &'a mut Function,
    /// Place of the function among those defined.
    pub place: usize,
    /// Index of the first global added.
    pub first_global: u32,
    /// Index of the memory added.
    pub memory: u32,
    /// Index of the first local variable added.
    pub first_local: u32,
}

impl Output<'_> {
    /// Writes instructions.
    pub fn put(&mut self, instructions: &[Instruction<'_>]) {
        for instruction in instructions {
            self.function.instruction(instruction);
        }
    }
}

/// `wasm` with `edit` done to it.
///
/// # Errors
/// When `wasm` is not valid.
pub fn rewrite(wasm: &[u8], layout: &Layout, edit: &mut dyn Edit) -> Result<Vec<u8>> {
    let mut module = Module::new();
    let mut rewriter = Rewriter { layout, edit, function: 0, added: None };
    rewriter
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .map_err(|e| anyhow!("cannot rewrite the module: {e}"))?;
    Ok(module.finish())
}

struct Rewriter<'a> {
    layout: &'a Layout,
    edit: &'a mut dyn Edit,
    /// Number of functions rewritten.
    function: usize,
    /// The last section that was added to.
    added: Option<SectionId>,
}

/// Sections that are added to, in their order.
const SECTIONS: [SectionId; 3] = [SectionId::Memory, SectionId::Global, SectionId::Export];

impl Rewriter<'_> {
    fn add_memory(&self, memories: &mut MemorySection) {
        if let Some((_, pages)) = self.edit.memory() {
            memories.memory(MemoryType {
                minimum: pages,
                maximum: Some(pages),
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
    }

    fn add_globals(&self, globals: &mut GlobalSection) {
        for &(_, value) in self.edit.globals() {
            let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            globals.global(ty, &ConstExpr::i32_const(value));
        }
    }

    fn add_exports(&self, exports: &mut ExportSection) {
        if let Some((name, _)) = self.edit.memory() {
            exports.export(name, ExportKind::Memory, self.layout.memories);
        }
        for (index, (name, _)) in self.edit.globals().iter().enumerate() {
            exports.export(name, ExportKind::Global, self.layout.globals + index as u32);
        }
        for (name, index) in self.edit.functions() {
            exports.export(name, ExportKind::Func, index);
        }
    }
}

/// Place in the order of sections.
fn rank(section: SectionId) -> u8 {
    match section {
        SectionId::DataCount => SectionId::Element as u8 * 2 + 1,
        SectionId::Tag => SectionId::Memory as u8 * 2 + 1,
        other => other as u8 * 2,
    }
}

impl Reencode for Rewriter<'_> {
    type Error = Infallible;

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error<Infallible>> {
        for section in SECTIONS {
            let passed = before.is_none_or(|before| rank(before) > rank(section));
            if !passed || self.added.is_some_and(|added| rank(added) >= rank(section)) {
                continue;
            }
            // The module has no such section.
            self.added = Some(section);
            match section {
                SectionId::Memory if self.edit.memory().is_some() => {
                    let mut memories = MemorySection::new();
                    self.add_memory(&mut memories);
                    module.section(&memories);
                }
                SectionId::Global => {
                    let mut globals = GlobalSection::new();
                    self.add_globals(&mut globals);
                    module.section(&globals);
                }
                SectionId::Export => {
                    let mut exports = ExportSection::new();
                    self.add_exports(&mut exports);
                    module.section(&exports);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn memory_type(&mut self, ty: wasmparser::MemoryType) -> Result<MemoryType, Error<Infallible>> {
        let mut ty = utils::memory_type(self, ty);
        ty.minimum = ty.minimum.max(self.edit.least_pages());
        ty.maximum = ty.maximum.map(|maximum| maximum.max(ty.minimum));
        Ok(ty)
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_memory_section(self, memories, section)?;
        self.add_memory(memories);
        self.added = Some(SectionId::Memory);
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_global_section(self, globals, section)?;
        self.add_globals(globals);
        self.added = Some(SectionId::Global);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        self.add_exports(exports);
        self.added = Some(SectionId::Export);
        Ok(())
    }

    /// Only names stay true.
    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        match section.name() {
            "name" => utils::parse_custom_section(self, module, section),
            _ => Ok(()),
        }
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: wasmparser::FunctionBody<'_>,
    ) -> Result<(), Error<Infallible>> {
        let mut locals = Vec::new();
        let mut first_local = self.layout.defined()[self.function].params().len() as u32;
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            first_local += count;
            locals.push((count, self.val_type(ty)?));
        }
        locals.extend(self.edit.locals().iter().map(|&ty| (1, ty)));
        let mut function = Function::new(locals);
        let mut out = Output {
            function: &mut function,
            place: self.function,
            first_global: self.layout.globals,
            memory: self.layout.memories,
            first_local,
        };
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, offset) = operator?;
            let instruction = self.instruction(operator.clone())?;
            self.edit.operator(&operator, offset as u32, &instruction, &mut out);
        }
        code.function(&function);
        self.function += 1;
        Ok(())
    }
}
