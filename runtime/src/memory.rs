//! Linear memories.
//!
//! Compiled code does not check 32-bit addresses: each memory has so much
//! address space that any of them is either in bounds or faults. Knows nothing
//! of instances.

use crate::error::ResourceError;
use crate::image::Image;
use crate::reservation::Reservation;
use crate::store::{Pinned, StoreContext, StoreId, StoreInner};
use crate::trap::regions::{RegionHandle, register_memory};
use std::fmt;
use wasm2so_abi::{MEMORY_RESERVATION, TrapCode, VmMemory, VmMemoryState, WASM_PAGE_SIZE};

/// What cannot be had, in errors.
const WHAT: &str = "linear memory";

/// Most pages that a 32-bit address can reach.
const MAX_PAGES: u64 = 65536;

/// The size limits of a memory, in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// Size at the start.
    pub min: u64,
    /// Size that it never exceeds.
    pub max: Option<u64>,
}

/// Shows `memory 1..4`, or `memory 1..` without a maximum.
impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory ")?;
        write_limits(f, self.min, self.max)
    }
}

/// Writes the limits of a memory or table.
pub(crate) fn write_limits(f: &mut fmt::Formatter<'_>, min: u64, max: Option<u64>) -> fmt::Result {
    write!(f, "{min}..")?;
    max.map_or(Ok(()), |max| write!(f, "{max}"))
}

/// Names a linear memory in a [`Store`](crate::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    store: StoreId,
    index: usize,
}

/// A memory, owned by the store.
pub(crate) struct MemoryData {
    // Before the reservation: no fault may be looked up in unmapped memory.
    _region: RegionHandle,
    reservation: Reservation,
    state: Pinned<VmMemoryState>,
    max: Option<u64>,
}

impl Memory {
    /// A new memory, all zero.
    ///
    /// # Errors
    /// When it is larger than 65,536 pages, its own maximum, what
    /// [`Config::max_memory`](crate::Config::max_memory) allows or the system
    /// has.
    pub fn new(store: &mut StoreContext, ty: MemoryType) -> Result<Memory, ResourceError> {
        let data = MemoryData::new(store.inner_mut(), ty, None)?;
        Ok(Memory::insert(store.inner_mut(), data))
    }

    pub(crate) fn insert(store: &mut StoreInner, data: MemoryData) -> Memory {
        store.memories.push(data);
        Memory { store: store.id, index: store.memories.len() - 1 }
    }

    /// Its current size and its maximum.
    ///
    /// # Panics
    /// As all methods do: when the memory belongs to another store.
    pub fn ty(self, store: &StoreContext) -> MemoryType {
        let data = self.get(store);
        MemoryType { min: data.pages(), max: data.max }
    }

    /// Its size in pages.
    pub fn size(self, store: &StoreContext) -> u64 {
        self.get(store).pages()
    }

    /// Adds `delta` pages; returns the size before.
    ///
    /// # Errors
    /// As for [`Memory::new`]; then nothing changed.
    pub fn grow(self, store: &mut StoreContext, delta: u64) -> Result<u64, ResourceError> {
        self.get(store);
        store.inner_mut().grow_memory(self, delta)
    }

    /// Its contents.
    pub fn data(self, store: &StoreContext) -> &[u8] {
        let data = self.get(store);
        // SAFETY: that many bytes are committed and initialised (by the
        // kernel), stay so while the store lives, and can change only through
        // a `&mut` of it.
        unsafe { std::slice::from_raw_parts(data.base(), data.byte_len() as usize) }
    }

    /// Its contents, to be changed.
    pub fn data_mut(self, store: &mut StoreContext) -> &mut [u8] {
        let data = self.get(store);
        // SAFETY: as in `data`; `&mut` of the store excludes other users.
        unsafe { std::slice::from_raw_parts_mut(data.base(), data.byte_len() as usize) }
    }

    pub(crate) fn store_id(self) -> StoreId {
        self.store
    }

    fn get(self, store: &StoreContext) -> &MemoryData {
        store.check_owner(self.store, "memory");
        store.inner().memory(self)
    }
}

impl StoreInner {
    /// The memory; `memory` belongs to this store.
    pub(crate) fn memory(&self, memory: Memory) -> &MemoryData {
        &self.memories[memory.index]
    }

    /// The memory; `memory` belongs to this store.
    pub(crate) fn memory_mut(&mut self, memory: Memory) -> &mut MemoryData {
        &mut self.memories[memory.index]
    }

    /// [`Memory::grow`], for a memory of this store.
    pub(crate) fn grow_memory(&mut self, memory: Memory, delta: u64) -> Result<u64, ResourceError> {
        let data = &self.memories[memory.index];
        let old = data.pages();
        let pages = old.saturating_add(delta);
        check_pages(pages, data.max)?;
        let added = delta * WASM_PAGE_SIZE;
        self.take_memory(added)?;
        let data = &mut self.memories[memory.index];
        if let Err(error) = data.set_pages(pages) {
            self.return_memory(added);
            return Err(error);
        }
        Ok(old)
    }
}

impl MemoryData {
    /// Creates a memory that starts with `image`, which fits, and counts its size
    /// in `store`.
    pub(crate) fn new(
        store: &mut StoreInner,
        ty: MemoryType,
        image: Option<&Image>,
    ) -> Result<MemoryData, ResourceError> {
        check_pages(ty.min, ty.max)?;
        let byte_len = ty.min * WASM_PAGE_SIZE;
        let reserved = MEMORY_RESERVATION as usize;
        let reservation = Reservation::new(reserved, byte_len as usize, image, WHAT)?;
        store.take_memory(byte_len)?;
        let base = reservation.base();
        let state = Pinned::new(VmMemoryState { base, byte_len });
        let region = register_memory(base as usize, reservation.len(), state.as_ptr());
        Ok(MemoryData { _region: region, reservation, state, max: ty.max })
    }

    /// Makes zero of its contents.
    pub(crate) fn clear(&mut self) -> Result<(), ResourceError> {
        self.reservation.clear(WHAT)
    }

    /// What an instance's tail holds.
    pub(crate) fn vm_memory(&self) -> VmMemory {
        VmMemory { base: self.base(), state: self.state.as_ptr() }
    }

    /// Start of the contents.
    pub(crate) fn base(&self) -> *mut u8 {
        self.reservation.base()
    }

    /// Size of the contents.
    pub(crate) fn byte_len(&self) -> u64 {
        // SAFETY: compiled code only reads the state.
        unsafe { (*self.state.as_ptr()).byte_len }
    }

    /// Copies `source` to address `at`, unless its end is out of bounds.
    pub(crate) fn write(&mut self, at: u64, source: &[u8]) -> Result<(), TrapCode> {
        let end = at.checked_add(source.len() as u64);
        if end.is_none_or(|end| end > self.byte_len()) {
            return Err(TrapCode::MemoryOutOfBounds);
        }
        // SAFETY: the destination is in bounds; `source`, in a module's
        // constant data, is elsewhere.
        unsafe {
            let to = self.base().add(at as usize);
            std::ptr::copy_nonoverlapping(source.as_ptr(), to, source.len());
        }
        Ok(())
    }

    fn pages(&self) -> u64 {
        self.byte_len() / WASM_PAGE_SIZE
    }

    /// Makes it `pages` long, which is not less than before.
    fn set_pages(&mut self, pages: u64) -> Result<(), ResourceError> {
        let byte_len = pages * WASM_PAGE_SIZE;
        self.reservation.commit(byte_len as usize, WHAT)?;
        // SAFETY: no wasm code runs now, so nobody else uses the state.
        unsafe { (*self.state.as_ptr()).byte_len = byte_len };
        Ok(())
    }
}

fn check_pages(pages: u64, max: Option<u64>) -> Result<(), ResourceError> {
    let limit = max.unwrap_or(MAX_PAGES).min(MAX_PAGES);
    if pages > limit { Err(ResourceError::MemorySize { pages, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Store};

    #[test]
    fn grows_in_place_up_to_its_maximum() {
        let mut store = Store::new(Config::default());
        let memory = Memory::new(&mut store, MemoryType { min: 1, max: Some(3) }).unwrap();
        memory.data_mut(&mut store)[65535] = 7;
        let base = memory.data(&store).as_ptr();
        assert_eq!(memory.grow(&mut store, 2).unwrap(), 1);
        assert_eq!(memory.data(&store).as_ptr(), base);
        assert_eq!(memory.data(&store).len(), 3 * 65536);
        assert_eq!(memory.data(&store)[65535..65537], [7, 0]);
        assert!(memory.grow(&mut store, 1).is_err());
        assert!(memory.grow(&mut store, u64::MAX).is_err());
        assert_eq!(memory.ty(&store), MemoryType { min: 3, max: Some(3) });
    }

    #[test]
    fn an_address_reaches_65536_pages_and_no_more() {
        let mut store = Store::new(Config::default());
        let memory = Memory::new(&mut store, MemoryType { min: 0, max: None }).unwrap();
        assert!(memory.grow(&mut store, 65537).is_err());
        assert_eq!(memory.grow(&mut store, 65536).unwrap(), 0);
        assert_eq!(memory.data(&store).last(), Some(&0));
        assert!(Memory::new(&mut store, MemoryType { min: 65537, max: None }).is_err());
    }

    #[test]
    fn the_budget_covers_all_memories() {
        let limit = 3 * WASM_PAGE_SIZE;
        let mut store = Store::new(Config { max_memory: Some(limit), ..Config::default() });
        let one = MemoryType { min: 1, max: None };
        let memory = Memory::new(&mut store, one).unwrap();
        Memory::new(&mut store, one).unwrap();
        assert!(memory.grow(&mut store, 2).is_err());
        assert_eq!(memory.grow(&mut store, 1).unwrap(), 1);
        assert!(matches!(Memory::new(&mut store, one), Err(ResourceError::MemoryBudget { .. })));
    }

    #[test]
    #[should_panic(expected = "this memory belongs to another store")]
    fn another_stores_memory_is_refused() {
        let mut store = Store::new(Config::default());
        let memory = Memory::new(&mut store, MemoryType { min: 0, max: None }).unwrap();
        memory.size(&Store::new(Config::default()));
    }

    #[test]
    fn writes_are_all_or_nothing() {
        let mut store = Store::new(Config::default());
        let memory = Memory::new(&mut store, MemoryType { min: 1, max: None }).unwrap();
        let data = &mut store.inner_mut().memories[memory.index];
        let trap = Err(TrapCode::MemoryOutOfBounds);
        assert_eq!(data.write(65535, &[1, 2]), trap);
        assert_eq!(data.write(u64::MAX, &[1, 2]), trap);
        assert_eq!(data.write(65534, &[1, 2]), Ok(()));
        assert_eq!(data.write(65536, &[]), Ok(()));
        assert_eq!(data.write(65537, &[]), trap);
        assert_eq!(memory.data(&store)[65533..], [0, 1, 2]);
    }
}
