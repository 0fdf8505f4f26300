//! From bytes to a [`WasmModule`]: validation first, then one walk over the
//! sections.

use super::{
    Body, Data, Elem, ElemItems, Export, ExternType, Global, Import, Limits, Memory, Names,
    SegmentMode, Signature, Table, WasmModule, constexpr,
};
use crate::error::Error;
use std::ops::Range;
use wasm2so_abi::{ConstOpcode, ExternKind, ValType};
use wasmparser::{
    DataKind, ElementItems, ElementKind, ExternalKind, Parser, Payload, TypeRef, Validator,
    WasmFeatures,
};

/// What is compiled: WebAssembly 2.0, extended-const and tail calls.
const FEATURES: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::TAIL_CALL);

/// Validates and reads a binary module.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Unsupported`] or [`Error::Component`].
pub fn parse(bytes: &[u8]) -> Result<WasmModule<'_>, Error> {
    if Parser::is_component(bytes) {
        return Err(Error::Component);
    }
    validate(bytes)?;
    let mut module = WasmModule::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::CodeSectionStart { unchecked_range, .. } = &payload {
            let Range { start, end } = *unchecked_range;
            module.code_section_start = start;
            module.code_section = &bytes[start as usize..end as usize];
        }
        section(&mut module, payload)?;
    }
    module.referenced = referenced(&module);
    Ok(module)
}

/// Tells what is invalid from what is only not supported.
fn validate(bytes: &[u8]) -> Result<(), Error> {
    let Err(error) = Validator::new_with_features(FEATURES).validate_all(bytes) else {
        return Ok(());
    };
    // With every proposal, what is still wrong is wrong whatever is supported.
    Validator::new_with_features(WasmFeatures::all()).validate_all(bytes)?;
    let what = match proposal(bytes, &error) {
        Some(name) => format!("the proposal `{name}`"),
        None => error.message().to_owned(),
    };
    Err(Error::Unsupported { offset: error.offset(), what })
}

/// Name of the proposal without which there is this error.
fn proposal(bytes: &[u8], error: &wasmparser::Error) -> Option<String> {
    let helps = |feature| match Validator::new_with_features(FEATURES | feature).validate_all(bytes)
    {
        Ok(_) => true,
        Err(next) => next.offset() > error.offset(),
    };
    let named = error.missing_wasm_feature();
    let mut candidates = named.unwrap_or(WasmFeatures::all()).iter_names();
    let found = candidates.find(|&(_, feature)| named.is_some() || helps(feature));
    found.map(|(name, _)| name.to_lowercase().replace('_', "-"))
}

fn section<'a>(module: &mut WasmModule<'a>, payload: Payload<'a>) -> Result<(), Error> {
    match payload {
        Payload::TypeSection(reader) => {
            for ty in reader.into_iter_err_on_gc_types() {
                let ty = ty?;
                module.types.push(Signature {
                    params: value_types(ty.params())?,
                    results: value_types(ty.results())?,
                });
            }
        }
        Payload::ImportSection(reader) => {
            for import in reader.into_imports() {
                add_import(module, import?)?;
            }
        }
        Payload::FunctionSection(reader) => {
            for ty in reader {
                module.functions.push(ty?);
            }
        }
        Payload::TableSection(reader) => {
            for table in reader {
                module.tables.push(table_type(&table?.ty)?);
            }
        }
        Payload::MemorySection(reader) => {
            for memory in reader {
                module.memories.push(memory_type(&memory?));
            }
        }
        Payload::GlobalSection(reader) => {
            for global in reader {
                let global = global?;
                module.globals.push(global_type(&global.ty)?);
                module.global_inits.push(constexpr::read(&global.init_expr)?);
            }
        }
        Payload::ExportSection(reader) => {
            for export in reader {
                let export = export?;
                let kind = match export.kind {
                    ExternalKind::Func => ExternKind::Function,
                    ExternalKind::Table => ExternKind::Table,
                    ExternalKind::Memory => ExternKind::Memory,
                    ExternalKind::Global => ExternKind::Global,
                    other => return Err(unsupported(format!("export of {other:?}"))),
                };
                module.exports.push(Export { name: export.name, kind, index: export.index });
            }
        }
        Payload::StartSection { func, .. } => module.start = Some(func),
        Payload::ElementSection(reader) => {
            for elem in reader {
                module.elems.push(element(elem?)?);
            }
        }
        Payload::DataSection(reader) => {
            for data in reader {
                let data = data?;
                let mode = match &data.kind {
                    DataKind::Passive => SegmentMode::Passive,
                    DataKind::Active { memory_index, offset_expr } => SegmentMode::Active {
                        target: *memory_index,
                        offset: constexpr::read(offset_expr)?,
                    },
                };
                module.datas.push(Data { mode, bytes: data.data });
            }
        }
        Payload::CodeSectionEntry(reader) => {
            let range = reader.range();
            module.bodies.push(Body { reader, range });
        }
        Payload::CustomSection(section) => {
            if let Some(names) = Names::read(&section) {
                module.names = names;
                module.names_section = Some(section.data());
            } else if leads_to_sources(section.name()) {
                module.source_sections.push((section.name(), section.data()));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether a custom section of this name is DWARF, or says where to find it.
fn leads_to_sources(name: &str) -> bool {
    let dwarf = name.strip_prefix(".debug_");
    dwarf.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        || ["sourceMappingURL", "external_debug_info", "build_id"].contains(&name)
}

fn add_import<'a>(
    module: &mut WasmModule<'a>,
    import: wasmparser::Import<'a>,
) -> Result<(), Error> {
    let ty = match import.ty {
        TypeRef::Func(ty) => {
            module.functions.push(ty);
            module.imported_functions += 1;
            ExternType::Function(ty)
        }
        TypeRef::Table(ty) => {
            let table = table_type(&ty)?;
            module.tables.push(table);
            module.imported_tables += 1;
            ExternType::Table(table)
        }
        TypeRef::Memory(ty) => {
            let memory = memory_type(&ty);
            module.memories.push(memory);
            module.imported_memories += 1;
            ExternType::Memory(memory)
        }
        TypeRef::Global(ty) => {
            let global = global_type(&ty)?;
            module.globals.push(global);
            module.imported_globals += 1;
            ExternType::Global(global)
        }
        other => return Err(unsupported(format!("import of {other:?}"))),
    };
    module.imports.push(Import { module: import.module, name: import.name, ty });
    Ok(())
}

fn element(elem: wasmparser::Element<'_>) -> Result<Elem, Error> {
    let mode = match &elem.kind {
        ElementKind::Passive => SegmentMode::Passive,
        ElementKind::Declared => SegmentMode::Declared,
        ElementKind::Active { table_index, offset_expr } => SegmentMode::Active {
            target: table_index.unwrap_or(0),
            offset: constexpr::read(offset_expr)?,
        },
    };
    let items = match elem.items {
        ElementItems::Functions(functions) => {
            ElemItems::Functions(functions.into_iter().collect::<Result<_, _>>()?)
        }
        ElementItems::Expressions(_, expressions) => ElemItems::Expressions(
            expressions.into_iter().map(|e| constexpr::read(&e?)).collect::<Result<_, _>>()?,
        ),
    };
    Ok(Elem { mode, items })
}

/// Functions that are exported, started, or named by a constant expression or
/// element segment. Validation admits `ref.func` in bodies only for these.
fn referenced(module: &WasmModule<'_>) -> Vec<u32> {
    let in_expr = |expr: &super::ConstExpr| {
        expr.iter()
            .filter(|op| op.opcode == ConstOpcode::RefFunc)
            .map(|op| op.index)
            .collect::<Vec<_>>()
    };
    let exported =
        module.exports.iter().filter(|e| e.kind == ExternKind::Function).map(|e| e.index);
    let mut all: Vec<u32> = exported.chain(module.start).collect();
    all.extend(module.global_inits.iter().flat_map(in_expr));
    for elem in &module.elems {
        match &elem.items {
            ElemItems::Functions(functions) => all.extend(functions),
            ElemItems::Expressions(expressions) => {
                all.extend(expressions.iter().flat_map(in_expr));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A wasm value type as the ABI's.
///
/// # Errors
/// [`Error::Unsupported`] for references other than funcref and externref.
pub fn value_type(ty: wasmparser::ValType) -> Result<ValType, Error> {
    use wasmparser::{RefType, ValType as V};
    Ok(match ty {
        V::I32 => ValType::I32,
        V::I64 => ValType::I64,
        V::F32 => ValType::F32,
        V::F64 => ValType::F64,
        V::V128 => ValType::V128,
        V::Ref(RefType::FUNCREF) => ValType::FuncRef,
        V::Ref(RefType::EXTERNREF) => ValType::ExternRef,
        other => return Err(unsupported(format!("type {other}"))),
    })
}

fn value_types(types: &[wasmparser::ValType]) -> Result<Vec<ValType>, Error> {
    types.iter().map(|&t| value_type(t)).collect()
}

fn table_type(ty: &wasmparser::TableType) -> Result<Table, Error> {
    Ok(Table {
        element: value_type(wasmparser::ValType::Ref(ty.element_type))?,
        limits: Limits { min: ty.initial, max: ty.maximum },
    })
}

fn memory_type(ty: &wasmparser::MemoryType) -> Memory {
    Memory { limits: Limits { min: ty.initial, max: ty.maximum } }
}

fn global_type(ty: &wasmparser::GlobalType) -> Result<Global, Error> {
    Ok(Global { ty: value_type(ty.content_type)?, mutable: ty.mutable })
}

/// For what validation with [`FEATURES`] should have refused already.
fn unsupported(what: String) -> Error {
    Error::Unsupported { offset: 0, what }
}
