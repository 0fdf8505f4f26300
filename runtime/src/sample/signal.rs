//! The signal by which a thread is asked for its stack. Knows nothing of
//! stacks.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{io, ptr};

use libc::{pthread_t, sigaction, siginfo_t, sigval};

use super::{target, timer};
use crate::signals::{action, change_action, default_action, forward};

/// Signals are less than this.
const SIGNALS: usize = 65;

/// The handlers that were there before ours, by signal.
static PREVIOUS: [OnceLock<sigaction>; SIGNALS] = [const { OnceLock::new() }; SIGNALS];

/// The value sent with our signals is the address of this.
static OURS: u8 = 0;

/// Installs the handler for `signal`, once for the process, and unblocks it for
/// this thread.
pub(super) fn install(signal: c_int) -> io::Result<()> {
    const FAULTS: [c_int; 7] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGSYS,
        libc::SIGABRT,
    ];
    static INSTALLING: Mutex<()> = Mutex::new(());

    let place = usize::try_from(signal).ok().and_then(|place| PREVIOUS.get(place));
    let place = place.filter(|_| !FAULTS.contains(&signal));
    let place = place.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    {
        let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if place.get().is_none() {
            let mut previous = default_action();
            let ours = action(handle, libc::SA_RESTART);
            change_action(signal, None, Some(&mut previous))
                .and_then(|()| {
                    // Before the first signal can arrive.
                    place.get_or_init(|| previous);
                    change_action(signal, Some(&ours), None)
                })
                .map_err(io::Error::from_raw_os_error)?;
        }
    }
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is filled before it is used.
    let error = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut())
    };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Sends `signal` to `thread`.
///
/// # Safety
/// The thread must not have ended.
pub(super) unsafe fn send(thread: pthread_t, signal: c_int) -> io::Result<()> {
    let value = sigval { sival_ptr: (&raw const OURS).cast_mut().cast() };
    // SAFETY: the caller's promise.
    match unsafe { libc::pthread_sigqueue(thread, signal, value) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Whether [`send`] sent the signal.
fn is_ours(info: &siginfo_t) -> bool {
    // SAFETY: the kernel fills the whole structure; the value means something
    // only if the code says so.
    info.si_code == libc::SI_QUEUE
        && unsafe { info.si_value() }.sival_ptr == (&raw const OURS).cast_mut().cast()
}

unsafe extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: no requirements; so are those below, of this thread's own `errno`.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the kernel passes valid pointers.
    let ours = unsafe {
        target::answer(&*context.cast());
        timer::answer(&*info, &*context.cast()) || is_ours(&*info)
    };
    // A request may have come too late or with somebody else's signal.
    if !ours && let Some(previous) = PREVIOUS[signal as usize].get() {
        // SAFETY: the handler's own arguments.
        unsafe { forward(previous, signal, info, context) };
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}
