//! Our side: compiled by the program `wasm2so`, run by `wasmrun`.

use crate::measure::{Work, turns};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use wasmrun::{CallError, Config, Func, Imports, Instance, Module, Store, TypedFunc, Value};

/// Compiles a module into `folder`.
pub fn compile(compiler: &Path, wasm: &[u8], folder: &Path) -> PathBuf {
    let (from, to) = (folder.join("module.wasm"), folder.join("module.so"));
    std::fs::write(&from, wasm).expect("the folder can be written to");
    let status = Command::new(compiler).arg(&from).arg("-o").arg(&to).status();
    assert!(status.expect("WASM2SO is a program").success(), "wasm2so failed");
    to
}

/// An instance of `modules::CALLS`.
pub struct Calls {
    store: Store,
    instance: Instance,
}

impl Calls {
    pub fn new(file: &Path) -> Self {
        let mut store = Store::new(Config::default());
        let host = Func::wrap(&mut store, |_, n: i64| Ok(n));
        let mut imports = Imports::new();
        imports.define("host", "function", host);
        let module = Module::load(file).expect("it loads");
        let instance = Instance::new(&mut store, &module, &imports).expect("it is instantiated");
        Calls { store, instance }
    }

    fn func(&self, name: &str) -> TypedFunc<i64, i64> {
        let func = self.instance.func(&self.store, name).expect("it is exported");
        func.typed(&self.store).expect("it is unary")
    }

    /// Calls an export each time.
    pub fn each(&mut self, name: &str) -> Work<'_> {
        let func = self.func(name);
        turns(move || func.call(&mut self.store, 1).expect("it returns"))
    }

    /// The same, with types checked by each call.
    pub fn untyped(&mut self, name: &str) -> Work<'_> {
        let func = self.func(name).func();
        turns(move || func.call(&mut self.store, &[Value::I64(1)]).expect("it returns"))
    }

    /// Tells an export how often to do it.
    pub fn inside(&mut self, name: &str) -> Work<'_> {
        let func = self.func(name);
        Box::new(move |times| {
            let start = Instant::now();
            func.call(&mut self.store, times as i64).expect("it returns");
            start.elapsed()
        })
    }

    /// Calls an export that traps.
    pub fn trap(&mut self, name: &str) -> Work<'_> {
        let func = self.func(name);
        turns(move || match func.call(&mut self.store, 1) {
            Err(CallError::Trap(trap)) => trap,
            other => panic!("no trap but {other:?}"),
        })
    }
}

/// Instantiates and drops; also reads a byte at each of `touched`.
pub fn instantiate(file: &Path, touched: &'static [i32]) -> Work<'static> {
    let module = Module::load(file).expect("it loads");
    let imports = Imports::new();
    turns(move || {
        let mut store = Store::new(Config::default());
        let instance = Instance::new(&mut store, &module, &imports).expect("it is instantiated");
        if !touched.is_empty() {
            let load = instance.func(&store, "load").expect("it is exported");
            let load = load.typed::<i32, i32>(&store).expect("it is unary");
            let read = touched.iter().map(|at| load.call(&mut store, *at).expect("it returns"));
            assert_ne!(read.sum::<i32>(), 0);
        }
        store
    })
}

/// Loads and unloads.
pub fn load(file: &Path) -> Work<'_> {
    turns(move || Module::load(file).expect("it loads"))
}
