//! Recording a walk: a fixed buffer that needs no allocation while it is
//! filled, and the owned trace made of it afterwards. Knows nothing of names or
//! offsets.

use std::ops::Range;
use std::sync::Arc;
use std::{mem, ptr};

use super::arch::Registers;
use super::code::Code;
use super::state::{Origin, StackState};
use super::{Context, Walker};
use crate::activation::Activation;

/// A frame as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    /// Program counter; after a call, the return address.
    pub(crate) pc: u64,
    /// The frame's module; null for the host's frames.
    pub(crate) code: *const Code,
    /// Whether `pc` follows a call (and not an interrupted instruction).
    pub(crate) after_call: bool,
}

impl RawFrame {
    /// Stands for the host functions between two activations.
    pub(crate) const HOST: RawFrame = RawFrame { pc: 0, code: ptr::null(), after_call: true };

    /// Where to look the frame up: return addresses may lie in the next
    /// function.
    pub(crate) fn lookup_pc(&self) -> u64 {
        self.pc.wrapping_sub(u64::from(self.after_call))
    }
}

/// Innermost frames that are kept.
const HEAD: usize = 4096;
/// Outermost frames that are kept.
const TAIL: usize = 4096;

/// What records walks: one at a time, without allocation.
pub(crate) struct Recorder {
    walker: Walker,
    frames: Frames,
    /// Where what was recorded last began, if its state is to be kept.
    origin: Option<Origin>,
}

/// The buffer: the first frames, a ring of the last ones, and the exact number
/// of all.
struct Frames {
    head: Vec<RawFrame>,
    tail: Vec<RawFrame>,
    total: u64,
}

impl Recorder {
    /// A new one.
    pub(crate) fn new() -> Self {
        Recorder { walker: Walker::new(), frames: Frames::new(), origin: None }
    }

    /// Records [`Walker::walk`].
    pub(crate) fn record(&mut self, context: Context, activation: &Activation) -> bool {
        self.frames.clear();
        self.walker.walk(context, activation, |frame, _| self.frames.push(frame))
    }

    /// Lets [`Recorder::trace_with_state`] find the state of what was recorded
    /// last, which began at `origin`. Safe to call in a signal handler.
    pub(crate) fn keep_origin(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    /// Records [`Walker::walk_from_host`].
    pub(crate) fn record_from_host(&mut self, activation: Option<&Activation>) {
        self.frames.clear();
        self.walker.walk_from_host(activation, |frame| self.frames.push(frame));
    }

    /// Records [`Walker::walk_interrupted`].
    pub(crate) fn record_interrupted(&mut self, registers: Registers, native: Range<u64>) {
        self.frames.clear();
        self.walker.walk_interrupted(registers, native, |frame| self.frames.push(frame));
    }

    /// Keeps the modules of what was recorded last loaded. Safe to call in a
    /// signal handler.
    ///
    /// # Safety
    /// They must be loaded now, and be released before the next recording.
    pub(crate) unsafe fn retain_modules(&self) {
        // SAFETY: names of modules come from `Arc::as_ptr`.
        self.frames.modules().for_each(|code| unsafe { Arc::increment_strong_count(code) });
    }

    /// Undoes [`Recorder::retain_modules`].
    ///
    /// # Safety
    /// Once for each time that they were retained. In a signal handler only if
    /// others keep them loaded, too.
    pub(crate) unsafe fn release_modules(&self) {
        // SAFETY: the caller's promise.
        self.frames.modules().for_each(|code| unsafe { Arc::decrement_strong_count(code) });
    }

    /// An owned copy of what was recorded last.
    ///
    /// # Safety
    /// The modules of all frames must still be registered, or retained.
    pub(crate) unsafe fn to_trace(&self) -> Trace {
        // SAFETY: passed on to the caller.
        unsafe { self.frames.to_trace() }
    }

    /// The same of what [`Recorder::record`] recorded in `activation`, with the state
    /// of the frames if it is to be kept.
    ///
    /// # Safety
    /// The modules of all frames must still be registered, and nothing on the stacks
    /// of `activation` and those around it overwritten since.
    pub(crate) unsafe fn trace_with_state(&mut self, activation: &Activation) -> Trace {
        // SAFETY: passed on to the caller.
        let mut trace = unsafe { self.to_trace() };
        if let Some(origin) = self.origin.take() {
            // SAFETY: passed on to the caller.
            let state = unsafe { StackState::of(&mut self.walker, &trace, &origin, activation) };
            trace.state = Some(state);
        }
        trace
    }
}

impl Frames {
    /// An empty buffer: address space, no memory until it is used.
    fn new() -> Self {
        Frames { head: Vec::with_capacity(HEAD), tail: Vec::with_capacity(TAIL), total: 0 }
    }

    fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.total = 0;
    }

    /// Adds the next outer frame.
    fn push(&mut self, frame: RawFrame) {
        if self.head.len() < HEAD {
            self.head.push(frame);
        } else if self.tail.len() < TAIL {
            self.tail.push(frame);
        } else {
            self.tail[(self.total - HEAD as u64) as usize % TAIL] = frame;
        }
        self.total += 1;
    }

    /// Number of frames that were not kept.
    fn omitted(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// The kept frames, innermost first.
    fn kept(&self) -> impl Iterator<Item = &RawFrame> {
        let oldest = (self.omitted() as usize % TAIL).min(self.tail.len());
        let (newer, older) = self.tail.split_at(oldest);
        self.head.iter().chain(older).chain(newer)
    }

    /// The modules of the kept frames, each as often as frames of another come
    /// before it.
    fn modules(&self) -> impl Iterator<Item = *const Code> {
        let mut last = ptr::null();
        let codes = self.kept().map(|frame| frame.code);
        codes.filter(move |&code| mem::replace(&mut last, code) != code && !code.is_null())
    }

    /// # Safety
    /// The modules of all frames must still be registered, or retained.
    unsafe fn to_trace(&self) -> Trace {
        let frames: Vec<RawFrame> = self.kept().copied().collect();
        let mut modules: Vec<Arc<Code>> = Vec::new();
        for code in self.modules() {
            if !modules.iter().any(|module| Arc::as_ptr(module) == code) {
                // SAFETY: passed on to the caller.
                modules.push(unsafe { Code::share(code) });
            }
        }
        Trace { frames, head: self.head.len(), omitted: self.omitted(), modules, state: None }
    }
}

/// The frames of a stack, innermost first.
pub(crate) struct Trace {
    frames: Vec<RawFrame>,
    head: usize,
    omitted: u64,
    modules: Vec<Arc<Code>>,
    state: Option<StackState>,
}

// SAFETY: the pointers in `frames` are names of `modules`, never followed.
unsafe impl Send for Trace {}
// SAFETY: as above.
unsafe impl Sync for Trace {}

impl Trace {
    /// The frames that were kept, each with its module.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (&RawFrame, Option<&Arc<Code>>)> {
        self.frames.iter().map(|frame| {
            let module = self.modules.iter().find(|module| Arc::as_ptr(module) == frame.code);
            (frame, module)
        })
    }

    /// The state of the frames, if it was kept.
    pub(crate) fn state(&self) -> Option<&StackState> {
        self.state.as_ref()
    }

    /// Whether, of all frames, that at this place was kept.
    pub(super) fn keeps(&self, place: u64) -> bool {
        let head = self.head as u64;
        !(head..head + self.omitted).contains(&place)
    }

    /// How many frames were not kept.
    pub(crate) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Before which of the kept frames the others were.
    pub(crate) fn gap(&self) -> usize {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_stacks_keep_both_ends() {
        let mut recording = Frames::new();
        for total in [0, 1, HEAD, HEAD + 1, HEAD + TAIL, HEAD + TAIL + 1, 100_000] {
            recording.clear();
            for i in 0..total as u64 {
                recording.push(RawFrame { pc: i, ..RawFrame::HOST });
            }
            // SAFETY: no frame has a module.
            let trace = unsafe { recording.to_trace() };
            let mut expected: Vec<u64> = (0..total as u64).collect();
            let omitted = total.saturating_sub(HEAD + TAIL);
            expected.drain(HEAD.min(total)..HEAD.min(total) + omitted);
            assert_eq!(trace.frames().map(|(f, _)| f.pc).collect::<Vec<_>>(), expected);
            assert_eq!((trace.gap(), trace.omitted()), (HEAD.min(total), omitted as u64));
            assert_eq!((recording.head.capacity(), recording.tail.capacity()), (HEAD, TAIL));
        }
    }
}
