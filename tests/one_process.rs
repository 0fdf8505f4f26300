//! A process that both compiles and runs wasm.

mod support;

use support::process::{Folder, run};
use wasm2so::options::OptLevel;
use wasmrun::{CallError, Config, Imports, Instance, Module, Store};

/// What `module` traps with.
fn trap(module: &std::path::Path) -> String {
    let module = Module::load(module).expect("it loads");
    let mut store = Store::new(Config::default());
    let instance = Instance::new(&mut store, &module, &Imports::new()).expect("it links");
    let func = instance.func(&store, "f").expect("exported");
    match func.call(&mut store, &[]) {
        Err(CallError::Trap(trap)) => trap.to_string(),
        other => panic!("no trap: {other:?}"),
    }
}

/// The first compilation comes after the first trap: the only test, for that.
#[test]
fn compiling_leaves_signals_to_the_runtime() {
    let folder = Folder::new();
    let text = r#"(module (memory 1)
        (func (export "f") (drop (i32.load (i32.const -8)))))"#;
    let wat = folder.file("first.wat", text);
    let first = folder.path().join("first.so");
    run(support::wasm2so().arg(wat).arg("-o").arg(&first)).succeeded();
    let expected = trap(&first);
    let second = folder.path().join("second.so");
    support::compile(&support::wat(text), "second", &second, &support::options(OptLevel::O3));
    assert_eq!(trap(&second), expected);
    assert_eq!(trap(&first), expected);
}
