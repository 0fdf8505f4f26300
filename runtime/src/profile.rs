//! Where a thread spends its CPU time: stacks, taken at regular moments.
//!
//! Timers make the thread walk its stack (see `sample::timer`), another thread
//! collects that, and names are found when the profile is complete, those of each
//! program counter once.

mod firefox;
mod folded;
mod places;
mod sampler;
mod stacks;

use std::fmt;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crate::sample::timer::Timers;
use places::Places;
use sampler::{Collector, Recording};

/// Samples the stack of the thread that started it, until it is stopped or
/// dropped.
///
/// ```no_run
/// # use wasmrun::{Func, ProfileFormat, Profiler, Store};
/// # fn example(store: &mut Store, func: Func) -> Result<(), Box<dyn std::error::Error>> {
/// let profiler = Profiler::start(1000)?;
/// func.call(store, &[])?;
/// let profile = profiler.stop();
/// profile.write(ProfileFormat::Firefox, std::fs::File::create("profile.json")?)?;
/// # Ok(())
/// # }
/// ```
///
/// Several threads may be profiled at once, each by a profiler of its own. What
/// [`ThreadHandle`](crate::ThreadHandle) says of its signal holds for
/// [`Profiler::SIGNAL`].
pub struct Profiler {
    /// None once it was stopped, as the thread.
    timers: Option<Timers>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Recording>>,
    interval: Duration,
    started: SystemTime,
}

impl Profiler {
    /// The signal that makes the thread walk its stack: `SIGPROF`.
    pub const SIGNAL: i32 = libc::SIGPROF;

    /// The rates that can be asked for, in samples per second of CPU time.
    pub const RATES: RangeInclusive<u32> = 1..=10_000;

    /// Starts to sample the calling thread, `rate` times in each second of CPU
    /// time that it uses.
    ///
    /// # Errors
    /// Those of the system; `rate` is not one of [`Profiler::RATES`]; the thread
    /// is being profiled already.
    pub fn start(rate: u32) -> io::Result<Self> {
        if !Self::RATES.contains(&rate) {
            let (low, high) = Self::RATES.into_inner();
            let message = format!("a rate of {rate} samples a second is not in {low}..={high}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let interval = Duration::from_secs(1) / rate;
        let started = SystemTime::now();
        let timers = Timers::start(Self::SIGNAL, interval)?;
        let stop = Arc::new(AtomicBool::new(false));
        let collector = Collector::new(&timers, stop.clone());
        let thread = thread::Builder::new().name("profiler".into());
        let thread = Some(thread.spawn(|| collector.run())?);
        Ok(Profiler { timers: Some(timers), stop, thread, interval, started })
    }

    /// Stops. Names are found now: debug information is read.
    pub fn stop(mut self) -> Profile {
        let thread = self.end().expect("it was not waited for before");
        let recording = thread.join().expect("collecting does not panic");
        let places = Places::of(&recording.stacks);
        Profile { interval: self.interval, started: self.started, recording, places }
    }

    /// Lets the thread end.
    fn end(&mut self) -> Option<JoinHandle<Recording>> {
        self.timers = None;
        self.stop.store(true, Ordering::Release);
        self.thread.take().inspect(|thread| thread.thread().unpark())
    }
}

impl fmt::Debug for Profiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiler").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        self.end();
    }
}

/// How a [`Profile`] is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileFormat {
    /// JSON of the Firefox Profiler (profiler.firefox.com), which other viewers
    /// read, too: all that is known, sample by sample.
    Firefox,
    /// A line for each stack, outermost function first, and how often it was
    /// seen: `_start;main;leaf;0x0238 2471`. The last is the offset in the wasm
    /// file, with the position in the sources if that is known. For flame graph
    /// tools and speedscope.
    Folded,
}

impl ProfileFormat {
    /// The formats, by the extensions of files.
    pub const EXTENSIONS: [(&str, ProfileFormat); 3] = [
        ("json", ProfileFormat::Firefox),
        ("folded", ProfileFormat::Folded),
        ("txt", ProfileFormat::Folded),
    ];

    /// The format that the file's extension asks for.
    pub fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let same = |(known, _): &&(&str, ProfileFormat)| extension == *known;
        Self::EXTENSIONS.iter().find(same).map(|(_, format)| *format)
    }
}

/// What a [`Profiler`] saw.
#[derive(Debug)]
pub struct Profile {
    interval: Duration,
    started: SystemTime,
    recording: Recording,
    places: Places,
}

impl Profile {
    /// Number of stacks that were taken.
    pub fn samples(&self) -> u64 {
        self.recording.samples.len() as u64
    }

    /// How often a stack was due and was not taken: the timer was late, which is so
    /// after the thread has waited for something, or there was no room. The stack that
    /// follows counts for these, too, so that the CPU time is right.
    pub fn missed(&self) -> u64 {
        let counted: u64 = self.recording.samples.iter().map(|s| u64::from(s.weight)).sum();
        counted - self.samples() + self.recording.uncounted
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, format: ProfileFormat, writer: impl Write) -> io::Result<()> {
        match format {
            ProfileFormat::Firefox => firefox::write(self, writer),
            ProfileFormat::Folded => folded::write(self, writer),
        }
    }
}
