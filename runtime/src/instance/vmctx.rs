//! The block of memory that compiled code knows an instance by.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use wasm2so_abi::{Slot, VmCtx, VmFuncRef, VmImportedFunction, VmLayout, VmMemory, VmTable};

/// A [`VmCtx`] with its tail: zero at first, but for what [`VmBlock::bound`] tells
/// of, which may be much and is filled bit by bit. All methods return pointers into
/// it, valid as long as it is; indices must be within the layout's counts.
pub(super) struct VmBlock {
    start: NonNull<u8>,
    layout: VmLayout,
}

impl VmBlock {
    pub(super) fn new(layout: VmLayout) -> Self {
        let memory = allocation(&layout);
        // SAFETY: the size is not 0, for there is always a head.
        let start = NonNull::new(unsafe { alloc(memory) });
        let start = start.unwrap_or_else(|| handle_alloc_error(memory));
        // SAFETY: that part of it is its own.
        unsafe { start.write_bytes(0, layout.filled() as usize) };
        VmBlock { start, layout }
    }

    pub(super) fn vmctx(&self) -> *mut VmCtx {
        self.at(0)
    }

    pub(super) fn memory(&self, index: u32) -> *mut VmMemory {
        self.at(self.layout.memory(index))
    }

    pub(super) fn table(&self, index: u32) -> *mut VmTable {
        self.at(self.layout.table(index))
    }

    pub(super) fn imported_function(&self, index: u32) -> *mut VmImportedFunction {
        self.at(self.layout.imported_function(index))
    }

    pub(super) fn imported_global(&self, index: u32) -> *mut *mut Slot {
        self.at(self.layout.imported_global(index))
    }

    pub(super) fn defined_global(&self, index: u32) -> *mut Slot {
        self.at(self.layout.defined_global(index))
    }

    pub(super) fn type_id(&self, index: u32) -> *mut u32 {
        self.at(self.layout.type_id(index))
    }

    /// The byte, and the bit of it, that says whether [`VmBlock::funcref`] is filled.
    pub(super) fn bound(&self, place: u32) -> (*mut u8, u8) {
        let (byte, bit) = self.layout.bound(place);
        (self.at(byte), bit)
    }

    pub(super) fn funcref(&self, place: u32) -> *mut VmFuncRef {
        self.at(self.layout.funcref(place))
    }

    fn at<T>(&self, offset: u32) -> *mut T {
        assert!(offset as usize + size_of::<T>() <= self.layout.size() as usize);
        // SAFETY: within the block.
        unsafe { self.start.as_ptr().add(offset as usize).cast() }
    }
}

impl Drop for VmBlock {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), allocation(&self.layout)) };
    }
}

fn allocation(layout: &VmLayout) -> Layout {
    Layout::from_size_align(layout.size() as usize, VmLayout::ALIGN).expect("at most 4 GiB")
}
