//! Signal handlers of this process: changing them, and going on to the one that
//! was there before. Knows nothing of what ours do.

use std::ffi::{c_int, c_void};
use std::mem::{MaybeUninit, zeroed};
use std::{io, mem, ptr};

use libc::{sigaction, siginfo_t};

/// No handler: what the kernel does by default.
pub(crate) fn default_action() -> sigaction {
    // SAFETY: all zeroes is a valid `sigaction`: default action, empty mask.
    unsafe { zeroed() }
}

/// The action that calls `handler`, on the alternate stack if there is one.
pub(crate) fn action(
    handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void),
    flags: c_int,
) -> sigaction {
    let mut action = default_action();
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
    action
}

/// `sigaction(2)`; an error is a number. Safe to call in a signal handler.
pub(crate) fn change_action(
    signal: c_int,
    new: Option<&sigaction>,
    old: Option<&mut sigaction>,
) -> Result<(), i32> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    let old = old.map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: valid or null pointers; our handlers uphold what handlers must.
    match unsafe { sigaction(signal, new, old) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

/// Whether the signal is a fault of the thread, not sent by a process.
pub(crate) fn is_fault(info: &siginfo_t) -> bool {
    info.si_code > 0
}

/// Does what would have happened if `previous` were still there instead of our
/// handler.
///
/// # Safety
/// `previous` must have been in place for `signal`; the other arguments must be
/// those of a signal handler of this thread.
pub(crate) unsafe fn forward(
    previous: &sigaction,
    signal: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the caller's promise.
    let fault = is_fault(unsafe { &*info });
    match previous.sa_sigaction {
        libc::SIG_IGN if !fault => {}
        libc::SIG_DFL if does_nothing(signal) => {}
        // The kernel does not let faults be ignored.
        libc::SIG_DFL | libc::SIG_IGN => {
            let _ = change_action(signal, Some(&default_action()), None);
            if !fault {
                // SAFETY: no requirements.
                unsafe { libc::raise(signal) };
            }
            // A fault happens again on return, and ends the process where it
            // occurred: the core dump shows that place.
        }
        handler => {
            let mut mask = previous.sa_mask;
            // SAFETY: valid pointers; the handler was installed for this signal,
            // with the flag that says which of the two types it has.
            unsafe {
                if previous.sa_flags & libc::SA_NODEFER == 0 {
                    libc::sigaddset(&mut mask, signal);
                }
                let mut old = MaybeUninit::uninit();
                libc::pthread_sigmask(libc::SIG_BLOCK, &mask, old.as_mut_ptr());
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                    mem::transmute::<usize, Handler>(handler)(signal, info, context);
                } else {
                    type Handler = unsafe extern "C" fn(c_int);
                    mem::transmute::<usize, Handler>(handler)(signal);
                }
                libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), ptr::null_mut());
            }
        }
    }
}

/// Whether a signal has no effect by default.
fn does_nothing(signal: c_int) -> bool {
    matches!(signal, libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH)
}
