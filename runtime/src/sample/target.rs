//! A thread that can be asked for its stack: request and answer are handed over
//! by one atomic word, so that the thread's side needs neither lock nor memory.
//!
//! ```text
//!        ask               signal            walked           read
//! IDLE ───────▶ ASKED ───────────▶ WALKING ─────────▶ DONE ───────▶ IDLE
//!                 │ timed out         │ timed out
//!                 └────▶ IDLE         └────▶ ABANDONED ── walked ──▶ IDLE
//! ```
//!
//! Whoever takes it out of `IDLE` is the only asker until it is `IDLE` again.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libc::{pthread_t, ucontext_t};
use rustix::thread::futex;

use super::{SampleError, signal};
use crate::unwind::arch::Registers;
use crate::unwind::record::{Recorder, Trace};
use crate::{activation, native_stack};

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const WALKING: u32 = 2;
const DONE: u32 = 3;
const ABANDONED: u32 = 4;

/// What a thread uses below its stack pointer; in an epilogue also registers are
/// there that were just restored.
const RED_ZONE: u64 = 128;

thread_local! {
    /// This thread's. No destructor, no lazy initialisation: a signal handler
    /// reads it.
    static CURRENT: Cell<*const Target> = const { Cell::new(ptr::null()) };
}

/// A thread that can be asked.
pub(super) struct Target {
    state: AtomicU32,
    /// The thread's while `WALKING` or `ABANDONED`, the asker's when `DONE`.
    recorder: UnsafeCell<Recorder>,
    native_stack: Range<u64>,
    /// None once it has ended; held while a signal is sent.
    thread: Mutex<Option<pthread_t>>,
}

// SAFETY: `state` says whose the recorder is.
unsafe impl Sync for Target {}
// SAFETY: as above; names of modules in the recorder are retained when read.
unsafe impl Send for Target {}

/// The calling thread; prepares it to be asked.
pub(super) fn current() -> io::Result<Arc<Target>> {
    /// The thread's own reference; given up at its end.
    struct Owner(Cell<Option<Arc<Target>>>);
    impl Drop for Owner {
        fn drop(&mut self) {
            CURRENT.set(ptr::null());
            if let Some(target) = self.0.take() {
                target.end();
            }
        }
    }
    thread_local! {
        static OWNER: Owner = const { Owner(Cell::new(None)) };
    }
    let ending = |_| io::Error::other("the thread is ending");
    OWNER
        .try_with(|owner| {
            let target = match owner.0.take() {
                Some(target) => target,
                None => {
                    activation::prepare_thread()?;
                    let Range { start, end } = native_stack::bounds();
                    Arc::new(Target {
                        state: AtomicU32::new(IDLE),
                        recorder: UnsafeCell::new(Recorder::new()),
                        native_stack: start as u64..end as u64,
                        // SAFETY: no requirements.
                        thread: Mutex::new(Some(unsafe { libc::pthread_self() })),
                    })
                }
            };
            owner.0.set(Some(target.clone()));
            CURRENT.set(Arc::as_ptr(&target));
            Ok(target)
        })
        .map_err(ending)?
}

/// In a signal handler: the memory in use of the stack that was interrupted, if it
/// is the thread's `native` one or that of another handler; else none.
pub(super) fn native_stack_in_use(context: &ucontext_t, native: &Range<u64>) -> Range<u64> {
    let sp = Registers::interrupted(context).sp();
    let alternate = &context.uc_stack;
    let start = alternate.ss_sp as u64;
    let alternate = start..start + alternate.ss_size as u64;
    let native = [&alternate, native].into_iter().find(|stack| stack.contains(&sp));
    native.map_or(0..0, |stack| stack.start.max(sp - RED_ZONE)..stack.end)
}

/// In a signal handler: if this thread was asked, walks its stack as it was when
/// it was interrupted.
pub(super) fn answer(context: &ucontext_t) {
    // SAFETY: the thread keeps it until it sets this to null.
    let Some(target) = (unsafe { CURRENT.get().as_ref() }) else { return };
    if target.change(ASKED, WALKING) {
        target.walk(context);
        target.wake();
    }
}

impl Target {
    /// Asks the thread, by `signal`.
    pub(super) fn ask(&self, signal: c_int, deadline: Instant) -> Result<Trace, SampleError> {
        while !self.change(IDLE, ASKED) {
            let state = self.state.load(Ordering::Relaxed);
            if state != IDLE && !self.wait(state, deadline) {
                return Err(SampleError::TimedOut);
            }
        }
        if let Err(error) = self.send(signal) {
            // Another's signal may have been taken for ours: then it is walked for
            // nobody.
            self.give_up();
            return Err(error);
        }
        loop {
            match self.state.load(Ordering::Acquire) {
                DONE => return Ok(self.take()),
                state @ (ASKED | WALKING) => {
                    if !self.wait(state, deadline) && self.give_up() {
                        return Err(SampleError::TimedOut);
                    }
                }
                // Withdrawn by `end`.
                _ => return Err(SampleError::Ended),
            }
        }
    }

    fn send(&self, signal: c_int) -> Result<(), SampleError> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let thread_id = thread.ok_or(SampleError::Ended)?;
        // SAFETY: it cannot end while `thread` is locked.
        unsafe { signal::send(thread_id, signal) }.map_err(SampleError::Signal)
    }

    /// Withdraws a request. Returns false if it has been answered.
    fn give_up(&self) -> bool {
        let withdrawn = self.change(ASKED, IDLE);
        if withdrawn {
            self.wake();
        }
        withdrawn || self.change(WALKING, ABANDONED)
    }

    /// Takes the answer.
    fn take(&self) -> Trace {
        // SAFETY: the state is `DONE`: the recorder is ours, and what it names is
        // retained.
        let trace = unsafe {
            let recorder = &*self.recorder.get();
            let trace = recorder.to_trace();
            recorder.release_modules();
            trace
        };
        self.state.store(IDLE, Ordering::Release);
        self.wake();
        trace
    }

    /// In a signal handler: answers the request.
    fn walk(&self, context: &ucontext_t) {
        let registers = Registers::interrupted(context);
        let native = native_stack_in_use(context, &self.native_stack);
        // SAFETY: the state is `WALKING`: the recorder is ours. What runs on this
        // stack is loaded.
        unsafe {
            let recorder = &mut *self.recorder.get();
            recorder.record_interrupted(registers, native);
            recorder.retain_modules();
            if !self.change(WALKING, DONE) {
                recorder.release_modules();
                self.state.store(IDLE, Ordering::Release);
            }
        }
    }

    /// The thread ends.
    fn end(&self) {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Nobody will answer.
        if self.change(ASKED, IDLE) {
            self.wake();
        }
    }

    fn change(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Waits until the state may no longer be `state`. Returns false once it is
    /// too late to wait.
    fn wait(&self, state: u32, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let left = left.try_into().ok();
        // Spurious wake-ups, signals and timeouts are seen by the caller.
        let _ = futex::wait(&self.state, futex::Flags::PRIVATE, state, left.as_ref());
        true
    }

    /// Wakes all that wait: the asker, and those who want to ask. Safe to call in
    /// a signal handler.
    fn wake(&self) {
        let _ = futex::wake(&self.state, futex::Flags::PRIVATE, i32::MAX as u32);
    }
}
