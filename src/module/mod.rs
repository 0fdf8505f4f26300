//! A validated module, as plain data: index spaces, segments, bodies, names.
//! It knows nothing of LLVM.

mod constexpr;
pub mod names;
mod parse;

pub use names::Names;
pub use parse::{parse, value_type};

use std::ops::Range;
use wasm2so_abi::{ConstOpcode, ExternKind, ValType, VmCounts, VmLayout};

/// A function type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Parameter types.
    pub params: Vec<ValType>,
    /// Result types.
    pub results: Vec<ValType>,
}

/// Limits of a table (elements) or memory (pages).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Initial size.
    pub min: u64,
    /// Greatest size, if bounded.
    pub max: Option<u64>,
}

/// A table, imported or defined.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Element type.
    pub element: ValType,
    /// Size.
    pub limits: Limits,
}

/// A linear memory, imported or defined.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Size.
    pub limits: Limits,
}

/// A global's type.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    /// Value type.
    pub ty: ValType,
    /// Whether `global.set` is allowed.
    pub mutable: bool,
}

/// The type of an import.
#[derive(Clone, Copy, Debug)]
pub enum ExternType {
    /// Function of this type index.
    Function(u32),
    /// Table.
    Table(Table),
    /// Memory.
    Memory(Memory),
    /// Global.
    Global(Global),
}

/// An import.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// First name.
    pub module: &'a str,
    /// Second name.
    pub name: &'a str,
    /// What it must be.
    pub ty: ExternType,
}

/// An export.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: ExternKind,
    /// In the index space of that kind.
    pub index: u32,
}

/// One step of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstOp {
    /// What to do.
    pub opcode: ConstOpcode,
    /// Global or function index.
    pub index: u32,
    /// The value, zero-extended.
    pub bits: u128,
}

/// A constant expression.
pub type ConstExpr = Vec<ConstOp>;

/// When a segment is applied, and where.
#[derive(Clone, Debug)]
pub enum SegmentMode {
    /// By `memory.init` or `table.init`.
    Passive,
    /// At instantiation.
    Active {
        /// Memory or table index.
        target: u32,
        /// First address or element.
        offset: ConstExpr,
    },
    /// Never.
    Declared,
}

/// The elements of a segment.
#[derive(Clone, Debug)]
pub enum ElemItems {
    /// Function indices.
    Functions(Vec<u32>),
    /// One expression each.
    Expressions(Vec<ConstExpr>),
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct Elem {
    /// When and where.
    pub mode: SegmentMode,
    /// What.
    pub items: ElemItems,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct Data<'a> {
    /// When and where.
    pub mode: SegmentMode,
    /// What.
    pub bytes: &'a [u8],
}

/// A function body.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    /// Locals and code.
    pub reader: wasmparser::FunctionBody<'a>,
    /// Offsets in the wasm file of the first byte and of the byte after.
    pub range: Range<u64>,
}

impl Body<'_> {
    /// Its size in the wasm file, in bytes.
    pub fn size(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// A validated module.
#[derive(Debug, Default)]
pub struct WasmModule<'a> {
    /// Function types.
    pub types: Vec<Signature>,
    /// Imports.
    pub imports: Vec<Import<'a>>,
    /// Exports.
    pub exports: Vec<Export<'a>>,
    /// Type index of each function, imported ones first.
    pub functions: Vec<u32>,
    /// How many of them are imported.
    pub imported_functions: u32,
    /// Tables, imported ones first.
    pub tables: Vec<Table>,
    /// How many of them are imported.
    pub imported_tables: u32,
    /// Memories, imported ones first.
    pub memories: Vec<Memory>,
    /// How many of them are imported.
    pub imported_memories: u32,
    /// Globals, imported ones first.
    pub globals: Vec<Global>,
    /// How many of them are imported.
    pub imported_globals: u32,
    /// First values of the defined globals.
    pub global_inits: Vec<ConstExpr>,
    /// Element segments.
    pub elems: Vec<Elem>,
    /// Data segments.
    pub datas: Vec<Data<'a>>,
    /// Start function.
    pub start: Option<u32>,
    /// Bodies of the defined functions.
    pub bodies: Vec<Body<'a>>,
    /// Offset in the wasm file of the Code section's payload.
    pub code_section_start: u64,
    /// The Code section's payload.
    pub code_section: &'a [u8],
    /// The name section.
    pub names: Names<'a>,
    /// Payload of the name section.
    pub names_section: Option<&'a [u8]>,
    /// The custom sections that lead from code to sources, by name: DWARF, and
    /// what says where else to look.
    pub source_sections: Vec<(&'a str, &'a [u8])>,
    /// Functions, ascending, of which a reference can exist.
    pub referenced: Vec<u32>,
}

impl WasmModule<'_> {
    /// The type of function `index`.
    pub fn signature(&self, index: u32) -> &Signature {
        &self.types[self.functions[index as usize] as usize]
    }

    /// The body of function `index`, unless it is imported.
    pub fn body(&self, index: u32) -> Option<&Body<'_>> {
        self.bodies.get(index.checked_sub(self.imported_functions)? as usize)
    }

    /// Indices of the functions that the module defines.
    pub fn defined_functions(&self) -> Range<u32> {
        self.imported_functions..self.functions.len() as u32
    }

    /// The place of function `index` among the referenced ones.
    ///
    /// # Panics
    /// When no reference to it can exist.
    pub fn funcref_place(&self, index: u32) -> u32 {
        self.referenced.binary_search(&index).expect("validation allows only declared references")
            as u32
    }

    /// Whether a table may hold references to functions of others.
    pub fn has_foreign_references(&self) -> bool {
        let is_funcref = |ty: &ValType| *ty == ValType::FuncRef;
        let passes = |ty: &Signature| ty.params.iter().chain(&ty.results).any(is_funcref);
        let exports = |kind| self.exports.iter().filter(move |export| export.kind == kind);
        let shared_global = |place: usize| {
            place < self.imported_globals as usize
                || exports(ExternKind::Global).any(|export| export.index as usize == place)
        };
        let mut globals = self.globals.iter().enumerate();
        self.imported_tables > 0
            || exports(ExternKind::Table).next().is_some()
            || self.referenced.iter().any(|&function| function < self.imported_functions)
            || self.types.iter().any(passes)
            || globals.any(|(place, global)| is_funcref(&global.ty) && shared_global(place))
    }

    /// Whether null in table `index` may stand for a function that is bound when
    /// it is used: in a table with first contents, here or where it comes from.
    pub fn binds_functions(&self, index: u32) -> bool {
        let filled = |elem: &Elem| matches!(elem.mode, SegmentMode::Active { target, .. } if target == index);
        self.tables[index as usize].element == ValType::FuncRef
            && (index < self.imported_tables || self.elems.iter().any(filled))
    }

    /// Sizes of the index spaces.
    pub fn counts(&self) -> VmCounts {
        VmCounts {
            memories: self.memories.len() as u32,
            tables: self.tables.len() as u32,
            imported_functions: self.imported_functions,
            imported_globals: self.imported_globals,
            defined_globals: self.global_inits.len() as u32,
            types: self.types.len() as u32,
            referenced: self.referenced.len() as u32,
        }
    }

    /// The layout of an instance.
    pub fn vm_layout(&self) -> VmLayout {
        VmLayout::new(&self.counts())
    }
}
