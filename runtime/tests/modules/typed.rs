//! Functions whose types the Rust compiler knows.

use crate::{alone, module};
use std::num::NonZeroU64;
use wasmrun::{
    ArgumentError, CallError, Config, Func, Imports, Instance, Store, TrapCode, Value, WasmValues,
};

#[test]
fn values_of_every_type_go_through() {
    let echo = module(
        r#"(module
            (type $all (func (param i32 i64 f32 f64 v128 funcref externref)
                (result i32 i64 f32 f64 v128 funcref externref)))
            (import "host" "echo" (func $echo (type $all)))
            (func (export "echo") (type $all)
                local.get 0 local.get 1 local.get 2 local.get 3
                local.get 4 local.get 5 local.get 6 call $echo)
            (func (export "nothing"))
            (func (export "first") (param i64 i32) (result i64) local.get 0))"#,
    );
    type All = (i32, u64, f32, f64, u128, Option<Func>, Option<NonZeroU64>);
    let mut store = Store::new(Config::default());
    let host = Func::wrap(&mut store, |_, all: All| Ok(all));
    let mut imports = Imports::new();
    imports.define("host", "echo", host);
    let instance = Instance::new(&mut store, &echo, &imports).unwrap();
    let export = |name, store: &Store| instance.func(store, name).unwrap();
    let first = export("first", &store);
    let all: All = (-5, u64::MAX, -0.0, 1e300, u128::MAX / 3, Some(first), NonZeroU64::new(9));
    let func = export("echo", &store).typed::<All, All>(&store).unwrap();
    assert_eq!(func.call(&mut store, all).unwrap(), all);
    assert_eq!(host.typed::<All, All>(&store).unwrap().call(&mut store, all).unwrap(), all);
    // And among those that are told their types as they run.
    let values = [Value::I32(-5), Value::I64(-1), Value::F32(1 << 31), 1e300.into(), all.4.into()];
    let values = [&values[..], &[first.into(), Value::ExternRef(all.6)]].concat();
    assert_eq!(func.func().call(&mut store, &values).unwrap(), values);
    assert_eq!(host.call(&mut store, &values).unwrap(), values);

    export("nothing", &store).typed::<(), ()>(&store).unwrap().call(&mut store, ()).unwrap();
    let first = first.typed::<(i64, i32), (i64,)>(&store).unwrap();
    assert_eq!(first.call(&mut store, (i64::MIN, 0)).unwrap(), (i64::MIN,));
}

#[test]
fn other_types_are_refused() {
    let (store, instance) =
        alone(r#"(module (func (export "f") (param i32) (result i64) i64.const 1))"#);
    let func = instance.func(&store, "f").unwrap();
    fn refused<P: WasmValues, R: WasmValues>(func: Func, store: &Store) -> String {
        func.typed::<P, R>(store).unwrap_err().to_string()
    }
    func.typed::<u32, u64>(&store).unwrap();
    let message = refused::<(), i64>(func, &store);
    assert_eq!(message, "the function has type (i32) -> (i64), not () -> (i64)");
    refused::<i64, i64>(func, &store);
    refused::<(i32, i32), i64>(func, &store);
    refused::<i32, ()>(func, &store);
}

#[test]
fn traps_errors_and_panics_end_the_call() {
    let caller = module(
        r#"(module
            (import "host" "f" (func $f (param i32) (result i32)))
            (func (export "f") (param i32) (result i32)
                (if (i32.eqz (local.get 0)) (then unreachable))
                (call $f (local.get 0))))"#,
    );
    let mut store = Store::new(Config::default());
    let host = Func::wrap(&mut store, |caller, n: i32| match n {
        1 => Err("no ones".into()),
        2 => panic!("no twos"),
        _ if caller.instance().is_some() => Ok(n * 2),
        _ => Ok(n),
    });
    let mut imports = Imports::new();
    imports.define("host", "f", host);
    let instance = Instance::new(&mut store, &caller, &imports).unwrap();
    let f = instance.func(&store, "f").unwrap().typed::<i32, i32>(&store).unwrap();
    assert_eq!(f.call(&mut store, 21).unwrap(), 42);
    let trap = f.call(&mut store, 0);
    assert!(matches!(trap, Err(CallError::Trap(trap)) if trap.code() == TrapCode::Unreachable));
    let error = f.call(&mut store, 1);
    assert!(matches!(error, Err(CallError::Host(error)) if error.to_string() == "no ones"));
    let panic = std::panic::AssertUnwindSafe(|| f.call(&mut store, 2));
    assert!(std::panic::catch_unwind(panic).is_err());
    assert_eq!(f.call(&mut store, 3).unwrap(), 6);
}

#[test]
fn functions_of_another_store_are_refused() {
    let mut other = Store::new(Config::default());
    let stranger = Func::wrap(&mut other, |_, ()| Ok(()));
    let mut store = Store::new(Config::default());
    let take = Func::wrap(&mut store, |_, _: (i32, Option<Func>)| Ok(()));
    let take = take.typed::<(i32, Option<Func>), ()>(&store).unwrap();
    let refused = take.call(&mut store, (1, Some(stranger)));
    assert!(matches!(refused, Err(CallError::Arguments(ArgumentError::OtherStore { index: 1 }))));
    let give = Func::wrap(&mut store, move |_, ()| Ok(Some(stranger)));
    let error = give.call(&mut store, &[]).unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
}
