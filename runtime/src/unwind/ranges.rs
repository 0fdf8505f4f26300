//! A map from address ranges to one word each, readable from a signal handler
//! without a lock. Knows nothing of what the words mean.

use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};

const CHUNK: usize = 64;

/// The map. Slots are never freed, only reused, so a reader needs no
/// protection from writers.
pub(crate) struct RangeTable {
    newest: AtomicPtr<Chunk>,
    unused: Mutex<Vec<&'static Slot>>,
}

struct Chunk {
    slots: [Slot; CHUNK],
    older: *const Chunk,
}

/// Unused when empty. The version is odd while a writer changes the rest.
struct Slot {
    version: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
    value: AtomicUsize,
}

/// One range in a [`RangeTable`]; dropping it takes the range out.
pub(crate) struct RangeHandle {
    slot: &'static Slot,
    table: &'static RangeTable,
}

/// What [`RangeTable::find`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// First address of the range.
    pub(crate) start: usize,
    /// The word that belongs to it.
    pub(crate) value: usize,
}

impl RangeTable {
    /// An empty map.
    pub(crate) const fn new() -> Self {
        RangeTable { newest: AtomicPtr::new(ptr::null_mut()), unused: Mutex::new(Vec::new()) }
    }

    /// Adds `start..end`, which overlaps no other range.
    pub(crate) fn insert(&'static self, start: usize, end: usize, value: usize) -> RangeHandle {
        debug_assert!(start < end);
        let slot = self.unused_slot();
        slot.write(start, end, value);
        RangeHandle { slot, table: self }
    }

    /// The range around `address`. Safe to call in a signal handler.
    ///
    /// A range that is inserted or removed meanwhile is found or not, but never
    /// mixed with another.
    pub(crate) fn find(&self, address: usize) -> Option<Found> {
        let mut chunk = self.newest.load(Ordering::Acquire).cast_const();
        // SAFETY: chunks are published whole, and live forever.
        while let Some(current) = unsafe { chunk.as_ref() } {
            if let Some(found) = current.slots.iter().find_map(|slot| slot.find(address)) {
                return Some(found);
            }
            chunk = current.older;
        }
        None
    }

    fn unused_slot(&self) -> &'static Slot {
        let mut unused = self.unused.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(slot) = unused.pop() {
            return slot;
        }
        let older = self.newest.load(Ordering::Relaxed);
        let chunk = Box::leak(Box::new(Chunk { slots: [const { Slot::new() }; CHUNK], older }));
        self.newest.store(ptr::from_mut(chunk), Ordering::Release);
        let (first, rest) = chunk.slots.split_first().expect("CHUNK > 0");
        unused.extend(rest);
        first
    }
}

impl Slot {
    const fn new() -> Self {
        let [version, start, end, value] = [const { AtomicUsize::new(0) }; 4];
        Slot { version, start, end, value }
    }

    /// Changes the slot; its only writer is the owner of its handle.
    fn write(&self, start: usize, end: usize, value: usize) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.value.store(value, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    fn find(&self, address: usize) -> Option<Found> {
        let version = self.version.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        let value = self.value.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (whole && (start..end).contains(&address)).then_some(Found { start, value })
    }
}

impl Drop for RangeHandle {
    fn drop(&mut self) {
        self.slot.write(0, 0, 0);
        self.table.unused.lock().unwrap_or_else(|e| e.into_inner()).push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_and_go() {
        static TABLE: RangeTable = RangeTable::new();
        assert_eq!(TABLE.find(0), None);
        let mut handles: Vec<_> =
            (0..200).map(|i| TABLE.insert(i * 100 + 10, i * 100 + 20, i)).collect();
        for i in 0..200 {
            let found = Some(Found { start: i * 100 + 10, value: i });
            assert_eq!(TABLE.find(i * 100 + 9), None);
            assert_eq!(TABLE.find(i * 100 + 10), found);
            assert_eq!(TABLE.find(i * 100 + 19), found);
            assert_eq!(TABLE.find(i * 100 + 20), None);
        }
        handles.remove(7);
        assert_eq!(TABLE.find(715), None);
        let reused = TABLE.insert(1_000_000, 1_000_001, 42);
        assert_eq!(TABLE.find(1_000_000).map(|f| f.value), Some(42));
        drop((handles, reused));
        assert_eq!(TABLE.find(1_000_000), None);
        assert_eq!(TABLE.find(15), None);
    }

    #[test]
    fn readers_never_see_a_mixture() {
        static TABLE: RangeTable = RangeTable::new();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..200_000 {
                    let start = 1000 * (1 + i % 3);
                    TABLE.insert(start, 4000, start);
                }
                stop.store(true, Ordering::Relaxed);
            });
            while !stop.load(Ordering::Relaxed) {
                for address in [1000, 2000, 3000] {
                    if let Some(found) = TABLE.find(address) {
                        assert_eq!(found.start, found.value);
                    }
                }
            }
        });
    }
}
