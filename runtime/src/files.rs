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
    open(path).map(|(_, contents)| contents)
}

/// Opens a regular file, and maps it.
///
/// # Errors
/// As for [`map`].
pub(crate) fn open(path: &Path) -> io::Result<(File, Mmap)> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    // SAFETY: others must not truncate it meanwhile; the dynamic loader makes the
    // same assumption about every file.
    let contents = unsafe { Mmap::map(&file)? };
    Ok((file, contents))
}
