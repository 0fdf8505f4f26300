//! The first contents of a memory, as pages of a file. Knows nothing of modules,
//! nor where the memory is.

use crate::reservation;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The pages of one memory, to be mapped whenever such a memory is made.
pub(crate) struct Image {
    /// Index of the memory.
    pub(crate) memory: u32,
    pub(crate) id: ImageId,
    /// Where the pages are; if nowhere, they must be copied.
    pub(crate) file: Option<Arc<File>>,
    pub(crate) runs: Vec<Run>,
}

impl Drop for Image {
    fn drop(&mut self) {
        // The file may be deleted, and waits for that.
        reservation::forget(self.id);
    }
}

/// Pages that follow each other.
pub(crate) struct Run {
    /// Address in the memory.
    pub(crate) address: usize,
    /// Offset in the file.
    pub(crate) offset: u64,
    /// The contents; valid as long as the image.
    pub(crate) bytes: &'static [u8],
}

/// Identity of an image, never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageId(u64);

impl ImageId {
    pub(crate) fn new() -> ImageId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ImageId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
