//! Micro figures of the runtime library: `cargo bench -p wasm2so-bench`.
//!
//! A figure "in wasm" is of one turn of a loop in wasm, so that entering wasm
//! does not count.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wasm2so::options::Options;
use wasmrun::{
    CallError, Config, Extern, Func, FuncType, Imports, Instance, Module, Store, ThreadHandle,
    Trap, ValType, Value, current_stack,
};

/// Calls in both directions. The table is exported, so its contents are unknown
/// to the compiler.
const CALLS: &str = r#"(module
    (import "host" "function" (func $host (param i64) (result i64)))
    (type $unary (func (param i64) (result i64)))
    (table (export "table") 2 funcref)
    (elem (i32.const 0) $increment $double)
    (func $increment (type $unary) (i64.add (local.get 0) (i64.const 1)))
    (func $double (type $unary) (i64.shl (local.get 0) (i64.const 1)))
    (func (export "identity") (type $unary) (local.get 0))
    (func (export "call host") (type $unary) (call $host (local.get 0)))
    (func (export "call host often") (type $unary)
        (loop $again
            (drop (call $host (local.get 0)))
            (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
        (local.get 0))
    (func (export "call indirectly") (type $unary) (local $sum i64)
        (loop $again
            (local.set $sum (call_indirect (type $unary)
                (local.get $sum)
                (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 1))))
            (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
        (local.get $sum)))"#;

/// Frames of the deep stack.
const DEPTH: u32 = 64;

/// A chain of functions that call each other through a table, which keeps them
/// from being inlined. The last calls the host as often as its argument says,
/// or traps.
fn chain() -> String {
    let mut text = String::from(
        r#"(module
        (import "host" "function" (func $host (param i64) (result i64)))
        (type $unary (func (param i64) (result i64)))
        (memory 1)
        (func (export "fault") (type $unary) (i64.load (i32.const -1)))
        (func $last (export "1") (type $unary)
            (if (i64.eqz (local.get 0)) (then unreachable))
            (loop $again
                (drop (call $host (local.get 0)))
                (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
            (local.get 0))
        (elem (i32.const 1) $last)"#,
    );
    for depth in 2..=DEPTH {
        let callee = depth - 1;
        // Work after the call, or it would be a tail call.
        write!(
            text,
            r#"(func ${depth} (export "{depth}") (type $unary)
                (i64.add (i64.const {depth})
                    (call_indirect (type $unary) (local.get 0) (i32.const {callee}))))
            (elem (i32.const {depth}) ${depth})"#
        )
        .expect("writing to a string cannot fail");
    }
    let slots = DEPTH + 1;
    write!(text, r#"(table (export "table") {slots} funcref))"#)
        .expect("writing to a string cannot fail");
    text
}

/// A module whose memory starts with `data` bytes that are not zero.
fn with_memory(data: usize) -> String {
    let pages = data.div_ceil(65536).max(1);
    let bytes = "wasm".repeat(data / 4);
    format!(r#"(module (memory (export "memory") {pages}) (data (i32.const 0) "{bytes}"))"#)
}

/// A module compiled to a file that is deleted with it.
struct Compiled {
    file: PathBuf,
    _folder: TempDir,
}

impl Compiled {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("module.so");
        let wasm = wat::parse_str(text).expect("a module");
        wasm2so::compile(&wasm, "module.wasm", &file, &Options::default(), &())
            .expect("it compiles");
        Compiled { file, _folder: folder }
    }

    fn load(&self) -> Module {
        Module::load(&self.file).expect("it loads")
    }
}

/// An instance whose import `host` `function` does what it is told.
struct Running {
    store: Store,
    instance: Instance,
    host: Func,
}

impl Running {
    fn new(module: &Module, host: impl Fn(i64) -> i64 + Send + 'static) -> Self {
        let mut store = Store::new(Config::default());
        let ty = FuncType::new([ValType::I64], [ValType::I64]);
        let host = Func::new(&mut store, ty, move |_, args, results| {
            if let [Value::I64(n)] = *args {
                results[0] = Value::I64(host(n));
            }
            Ok(())
        });
        let mut imports = Imports::new();
        imports.define("host", "function", Extern::Func(host));
        let instance = Instance::new(&mut store, module, &imports).expect("it is instantiated");
        Running { store, instance, host }
    }

    fn export(&self, name: &str) -> Func {
        self.instance.func(&self.store, name).expect("it is exported")
    }

    fn call(&mut self, func: Func, argument: i64) -> Result<Vec<Value>, CallError> {
        func.call(&mut self.store, &[Value::I64(argument)])
    }

    /// The time of one call of `func`, whose argument is how often it repeats.
    fn repeat(&mut self, bencher: &mut Bencher<'_>, func: Func) {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            let times = i64::try_from(times).expect("fewer than 2^63 times");
            self.call(func, times).expect("it does not trap");
            start.elapsed()
        });
    }

    fn trap(&mut self, func: Func) -> Trap {
        match self.call(func, 0) {
            Err(CallError::Trap(trap)) => trap,
            other => panic!("expected a trap, not {other:?}"),
        }
    }
}

fn calls(criterion: &mut Criterion) {
    let compiled = Compiled::new(CALLS);
    let mut running = Running::new(&compiled.load(), |n| n);
    let mut group = criterion.benchmark_group("call");
    let host = running.host;
    let identity = running.export("identity");
    let through = running.export("call host");
    group.bench_function("host to host", |b| b.iter(|| running.call(host, black_box(1))));
    group.bench_function("host to wasm", |b| b.iter(|| running.call(identity, black_box(1))));
    group
        .bench_function("host to wasm to host", |b| b.iter(|| running.call(through, black_box(1))));
    let often = running.export("call host often");
    group.bench_function("wasm to host, in wasm", |b| running.repeat(b, often));
    let indirectly = running.export("call indirectly");
    group.bench_function("call_indirect, in wasm", |b| running.repeat(b, indirectly));
}

fn lives(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("life");
    for (name, data) in [("1 page", 0), ("64 MiB of data", 64 << 20)] {
        let compiled = Compiled::new(&with_memory(data));
        group.bench_function(BenchmarkId::new("load and unload", name), |b| {
            b.iter(|| compiled.load());
        });
        let module = compiled.load();
        let instantiate = || {
            let mut store = Store::new(Config::default());
            Instance::new(&mut store, &module, &Imports::new()).expect("it is instantiated");
            store
        };
        group.bench_function(BenchmarkId::new("instantiate and drop", name), |b| {
            b.iter(instantiate);
        });
    }
}

fn stacks(criterion: &mut Criterion) {
    let module = Compiled::new(&chain()).load();
    let thread = ThreadHandle::current().expect("this thread can be asked");
    let mut group = criterion.benchmark_group("stack");
    let mut running = Running::new(&module, |n| n);
    let fault = running.export("fault");
    // Through a signal handler, which the other traps here do without.
    group.bench_function(BenchmarkId::new("memory fault and catch", 1), |b| {
        b.iter(|| running.trap(fault));
    });
    for depth in [1, DEPTH] {
        group.throughput(Throughput::Elements(depth.into()));
        let export = depth.to_string();
        let mut running = Running::new(&module, |n| n);
        let func = running.export(&export);
        group.bench_function(BenchmarkId::new("trap and catch", depth), |b| {
            b.iter(|| running.trap(func));
        });
        group.bench_function(BenchmarkId::new("trap, catch and name", depth), |b| {
            b.iter(|| running.trap(func).frames().len());
        });
        let thread = thread.clone();
        let mut running = Running::new(&module, move |n| {
            black_box(thread.stack(Duration::from_secs(1)).expect("it answers"));
            n
        });
        let func = running.export(&export);
        group.bench_function(BenchmarkId::new("sample, in wasm", depth), |b| {
            running.repeat(b, func);
        });
        let mut running = Running::new(&module, |n| {
            black_box(current_stack());
            n
        });
        let func = running.export(&export);
        group.bench_function(BenchmarkId::new("capture and name, in wasm", depth), |b| {
            running.repeat(b, func);
        });
    }
}

criterion_group!(benches, calls, lives, stacks);
criterion_main!(benches);
