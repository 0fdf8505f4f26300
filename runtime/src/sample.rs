//! Stacks of other threads, while they run: when somebody asks, or by a timer.
//!
//! A signal makes the thread walk its own stack, wherever it is: in wasm code,
//! in a function of the host or the C library that wasm called, blocked in a
//! system call. Only the walk happens there; reading debug information is left to
//! whoever asks for names.

pub(crate) mod ring;
mod signal;
mod target;
pub(crate) mod timer;

use std::ffi::c_int;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::symbolize::{self, Frame};
use crate::unwind::record::Trace;
use target::Target;

/// A thread, as seen by others that want to know what wasm code it runs.
///
/// ```no_run
/// # use std::{thread, time::Duration};
/// # use wasmrun::{Config, Func, Imports, Instance, Module, Store, ThreadHandle};
/// # fn example(store: &mut Store, func: Func) -> Result<(), Box<dyn std::error::Error>> {
/// let handle = ThreadHandle::current()?;
/// thread::spawn(move || {
///     thread::sleep(Duration::from_secs(10));
///     match handle.stack(Duration::from_secs(1)) {
///         Ok(stack) => println!("after 10 s: {:#?}", stack.frames()),
///         Err(error) => println!("after 10 s: {error}"),
///     }
/// });
/// func.call(store, &[])?;
/// # Ok(())
/// # }
/// ```
///
/// # The signal
/// It is [`ThreadHandle::SIGNAL`] or one that the embedder chooses. A handler
/// that was there before still gets the signals that were not ours. Handlers
/// that are installed later must go on to ours.
///
/// As any handled signal, it can end some system calls of the thread early
/// (`poll`, `nanosleep` and others listed in `signal(7)`) with `EINTR`; the
/// standard library's functions, and WASI's here, go on by themselves.
#[derive(Clone)]
pub struct ThreadHandle {
    target: Arc<Target>,
    signal: c_int,
}

impl ThreadHandle {
    /// The signal that is used when none is chosen: `SIGURG`, which does nothing
    /// by default and which programs hardly ever use.
    pub const SIGNAL: i32 = libc::SIGURG;

    /// The calling thread, to be asked by [`ThreadHandle::SIGNAL`].
    ///
    /// Gets memory for the answers and an alternate signal stack, once for each
    /// thread, and unblocks the signal in this thread.
    ///
    /// # Errors
    /// Those of the system.
    pub fn current() -> io::Result<Self> {
        Self::current_by(Self::SIGNAL)
    }

    /// The calling thread, to be asked by `signal`: one that neither faults nor
    /// other parts of the process need, real-time signals included.
    ///
    /// # Errors
    /// Those of the system; `signal` is none that can be handled, or a fault's.
    pub fn current_by(signal: i32) -> io::Result<Self> {
        signal::install(signal)?;
        Ok(ThreadHandle { target: target::current()?, signal })
    }

    /// The thread's stack. Stops the thread as long as walking it takes: half a
    /// microsecond a frame, a tenth of that in a recursion.
    ///
    /// Other requests for the same thread are waited for. The thread itself may
    /// ask, too.
    ///
    /// # Errors
    /// See [`SampleError`].
    pub fn stack(&self, timeout: Duration) -> Result<Stack, SampleError> {
        // Times too far to be represented are as good as a year.
        const LONG: Duration = Duration::from_secs(1 << 25);
        let deadline = Instant::now() + timeout.min(LONG);
        let trace = self.target.ask(self.signal, deadline)?;
        Ok(Stack { trace, frames: OnceLock::new() })
    }
}

impl fmt::Debug for ThreadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHandle").field("signal", &self.signal).finish_non_exhaustive()
    }
}

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The thread did not answer in time: it is in a system call that cannot be
    /// interrupted, or it blocks the signal.
    #[error("the thread did not answer in time")]
    TimedOut,
    /// The thread has ended.
    #[error("the thread has ended")]
    Ended,
    /// The signal could not be sent.
    #[error("cannot send a signal to the thread")]
    Signal(#[source] io::Error),
}

/// The stack of a thread at one moment; names are found when they are asked for.
pub struct Stack {
    trace: Trace,
    frames: OnceLock<Vec<Frame>>,
}

impl Stack {
    /// The wasm functions, innermost first; empty if the thread was in none. It
    /// begins with [`Frame::Host`] if the thread was in a host function.
    /// Debug information is read at the first call.
    ///
    /// Of a very deep stack the middle is left out, as in
    /// [`Trap::frames`](crate::Trap::frames).
    pub fn frames(&self) -> &[Frame] {
        self.frames.get_or_init(|| symbolize::frames(&self.trace))
    }

    /// The native frames' addresses, 0 for the host: equal for equal stacks, so
    /// that who takes many stacks needs to name each only once.
    pub fn addresses(&self) -> impl Iterator<Item = u64> {
        self.trace.frames().map(|(frame, _)| frame.pc)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}
