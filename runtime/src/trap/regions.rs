//! The linear memories' reservations: whose fault is it? Lookups are safe in a
//! signal handler. Knows nothing of stacks or code.

use std::ptr;

use wasm2so_abi::VmMemoryState;

use crate::unwind::{RangeHandle, RangeTable};

/// The words are `*const VmMemoryState`.
static MEMORIES: RangeTable = RangeTable::new();

/// A memory in the registry; dropping it takes the memory out.
pub(crate) struct RegionHandle {
    _range: RangeHandle,
}

/// Makes a linear memory known, so that faults in its reservation are traps.
/// `state` must stay valid until the handle is dropped, and the reservation
/// mapped.
pub(crate) fn register_memory(
    base: usize,
    reserved_len: usize,
    state: *const VmMemoryState,
) -> RegionHandle {
    RegionHandle { _range: MEMORIES.insert(base, base + reserved_len, state as usize) }
}

/// An address in a linear memory's reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryAddress {
    /// From the memory's start.
    pub(super) offset: u64,
    /// The memory's current size in bytes.
    pub(super) size: u64,
}

/// The linear memory around `address`. Safe to call in a signal handler.
pub(super) fn find(address: u64) -> Option<MemoryAddress> {
    let found = MEMORIES.find(address as usize)?;
    // SAFETY: valid while the memory is registered; other threads may be growing
    // the memory.
    let size =
        unsafe { ptr::read_volatile(&raw const (*(found.value as *const VmMemoryState)).byte_len) };
    Some(MemoryAddress { offset: address - found.start as u64, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_found_while_registered() {
        // Not a mapping: only its address counts.
        let base = 0x7000_0000_0000;
        let state = VmMemoryState { base: base as *mut u8, byte_len: 0x20000 };
        let handle = register_memory(base, 0x1_0000_0000, &state);
        let at = |offset, size| Some(MemoryAddress { offset, size });
        assert_eq!(find(base as u64), at(0, 0x20000));
        assert_eq!(find(base as u64 + 0xffff_ffff), at(0xffff_ffff, 0x20000));
        assert_eq!(find(base as u64 + 0x1_0000_0000), None);
        assert_eq!(find(base as u64 - 1), None);
        drop(handle);
        assert_eq!(find(base as u64), None);
    }
}
