//! Samples on their way from a signal handler to the thread that collects them: a
//! ring in memory that is set aside, without lock. Knows nothing of time or stacks.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::unwind::code::Code;
use crate::unwind::record::RawFrame;

/// Words: enough for the samples of many milliseconds.
const WORDS: usize = 1 << 15;

/// Innermost frames that are kept: each costs time, at a thousand samples a second.
const FRAMES: usize = 512;

/// Words of a sample before its frames: their number, then [`Head`].
const HEAD: usize = 4;

/// What is known of a sample beside its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Nanoseconds on the monotonic clock.
    pub(crate) time: u64,
    /// CPU time of the thread in nanoseconds.
    pub(crate) cpu: u64,
    /// For how many intervals it stands.
    pub(crate) weight: u32,
    /// Whether there are no frames further out.
    pub(crate) complete: bool,
}

/// The ring: one writer, one reader.
pub(crate) struct Ring {
    /// Each sample: [`HEAD`] words, then address and module of each frame.
    words: Box<[AtomicU64]>,
    /// Words that were ever written, and read; the difference is less than
    /// [`WORDS`].
    written: AtomicUsize,
    read: AtomicUsize,
}

impl Ring {
    pub(super) fn new() -> Self {
        let words = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Ring { words, written: AtomicUsize::new(0), read: AtomicUsize::new(0) }
    }

    fn word(&self, place: usize) -> &AtomicU64 {
        &self.words[place % WORDS]
    }

    /// Adds a sample, whose frames `walk` passes on, innermost first, until that
    /// returns false. Returns false, and walks nothing, if there may be no room.
    ///
    /// For signal handlers: the modules of the frames must be loaded, and are kept so
    /// until the sample is taken out.
    pub(super) fn push(
        &self,
        mut head: Head,
        walk: impl FnOnce(&mut dyn FnMut(RawFrame) -> bool),
    ) -> bool {
        let start = self.written.load(Ordering::Relaxed);
        let used = start - self.read.load(Ordering::Acquire);
        if WORDS - used < HEAD + 2 * FRAMES {
            return false;
        }
        let put = |place: usize, word: u64| self.word(start + place).store(word, Ordering::Relaxed);
        let mut count = 0;
        let mut last = ptr::null();
        walk(&mut |frame: RawFrame| {
            if count == FRAMES {
                head.complete = false;
                return false;
            }
            if frame.code != last && !frame.code.is_null() {
                // SAFETY: it is loaded, and names of modules come from `Arc::as_ptr`.
                unsafe { Arc::increment_strong_count(frame.code) };
            }
            last = frame.code;
            put(HEAD + 2 * count, frame.lookup_pc());
            put(HEAD + 2 * count + 1, frame.code.expose_provenance() as u64);
            count += 1;
            true
        });
        put(0, count as u64);
        put(1, head.time);
        put(2, head.cpu);
        put(3, u64::from(head.weight) << 1 | u64::from(head.complete));
        self.written.store(start + HEAD + 2 * count, Ordering::Release);
        true
    }

    /// Takes the oldest sample out: shows `frame` an address in the instruction of each
    /// frame, innermost first, with its module if that is another than the last one's.
    pub(crate) fn pop(&self, mut frame: impl FnMut(u64, Option<Arc<Code>>)) -> Option<Head> {
        let start = self.read.load(Ordering::Relaxed);
        if self.written.load(Ordering::Acquire) == start {
            return None;
        }
        let get = |place: usize| self.word(start + place).load(Ordering::Relaxed);
        let count = get(0) as usize;
        let head = Head {
            time: get(1),
            cpu: get(2),
            weight: (get(3) >> 1) as u32,
            complete: get(3) & 1 != 0,
        };
        let mut last = ptr::null();
        for place in (0..count).map(|frame| HEAD + 2 * frame) {
            let code: *const Code = ptr::with_exposed_provenance(get(place + 1) as usize);
            let is_new = code != last && !code.is_null();
            last = code;
            // SAFETY: `push` took a share for each of these.
            frame(get(place), is_new.then(|| unsafe { Arc::from_raw(code) }));
        }
        self.read.store(start + HEAD + 2 * count, Ordering::Release);
        Some(head)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Gives modules back.
        while self.pop(|_, _| {}).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: u64) -> impl Iterator<Item = RawFrame> {
        (0..count).map(|pc| RawFrame { pc, after_call: false, ..RawFrame::HOST })
    }

    fn push(ring: &Ring, number: u32, count: u64) -> bool {
        let head = Head { time: 1, cpu: 2, weight: number, complete: true };
        ring.push(head, |visit| {
            frames(count).all(visit);
        })
    }

    fn pop(ring: &Ring) -> Option<(Head, usize)> {
        let mut count = 0;
        let head = ring.pop(|pc, module| {
            assert!(pc == count as u64 && module.is_none());
            count += 1;
        });
        head.map(|head| (head, count))
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let ring = Ring::new();
        assert_eq!(pop(&ring), None);
        let mut next = 0;
        for number in 0..10_000 {
            assert!(push(&ring, number, u64::from(number % 100)));
            if number % 3 != 0 || number > 9000 {
                let (head, count) = pop(&ring).unwrap();
                assert_eq!(head, Head { time: 1, cpu: 2, weight: next, complete: true });
                assert_eq!(count as u32, next % 100);
                next += 1;
            }
            while number - next > 100 {
                pop(&ring);
                next += 1;
            }
        }
    }

    #[test]
    fn it_fills_and_cuts_deep_stacks() {
        let ring = Ring::new();
        let mut number = 0;
        while push(&ring, number, 2000) {
            number += 1;
        }
        assert!(number as usize > WORDS / (HEAD + 2 * FRAMES) - 2);
        let (head, count) = pop(&ring).unwrap();
        assert_eq!((head.complete, count), (false, FRAMES));
        assert!(push(&ring, number, 1));
    }
}
