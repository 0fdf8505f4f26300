//! One mapping of the kernel's, and what is where in it.

use super::pagemap;
use crate::error::ResourceError;
use crate::image::{Image, ImageId, Run};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::fs::File;
use std::io;
use std::ptr::NonNull;

/// A range of addresses: accessible pages, then others.
pub(super) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Bytes accessible from `base` on; whole pages.
    committed: usize,
    shown: Shown,
}

/// What the accessible pages are when nobody has written to them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Zero.
    Nothing,
    /// An image, elsewhere zero.
    Image(ImageId),
    /// Pages of an image, but not all.
    Part,
}

// SAFETY: the addresses are the mapping's own.
unsafe impl Send for Mapping {}

const READ_WRITE: MprotectFlags = MprotectFlags::READ.union(MprotectFlags::WRITE);

impl Mapping {
    /// Reserves `len` bytes, whole pages, for a `what`.
    pub(super) fn new(len: usize, what: &'static str) -> Result<Self, ResourceError> {
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
        let this = Mapping { base, len, committed: 0, shown: Shown::Nothing };
        this.advise(0, len, Advice::LinuxDontDump);
        Ok(this)
    }

    /// Makes the first `len` bytes accessible, whole pages; new ones are zero.
    pub(super) fn commit(&mut self, len: usize, what: &'static str) -> Result<(), ResourceError> {
        if len <= self.committed {
            return Ok(());
        }
        // SAFETY: the range lies in our own mapping, where nobody relies on
        // being denied access beyond `committed` but to learn that it is not
        // in use yet.
        let done = unsafe {
            let start = self.base.as_ptr().add(self.committed);
            rustix::mm::mprotect(start.cast(), len - self.committed, READ_WRITE)
        };
        done.map_err(|errno| os_error("get memory", what, errno))?;
        self.advise(self.committed, len, Advice::LinuxDoDump);
        self.committed = len;
        Ok(())
    }

    /// Replaces what is committed by `len` bytes of zero.
    pub(super) fn renew(&mut self, len: usize, what: &'static str) -> Result<(), ResourceError> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: the range lies in our own mapping, and its owner gives it up.
        let done = unsafe {
            let start = self.base.as_ptr().cast();
            rustix::mm::mmap_anonymous(start, self.committed.max(1), ProtFlags::empty(), flags)
        };
        done.map_err(|errno| os_error("get memory", what, errno))?;
        self.advise(0, self.committed, Advice::LinuxDontDump);
        self.committed = 0;
        self.shown = Shown::Nothing;
        self.commit(len, what)
    }

    /// Gives the accessible pages, which are zero, the contents of `image`.
    pub(super) fn show(&mut self, image: &Image) {
        let mut mapped = 0;
        for run in &image.runs {
            assert!(run.address + run.bytes.len() <= self.committed, "checked when loaded");
            if image.file.as_ref().is_some_and(|file| self.map(run, file)) {
                mapped += 1;
                continue;
            }
            // SAFETY: accessible; the image is elsewhere.
            unsafe {
                let to = self.base.as_ptr().add(run.address);
                std::ptr::copy_nonoverlapping(run.bytes.as_ptr(), to, run.bytes.len());
            }
        }
        self.shown = match mapped {
            0 => Shown::Nothing,
            all if all == image.runs.len() => Shown::Image(image.id),
            _ => Shown::Part,
        };
    }

    /// Whether the pages of `file` could be mapped, each to be copied when it is
    /// first written to.
    fn map(&self, run: &Run, file: &File) -> bool {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: accessible pages of our own mapping, whose contents nobody
        // needs.
        let done = unsafe {
            let to = self.base.as_ptr().add(run.address).cast();
            rustix::mm::mmap(to, run.bytes.len(), access, flags, file, run.offset)
        };
        done.is_ok()
    }

    /// Takes back everything that was written. Whether that went well; if not,
    /// the mapping cannot be used again.
    pub(super) fn empty(&self) -> bool {
        if self.shown == Shown::Part {
            return false;
        }
        let start = self.base.as_ptr();
        let all = start.addr()..start.addr() + self.committed;
        // SAFETY: our own mapping, whose contents nobody needs.
        let own = || unsafe { pagemap::discard_own(all) };
        // Pages of the image that were only read can stay for the next.
        if self.image().is_some() && own() {
            return true;
        }
        // SAFETY: as before.
        let done =
            unsafe { rustix::mm::madvise(start.cast(), self.committed, Advice::LinuxDontNeed) };
        done.is_ok()
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

    /// The image that it shows.
    pub(super) fn image(&self) -> Option<ImageId> {
        match self.shown {
            Shown::Image(image) => Some(image),
            Shown::Nothing | Shown::Part => None,
        }
    }

    pub(super) fn committed(&self) -> usize {
        self.committed
    }

    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, and its owner is gone. Unmapping what was
        // mapped whole cannot fail.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

fn os_error(action: &'static str, what: &'static str, errno: Errno) -> ResourceError {
    ResourceError::Os { action, what, source: io::Error::from_raw_os_error(errno.raw_os_error()) }
}
