//! The output file: written under a temporary name beside its place, then
//! renamed, so that nobody ever sees half of one.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A file that is not there until [`Output::keep`].
pub struct Output {
    target: PathBuf,
    temporary: Option<PathBuf>,
}

impl Output {
    /// Checks that `target` can be written and reserves a temporary name.
    pub fn create(target: &Path) -> Result<Self> {
        let target = target.to_owned();
        if target.is_dir() {
            bail!("cannot write {}: it is a directory; give a file with -o", target.display());
        }
        // A device or pipe cannot be renamed over.
        if target.exists() && !target.is_file() {
            return Ok(Output { target, temporary: None });
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        std::fs::File::create(&temporary)
            .with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Output { target, temporary: Some(temporary) })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        self.temporary.as_deref().unwrap_or(&self.target)
    }

    /// Puts the file in its place.
    pub fn keep(mut self) -> Result<()> {
        if let Some(temporary) = &self.temporary {
            std::fs::rename(temporary, &self.target)
                .with_context(|| format!("cannot write {}", self.target.display()))?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing to report: the error that led here says more.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
