//! From the descriptor of a module to Rust types, checking every code and
//! index on the way. What is large stays where it is.

mod images;
#[cfg(test)]
mod tests;

use super::{ExportType, ImportType};
use crate::error::Malformed;
use crate::global::GlobalType;
use crate::imports::ExternType;
use crate::memory::MemoryType;
use crate::signature::{FuncType, TypeId};
use crate::table::TableType;
use std::collections::HashMap;
use std::sync::OnceLock;
use wasm2so_abi::{
    self as abi, Array, ConstOp, ConstOpcode, ExternKind, Function, FunctionName, ImageRun, Limits,
    ModuleDescriptor, NO_MAXIMUM, NULL_FUNCTION, TableImage, ValType, VmCounts,
};

/// A module's contents. The slices lie in the module itself: they are valid as
/// long as it is mapped, which whoever owns the `Contents` has to ensure.
pub(crate) struct Contents {
    pub(crate) descriptor: &'static ModuleDescriptor,
    pub(crate) types: Vec<FuncType>,
    pub(crate) type_ids: Vec<TypeId>,
    pub(crate) raw_types: &'static [abi::FuncType],
    pub(crate) imports: Vec<ImportType>,
    /// Type index of each imported function.
    pub(crate) imported_function_types: Vec<u32>,
    pub(crate) exports: Vec<ExportType>,
    exports_by_name: OnceLock<HashMap<String, usize>>,
    /// The memory that is exported as `memory`, which every call of WASI needs.
    pub(crate) memory: Option<u32>,
    pub(crate) functions: &'static [Function],
    pub(crate) function_names: &'static [FunctionName],
    pub(crate) referenced: &'static [u32],
    /// Defined ones only, as are the next two.
    pub(crate) tables: Vec<TableType>,
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) globals: Vec<(GlobalType, &'static [ConstOp])>,
    pub(crate) elems: Segments<Elements>,
    pub(crate) datas: Segments<&'static [u8]>,
    pub(crate) image: &'static [ImageRun],
    table_images: &'static [TableImage],
}

// SAFETY: the pointers in it point to constant data and code.
unsafe impl Send for Contents {}
// SAFETY: as above.
unsafe impl Sync for Contents {}

/// All element or data segments.
pub(crate) struct Segments<T> {
    pub(crate) all: Vec<Segment<T>>,
    /// Indices of those that instantiation applies or drops; not those of images,
    /// of which there may be thousands.
    pub(crate) handled: Vec<u32>,
}

impl<T> Segments<T> {
    const NONE: Self = Segments { all: Vec::new(), handled: Vec::new() };

    fn push(&mut self, mode: SegmentMode, contents: T) {
        if matches!(mode, SegmentMode::Active { .. } | SegmentMode::Declared) {
            self.handled.push(self.all.len() as u32);
        }
        self.all.push(Segment { mode, contents });
    }
}

/// An element or data segment.
pub(crate) struct Segment<T> {
    pub(crate) mode: SegmentMode,
    pub(crate) contents: T,
}

/// When a segment is applied.
#[derive(Clone, Copy)]
pub(crate) enum SegmentMode {
    /// By an instruction.
    Passive,
    /// At instantiation, to this table or memory, from this place on.
    Active { target: u32, offset: &'static [ConstOp] },
    /// Never.
    Declared,
    /// With an image.
    Imaged,
}

/// What an element segment contains.
pub(crate) enum Elements {
    /// Places of functions among the references, or [`NULL_FUNCTION`].
    Functions(&'static [u32]),
    /// One constant expression each.
    Expressions(Vec<&'static [ConstOp]>),
}

impl Elements {
    pub(crate) fn len(&self) -> usize {
        match self {
            Elements::Functions(functions) => functions.len(),
            Elements::Expressions(expressions) => expressions.len(),
        }
    }
}

impl Contents {
    /// Reads and checks what `descriptor` describes.
    ///
    /// # Safety
    /// The preamble was checked, and the module stays mapped as long as the
    /// result is used.
    pub(super) unsafe fn read(descriptor: &'static ModuleDescriptor) -> Result<Self, Malformed> {
        // SAFETY: passed on to the caller; the same for all arrays.
        unsafe {
            let raw_types = descriptor.types.as_slice();
            let types = raw_types.iter().map(|ty| func_type(ty)).collect::<Result<Vec<_>, _>>()?;
            let mut contents = Contents {
                descriptor,
                type_ids: types.iter().map(TypeId::of).collect(),
                types,
                raw_types,
                imports: Vec::new(),
                imported_function_types: Vec::new(),
                exports: Vec::new(),
                exports_by_name: OnceLock::new(),
                memory: None,
                functions: descriptor.functions.as_slice(),
                function_names: descriptor.function_names.as_slice(),
                referenced: descriptor.referenced.as_slice(),
                tables: Vec::new(),
                memories: Vec::new(),
                globals: Vec::new(),
                elems: Segments::NONE,
                datas: Segments::NONE,
                image: descriptor.image.as_slice(),
                table_images: descriptor.table_images.as_slice(),
            };
            contents.read_imports()?;
            for ty in descriptor.tables.as_slice() {
                contents.tables.push(table_type(ty)?);
            }
            for ty in descriptor.memories.as_slice() {
                contents.memories.push(memory_type(ty));
            }
            for global in descriptor.globals.as_slice() {
                let ty = global_type(&global.ty)?;
                contents.globals.push((ty, contents.expression(&global.init)?));
            }
            contents.check()?;
            contents.read_exports()?;
            contents.read_elems()?;
            contents.read_datas()?;
            contents.check_image()?;
            contents.check_table_images()?;
            Ok(contents)
        }
    }

    /// # Safety
    /// As for [`Contents::read`], and for all that follow.
    unsafe fn read_imports(&mut self) -> Result<(), Malformed> {
        // SAFETY: passed on to the caller; the same for the strings.
        for import in unsafe { self.descriptor.imports.as_slice() } {
            let ty = match extern_kind(import.ty.kind)? {
                ExternKind::Function => {
                    let ty = self.types.get(import.ty.ty as usize);
                    let ty = ty.ok_or(Malformed::Index { what: "type", index: import.ty.ty })?;
                    self.imported_function_types.push(import.ty.ty);
                    ExternType::Func(ty.clone())
                }
                ExternKind::Table => ExternType::Table(table_type(&import.ty)?),
                ExternKind::Memory => ExternType::Memory(memory_type(&import.ty)),
                ExternKind::Global => ExternType::Global(global_type(&import.ty)?),
            };
            // SAFETY: as above.
            let (module, name) = unsafe { (import.module.as_str(), import.name.as_str()) };
            self.imports.push(ImportType { module: module.to_owned(), name: name.to_owned(), ty });
        }
        Ok(())
    }

    unsafe fn read_exports(&mut self) -> Result<(), Malformed> {
        // SAFETY: passed on to the caller; the same for the strings.
        for export in unsafe { self.descriptor.exports.as_slice() } {
            let kind = extern_kind(export.kind)?;
            let index = export.index;
            let ty =
                self.extern_type(kind, index).ok_or(Malformed::Index { what: "export", index })?;
            // SAFETY: as above.
            let name = unsafe { export.name.as_str() }.to_owned();
            if kind == ExternKind::Memory && name == "memory" {
                self.memory = Some(index);
            }
            self.exports.push(ExportType { name, ty, kind, index });
        }
        Ok(())
    }

    unsafe fn read_elems(&mut self) -> Result<(), Malformed> {
        // SAFETY: passed on to the caller; the same below.
        for elem in unsafe { self.descriptor.elems.as_slice() } {
            let tables = self.descriptor.counts.tables;
            // SAFETY: as above.
            let mode = unsafe { self.segment_mode(elem.mode, elem.table, tables, &elem.offset)? };
            // SAFETY: as above.
            let (items, exprs) = unsafe { (elem.items.as_slice(), elem.exprs.as_slice()) };
            let contents = if exprs.is_empty() {
                self.check_places(items)?;
                Elements::Functions(items)
            } else {
                // SAFETY: as above.
                let read = |expr: &_| unsafe { self.expression(expr) };
                Elements::Expressions(exprs.iter().map(read).collect::<Result<_, _>>()?)
            };
            self.elems.push(mode, contents);
        }
        Ok(())
    }

    unsafe fn read_datas(&mut self) -> Result<(), Malformed> {
        // SAFETY: passed on to the caller; the same below.
        for data in unsafe { self.descriptor.datas.as_slice() } {
            let memories = self.descriptor.counts.memories;
            // SAFETY: as above.
            let mode =
                unsafe { self.segment_mode(data.mode, data.memory, memories, &data.offset)? };
            // SAFETY: as above.
            let contents = unsafe { data.bytes.as_slice() };
            self.datas.push(mode, contents);
        }
        Ok(())
    }

    unsafe fn segment_mode(
        &self,
        code: u32,
        target: u32,
        targets: u32,
        offset: &Array<ConstOp>,
    ) -> Result<SegmentMode, Malformed> {
        let mode = abi::SegmentMode::from_u32(code);
        Ok(match mode.ok_or(Malformed::Code { what: "segment mode", code })? {
            abi::SegmentMode::Passive => SegmentMode::Passive,
            abi::SegmentMode::Declared => SegmentMode::Declared,
            abi::SegmentMode::Imaged => SegmentMode::Imaged,
            abi::SegmentMode::Active if target >= targets => {
                return Err(Malformed::Index { what: "segment target", index: target });
            }
            abi::SegmentMode::Active => {
                // SAFETY: passed on to the caller.
                SegmentMode::Active { target, offset: unsafe { self.expression(offset)? } }
            }
        })
    }

    unsafe fn expression(&self, expr: &Array<ConstOp>) -> Result<&'static [ConstOp], Malformed> {
        // SAFETY: passed on to the caller.
        let steps: &'static [ConstOp] = unsafe { expr.as_slice() };
        for &ConstOp { opcode: code, index, .. } in steps {
            let opcode = ConstOpcode::from_u32(code);
            let globals =
                self.descriptor.counts.imported_globals as u64 + self.descriptor.globals.len;
            match opcode.ok_or(Malformed::Code { what: "constant instruction", code })? {
                ConstOpcode::GlobalGet if u64::from(index) >= globals => {
                    return Err(Malformed::Index { what: "global", index });
                }
                ConstOpcode::RefFunc if self.place(index).is_none() => {
                    return Err(missing_reference(index));
                }
                _ => {}
            }
        }
        Ok(steps)
    }

    /// Checks what the size and contents of an instance depend on.
    fn check(&self) -> Result<(), Malformed> {
        let count = |kind, defined: usize| (self.imported(kind) + defined) as u32;
        let counts = VmCounts {
            memories: count(ExternKind::Memory, self.memories.len()),
            tables: count(ExternKind::Table, self.tables.len()),
            imported_functions: count(ExternKind::Function, 0),
            imported_globals: count(ExternKind::Global, 0),
            defined_globals: self.globals.len() as u32,
            types: self.types.len() as u32,
            referenced: self.referenced.len() as u32,
        };
        if counts != self.descriptor.counts {
            return Err(Malformed::Counts);
        }
        for function in self.functions {
            if function.type_index >= counts.types {
                return Err(Malformed::Index { what: "type", index: function.type_index });
            }
        }
        if let Some(pair) = self.referenced.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(missing_reference(pair[1]));
        }
        let start = self.descriptor.start;
        if start != NULL_FUNCTION && self.place(start).is_none() {
            return Err(missing_reference(start));
        }
        for &index in self.referenced {
            let ty = self.type_index(index).ok_or(Malformed::Index { what: "function", index })?;
            let Some(defined) = index.checked_sub(counts.imported_functions) else { continue };
            if self.functions[defined as usize].code.is_null() {
                return Err(missing_reference(index));
            }
            if self.raw_types[ty as usize].entry.is_null() {
                return Err(Malformed::Thunk(ty));
            }
        }
        Ok(())
    }

    /// The export with this name. The first look-up takes longer.
    pub(super) fn export(&self, name: &str) -> Option<&ExportType> {
        let by_name = self.exports_by_name.get_or_init(|| {
            let names = self.exports.iter().map(|export| export.name.clone());
            names.zip(0..).collect()
        });
        Some(&self.exports[*by_name.get(name)?])
    }

    /// Place of function `index` among the function references.
    pub(crate) fn place(&self, index: u32) -> Option<u32> {
        self.referenced.binary_search(&index).ok().map(|place| place as u32)
    }

    /// Index of the type of function `index`.
    pub(crate) fn type_index(&self, index: u32) -> Option<u32> {
        let index = index as usize;
        self.imported_function_types.get(index).copied().or_else(|| {
            let defined = index.checked_sub(self.imported_function_types.len())?;
            self.functions.get(defined).map(|function| function.type_index)
        })
    }

    fn imported(&self, kind: ExternKind) -> usize {
        self.imports.iter().filter(|import| import.ty.kind() == kind).count()
    }

    /// The type of what is at `index` in the index space of `kind`.
    fn extern_type(&self, kind: ExternKind, index: u32) -> Option<ExternType> {
        if kind == ExternKind::Function {
            let ty = self.type_index(index)?;
            return Some(ExternType::Func(self.types[ty as usize].clone()));
        }
        let mut imported = self.imports.iter().filter(|import| import.ty.kind() == kind);
        if let Some(import) = imported.nth(index as usize) {
            return Some(import.ty.clone());
        }
        let defined = index as usize - self.imported(kind);
        match kind {
            ExternKind::Function => unreachable!("handled above"),
            ExternKind::Table => self.tables.get(defined).copied().map(ExternType::Table),
            ExternKind::Memory => self.memories.get(defined).copied().map(ExternType::Memory),
            ExternKind::Global => self.globals.get(defined).map(|&(ty, _)| ExternType::Global(ty)),
        }
    }
}

fn missing_reference(index: u32) -> Malformed {
    Malformed::Index { what: "reference to function", index }
}

/// # Safety
/// As for [`Contents::read`].
unsafe fn func_type(raw: &abi::FuncType) -> Result<FuncType, Malformed> {
    let list = |codes: &Array<u8>| {
        // SAFETY: passed on to the caller.
        let codes = unsafe { codes.as_slice() };
        codes.iter().map(|&code| val_type(u32::from(code))).collect::<Result<Vec<_>, _>>()
    };
    Ok(FuncType::new(list(&raw.params)?, list(&raw.results)?))
}

fn val_type(code: u32) -> Result<ValType, Malformed> {
    let ty = u8::try_from(code).ok().and_then(ValType::from_u8);
    ty.ok_or(Malformed::Code { what: "value type", code })
}

fn extern_kind(code: u32) -> Result<ExternKind, Malformed> {
    ExternKind::from_u32(code).ok_or(Malformed::Code { what: "kind of import or export", code })
}

fn maximum(limits: &Limits) -> Option<u64> {
    (limits.max != NO_MAXIMUM).then_some(limits.max)
}

fn table_type(raw: &abi::ExternType) -> Result<TableType, Malformed> {
    let element = val_type(raw.ty)?;
    Ok(TableType { element, min: raw.limits.min, max: maximum(&raw.limits) })
}

fn memory_type(raw: &abi::ExternType) -> MemoryType {
    MemoryType { min: raw.limits.min, max: maximum(&raw.limits) }
}

fn global_type(raw: &abi::ExternType) -> Result<GlobalType, Malformed> {
    Ok(GlobalType { content: val_type(raw.ty)?, mutable: raw.mutable != 0 })
}
