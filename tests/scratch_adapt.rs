#[allow(dead_code)]
mod support;
use wasmrun::*;
#[test]
fn adapt() {
    let wasm = support::wat(r#"(module
        (import "host" "call" (func $host (param i32)))
        (func $inside (export "inside") (param $x i32) (drop (i32.load (local.get $x))))
        (func $leave_from (param $x i32) (return_call $host (local.get $x)))
        (func $leave (export "leave") (param $x i32) (call $leave_from (local.get $x))))"#);
    for debug in [wasm2so::options::DebugLevel::Full, wasm2so::options::DebugLevel::None] {
    for strip in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let so = dir.path().join("a.so");
        let mut o = support::options(wasm2so::options::OptLevel::O3);
        o.debug = debug;
        wasm2so::compile(&wasm, "a.wasm", &so, &o, &support::Quiet).unwrap();
        if strip { assert!(std::process::Command::new("strip").arg(&so).status().unwrap().success()); }
        let module = Module::load(&so).unwrap();
        let mut store = Store::new(Config::default());
        let host = Func::new(&mut store, FuncType::new([ValType::I32], []), |caller, args, _| {
            let f = caller.instance().unwrap().func(caller.store(), "inside").unwrap();
            f.call(caller.store(), args)?; Ok(())
        });
        let mut imports = Imports::new();
        imports.define("host", "call", host);
        let i = Instance::new(&mut store, &module, &imports).unwrap();
        let e = i.func(&store, "leave").unwrap().call(&mut store, &[Value::I32(-1)]).unwrap_err();
        let CallError::Host(e) = e else { panic!() };
        let e = e.downcast::<CallError>().unwrap();
        let CallError::Trap(t) = *e else { panic!() };
        println!("{debug:?} {strip} {}", trace::Trace::from(&t).display(trace::Format::Short, false));
    }}
}
