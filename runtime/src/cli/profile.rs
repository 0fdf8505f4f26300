//! `--profile`: samples the program from here on, and writes where it spent its
//! time when it has ended, however it did.

use super::output;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wasmrun::{ProfileFormat, Profiler};

/// `--profile`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFile {
    path: PathBuf,
    format: ProfileFormat,
}

impl FromStr for ProfileFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        let Some(format) = ProfileFormat::of_path(&path) else {
            let known = |format| {
                let of_format = |(name, of): &(_, _)| (*of == format).then_some(*name);
                let names = ProfileFormat::EXTENSIONS.iter().filter_map(of_format);
                names.map(|name| format!(".{name}")).collect::<Vec<_>>().join(" or ")
            };
            return Err(format!(
                "the name must end in {} for the Firefox Profiler, or in {} for folded stacks",
                known(ProfileFormat::Firefox),
                known(ProfileFormat::Folded)
            ));
        };
        Ok(ProfileFile { path, format })
    }
}

/// A profile that is being made.
pub struct Profiling {
    file: ProfileFile,
    profiler: Profiler,
}

impl Profiling {
    /// Starts to sample this thread.
    pub fn start(file: &ProfileFile, rate: u32) -> Result<Self> {
        let directory = file.path.parent().filter(|directory| *directory != Path::new(""));
        ensure!(
            directory.is_none_or(Path::is_dir),
            "cannot write `{}`: there is no such directory",
            file.path.display()
        );
        let profiler = Profiler::start(rate).context("cannot profile the program")?;
        Ok(Profiling { file: file.clone(), profiler })
    }

    /// Writes the profile.
    pub fn finish(self) -> Result<()> {
        let profile = self.profiler.stop();
        let ProfileFile { path, format } = self.file;
        output::file(&path, |file| profile.write(format, file))?;
        let (samples, missed) = (profile.samples(), profile.missed());
        tracing::debug!(path = %path.display(), samples, missed, "profile written");
        Ok(())
    }
}
