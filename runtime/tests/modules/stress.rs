//! Very many stacks of threads that do everything wasm code can do: none of them
//! may be wrong, and nothing else may change. The long tests want to be run alone:
//! `cargo test --release -p wasmrun --test modules stress -- --ignored --nocapture
//! --test-threads 1`.

use crate::stacks::words;
use crate::{Compiled, Done, call};
use std::collections::HashSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, iter, thread};
use wasmrun::wasi::{self, WasiCtxBuilder};
use wasmrun::{
    CallError, Config, Frame, Func, FuncType, Imports, Instance, Module, Stack, Store,
    ThreadHandle, ValType, Value,
};

/// Takes stacks of a thread that does `work` again and again, as `enough` wants,
/// with a watching thread's `check` of each.
fn sample<W: FnMut() -> O, O: PartialEq + Debug>(
    work: impl FnOnce() -> W + Send,
    mut enough: impl FnMut(u64) -> bool,
    mut check: impl FnMut(&Stack),
) {
    let (sender, handle) = channel();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // Dropped when this panics.
            let sender = sender;
            let mut work = work();
            let expected = work();
            sender.send(ThreadHandle::current().unwrap()).unwrap();
            let mut rounds = 0;
            while !done.load(Relaxed) {
                assert_eq!(work(), expected);
                rounds += 1;
            }
            rounds
        });
        let finish = Done(&done);
        let handle: ThreadHandle = handle.recv().unwrap();
        let (mut taken, mut asking) = (0, Duration::ZERO);
        let start = Instant::now();
        while !enough(taken) && !worker.is_finished() {
            let asked = Instant::now();
            let stack = handle.stack(Duration::from_secs(60)).unwrap();
            asking += asked.elapsed();
            check(&stack);
            taken += 1;
            if taken.is_multiple_of(4) {
                // So that it gets on, if they share a processor.
                thread::sleep(Duration::from_micros(taken % 50));
            }
        }
        drop(finish);
        let rounds = worker.join().unwrap();
        let each = asking / taken as u32;
        println!("{taken} stacks in {:.1?}, {each:.1?} each; {rounds} rounds", start.elapsed());
    });
}

/// What stacks were like.
#[derive(Default, Debug)]
struct Shares {
    /// The thread was in wasm code, or in what wasm code had called.
    in_wasm: u64,
    /// In a host function.
    in_host: u64,
    /// No wasm on the stack: between two calls.
    outside: u64,
    /// Frames of all of them.
    frames: u64,
    /// The deepest one's.
    deepest: usize,
}

impl Shares {
    fn add(&mut self, stack: &Stack) {
        let mut addresses = stack.addresses();
        match addresses.next() {
            None => self.outside += 1,
            Some(0) => self.in_host += 1,
            Some(_) => self.in_wasm += 1,
        }
        let depth = stack.addresses().count();
        self.frames += depth as u64;
        self.deepest = self.deepest.max(depth);
    }
}

/// Each function's callers, tail calls included; the outermost ones are called by
/// the host.
const EDGES: [(&str, &[&str]); 11] = [
    ("run", &["host"]),
    ("back", &["host"]),
    ("trap", &["host"]),
    ("overflow", &["host", "overflow"]),
    ("deep", &["run", "deep"]),
    ("leaf", &["deep", "tail", "run", "back"]),
    ("tail", &["run", "deep", "back"]),
    ("host_call", &["deep"]),
    ("bulk", &["run", "leaf"]),
    ("grow", &["run"]),
    ("float", &["leaf"]),
];

const WORK: &str = r#"(module $work
    (import "env" "host" (func $host (param i32) (result i32)))
    (memory (export "memory") 4)
    (table $t 8 funcref)
    (elem (i32.const 0) $leaf $host_call $leaf $host_call)
    (elem $e func $leaf $host_call $leaf $host_call)
    (type $f (func (param i32) (result i32)))
    (global $sum (mut i32) (i32.const 0))
    (func $float (param $x f64) (result f64)
        (f64.nearest (f64.sqrt (f64.add (local.get $x) (f64.const 0.5)))))
    (func $bulk (param $n i32)
        (memory.copy (i32.const 100) (i32.const 60) (local.get $n))
        (memory.fill (i32.const 70) (local.get $n) (i32.rem_u (local.get $n) (i32.const 77))))
    (func $leaf (param $n i32) (result i32)
        (call $bulk (i32.rem_u (local.get $n) (i32.const 3000)))
        (i32.add (i32.load8_u (i32.rem_u (local.get $n) (i32.const 5000)))
            (i32.trunc_f64_s (call $float (f64.convert_i32_u (local.get $n))))))
    (func $host_call (param $n i32) (result i32)
        (i32.add (call $host (local.get $n)) (local.get $n)))
    (func $tail (param $n i32) (result i32)
        (if (i32.eqz (local.get $n)) (then (return (i32.const 7))))
        (global.set $sum (i32.add (global.get $sum) (local.get $n)))
        (if (i32.and (local.get $n) (i32.const 1))
            (then (return_call_indirect (type $f) (local.get $n) (i32.const 0))))
        (return_call $tail (i32.sub (local.get $n) (i32.const 1))))
    (func $deep (param $n i32) (result i32)
        (if (i32.eqz (local.get $n)) (then (return (call $tail (i32.const 40)))))
        (i32.rotl
            (i32.xor
                (call $deep (i32.sub (local.get $n) (i32.const 1)))
                (call_indirect (type $f) (local.get $n)
                    (i32.and (local.get $n) (i32.const 3))))
            (i32.const 1)))
    (func $grow
        (drop (memory.grow (i32.const 0)))
        (table.copy (i32.const 4) (i32.const 0) (i32.const 4))
        (table.init $e (i32.const 4) (i32.const 0) (i32.const 4))
        (drop (table.grow (ref.null func) (i32.const 0))))
    (func $overflow (export "overflow") (param $n i32) (result i32)
        (i32.rotl (call $overflow (i32.add (local.get $n) (i32.const 1))) (local.get $n)))
    (func $trap (export "trap") (param $n i32) (result i32)
        (i32.load (i32.sub (i32.const -8) (local.get $n))))
    (func $back (export "back") (param $n i32) (result i32)
        (i32.add (call $tail (local.get $n)) (i32.const 1)))
    (func $run (export "run") (param $n i32) (result i32)
        (local $result i32)
        (global.set $sum (i32.const 0))
        (loop $again
            (call $grow)
            (call $bulk (local.get $n))
            (local.set $result (i32.add (call $deep (i32.const 30)) (local.get $result)))
            (local.set $result (i32.xor (call $tail (i32.const 9)) (local.get $result)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.add (local.get $result) (global.get $sum))))"#;

/// Calls `run`, in which wasm and the host call each other, trap and overflow.
fn everything(file: &Compiled) -> impl FnMut() -> Vec<Value> + use<> {
    let mut store = Store::new(Config { max_stack: 64 << 10, ..Config::default() });
    let ty = FuncType::new([ValType::I32], [ValType::I32]);
    let calls = AtomicU32::new(0);
    let host = Func::new(&mut store, ty, move |caller, args, results| {
        let Value::I32(n) = args[0] else { panic!() };
        let instance = caller.instance().unwrap();
        let name = match n {
            // Seldom: it takes long.
            3 if calls.fetch_add(1, Relaxed).is_multiple_of(100) => "overflow",
            7 | 17 => "trap",
            n if n % 4 == 1 => "back",
            _ => {
                results[0] = Value::I32(n);
                return Ok(());
            }
        };
        let func = instance.func(caller.store(), name).unwrap();
        results[0] = match func.call(caller.store(), args) {
            Ok(values) => values[0],
            Err(CallError::Trap(_)) => Value::I32(n),
            Err(error) => return Err(error.into()),
        };
        Ok(())
    });
    let mut imports = Imports::new();
    imports.define("env", "host", host);
    let instance = Instance::new(&mut store, &file.load(), &imports).unwrap();
    move || call(&mut store, instance, "run", &[Value::I32(20)])
}

/// That each frame was called by the next one, and the last by the host.
fn check_calls(stack: &Stack) {
    let mut names = stack.frames().iter().enumerate().map(|(depth, frame)| match frame {
        Frame::Host => "host",
        Frame::Omitted(_) => panic!("not so deep"),
        Frame::Wasm(frame) => {
            // Machine instructions that belong to no wasm one do not call.
            let exact = depth == 0 || frame.module_offset.is_some();
            assert!(exact, "{}", words(stack.frames()));
            frame.func_name.as_deref().unwrap()
        }
    });
    let Some(mut callee) = names.next() else { return };
    for caller in names.chain(iter::once("host")) {
        let edge = EDGES.iter().find(|(name, _)| *name == callee);
        let right = match edge {
            Some((_, callers)) => callers.contains(&caller),
            None => callee == "host" && caller == "host_call",
        };
        assert!(right, "{caller} does not call {callee}: {}", words(stack.frames()));
        callee = caller;
    }
}

/// Takes stacks of [`everything`], and checks those that are new.
fn watch_everything(enough: impl FnMut(u64) -> bool) {
    let file = Compiled::text(WORK);
    let mut shares = Shares::default();
    let mut known = HashSet::new();
    let work = || everything(&file);
    sample(work, enough, |stack| {
        shares.add(stack);
        if known.insert(stack.addresses().collect::<Vec<_>>()) {
            check_calls(stack);
        }
    });
    println!("{shares:?}, {} different", known.len());
    assert!(shares.in_wasm > 100 && shares.in_host > 100, "{shares:?}");
}

#[test]
fn everything_is_seen_as_it_is() {
    watch_everything(|taken| taken == 10_000);
}

#[test]
#[ignore = "takes minutes"]
fn everything_is_seen_as_it_is_for_long() {
    let end = Instant::now() + limit();
    watch_everything(|_| Instant::now() > end);
}

/// How long each of the long tests runs: seconds in `WASMRUN_STRESS`, else two
/// minutes.
fn limit() -> Duration {
    let seconds = std::env::var("WASMRUN_STRESS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(120))
}

#[test]
#[ignore = "takes minutes"]
fn quickjs() {
    program("quickjs");
}

#[test]
#[ignore = "takes minutes"]
fn sqlite() {
    program("sqlite");
}

/// Runs a real program over and over.
fn program(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let wasm = root.join(format!("target/programs/{name}.wasm"));
    assert!(wasm.exists(), "run tests/programs/build target/programs");
    let file = Compiled::file(&wasm);
    let module = file.load();
    let (mut shares, mut places) = (Shares::default(), Places::default());
    let end = Instant::now() + limit();
    let work = || move || run_program(&module);
    sample(
        work,
        |_| Instant::now() > end,
        |stack| {
            shares.add(stack);
            places.check(stack);
        },
    );
    let Places { known, vague, vaguely, .. } = places;
    println!("{name}: {shares:?}");
    println!(
        "{} places; innermost with a near offset only: {} places, {vaguely} times",
        known.len(),
        vague.len()
    );
}

/// Addresses that were named, so that each has to be only once.
#[derive(Default)]
struct Places {
    known: HashSet<u64>,
    /// Those in the function that the program starts with.
    starts: HashSet<u64>,
    /// Those that belong to no wasm instruction, and how often they were seen.
    vague: HashSet<u64>,
    vaguely: u64,
}

impl Places {
    /// That a stack ends where the program starts, all its functions are known,
    /// and all calls.
    fn check(&mut self, stack: &Stack) {
        let mut addresses = stack.addresses();
        let Some(first) = addresses.next() else { return };
        let last = addresses.last().unwrap_or(first);
        let new = stack.addresses().filter(|address| !self.known.contains(address)).count();
        if new > 0 || !self.starts.contains(&last) {
            self.check_names(stack, first);
            self.known.extend(stack.addresses());
            self.starts.insert(last);
        }
        self.vaguely += u64::from(self.vague.contains(&first));
    }

    fn check_names(&mut self, stack: &Stack, first: u64) {
        let (start, memory) = (Instant::now(), anonymous());
        let frames = stack.frames();
        if self.known.is_empty() {
            let (time, memory) = (start.elapsed(), anonymous() - memory);
            println!("first names: {} frames in {time:.1?}, {memory} KiB", frames.len());
        }
        for (depth, frame) in frames.iter().enumerate() {
            let Frame::Wasm(frame) = frame else { continue };
            assert!(frame.func_index.is_some() || frame.func_name.is_some(), "{frame:#?}");
            if frame.module_offset.is_none() {
                assert_eq!(depth, 0, "{}", words(frames));
                assert!(frame.near_offset.is_some() && frame.func_index.is_some(), "{frame:#?}");
                self.vague.insert(first);
            }
        }
        if frames.is_empty() {
            // On the way into the first function, or out of it.
            assert_eq!(stack.addresses().count(), 1);
            return;
        }
        let Some(Frame::Wasm(outermost)) = frames.last() else { panic!("{}", words(frames)) };
        let name = outermost.func_name.as_deref().unwrap_or_default();
        assert!(name.starts_with("_start"), "{}", words(frames));
    }
}

/// This process's memory in use, in KiB, without what it maps of files.
fn anonymous() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What the program prints.
fn run_program(module: &Module) -> Vec<u8> {
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let output = Output::default();
    let ctx = WasiCtxBuilder::new().arg("program").unwrap().stdout(output.clone()).build();
    let mut store = Store::new(Config::default());
    let mut imports = Imports::new();
    wasi::add_to_imports(&mut imports, &mut store, ctx);
    let instance = Instance::new(&mut store, module, &imports).unwrap();
    let start = instance.func(&store, "_start").unwrap();
    match start.call(&mut store, &[]) {
        Ok(_) => {}
        Err(CallError::Host(error)) if error.is::<wasi::Exit>() => {}
        Err(error) => panic!("{error}"),
    }
    let text = output.0.lock().unwrap().clone();
    assert!(text.len() > 1000);
    text
}
