//! What compiled code sees of an instance at run time.

use crate::layout::abi_struct;
use crate::{Builtins, Hash};
use core::ffi::c_void;

/// A value in memory, on its way between wasm and the host, in a global, or in
/// a [`ReturnStyle::Memory`](crate::ReturnStyle) result: little-endian in the
/// low bytes, the rest unspecified.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Slot(pub [u8; 16]);

/// Calls `code` ([`VmFuncRef::local_code`]) with `vmctx` and the arguments in
/// `slots`, then stores the results from `slots[0]` on. `slots` has room for
/// whichever of arguments and results is longer. What was in GS is put back by
/// whoever needs it.
pub type EntryThunk =
    unsafe extern "C" fn(code: *const c_void, vmctx: *mut c_void, slots: *mut Slot);

abi_struct! {
    /// What a function reference points at: filled, for good, before there is
    /// the first reference to it.
    #[derive(Clone, Copy)]
    pub struct VmFuncRef {
        /// Entry point, wasm convention, for every caller: sees to it that
        /// what the code expects of the thread (see
        /// [`Function::local_code`](crate::Function)) is so.
        pub code: *const c_void,
        /// The same for callers in the instance that `vmctx` is, where it is so
        /// already; null of a host function.
        pub local_code: *const c_void,
        /// Entry point, tail convention; null when its module makes no tail
        /// calls, so that the caller has to go through an adapter.
        pub tail_code: *const c_void,
        /// First argument of `code`: the owning instance's [`VmCtx`], or the
        /// runtime's own data when it is a host function's.
        pub vmctx: *mut c_void,
        /// How the host calls `local_code`.
        pub entry: Option<EntryThunk>,
        /// Process-wide identity of the signature; 0 is none.
        pub type_id: u32,
        /// Keeps the size explicit.
        pub reserved: u32,
    }
}

abi_struct! {
    /// A linear memory's current state, shared by every instance that uses it.
    pub struct VmMemoryState {
        /// Start of the reservation; never changes.
        pub base: *mut u8,
        /// Current size in bytes.
        pub byte_len: u64,
    }
}

abi_struct! {
    /// A linear memory in an instance's [`VmCtx`] tail.
    pub struct VmMemory {
        /// Copy of [`VmMemoryState::base`]: invariant, one load away.
        pub base: *mut u8,
        /// The shared state.
        pub state: *mut VmMemoryState,
    }
}

abi_struct! {
    /// A table's current state, shared by every instance that uses it.
    pub struct VmTableState {
        /// Start of the elements, one pointer each; never changes.
        pub base: *mut *mut c_void,
        /// Current number of elements.
        pub len: u64,
    }
}

abi_struct! {
    /// A table in an instance's [`VmCtx`] tail.
    pub struct VmTable {
        /// Copy of [`VmTableState::base`]: invariant, one load away.
        pub base: *mut *mut c_void,
        /// The shared state.
        pub state: *mut VmTableState,
    }
}

abi_struct! {
    /// An imported function in an instance's [`VmCtx`] tail.
    pub struct VmImportedFunction {
        /// Entry point, wasm convention.
        pub code: *const c_void,
        /// Entry point, tail convention, or null; see [`VmFuncRef::tail_code`].
        pub tail_code: *const c_void,
        /// First argument of `code`.
        pub vmctx: *mut c_void,
    }
}

abi_struct! {
    /// The instance pointer: head of a block whose tail [`VmLayout`] describes.
    /// Aligned to 16 bytes.
    pub struct VmCtx {
        /// Builtins of the runtime; invariant.
        pub builtins: *const Builtins,
        /// The runtime's own; compiled code does not touch it.
        pub host: *mut c_void,
    }
}

abi_struct! {
    /// Sizes of a module's index spaces, as far as the [`VmCtx`] tail needs them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct VmCounts {
        /// Memories, imported ones included.
        pub memories: u32,
        /// Tables, imported ones included.
        pub tables: u32,
        /// Imported functions.
        pub imported_functions: u32,
        /// Imported globals.
        pub imported_globals: u32,
        /// Globals that the module defines.
        pub defined_globals: u32,
        /// Function types.
        pub types: u32,
        /// Functions of which a reference can exist (exported, in an element
        /// segment, named by `ref.func`); see
        /// [`ModuleDescriptor::referenced`](crate::ModuleDescriptor).
        pub referenced: u32,
    }
}

/// Offsets in bytes from [`VmCtx`] of the arrays in its tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmLayout {
    memories: u32,
    tables: u32,
    imported_functions: u32,
    imported_globals: u32,
    types: u32,
    globals: u32,
    bound: u32,
    funcrefs: u32,
    size: u32,
}

impl VmLayout {
    /// Alignment in bytes of the whole block.
    pub const ALIGN: usize = 16;

    /// Lays the tail out: what hot code reads comes first, for short
    /// displacements.
    pub const fn new(counts: &VmCounts) -> Self {
        let memories = size_of::<VmCtx>() as u32;
        let tables = memories + counts.memories * size_of::<VmMemory>() as u32;
        let globals = tables + counts.tables * size_of::<VmTable>() as u32;
        let globals = globals.next_multiple_of(size_of::<Slot>() as u32);
        let imported_globals = globals + counts.defined_globals * size_of::<Slot>() as u32;
        let types = imported_globals + counts.imported_globals * size_of::<*mut Slot>() as u32;
        let imported_functions = (types + counts.types * size_of::<u32>() as u32)
            .next_multiple_of(align_of::<VmImportedFunction>() as u32);
        let bound =
            imported_functions + counts.imported_functions * size_of::<VmImportedFunction>() as u32;
        let funcrefs = (bound + counts.referenced.div_ceil(8))
            .next_multiple_of(align_of::<VmFuncRef>() as u32);
        let size = funcrefs + counts.referenced * size_of::<VmFuncRef>() as u32;
        VmLayout {
            memories,
            tables,
            imported_functions,
            imported_globals,
            types,
            globals,
            bound,
            funcrefs,
            size: size.next_multiple_of(Self::ALIGN as u32),
        }
    }

    /// Of the [`VmMemory`] of memory `index`.
    pub const fn memory(&self, index: u32) -> u32 {
        self.memories + index * size_of::<VmMemory>() as u32
    }

    /// Of the [`VmTable`] of table `index`.
    pub const fn table(&self, index: u32) -> u32 {
        self.tables + index * size_of::<VmTable>() as u32
    }

    /// Of the [`VmImportedFunction`] of imported function `index`.
    pub const fn imported_function(&self, index: u32) -> u32 {
        self.imported_functions + index * size_of::<VmImportedFunction>() as u32
    }

    /// Of the `*mut Slot` of imported global `index`.
    pub const fn imported_global(&self, index: u32) -> u32 {
        self.imported_globals + index * size_of::<*mut Slot>() as u32
    }

    /// Of the [`Slot`] of defined global `index`, imported ones not counted.
    pub const fn defined_global(&self, index: u32) -> u32 {
        self.globals + index * size_of::<Slot>() as u32
    }

    /// Of the process-wide identity (`u32`) of function type `index`.
    pub const fn type_id(&self, index: u32) -> u32 {
        self.types + index * size_of::<u32>() as u32
    }

    /// Of the byte, and its bit, that says whether the [`VmFuncRef`] at place
    /// `place` is filled.
    pub const fn bound(&self, place: u32) -> (u32, u8) {
        (self.bound + place / 8, 1 << (place % 8))
    }

    /// Of the [`VmFuncRef`] at place `place` of the module's referenced
    /// functions; see [`VmLayout::bound`].
    pub const fn funcref(&self, place: u32) -> u32 {
        self.funcrefs + place * size_of::<VmFuncRef>() as u32
    }

    /// Of the end of what is filled when the instance is made.
    pub const fn filled(&self) -> u32 {
        self.funcrefs
    }

    /// Of the end: the size of the block.
    pub const fn size(&self) -> u32 {
        self.size
    }
}

pub(crate) const fn hash_layout(hash: Hash) -> Hash {
    let hash = VmFuncRef::hash_layout(hash);
    let hash = VmMemoryState::hash_layout(hash);
    let hash = VmMemory::hash_layout(hash);
    let hash = VmTableState::hash_layout(hash);
    let hash = VmTable::hash_layout(hash);
    let hash = VmImportedFunction::hash_layout(hash);
    let hash = VmCtx::hash_layout(hash);
    let hash = VmCounts::hash_layout(hash);
    // One element of everything fixes the order and stride of the tail.
    let sample = VmLayout::new(&VmCounts {
        memories: 1,
        tables: 1,
        imported_functions: 1,
        imported_globals: 1,
        defined_globals: 1,
        types: 1,
        referenced: 1,
    });
    hash.number(sample.memory(0) as u64)
        .number(sample.table(0) as u64)
        .number(sample.defined_global(0) as u64)
        .number(sample.imported_global(0) as u64)
        .number(sample.type_id(0) as u64)
        .number(sample.imported_function(0) as u64)
        .number(sample.bound(0).0 as u64)
        .number(sample.funcref(0) as u64)
        .number(sample.size() as u64)
}
