//! The output file: written under a temporary name, then moved to its place,
//! so that nobody ever sees half of one. And what goes to standard output.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// As a file name: standard input or output.
pub const STANDARD: &str = "-";

/// A file that is not there until [`Output::keep`].
pub struct Output {
    target: PathBuf,
    temporary: PathBuf,
}

impl Output {
    /// Checks that `target` can be written, and reserves a temporary name:
    /// beside it, unless nothing can be renamed over it.
    pub fn create(target: &Path) -> Result<Self> {
        let mut target = target.to_owned();
        if target != Path::new(STANDARD) {
            if target.is_dir() {
                bail!("cannot write {}: it is a directory; give a file with -o", target.display());
            }
            // A link stays; what it leads to is replaced.
            target = target.canonicalize().unwrap_or(target);
        }
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".wasm2so.{}.{number}.tmp", std::process::id());
        let temporary = if is_stream(&target) {
            std::env::temp_dir().join(name)
        } else {
            target.with_file_name(name)
        };
        // Left by a process that had this number and was killed.
        let _ = fs::remove_file(&temporary);
        File::create_new(&temporary).with_context(|| cannot_write(&target))?;
        Ok(Output { target, temporary })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Puts the file in its place.
    pub fn keep(self) -> Result<()> {
        let Output { target, temporary } = &self;
        let kept = if *target == Path::new(STANDARD) {
            return print(&fs::read(temporary)?);
        } else if is_stream(target) {
            let write =
                |bytes: Vec<u8>| File::options().write(true).open(target)?.write_all(&bytes);
            fs::read(temporary).and_then(write)
        } else {
            fs::rename(temporary, target)
        };
        kept.with_context(|| cannot_write(target))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Nothing to report: it was moved, or the error that led here says more.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Whether it is a device, a pipe or the like.
fn is_stream(target: &Path) -> bool {
    target == Path::new(STANDARD) || target.exists() && !target.is_file()
}

fn cannot_write(target: &Path) -> String {
    format!("cannot write {}", target.display())
}

/// Writes to standard output. A reader that went away is no reason to fail.
pub fn print(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
