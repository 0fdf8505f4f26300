//! Stacks of threads that run.

use crate::stacks::words;
use crate::{Compiled, Done, allocations, call};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{channel, sync_channel};
use std::time::{Duration, Instant};
use std::{process, ptr, thread};
use wasmrun::trace::{Format, Trace};
use wasmrun::{Config, Func, FuncType, Imports, Instance, SampleError, Store, ThreadHandle, Value};

const PATIENCE: Duration = Duration::from_secs(60);

const WORK: &str = r#"(module $work
    (import "env" "wait" (func $wait))
    (memory (export "memory") 4)
    (func $spin (export "spin") (param $n i32)
        (loop $again
            (i32.store (i32.const 8) (i32.rotl (i32.load (i32.const 8)) (local.get $n)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $copy (export "copy") (param $n i32)
        (loop $again
            (memory.copy (i32.const 1) (i32.const 0) (i32.const 200000))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $blocks (export "blocks") (call $wait) nop)
    (func $down (export "down") (param $n i32) (result i32)
        (if (result i32) (local.get $n)
            (then (i32.rotl (call $down (i32.sub (local.get $n) (i32.const 1))) (local.get $n)))
            (else (call $wait) (i32.const 1)))))"#;

/// A store with an instance of [`WORK`] in which waiting is `wait`.
fn work(file: &Compiled, wait: impl Fn() + Send + 'static) -> (Store, Instance) {
    let mut store = Store::new(Config { max_stack: 64 << 20, ..Config::default() });
    let wait = Func::new(&mut store, FuncType::new([], []), move |_, _, _| {
        wait();
        Ok(())
    });
    let mut imports = Imports::new();
    imports.define("env", "wait", wait);
    let instance = Instance::new(&mut store, &file.load(), &imports).unwrap();
    (store, instance)
}

/// Runs `watch` while another thread calls the function `name` of [`WORK`] with
/// `arg`, again and again.
fn while_running<R>(name: &str, arg: i32, watch: impl FnOnce(&ThreadHandle) -> R) -> R {
    let file = Compiled::text(WORK);
    let done = AtomicBool::new(false);
    let (sender, handle) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Dropped when this panics.
            let sender = sender;
            let (mut store, instance) = work(&file, || ());
            sender.send(ThreadHandle::current().unwrap()).unwrap();
            while !done.load(Relaxed) {
                call(&mut store, instance, name, &[Value::I32(arg)]);
            }
        });
        let _done = Done(&done);
        watch(&handle.recv().unwrap())
    })
}

#[test]
fn a_busy_thread_is_seen_in_wasm_and_in_the_c_library() {
    for (name, arg) in [("spin", 1_000_000), ("copy", 1000)] {
        while_running(name, arg, |handle| {
            let mut seen = 0;
            let start = format!("{name}@work+");
            while seen < 100 {
                let stack = handle.stack(PATIENCE).unwrap();
                let text = words(stack.frames());
                assert!(
                    text.is_empty() || text.starts_with(&start) && !text.contains(' '),
                    "{text}"
                );
                seen += usize::from(!text.is_empty());
            }
        });
    }
}

#[test]
fn a_blocked_thread_is_seen_in_its_host_function() {
    let file = Compiled::text(WORK);
    let (go, wait) = channel();
    let (sender, handle) = channel();
    let thread = thread::spawn(move || {
        let (mut store, instance) = work(&file, move || wait.recv().unwrap());
        sender.send(ThreadHandle::current().unwrap()).unwrap();
        call(&mut store, instance, "blocks", &[]);
    });
    let handle: ThreadHandle = handle.recv().unwrap();
    let end = Instant::now() + PATIENCE;
    while words(handle.stack(PATIENCE).unwrap().frames()) != "host blocks@work+1" {
        assert!(Instant::now() < end);
    }
    go.send(()).unwrap();
    thread.join().unwrap();
    for _ in 0..2 {
        assert!(matches!(handle.stack(PATIENCE), Err(SampleError::Ended)));
    }
}

#[test]
fn a_thread_can_ask_itself() {
    let file = Compiled::text(WORK);
    let handle = ThreadHandle::current().unwrap();
    assert!(handle.stack(PATIENCE).unwrap().frames().is_empty());
    let (mut store, instance) = work(&file, move || {
        let stack = handle.stack(PATIENCE).unwrap();
        assert_eq!(words(stack.frames()), "host blocks@work+1");
    });
    call(&mut store, instance, "blocks", &[]);
}

#[test]
fn many_may_ask_at_once() {
    let answers = AtomicUsize::new(0);
    while_running("spin", 100_000, |handle| {
        thread::scope(|scope| {
            for asker in 0..4 {
                let (handle, answers) = (handle.clone(), &answers);
                // Half of them are in a hurry.
                let patience = [PATIENCE, Duration::from_micros(5)][asker % 2];
                scope.spawn(move || {
                    for _ in 0..2000 {
                        match handle.stack(patience) {
                            Ok(_) => answers.fetch_add(1, Relaxed),
                            Err(SampleError::TimedOut) if patience < PATIENCE => 0,
                            Err(error) => panic!("{error}"),
                        };
                    }
                });
            }
        });
    });
    assert!(answers.load(Relaxed) >= 4000);
}

#[test]
fn threads_end_while_they_are_asked() {
    let file = Compiled::text(WORK);
    for _ in 0..200 {
        let (sender, handle) = sync_channel(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut store, instance) = work(&file, || ());
                sender.send(ThreadHandle::current().unwrap()).unwrap();
                call(&mut store, instance, "spin", &[Value::I32(10_000)]);
            });
            let handle: ThreadHandle = handle.recv().unwrap();
            // Stacks outlive their thread and its module.
            let mut stacks = Vec::new();
            loop {
                match handle.stack(PATIENCE) {
                    Ok(stack) => stacks.push(stack),
                    Err(SampleError::Ended) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            for stack in stacks.iter().take(10) {
                let text = words(stack.frames());
                assert!(text.is_empty() || text.starts_with("spin@work+"), "{text}");
            }
        });
    }
}

#[test]
fn who_blocks_the_signal_is_not_waited_for() {
    let signal = libc::SIGRTMIN() + 2;
    let (sender, handle) = channel();
    let (go, wait) = channel::<()>();
    let thread = thread::spawn(move || {
        let handle = ThreadHandle::current_by(signal).unwrap();
        mask(libc::SIG_BLOCK, signal);
        sender.send(handle).unwrap();
        let _ = wait.recv();
        mask(libc::SIG_UNBLOCK, signal);
    });
    let handle: ThreadHandle = handle.recv().unwrap();
    for _ in 0..3 {
        let start = Instant::now();
        let result = handle.stack(Duration::from_millis(20));
        assert!(matches!(result, Err(SampleError::TimedOut)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
    // Late answers do no harm.
    drop(go);
    thread.join().unwrap();
    assert!(matches!(handle.stack(PATIENCE), Err(SampleError::Ended)));
}

fn mask(how: i32, signal: i32) {
    // SAFETY: all zeroes is a set; valid pointers.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigaddset(&mut set, signal);
        assert_eq!(libc::pthread_sigmask(how, &set, ptr::null_mut()), 0);
    }
}

#[test]
fn the_previous_handler_gets_the_rest() {
    static RECEIVED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn previous(_: i32) {
        RECEIVED.fetch_add(1, Relaxed);
    }
    let signal = libc::SIGRTMIN() + 3;
    // SAFETY: a handler of the right type.
    unsafe { libc::signal(signal, previous as *const () as usize) };
    let handle = ThreadHandle::current_by(signal).unwrap();
    for _ in 0..100 {
        handle.stack(PATIENCE).unwrap();
    }
    assert_eq!(RECEIVED.load(Relaxed), 0);
    // SAFETY: no requirements.
    unsafe { libc::raise(signal) };
    assert_eq!(RECEIVED.load(Relaxed), 1);
    for bad in [libc::SIGSEGV, libc::SIGKILL, 0, -1, 65] {
        assert_eq!(ThreadHandle::current_by(bad).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}

#[test]
fn a_signal_without_handler_is_as_harmless_as_before() {
    // By default, this one is ignored.
    ThreadHandle::current().unwrap();
    // SAFETY: no requirements.
    unsafe { libc::kill(process::id() as i32, ThreadHandle::SIGNAL) };
    ThreadHandle::current().unwrap().stack(PATIENCE).unwrap();
}

#[test]
fn answering_allocates_nothing() {
    let file = Compiled::text(WORK);
    let (sender, handle) = channel();
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut store, instance) = work(&file, || ());
            let func = instance.func(&store, "spin").unwrap();
            let mut calls = |until: usize| {
                let before = allocations::count();
                let mut calls = 0;
                while asked.load(Relaxed) < until || calls == 0 {
                    func.call(&mut store, &[Value::I32(1_000_000)]).unwrap();
                    calls += 1;
                }
                (allocations::count() - before, calls)
            };
            calls(0);
            let (each, one) = calls(0);
            assert_eq!(one, 1);
            sender.send(ThreadHandle::current().unwrap()).unwrap();
            let (all, times) = calls(5000);
            assert_eq!(all, each * times);
        });
        let handle: ThreadHandle = handle.recv().unwrap();
        for _ in 0..5000 {
            handle.stack(PATIENCE).unwrap();
            asked.fetch_add(1, Relaxed);
        }
    });
}

#[test]
fn a_very_deep_stack() {
    const DEPTH: i32 = 100_000;
    let file = Compiled::text(WORK);
    let (sender, answer) = channel();
    let handle = ThreadHandle::current().unwrap();
    let (mut store, instance) = work(&file, move || {
        let best = (0..20).map(|_| {
            let start = Instant::now();
            let stack = handle.stack(PATIENCE).unwrap();
            (start.elapsed(), stack)
        });
        sender.send(best.min_by_key(|(time, _)| *time).unwrap()).unwrap();
    });
    call(&mut store, instance, "down", &[Value::I32(DEPTH)]);
    let (time, stack) = answer.recv().unwrap();
    let text = Trace::of_stack("deep", stack.frames()).display(Format::Short, false).to_string();
    assert!(text.contains("-- host --\n#00: ") && text.contains(" - down\n"), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with(&format!("#{DEPTH}: ")), "{text}");
    println!("{text}{DEPTH} frames: {time:?}, {} ns a frame", time.as_nanos() / DEPTH as u128);
}
