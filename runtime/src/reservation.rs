//! Address space that is set aside first and filled later.
//!
//! Memories and tables live in one, so that their base never moves. Knows
//! nothing of WebAssembly.

use crate::error::ResourceError;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::io;
use std::ptr::NonNull;

/// A range of addresses, inaccessible but for its committed start.
pub(crate) struct Reservation {
    base: NonNull<u8>,
    len: usize,
    /// Bytes accessible from `base` on; whole pages.
    committed: usize,
}

impl Reservation {
    /// Reserves at least `len` bytes for a `what`.
    pub(crate) fn new(len: usize, what: &'static str) -> Result<Self, ResourceError> {
        let len = len.max(1).next_multiple_of(rustix::param::page_size());
        // SAFETY: a new private mapping at a place of the kernel's choosing
        // touches no existing memory.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        let base = base.map_err(|errno| os_error("reserve address space", what, errno))?;
        let base = NonNull::new(base.cast()).expect("mmap returns no null");
        let this = Reservation { base, len, committed: 0 };
        this.advise(0, len, Advice::LinuxDontDump);
        Ok(this)
    }

    /// Makes the first `len` bytes accessible; new ones are zero.
    pub(crate) fn commit(&mut self, len: usize, what: &'static str) -> Result<(), ResourceError> {
        assert!(len <= self.len, "commit within the reservation");
        let len = len.next_multiple_of(rustix::param::page_size());
        if len <= self.committed {
            return Ok(());
        }
        // SAFETY: the range lies in our own mapping, where nobody relies on
        // being denied access beyond `committed` but to learn that it is not
        // in use yet.
        let done = unsafe {
            rustix::mm::mprotect(
                self.base.as_ptr().add(self.committed).cast(),
                len - self.committed,
                MprotectFlags::READ | MprotectFlags::WRITE,
            )
        };
        done.map_err(|errno| os_error("get memory", what, errno))?;
        self.advise(self.committed, len, Advice::LinuxDoDump);
        self.committed = len;
        Ok(())
    }

    /// Says what belongs into a core dump: gigabytes out of reach do not. Larger
    /// dumps are all that can go wrong.
    fn advise(&self, start: usize, end: usize, advice: Advice) {
        // SAFETY: the range lies in our own mapping, and the advice changes
        // nothing in it.
        let _ = unsafe {
            rustix::mm::madvise(self.base.as_ptr().add(start).cast(), end - start, advice)
        };
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and its owner is gone. Unmapping what was
        // mapped whole cannot fail.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

fn os_error(action: &'static str, what: &'static str, errno: rustix::io::Errno) -> ResourceError {
    ResourceError::Os { action, what, source: io::Error::from_raw_os_error(errno.raw_os_error()) }
}
