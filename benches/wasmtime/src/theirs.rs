//! Wasmtime's side: its fastest interface (typed calls, resolved imports), with
//! traces, as it comes and as ours has them.

use crate::measure::{Work, turns};
use std::path::{Path, PathBuf};
use std::time::Instant;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, OptLevel,
    PoolingAllocationConfig, Result, Store, TypedFunc,
};

/// Where memories come from.
#[derive(Clone, Copy)]
pub enum Allocator {
    /// The system, as needed: the default.
    OnDemand,
    /// Slots that are set aside once.
    Pooling,
}

/// An engine.
pub fn engine(allocator: Allocator) -> Engine {
    let mut config = Config::new();
    config.memory_init_cow(true).cranelift_opt_level(OptLevel::Speed);
    if let Allocator::Pooling = allocator {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_memories(100).total_tables(100).total_core_instances(100);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Engine::new(&config).expect("the settings fit each other")
}

/// Compiles a module into `folder`.
pub fn compile(engine: &Engine, wasm: &[u8], folder: &Path) -> PathBuf {
    let file = folder.join("module.cwasm");
    let compiled = engine.precompile_module(wasm).expect("it compiles");
    std::fs::write(&file, compiled).expect("the folder can be written to");
    file
}

fn open(engine: &Engine, file: &Path) -> Module {
    // SAFETY: written by `compile`.
    unsafe { Module::deserialize_file(engine, file).expect("it loads") }
}

fn link(engine: &Engine, file: &Path) -> InstancePre<()> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "function", |n: i64| -> Result<i64> { Ok(n) }).expect("a new name");
    linker.instantiate_pre(&open(engine, file)).expect("all imports are there")
}

/// An instance of `modules::CALLS`.
pub struct Calls {
    store: Store<()>,
    instance: wasmtime::Instance,
}

impl Calls {
    pub fn new(engine: &Engine, file: &Path) -> Self {
        let mut store = Store::new(engine, ());
        let instance = link(engine, file).instantiate(&mut store).expect("it is instantiated");
        Calls { store, instance }
    }

    fn func(&mut self, name: &str) -> TypedFunc<i64, i64> {
        self.instance.get_typed_func(&mut self.store, name).expect("it is exported, and unary")
    }

    /// Calls an export each time.
    pub fn each(&mut self, name: &str) -> Work<'_> {
        let func = self.func(name);
        turns(move || func.call(&mut self.store, 1).expect("it returns"))
    }

    /// The same, with types checked by each call.
    pub fn untyped(&mut self, name: &str) -> Work<'_> {
        let func = *self.func(name).func();
        turns(move || {
            let mut results = [wasmtime::Val::I64(0)];
            func.call(&mut self.store, &[wasmtime::Val::I64(1)], &mut results).expect("it returns");
            results
        })
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
        turns(move || func.call(&mut self.store, 1).expect_err("it traps"))
    }
}

/// Instantiates and drops; also reads a byte at each of `touched`.
pub fn instantiate(engine: &Engine, file: &Path, touched: &'static [i32]) -> Work<'static> {
    let (engine, module) = (engine.clone(), link(engine, file));
    turns(move || {
        let mut store = Store::new(&engine, ());
        let instance = module.instantiate(&mut store).expect("it is instantiated");
        if !touched.is_empty() {
            let load = instance.get_typed_func::<i32, i32>(&mut store, "load");
            let load = load.expect("it is exported, and unary");
            let read = touched.iter().map(|at| load.call(&mut store, *at).expect("it returns"));
            assert_ne!(read.sum::<i32>(), 0);
        }
        store
    })
}

/// Loads and unloads.
pub fn load<'a>(engine: &'a Engine, file: &'a Path) -> Work<'a> {
    turns(move || open(engine, file))
}
