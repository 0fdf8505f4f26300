//! Host functions: called by wasm, calling wasm, failing.

use crate::{call, module};
use ValType::{F32, I32, I64};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmrun::{
    CallError, Caller, Config, Func, FuncType, HostError, Imports, Instance, InstantiateError,
    Store, TrapCode, ValType, Value,
};

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("exit {0}")]
struct Exit(i32);

const CALLER: &str = r#"(module
    (import "env" "host" (func $host (param i32 f32 i64) (result i64 i32)))
    (import "env" "nothing" (func $nothing))
    (memory (export "memory") 1)
    (table (export "t") 1 funcref)
    (elem (i32.const 0) $host)
    (export "again" (func $host))
    (type $host_type (func (param i32 f32 i64) (result i64 i32)))
    (func (export "run") (param i32) (result i64 i32)
        (call $host (local.get 0) (f32.const 1.5) (i64.const -3)))
    (func (export "indirect") (param i32) (result i64 i32)
        (call_indirect (type $host_type)
            (local.get 0) (f32.const 1.5) (i64.const -3) (i32.const 0)))
    (func (export "nothing") (call $nothing))
    (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1))))"#;

fn host_type() -> FuncType {
    FuncType::new([I32, F32, I64], [I64, I32])
}

/// An instance of [`CALLER`] whose `nothing` is `body`.
fn caller_of(
    store: &mut Store,
    body: impl Fn(&mut Caller<'_>) -> Result<(), HostError> + Send + 'static,
) -> Instance {
    let host = Func::new(store, host_type(), |_, args, results| {
        if args[0] == Value::I32(-1) {
            return Err(Exit(9).into());
        }
        assert_eq!(args[1], Value::from(1.5f32));
        results.copy_from_slice(&[args[2], args[0]]);
        Ok(())
    });
    let nothing = Func::new(store, FuncType::new([], []), move |caller, _, _| body(caller));
    let mut imports = Imports::new();
    imports.define("env", "host", host).define("env", "nothing", nothing);
    Instance::new(store, &module(CALLER), &imports).unwrap()
}

#[test]
fn wasm_calls_the_host_directly_and_through_references() {
    let mut store = Store::new(Config::default());
    let instance = caller_of(&mut store, |_| Ok(()));
    for name in ["run", "indirect"] {
        let results = call(&mut store, instance, name, &[Value::I32(4)]);
        assert_eq!(results, [Value::I64(-3), Value::I32(4)]);
        let func = instance.func(&store, name).unwrap();
        let Err(CallError::Host(error)) = func.call(&mut store, &[Value::I32(-1)]) else {
            panic!("no error")
        };
        assert_eq!(error.downcast_ref(), Some(&Exit(9)));
    }
    // Exported again and put into a table it stays the same function.
    let args = [Value::I32(4), Value::from(1.5f32), Value::I64(8)];
    let results = call(&mut store, instance, "again", &args);
    assert_eq!(results, [Value::I64(8), Value::I32(4)]);
    let table = instance.table(&store, "t").unwrap();
    let Value::FuncRef(Some(element)) = table.get(&store, 0).unwrap() else { panic!() };
    assert_eq!(element.ty(&store), host_type());
    assert_eq!(element.call(&mut store, &args).unwrap(), results);
}

#[test]
fn a_function_of_the_host_can_be_put_into_a_table() {
    let mut store = Store::new(Config::default());
    let early = Func::new(&mut store, host_type(), |_, _, results| {
        results[1] = Value::I32(1);
        Ok(())
    });
    let instance = caller_of(&mut store, |_| Ok(()));
    let late = Func::new(&mut store, host_type(), |_, _, results| {
        results[1] = Value::I32(2);
        Ok(())
    });
    let table = instance.table(&store, "t").unwrap();
    for (func, expected) in [(early, 1), (late, 2)] {
        table.set(&mut store, 0, func.into()).unwrap();
        let results = call(&mut store, instance, "indirect", &[Value::I32(4)]);
        assert_eq!(results, [Value::I64(0), Value::I32(expected)]);
    }
}

#[test]
fn the_host_calls_back_and_sees_its_callers_memory() {
    let mut store = Store::new(Config::default());
    let instance = caller_of(&mut store, |caller| {
        let instance = caller.instance().expect("wasm calls");
        let memory = caller.memory().expect("it has a memory");
        memory.data_mut(caller.store())[0] = 5;
        let poke = instance.func(caller.store(), "poke").unwrap();
        poke.call(caller.store(), &[Value::I32(4), Value::I32(6)])?;
        memory.grow(caller.store(), 1)?;
        let trap = poke.call(caller.store(), &[Value::I32(i32::MAX), Value::I32(6)]);
        assert!(matches!(trap, Err(CallError::Trap(_))));
        Ok(())
    });
    call(&mut store, instance, "nothing", &[]);
    let memory = instance.memory(&store, "memory").unwrap();
    assert_eq!(memory.data(&store)[..8], [5, 0, 0, 0, 6, 0, 0, 0]);
    assert_eq!(memory.size(&store), 2);
}

#[test]
fn a_panic_of_the_host_goes_through_wasm() {
    let mut store = Store::new(Config::default());
    let instance = caller_of(&mut store, |_| panic!("of the host"));
    let nothing = instance.func(&store, "nothing").unwrap();
    let panicking = AssertUnwindSafe(|| nothing.call(&mut store, &[]));
    let payload = catch_unwind(panicking).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"of the host"));
    // The store is as usable as before.
    call(&mut store, instance, "run", &[Value::I32(1)]);
}

#[test]
fn wasm_and_host_calling_each_other_without_end_is_a_trap() {
    let mut store = Store::new(Config { max_stack: 64 << 10, ..Config::default() });
    let instance = caller_of(&mut store, |caller| {
        let nothing = caller.instance().unwrap().func(caller.store(), "nothing").unwrap();
        nothing.call(caller.store(), &[])?;
        Ok(())
    });
    let nothing = instance.func(&store, "nothing").unwrap();
    let Err(CallError::Host(mut error)) = nothing.call(&mut store, &[]) else { panic!() };
    // Each level hands on the error of the one below.
    let trap = loop {
        match *error.downcast::<CallError>().unwrap() {
            CallError::Host(inner) => error = inner,
            CallError::Trap(trap) => break trap,
            CallError::Arguments(error) => panic!("{error}"),
            _ => unreachable!(),
        }
    };
    assert_eq!(trap.code(), TrapCode::StackOverflow);
}

#[test]
fn the_start_function_runs_and_may_fail() {
    let text = |body| {
        format!(
            r#"(module (import "env" "f" (func $f)) (memory (export "memory") 1)
                (func $start {body}) (start $start))"#
        )
    };
    let mut store = Store::new(Config::default());
    let exit = Func::new(&mut store, FuncType::new([], []), |_, _, _| Err(Exit(3).into()));
    let mut imports = Imports::new();
    imports.define("env", "f", exit);
    let run = |store: &mut Store, body| Instance::new(store, &module(&text(body)), &imports);
    let done = run(&mut store, "(i32.store8 (i32.const 3) (i32.const 4))").unwrap();
    assert_eq!(done.memory(&store, "memory").unwrap().data(&store)[3], 4);
    let trapped = run(&mut store, "(unreachable)").unwrap_err();
    assert!(matches!(trapped, InstantiateError::Trap(t) if t.code() == TrapCode::Unreachable));
    let InstantiateError::Host(error) = run(&mut store, "(call $f)").unwrap_err() else {
        panic!("no host error")
    };
    assert_eq!(error.downcast_ref(), Some(&Exit(3)));
    let imported =
        module(r#"(module (import "env" "f" (func $f)) (memory (export "memory") 1) (start $f))"#);
    let seen = Func::new(&mut store, FuncType::new([], []), |caller, _, _| {
        assert!(caller.memory().is_some());
        Ok(())
    });
    let mut imports = Imports::new();
    imports.define("env", "f", seen);
    Instance::new(&mut store, &imported, &imports).unwrap();
}

/// Parameters of every type, in registers of each kind and beyond them on the stack,
/// and results in registers and in memory.
const CONVENTION: &str = r#"(module
    (type $many (func (param i32 f32 v128 i64 f64 i64 i32 f64 v128 f32 i64 i32 f64 v128 i64 f32)
        (result f64 i32 v128 i64 f32)))
    (import "env" "many" (func $many (type $many)))
    (import "env" "few" (func $few (param f64 i32 i64 f32) (result f64 i32)))
    (import "env" "mixed" (func $mixed (param i64 i64 i64 i64 i64 i64 i32 v128)
        (result i32 f32 i64 v128)))
    (import "env" "vector" (func $vector (param i32) (result v128)))
    (func (export "many") (type $many)
        (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
        (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10) (local.get 11)
        (local.get 12) (local.get 13) (local.get 14) (local.get 15) (call $many))
    (func (export "few") (param f64 i32 i64 f32) (result f64 i32)
        (call $few (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
    (func (export "mixed") (param i64 i64 i64 i64 i64 i64 i32 v128) (result i32 f32 i64 v128)
        (call $mixed (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
            (local.get 5) (local.get 6) (local.get 7)))
    (func (export "vector") (param i32) (result v128) (call $vector (local.get 0))))"#;

type Many = (i32, f32, u128, i64, f64, i64, i32, f64, u128, f32, i64, i32, f64, u128, i64, f32);

type Halves =
    ((i32, f32, u128, i64, f64, i64, i32, f64), (u128, f32, i64, i32, f64, u128, i64, f32));

/// The same in a form that can be compared.
fn halves((a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p): Many) -> Halves {
    ((a, b, c, d, e, f, g, h), (i, j, k, l, m, n, o, p))
}

#[test]
fn arguments_and_results_of_all_types_arrive() {
    const MANY: (Many, (f64, i32, u128, i64, f32)) = (
        (-1, 1.5, 2 << 99, -3, 4.5, 5, 6, 7.5, 8 << 90, 9.5, 10, -11, 12.5, 13 << 80, 14, 15.5),
        (-0.5, -2, u128::MAX - 7, i64::MIN, 3.25),
    );
    type Few = ((f64, i32, i64, f32), (f64, i32));
    const FEW: Few = ((1.25, 2, -3, 4.75), (5.125, -6));
    type Mixed = ((i64, i64, i64, i64, i64, i64, i32, u128), (i32, f32, i64, u128));
    const MIXED: Mixed = ((1, 2, 3, 4, 5, 6, -7, 8 << 100), (-9, 10.5, 11 << 40, 12 << 70));

    let module = module(CONVENTION);
    for typed in [true, false] {
        let mut store = Store::new(Config::default());
        let many = Func::wrap(&mut store, |_, args| {
            assert_eq!(halves(args), halves(MANY.0));
            Ok(MANY.1)
        });
        let few = Func::wrap(&mut store, |_, args: (f64, i32, i64, f32)| {
            assert_eq!(args, FEW.0);
            Ok(FEW.1)
        });
        let mixed = Func::wrap(&mut store, |_, args: (i64, i64, i64, i64, i64, i64, i32, u128)| {
            assert_eq!(args, MIXED.0);
            Ok(MIXED.1)
        });
        let vector = Func::wrap(&mut store, |_, n: u32| Ok(u128::from(n) << 70));
        let mut imports = Imports::new();
        for (name, func) in [("many", many), ("few", few), ("mixed", mixed), ("vector", vector)] {
            // The same, told its types as it runs.
            let ty = func.ty(&store);
            let told = Func::new(&mut store, ty, move |caller, args, results| {
                results.copy_from_slice(&func.call(caller.store(), args)?);
                Ok(())
            });
            imports.define("env", name, if typed { func } else { told });
        }
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let func = |store: &Store, name| instance.func(store, name).unwrap();
        let many = func(&store, "many").typed(&store).unwrap();
        assert_eq!(many.call(&mut store, MANY.0).ok(), Some(MANY.1));
        let few = func(&store, "few").typed(&store).unwrap();
        assert_eq!(few.call(&mut store, FEW.0).ok(), Some(FEW.1));
        let mixed = func(&store, "mixed").typed(&store).unwrap();
        assert_eq!(mixed.call(&mut store, MIXED.0).ok(), Some(MIXED.1));
        let vector = func(&store, "vector").typed::<u32, u128>(&store).unwrap();
        assert_eq!(vector.call(&mut store, 3).ok(), Some(3 << 70));
    }
}
