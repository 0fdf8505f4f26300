//! What a compiled module says of itself: everything behind the root symbol.
//!
//! All of it is constant, read-only data in the `.so`.

use crate::layout::abi_struct;
use crate::{EntryThunk, Hash, MAGIC, VmCounts};
use core::ffi::c_void;
use core::marker::PhantomData;

/// A pointer from the module's constant data to its data or code: the distance from
/// the pointer itself, so that loading has nothing to relocate. 0 is null.
///
/// It may not be moved.
#[repr(transparent)]
pub struct Relative<T> {
    distance: i64,
    target: PhantomData<*const T>,
}

impl<T> Relative<T> {
    /// Points nowhere.
    pub const NULL: Self = Relative { distance: 0, target: PhantomData };

    /// What it points at, or null.
    pub fn get(&self) -> *const T {
        if self.distance == 0 {
            return core::ptr::null();
        }
        let here = (&raw const self.distance).expose_provenance();
        core::ptr::with_exposed_provenance(here.wrapping_add_signed(self.distance as isize))
    }

    /// Whether it points nowhere.
    pub fn is_null(&self) -> bool {
        self.distance == 0
    }

    /// Lets it point at `target`, as long as it stays where it is.
    pub fn set(&mut self, target: *const T) {
        let here = (&raw const self.distance).addr();
        let distance = target.expose_provenance().wrapping_sub(here) as i64;
        self.distance = if target.is_null() { 0 } else { distance };
    }
}

/// A constant array: pointer and number of elements. As [`Relative`] it may not
/// be moved.
#[repr(C)]
pub struct Array<T> {
    /// First element; null when `len` is 0.
    pub start: Relative<T>,
    /// Number of elements.
    pub len: u64,
}

impl<T> Array<T> {
    /// No elements.
    pub const EMPTY: Self = Array { start: Relative::NULL, len: 0 };

    /// The elements.
    ///
    /// # Safety
    /// The array must lie in a module that was checked ([`Preamble::check`])
    /// and that stays mapped for `'a`.
    pub unsafe fn as_slice<'a>(&self) -> &'a [T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the compiler wrote `len` elements there; the caller keeps the
        // module mapped.
        unsafe { core::slice::from_raw_parts(self.start.get(), self.len as usize) }
    }

    /// Makes `items` the elements, as long as it stays where it is.
    pub fn set(&mut self, items: &'static [T]) {
        self.start.set(items.as_ptr());
        self.len = items.len() as u64;
    }
}

/// A constant string, UTF-8.
pub type Str = Array<u8>;

impl Str {
    /// The text.
    ///
    /// # Safety
    /// As for [`Array::as_slice`].
    pub unsafe fn as_str<'a>(&self) -> &'a str {
        // SAFETY: passed on to the caller; the compiler writes only UTF-8.
        unsafe { core::str::from_utf8_unchecked(self.as_slice()) }
    }
}

/// Kind of an import or export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ExternKind {
    /// A function.
    Function = 0,
    /// A table.
    Table = 1,
    /// A linear memory.
    Memory = 2,
    /// A global.
    Global = 3,
}

impl ExternKind {
    /// The inverse of `self as u32`.
    pub const fn from_u32(code: u32) -> Option<Self> {
        Some(match code {
            0 => ExternKind::Function,
            1 => ExternKind::Table,
            2 => ExternKind::Memory,
            3 => ExternKind::Global,
            _ => return None,
        })
    }
}

/// In [`Limits::max`]: no maximum.
pub const NO_MAXIMUM: u64 = u64::MAX;

/// In [`Elem::items`] and [`TableImage::functions`]: a null reference.
pub const NULL_FUNCTION: u32 = u32::MAX;

/// When a segment is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SegmentMode {
    /// By `memory.init` / `table.init`.
    Passive = 0,
    /// At instantiation.
    Active = 1,
    /// Never: it only declares references.
    Declared = 2,
    /// At instantiation, by [`ModuleDescriptor::image`] or
    /// [`ModuleDescriptor::table_images`].
    Imaged = 3,
}

impl SegmentMode {
    /// The inverse of `self as u32`.
    pub const fn from_u32(code: u32) -> Option<Self> {
        Some(match code {
            0 => SegmentMode::Passive,
            1 => SegmentMode::Active,
            2 => SegmentMode::Declared,
            3 => SegmentMode::Imaged,
            _ => return None,
        })
    }
}

/// One step of a constant expression, evaluated on a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ConstOpcode {
    /// Push the value in [`ConstOp::bits`]; also every null reference.
    Value = 0,
    /// Push the value of global [`ConstOp::index`].
    GlobalGet = 1,
    /// Push a reference to function [`ConstOp::index`].
    RefFunc = 2,
    /// `i32.add`
    I32Add = 3,
    /// `i32.sub`
    I32Sub = 4,
    /// `i32.mul`
    I32Mul = 5,
    /// `i64.add`
    I64Add = 6,
    /// `i64.sub`
    I64Sub = 7,
    /// `i64.mul`
    I64Mul = 8,
}

impl ConstOpcode {
    /// The inverse of `self as u32`.
    pub const fn from_u32(code: u32) -> Option<Self> {
        use ConstOpcode::*;
        const ALL: [ConstOpcode; 9] =
            [Value, GlobalGet, RefFunc, I32Add, I32Sub, I32Mul, I64Add, I64Sub, I64Mul];
        if (code as usize) < ALL.len() { Some(ALL[code as usize]) } else { None }
    }
}

/// A constant expression: its last value is the result.
pub type ConstExpr = Array<ConstOp>;

abi_struct! {
    /// One step of a [`ConstExpr`].
    pub struct ConstOp {
        /// A [`ConstOpcode`].
        pub opcode: u32,
        /// Global or function index.
        pub index: u32,
        /// Low and high half of the value, bits beyond its type zero.
        pub bits: [u64; 2],
    }
}

abi_struct! {
    /// Size limits of a table (elements) or memory (pages).
    pub struct Limits {
        /// Initial size.
        pub min: u64,
        /// Greatest size, or [`NO_MAXIMUM`].
        pub max: u64,
    }
}

abi_struct! {
    /// A function type.
    pub struct FuncType {
        /// [`ValType`](crate::ValType) codes.
        pub params: Array<u8>,
        /// [`ValType`](crate::ValType) codes.
        pub results: Array<u8>,
        /// An [`EntryThunk`]; not null for types of referenced functions.
        pub entry: Relative<c_void>,
    }
}

impl FuncType {
    /// The entry thunk, if there is one.
    ///
    /// # Safety
    /// As for [`Array::as_slice`].
    pub unsafe fn entry_thunk(&self) -> Option<EntryThunk> {
        // SAFETY: the compiler wrote the address of one, or null.
        unsafe { core::mem::transmute::<*const c_void, Option<EntryThunk>>(self.entry.get()) }
    }
}

abi_struct! {
    /// The type of an import, or of a table, memory or global.
    pub struct ExternType {
        /// An [`ExternKind`].
        pub kind: u32,
        /// Function: type index. Table, global: [`ValType`](crate::ValType)
        /// code.
        pub ty: u32,
        /// Global: 1 when mutable.
        pub mutable: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
        /// Table, memory.
        pub limits: Limits,
    }
}

abi_struct! {
    /// An import.
    pub struct Import {
        /// First name.
        pub module: Str,
        /// Second name.
        pub name: Str,
        /// What it must be.
        pub ty: ExternType,
    }
}

abi_struct! {
    /// An export.
    pub struct Export {
        /// Its name.
        pub name: Str,
        /// An [`ExternKind`].
        pub kind: u32,
        /// In the index space of that kind.
        pub index: u32,
    }
}

abi_struct! {
    /// A function that the module defines.
    pub struct Function {
        /// Entry point, wasm convention; null when no reference to it can
        /// exist, so that it may have been inlined away.
        pub code: Relative<c_void>,
        /// The same, called by code of the same instance; null as `code` is.
        /// Differs from it in modules that keep the base of memory 0 in GS
        /// while they run: `code` puts it there, and what was there back.
        pub local_code: Relative<c_void>,
        /// Entry point, tail convention; null as `code` is, and when the module
        /// makes no tail calls.
        pub tail_code: Relative<c_void>,
        /// Type index.
        pub type_index: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
        /// Offset in the wasm file of the body's first byte (its locals).
        pub body_start: u64,
        /// Offset in the wasm file of the byte after the body.
        pub body_end: u64,
    }
}

abi_struct! {
    /// A global that the module defines.
    pub struct Global {
        /// Its type.
        pub ty: ExternType,
        /// Its first value.
        pub init: ConstExpr,
    }
}

abi_struct! {
    /// An element segment.
    pub struct Elem {
        /// A [`SegmentMode`].
        pub mode: u32,
        /// Active: the table.
        pub table: u32,
        /// Active: the first place.
        pub offset: ConstExpr,
        /// Places of functions in [`ModuleDescriptor::referenced`], or
        /// [`NULL_FUNCTION`]; empty when `exprs` is not, or when they are in
        /// [`ModuleDescriptor::table_images`].
        pub items: Array<u32>,
        /// One expression per element, when one is no plain function.
        pub exprs: Array<ConstExpr>,
    }
}

abi_struct! {
    /// A data segment.
    pub struct Data {
        /// A [`SegmentMode`].
        pub mode: u32,
        /// Active: the memory.
        pub memory: u32,
        /// Active: the first address.
        pub offset: ConstExpr,
        /// The contents; empty when they are in [`ModuleDescriptor::image`].
        pub bytes: Array<u8>,
    }
}

/// Bytes of a page of the image, and its alignment in the file.
pub const IMAGE_PAGE: u64 = 4096;

abi_struct! {
    /// Pages of the image: first contents of a memory that the module defines.
    ///
    /// They are what all data segments of [`SegmentMode::Imaged`] leave behind;
    /// these come before all active ones, and fit.
    pub struct ImageRun {
        /// The memory.
        pub memory: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
        /// Address in the memory; a multiple of [`IMAGE_PAGE`], as is the
        /// length.
        pub address: u64,
        /// The contents, aligned to [`IMAGE_PAGE`] in memory and in the file.
        pub bytes: Array<u8>,
    }
}

abi_struct! {
    /// First contents of a table that the module defines; what is beyond is null.
    ///
    /// They are what all element segments of [`SegmentMode::Imaged`] leave
    /// behind; these come before all active ones, and fit. The table itself
    /// starts as null: elements are bound to these functions as they are used.
    pub struct TableImage {
        /// The table.
        pub table: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
        /// Places in [`ModuleDescriptor::referenced`], or [`NULL_FUNCTION`].
        pub functions: Array<u32>,
    }
}

abi_struct! {
    /// An entry of the name section's function names.
    pub struct FunctionName {
        /// Function index.
        pub index: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
        /// Its name, as written.
        pub name: Str,
    }
}

abi_struct! {
    /// The first bytes of every module of every version: frozen.
    pub struct Preamble {
        /// [`MAGIC`].
        pub magic: [u8; 8],
        /// [`ABI_VERSION`](crate::ABI_VERSION) of the compiler.
        pub abi_version: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
        /// [`layout_hash`](crate::layout_hash) of the compiler.
        pub layout_hash: u64,
    }
}

/// Why a module cannot be used by this runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// No wasm2so module at all.
    Magic,
    /// Another ABI version: the module's.
    Version(u32),
    /// The same version but other layouts: the module's hash.
    Layout(u64),
}

impl Preamble {
    /// What this build of the contract writes and expects.
    pub const CURRENT: Preamble = Preamble {
        magic: MAGIC,
        abi_version: crate::ABI_VERSION,
        reserved: 0,
        layout_hash: crate::layout_hash(),
    };

    /// Whether the rest of the descriptor may be looked at.
    ///
    /// # Errors
    /// What is different, and the module's value.
    pub fn check(&self) -> Result<(), Mismatch> {
        if self.magic != MAGIC {
            Err(Mismatch::Magic)
        } else if self.abi_version != Self::CURRENT.abi_version {
            Err(Mismatch::Version(self.abi_version))
        } else if self.layout_hash != Self::CURRENT.layout_hash {
            Err(Mismatch::Layout(self.layout_hash))
        } else {
            Ok(())
        }
    }
}

abi_struct! {
    /// The module: what [`ROOT_SYMBOL`](crate::ROOT_SYMBOL) names.
    pub struct ModuleDescriptor {
        /// To be checked before anything else is read.
        pub preamble: Preamble,
        /// Name and version of the compiler.
        pub producer: Str,
        /// The module's name: from the name section, else the file's.
        pub name: Str,
        /// Name of the wasm file in the line table.
        pub file_name: Str,
        /// LLVM names of CPU features beyond the target's baseline.
        pub cpu_features: Array<Str>,
        /// Sizes of the index spaces.
        pub counts: VmCounts,
        /// Index of the start function, or [`NULL_FUNCTION`].
        pub start: u32,
        /// Offset in the wasm file of the Code section's payload.
        pub code_section_start: u64,
        /// Function types.
        pub types: Array<FuncType>,
        /// Imports, in order.
        pub imports: Array<Import>,
        /// Exports, in order.
        pub exports: Array<Export>,
        /// Functions that the module defines.
        pub functions: Array<Function>,
        /// Function names, ascending by index.
        pub function_names: Array<FunctionName>,
        /// Tables that the module defines.
        pub tables: Array<ExternType>,
        /// Memories that the module defines.
        pub memories: Array<ExternType>,
        /// Globals that the module defines.
        pub globals: Array<Global>,
        /// Indices, ascending, of the functions that have a
        /// [`VmFuncRef`](crate::VmFuncRef) in the instance.
        pub referenced: Array<u32>,
        /// Element segments.
        pub elems: Array<Elem>,
        /// Data segments.
        pub datas: Array<Data>,
        /// First contents of memories, ascending by memory and address.
        pub image: Array<ImageRun>,
        /// First contents of tables, ascending by table.
        pub table_images: Array<TableImage>,
    }
}

// SAFETY: constant data.
unsafe impl Sync for ModuleDescriptor {}

pub(crate) const fn hash_layout(hash: Hash) -> Hash {
    let hash = hash.number(size_of::<Array<u8>>() as u64);
    let hash = hash.number(core::mem::offset_of!(Array<u8>, len) as u64);
    let hash = ConstOp::hash_layout(hash);
    let hash = Limits::hash_layout(hash);
    let hash = FuncType::hash_layout(hash);
    let hash = ExternType::hash_layout(hash);
    let hash = Import::hash_layout(hash);
    let hash = Export::hash_layout(hash);
    let hash = Function::hash_layout(hash);
    let hash = Global::hash_layout(hash);
    let hash = Elem::hash_layout(hash);
    let hash = Data::hash_layout(hash);
    let hash = ImageRun::hash_layout(hash).number(IMAGE_PAGE);
    let hash = TableImage::hash_layout(hash);
    let hash = FunctionName::hash_layout(hash);
    let hash = Preamble::hash_layout(hash);
    ModuleDescriptor::hash_layout(hash)
}
