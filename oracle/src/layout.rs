//! What a module consists of, as far as rewriting it and reading its record
//! need to know.

use anyhow::Result;
use std::ops::Range;
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, RefType, TypeRef};

/// Sizes of the index spaces, and where the functions are.
#[derive(Default)]
pub struct Layout {
    /// Functions imported.
    pub imported_functions: u32,
    /// Globals, those imported included.
    pub globals: u32,
    /// Memories, those imported included.
    pub memories: u32,
    /// Whether each table, those imported included, is of funcref.
    pub funcref_tables: Vec<bool>,
    /// The start function.
    pub start: Option<u32>,
    /// Names and types of the exported functions.
    pub exports: Vec<(String, FuncType)>,
    /// Type of each function, those imported included.
    pub types: Vec<FuncType>,
    /// Where the body of each function defined is.
    pub bodies: Vec<Range<u64>>,
}

impl Layout {
    /// Reads a valid module.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn of(wasm: &[u8]) -> Result<Layout> {
        let mut layout = Layout::default();
        let mut types = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let CompositeInnerType::Func(ty) = ty.composite_type.inner else {
                                anyhow::bail!("a type that is no function's");
                            };
                            types.push(ty);
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(ty) => {
                                layout.imported_functions += 1;
                                layout.types.push(types[ty as usize].clone());
                            }
                            TypeRef::Global(_) => layout.globals += 1,
                            TypeRef::Memory(_) => layout.memories += 1,
                            TypeRef::Table(ty) => layout.add_table(ty.element_type),
                            other => anyhow::bail!("an import of type {other:?}"),
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        layout.types.push(types[ty? as usize].clone());
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        layout.add_table(table?.ty.element_type);
                    }
                }
                Payload::MemorySection(section) => layout.memories += section.count(),
                Payload::GlobalSection(section) => layout.globals += section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            let ty = layout.types[export.index as usize].clone();
                            layout.exports.push((export.name.to_owned(), ty));
                        }
                    }
                }
                Payload::StartSection { func, .. } => layout.start = Some(func),
                Payload::CodeSectionEntry(body) => layout.bodies.push(body.range()),
                _ => {}
            }
        }
        Ok(layout)
    }

    fn add_table(&mut self, element: RefType) {
        self.funcref_tables.push(element == RefType::FUNCREF);
    }

    /// Types of the functions defined.
    pub fn defined(&self) -> &[FuncType] {
        &self.types[self.imported_functions as usize..]
    }

    /// Index of the function whose body is around `offset`.
    pub fn function_at(&self, offset: u32) -> Option<u32> {
        let offset = u64::from(offset);
        let place = self.bodies.partition_point(|body| body.end <= offset);
        let body = self.bodies.get(place).filter(|body| body.start <= offset);
        body.map(|_| self.imported_functions + place as u32)
    }
}

/// The same module, at the same offsets, but its start function is not called.
pub fn without_start(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut wasm = wasm.to_vec();
    for payload in Parser::new(0).parse_all(&wasm.clone()) {
        if let Payload::StartSection { range, .. } = payload? {
            let contents = range.start as usize;
            // A custom section with an empty name, if the length is one byte.
            let id = contents - 2;
            anyhow::ensure!(wasm[id] == 8, "the start section's length is padded");
            wasm[id] = 0;
            wasm[contents] = 0;
        }
    }
    Ok(wasm)
}
