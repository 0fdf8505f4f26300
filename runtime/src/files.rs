//! Files as memory.

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Maps a regular file.
///
/// # Errors
/// Those of the system, or it is a file of another kind.
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    let (file, _) = open(path)?;
    // SAFETY: others must not truncate it meanwhile; the dynamic loader makes the
    // same assumption about every file.
    unsafe { Mmap::map(&file) }
}

/// Opens a regular file; also returns its length.
///
/// # Errors
/// As for [`map`].
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    // Does not wait for somebody to open the other end of what turns out a pipe.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, metadata.len()))
}
