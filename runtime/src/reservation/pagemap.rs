//! Which pages of a private mapping of a file are no longer the file's, asked of the
//! kernel: Linux 6.7 and later can tell.

use rustix::fd::AsRawFd;
use rustix::mm::Advice;
use std::fs::File;
use std::ops::Range;
use std::process;
use std::sync::LazyLock;

/// This process's page map, and whose it is: a child has it open, too, but it
/// still tells of the parent.
static PAGES: LazyLock<Option<(File, u32)>> =
    LazyLock::new(|| Some((File::open("/proc/self/pagemap").ok()?, process::id())));

/// Lets go of all pages in `range` that are the process's own, so that each is the
/// file's again, or zero; others stay as they are mapped. Whether that went well;
/// if not, some may be left.
///
/// # Safety
/// It is part of a private mapping whose contents nobody needs.
pub(super) unsafe fn discard_own(range: Range<usize>) -> bool {
    let Some((pages, owner)) = &*PAGES else { return false };
    if *owner != process::id() {
        return false;
    }
    let mut regions = [Region::default(); 32];
    let mut start = range.start as u64;
    while start < range.end as u64 {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            flags: 0,
            start,
            end: range.end as u64,
            walk_end: 0,
            vec: regions.as_mut_ptr().expose_provenance() as u64,
            vec_len: regions.len() as u64,
            max_pages: 0,
            category_inverted: IS_FILE,
            category_mask: IS_FILE,
            category_anyof_mask: IS_PRESENT | IS_SWAPPED,
            return_mask: IS_PRESENT,
        };
        // SAFETY: as the kernel defines it; it fills at most `vec_len` regions.
        let found = unsafe { libc::ioctl(pages.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
        let Some(found) = usize::try_from(found).ok().and_then(|found| regions.get(..found)) else {
            return false;
        };
        for region in found {
            let at = std::ptr::with_exposed_provenance_mut(region.start as usize);
            let len = (region.end - region.start) as usize;
            // SAFETY: in `range`; the rest is the caller's promise.
            if unsafe { rustix::mm::madvise(at, len, Advice::LinuxDontNeed) }.is_err() {
                return false;
            }
        }
        if scan.walk_end <= start {
            return false;
        }
        start = scan.walk_end;
    }
    true
}

/// `_IOWR('f', 16, struct pm_scan_arg)`
const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;

const IS_FILE: u64 = 1 << 2;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region` of `linux/fs.h`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}
