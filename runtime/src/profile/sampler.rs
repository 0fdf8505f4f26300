//! The thread that collects samples. Knows nothing of names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::stacks::{StackId, Stacks};
use crate::sample::timer::{Sampled, Timers};

/// How long samples lie in the ring, which has room for more.
const PATIENCE: Duration = Duration::from_millis(20);

/// A stack at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Since the profile was started.
    pub(super) time: Duration,
    /// CPU time of the thread since then.
    pub(super) cpu: Duration,
    /// For how many intervals of CPU time it stands; not 0.
    pub(super) weight: u32,
    pub(super) stack: StackId,
}

/// All that was taken.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) stacks: Stacks,
    pub(super) samples: Vec<Sample>,
    /// Intervals of CPU time at the end for which there is no sample.
    pub(super) uncounted: u64,
}

/// What collects the samples of one thread.
pub(super) struct Collector {
    sampled: Arc<Sampled>,
    start: (u64, u64),
    stop: Arc<AtomicBool>,
}

impl Collector {
    /// Of what `timers` sample; until `stop` is set and the collecting thread woken.
    pub(super) fn new(timers: &Timers, stop: Arc<AtomicBool>) -> Self {
        Collector { sampled: timers.sampled().clone(), start: timers.start_times(), stop }
    }

    /// Collects samples until it is told to stop.
    pub(super) fn run(self) -> Recording {
        let mut recording = Recording::default();
        let mut stop = false;
        while !stop {
            thread::park_timeout(PATIENCE);
            // Once more after that.
            stop = self.stop.load(Ordering::Acquire);
            while let Some(sample) = self.collect(&mut recording.stacks) {
                recording.samples.push(sample);
            }
        }
        recording.uncounted = self.sampled.uncounted();
        recording
    }

    fn collect(&self, stacks: &mut Stacks) -> Option<Sample> {
        stacks.begin();
        let head = self.sampled.ring.pop(|pc, module| stacks.push(pc, module))?;
        let since = |time: u64, start: u64| Duration::from_nanos(time.saturating_sub(start));
        Some(Sample {
            time: since(head.time, self.start.0),
            cpu: since(head.cpu, self.start.1),
            weight: head.weight,
            stack: stacks.finish(head.complete),
        })
    }
}
