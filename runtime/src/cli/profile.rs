//! `--profile`: samples the program from here on, and writes where it spent its
//! time when it has ended, however it did.

use super::watch::Signal;
use super::{output, signals};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Signals that end the program, by the terminal, the system or people.
const ENDS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// A profile that is being made.
pub struct Profiling(Arc<Mutex<Option<Running>>>);

struct Running {
    file: ProfileFile,
    profiler: Profiler,
}

impl Profiling {
    /// Starts to sample this thread. A signal that ends the program, other than
    /// `except`, ends it when the profile is written. There must be no other threads yet
    /// that may get one.
    pub fn start(file: &ProfileFile, rate: u32, except: Option<Signal>) -> Result<Self> {
        let directory = file.path.parent().filter(|directory| *directory != Path::new(""));
        ensure!(
            directory.is_none_or(Path::is_dir),
            "cannot write `{}`: there is no such directory",
            file.path.display()
        );
        let profiling = Profiling(Arc::default());
        let ends: Vec<i32> =
            ENDS.into_iter().filter(|end| except.is_none_or(|except| except.0 != *end)).collect();
        let shared = profiling.0.clone();
        let on_end = move |signal| {
            // Until the end, so that the program does not end otherwise meanwhile.
            let mut running = lock(&shared);
            if let Some(Err(error)) = running.take().map(Running::finish) {
                output::error(&error);
            }
            signals::end_by(signal)
        };
        let cannot = "cannot profile the program";
        signals::wait_for(&ends, "end", on_end).context(cannot)?;
        let profiler = Profiler::start(rate).context(cannot)?;
        *lock(&profiling.0) = Some(Running { file: file.clone(), profiler });
        Ok(profiling)
    }

    /// Writes the profile.
    pub fn finish(&self) -> Result<()> {
        lock(&self.0).take().map_or(Ok(()), Running::finish)
    }
}

impl Running {
    fn finish(self) -> Result<()> {
        let profile = self.profiler.stop();
        let ProfileFile { path, format } = self.file;
        output::file(&path, |file| profile.write(format, file))?;
        let (samples, missed) = (profile.samples(), profile.missed());
        tracing::debug!(path = %path.display(), samples, missed, "profile written");
        Ok(())
    }
}

fn lock(running: &Mutex<Option<Running>>) -> MutexGuard<'_, Option<Running>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
