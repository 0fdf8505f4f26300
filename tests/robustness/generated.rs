//! Modules that nobody would write, all valid: they compile at full
//! optimisation with every site exact, and those that need nothing run.

use super::child;
use super::support::process::Folder;
use super::support::random::Random;
use super::support::{self, truth::Truth};
use arbitrary::Unstructured;
use wasm_smith::{Config, Module as Generator};
use wasm2so::options::OptLevel;
use wasmrun::{
    CallError, ExternType, Frame, Imports, Instance, InstantiateError, Module, Store, Trap, Value,
};

/// What is compiled, and small.
fn config(max_imports: usize) -> Config {
    Config {
        allow_start_export: max_imports == 0,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        export_everything: true,
        gc_enabled: false,
        max_data_segments: 5,
        max_element_segments: 5,
        max_funcs: 12,
        max_globals: 8,
        max_imports,
        max_instructions: 300,
        max_memory32_bytes: 16 << 20,
        max_table_elements: 1000,
        max_tables: 3,
        max_type_size: 200,
        max_types: 12,
        memory64_enabled: false,
        min_funcs: 8,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// The module that `seed` stands for. Every call of it ends.
fn generate(seed: u64, max_imports: usize) -> Vec<u8> {
    let mut random = Random(seed);
    loop {
        let size = 2000 + random.below(30_000);
        let bytes = random.bytes(size);
        // A few bytes in a thousand make no module.
        if let Ok(mut module) = Generator::new(config(max_imports), &mut Unstructured::new(&bytes))
            && module.ensure_termination(1000).is_ok()
        {
            return module.to_bytes();
        }
    }
}

#[derive(Debug, Default)]
struct Totals {
    functions: usize,
    sites: u64,
    instances: usize,
    returned: usize,
    trapped: usize,
}

/// Every wasm frame is of a function and at one of its instructions.
fn check_trap(trap: &Trap, truth: &Truth) {
    assert!(!trap.frames().is_empty(), "{trap} without a frame");
    for frame in trap.frames() {
        let Frame::Wasm(frame) = frame else { continue };
        let offset =
            frame.module_offset.unwrap_or_else(|| panic!("{trap}: no offset in {frame:?}"));
        let function = truth.functions.iter().find(|f| f.body.contains(&offset));
        let function = function.unwrap_or_else(|| panic!("{trap}: {offset:#x} is in no function"));
        assert_eq!(frame.func_index, Some(function.index), "{trap} at {offset:#x}");
        let overflow = offset == function.body.start;
        let found = overflow || function.operators.iter().any(|&(at, _)| at == offset);
        assert!(found, "{trap}: {offset:#x} is no instruction");
    }
}

/// Instantiates a module that imports nothing and calls all it exports.
fn call_everything(module: &Module, truth: &Truth, totals: &mut Totals) {
    let config = wasmrun::Config { max_memory: Some(64 << 20), ..wasmrun::Config::default() };
    let mut store = Store::new(config);
    let instance = match Instance::new(&mut store, module, &Imports::new()) {
        Ok(instance) => instance,
        // A segment that does not fit, or the start function.
        Err(InstantiateError::Trap(trap)) => {
            if !trap.frames().is_empty() {
                check_trap(&trap, truth);
            }
            return;
        }
        Err(InstantiateError::Resource(_)) => return,
        Err(error) => panic!("{error}"),
    };
    totals.instances += 1;
    for export in module.exports() {
        let ExternType::Func(ty) = &export.ty else { continue };
        let args: Vec<Value> = ty.params().iter().map(|&ty| Value::default_of(ty)).collect();
        let func = instance.func(&store, &export.name).expect("it is exported");
        match func.call(&mut store, &args) {
            Ok(_) => totals.returned += 1,
            Err(CallError::Trap(trap)) => {
                check_trap(&trap, truth);
                totals.trapped += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn compile_all(seeds: std::ops::Range<u64>, max_imports: usize) {
    let folder = Folder::new();
    let mut totals = Totals::default();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        eprintln!("generated module {seed}");
        let wasm = generate(seed, max_imports);
        let output = folder.path().join(format!("{seed}.so"));
        let summary =
            support::compile(&wasm, "generated.wasm", &output, &support::options(OptLevel::O3));
        totals.functions += summary.functions;
        totals.sites += summary.stamps.accesses + summary.stamps.calls;
        let module = Module::load(&output).expect("what was compiled can be loaded");
        if module.imports().is_empty() {
            call_everything(&module, &Truth::of(&wasm), &mut totals);
        }
        drop(module);
        std::fs::remove_file(&output).expect("it was written");
    }
    println!("{count} modules: {totals:?}");
    assert!(totals.instances as u64 > if max_imports == 0 { count / 4 } else { 0 });
}

#[test]
fn modules_without_imports_compile_and_run() {
    child::work("generated::modules_without_imports_compile_and_run", || compile_all(0..200, 0));
}

#[test]
fn modules_with_imports_compile() {
    child::work("generated::modules_with_imports_compile", || compile_all(1000..1150, 10));
}
