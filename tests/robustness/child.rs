//! Work that could end its process: done by this very program, run again for
//! one test.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const MARK: &str = "ROBUSTNESS_CHILD";

/// More than any of it takes, on a slow machine.
const DEADLINE: Duration = Duration::from_secs(600);

/// Runs `work`, the body of test `name`, in a process of its own, which has to
/// succeed in time. The last line that it prints is passed on.
pub fn work(name: &str, work: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return work();
    }
    let program = std::env::current_exe().expect("this program has a path");
    let child = Command::new(program)
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program can be run");
    let pid = child.id();
    let started = Instant::now();
    let waiter = std::thread::spawn(|| child.wait_with_output());
    while !waiter.is_finished() && started.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(20));
    }
    if !waiter.is_finished() {
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    }
    let Output { status, stdout, stderr } = waiter.join().expect("it waits").expect("it can wait");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let end: Vec<&str> = stderr.lines().rev().take(20).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    let (signal, end) = (status.signal(), end.join("\n"));
    assert!(status.success(), "{name}: {status}, signal {signal:?}; the last it said:\n{end}");
    let summary = stdout.lines().find(|line| line.contains(": ")).unwrap_or_default();
    println!("{name}: {summary}");
}
