//! The runtime with modules that the real compiler made.
//!
//! Needs the `wasm2so` program: beside the tests' own target directory, or
//! where the environment variable `WASM2SO` says.

mod allocations;
mod host;
mod images;
mod linking;
mod memories;
mod profiling;
mod sampling;
mod stacks;
mod state;
mod stress;
mod tables;
mod typed;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use wasmrun::{CallError, Config, Imports, Instance, Module, Store, TrapCode, Value};

/// Compiles and loads a module in the text format; its file is gone.
fn module(text: &str) -> Module {
    Compiled::text(text).load()
}

/// A module's file, while it is needed.
struct Compiled {
    directory: PathBuf,
}

impl Compiled {
    /// Compiles a module in the text format.
    fn text(text: &str) -> Self {
        Self::text_for(text, "native")
    }

    /// The same, for a certain processor.
    fn text_for(text: &str, cpu: &str) -> Self {
        let compiled = Self::new();
        let wat = compiled.directory.join("module.wat");
        std::fs::write(&wat, text).unwrap();
        compiled.compile(&wat, cpu)
    }

    /// Compiles a file.
    fn file(path: &Path) -> Self {
        Self::new().compile(path, "native")
    }

    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wasmrun-{}-{number}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir(&directory).unwrap();
        Compiled { directory }
    }

    fn compile(self, source: &Path, cpu: &str) -> Self {
        let mut command = Command::new(compiler());
        let status = command.arg(source).args(["--cpu", cpu, "-o"]).arg(self.path()).status();
        assert!(status.expect("build wasm2so first, or set WASM2SO").success());
        self
    }

    fn path(&self) -> PathBuf {
        self.directory.join("module.so")
    }

    fn load(&self) -> Module {
        Module::load(self.path()).unwrap()
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn compiler() -> PathBuf {
    let beside = || {
        let tests = std::env::current_exe().expect("the test has a path");
        tests.ancestors().nth(2).expect("it is in target/PROFILE/deps").join("wasm2so")
    };
    std::env::var_os("WASM2SO").map_or_else(beside, PathBuf::from)
}

/// Sets a flag when it is dropped, also by a panic.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A store with an instance of a module that imports nothing.
fn alone(text: &str) -> (Store, Instance) {
    let mut store = Store::new(Config::default());
    let instance = Instance::new(&mut store, &module(text), &Imports::new()).unwrap();
    (store, instance)
}

fn call(store: &mut Store, instance: Instance, name: &str, args: &[Value]) -> Vec<Value> {
    let func = instance.func(store, name).expect("the export exists");
    func.call(store, args).unwrap()
}

fn trap(store: &mut Store, instance: Instance, name: &str, args: &[Value]) -> TrapCode {
    let func = instance.func(store, name).expect("the export exists");
    match func.call(store, args) {
        Err(CallError::Trap(trap)) => trap.code(),
        other => panic!("no trap but {other:?}"),
    }
}
