//! Files as memory.

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;

/// Maps a regular file.
///
/// # Errors
/// Those of the system, or it is a file of another kind.
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    // SAFETY: others must not truncate it meanwhile; the dynamic loader makes the
    // same assumption about every file.
    unsafe { Mmap::map(&file) }
}
