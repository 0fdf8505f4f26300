//! Signals from outside, waited for by a thread of their own: what they ask for is not
//! done in a handler.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::{io, process, ptr, thread};

/// From now on, calls `on_signal` with each of `signals` that arrives, but for those that
/// are ignored. There must be no other threads yet that may get them.
pub fn wait_for(
    signals: &[c_int],
    name: &str,
    mut on_signal: impl FnMut(c_int) + Send + 'static,
) -> io::Result<()> {
    let set = set(signals.iter().copied().filter(|&signal| !is_ignored(signal)));
    let wait = move || {
        let mut received = 0;
        // SAFETY: valid pointers.
        while unsafe { libc::sigwait(&set, &mut received) } == 0 {
            on_signal(received);
        }
    };
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // At no time may one of them do what it does by itself. The thread begins with all
    // blocked: what others wait for goes to them.
    // SAFETY: the first set is filled, then the second by the call.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = thread::Builder::new().name(name.into()).spawn(wait);
    // SAFETY: the set is filled.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
    }
    started.map(drop)
}

/// Ends the process as `signal` would have ended it, if it waits for that.
pub fn end_by(signal: c_int) -> ! {
    // SAFETY: no other code relies on what is done at this signal.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set([signal]), ptr::null_mut());
        libc::raise(signal);
    }
    // It was one that does not end processes.
    process::exit(128 + signal)
}

fn set(signals: impl IntoIterator<Item = c_int>) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is emptied before anything else is done with it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

fn is_ignored(signal: c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: valid pointers; it is filled if 0 is returned.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
