//! `--trace-on`: a signal from outside makes the program tell where it is, and
//! go on. A thread of its own waits for the signal, so that nothing is done in
//! a handler but taking the stack.

use super::{output, signals};
use anyhow::{Context, Result};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;
use wasmrun::ThreadHandle;
use wasmrun::trace::{Format, Trace};

/// How long a program in an uninterruptible system call is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints this thread's stack on each `signal`, from now on. There must be no
/// other threads yet.
pub fn start(signal: Signal, format: Format) -> Result<()> {
    // One of the two is blocked, the other is not.
    let by = if signal.0 == ThreadHandle::SIGNAL { libc::SIGWINCH } else { ThreadHandle::SIGNAL };
    let main = ThreadHandle::current_by(by).context("cannot watch the program")?;
    signals::wait_for(&[signal.0], "watch", move |_| print(&main, signal, format))
        .context("cannot watch the program")
}

fn print(main: &ThreadHandle, signal: Signal, format: Format) {
    match main.stack(PATIENCE) {
        Ok(stack) => {
            let place = if stack.frames().is_empty() { ", not in wasm code" } else { "" };
            output::trace(&Trace::of_stack(format!("on {signal}{place}"), stack.frames()), format);
        }
        Err(error) => output::error(&anyhow::Error::new(error).context(format!("on {signal}"))),
    }
}

/// A signal that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(pub i32);

/// Those that have a name and are sent by others.
const NAMES: [(&str, i32); 22] = [
    ("SIGHUP", libc::SIGHUP),
    ("SIGINT", libc::SIGINT),
    ("SIGQUIT", libc::SIGQUIT),
    ("SIGUSR1", libc::SIGUSR1),
    ("SIGUSR2", libc::SIGUSR2),
    ("SIGPIPE", libc::SIGPIPE),
    ("SIGALRM", libc::SIGALRM),
    ("SIGTERM", libc::SIGTERM),
    ("SIGCHLD", libc::SIGCHLD),
    ("SIGCONT", libc::SIGCONT),
    ("SIGTSTP", libc::SIGTSTP),
    ("SIGTTIN", libc::SIGTTIN),
    ("SIGTTOU", libc::SIGTTOU),
    ("SIGURG", libc::SIGURG),
    ("SIGXCPU", libc::SIGXCPU),
    ("SIGXFSZ", libc::SIGXFSZ),
    ("SIGVTALRM", libc::SIGVTALRM),
    ("SIGPROF", libc::SIGPROF),
    ("SIGWINCH", libc::SIGWINCH),
    ("SIGIO", libc::SIGIO),
    ("SIGPWR", libc::SIGPWR),
    ("SIGSTKFLT", libc::SIGSTKFLT),
];

impl FromStr for Signal {
    type Err = io::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        let same = |name: &str| upper == name || Some(&*upper) == name.strip_prefix("SIG");
        let named = NAMES.iter().find(|(name, _)| same(name)).map(|(_, signal)| *signal);
        let number = || upper.parse().ok();
        let known = |signal: &i32| {
            let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
            NAMES.iter().any(|(_, known)| known == signal) || real_time.contains(signal)
        };
        let wrong = || io::Error::other("not a signal to wait for, such as SIGUSR1 or 10");
        named.or_else(number).filter(known).map(Signal).ok_or_else(wrong)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, signal)| *signal == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for text in ["SIGUSR1", "usr1", "Usr1", "10"] {
            assert_eq!(text.parse::<Signal>().unwrap().to_string(), "SIGUSR1", "{text}");
        }
        assert_eq!("40".parse::<Signal>().unwrap().to_string(), "signal 40");
        for text in ["", "SIG", "SIGKILL", "9", "SIGSEGV", "11", "0", "-1", "65", "32", "USR3"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
