//! `wasmrun --trace-on`, as it is used.

use crate::Compiled;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

const SPIN: &str = r#"(module $spin
    (import "wasi_snapshot_preview1" "fd_read"
        (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\20\00\00\00\01\00\00\00")
    (func $busy (param i32)
        (loop
            (i32.store (i32.const 64) (i32.add (local.get 0) (i32.load (i32.const 64))))
            (br 0)))
    (func $read (result i32)
        (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
    (func $_start (export "_start")
        (drop (call $read))
        (call $busy (i32.const 3))))"#;

fn send(child: &Child, signal: i32) {
    // SAFETY: no requirements; the child was not waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

#[test]
fn a_stuck_program_tells_where_it_is_and_goes_on() {
    let file = Compiled::text(SPIN);
    let mut child = Command::new(env!("CARGO_BIN_EXE_wasmrun"))
        .args(["--trace-on", "usr1"])
        .arg(file.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut stdin = child.stdin.take().unwrap();
    // Ready once the signal has no effect of its own.
    while !caught(&child, libc::SIGUSR1) {
        std::thread::yield_now();
    }
    // Waiting for input; the first answers may come from before.
    loop {
        send(&child, libc::SIGUSR1);
        let head = lines.next().unwrap();
        assert!(head.starts_with("wasm stack: on SIGUSR1"), "{head}");
        if head == "wasm stack: on SIGUSR1" {
            if lines.next().unwrap().trim() == "-- host --" {
                break;
            }
            // Just before the call.
            lines.find(|line| line.ends_with("- _start")).unwrap();
        }
    }
    assert!(lines.next().unwrap().ends_with("- read"));
    assert!(lines.next().unwrap().ends_with("- _start"));
    // It goes on, into the endless loop.
    stdin.write_all(b"x").unwrap();
    let mut answers = 0;
    while answers < 3 {
        send(&child, libc::SIGUSR1);
        assert_eq!(lines.next().unwrap(), "wasm stack: on SIGUSR1");
        let innermost = lines.next().unwrap();
        if innermost.ends_with("- busy") {
            answers += 1;
        } else if innermost.trim() == "-- host --" {
            assert!(lines.next().unwrap().ends_with("- read"));
        }
        assert!(lines.next().unwrap().ends_with("- _start"));
    }
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Whether the first thread blocks `signal`.
fn caught(child: &Child, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << (signal - 1) != 0
}
