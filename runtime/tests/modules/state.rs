//! Values, memories, tables and globals.

use crate::{alone, call, module, trap};
use std::num::NonZeroU64;
use wasmrun::{
    CallError, Config, FuncType, Global, Imports, Instance, InstantiateError, Store, TrapCode,
    ValType, Value,
};

#[test]
fn values_of_every_type_go_in_and_out() {
    let (mut store, instance) = alone(
        r#"(module
            (func (export "swap") (param i32 f64 i64 f32 v128 externref funcref)
                (result funcref externref v128 f32 i64 f64 i32)
                local.get 6 local.get 5 local.get 4 local.get 3
                local.get 2 local.get 1 local.get 0)
            (func (export "one") (param v128) (result v128) local.get 0)
            (func (export "two") (param i32 f32) (result f32 i32) local.get 1 local.get 0))"#,
    );
    let function = instance.func(&store, "one").unwrap();
    let mut args = vec![
        Value::I32(-7),
        Value::F64(0xfff4_0000_0000_0001),
        Value::I64(i64::MIN + 1),
        Value::F32(0x7fa0_0001),
        Value::V128(u128::MAX / 5),
        Value::ExternRef(NonZeroU64::new(u64::MAX)),
        function.into(),
    ];
    let results = call(&mut store, instance, "swap", &args);
    args.reverse();
    assert_eq!(results, args);
    let vector = [Value::V128(1 << 127 | 1)];
    assert_eq!(call(&mut store, instance, "one", &vector), vector);
    let results = call(&mut store, instance, "two", &[Value::I32(1), Value::from(2.5f32)]);
    assert_eq!(results, [Value::from(2.5f32), Value::I32(1)]);
    assert_eq!(function.ty(&store), FuncType::new([ValType::V128], [ValType::V128]));
}

#[test]
fn memories_are_initialised_grown_and_shared_with_the_host() {
    let (mut store, instance) = alone(
        r#"(module
            (memory (export "memory") 1 3)
            (data (i32.const 65530) "abcdef")
            (data $passive "xyz")
            (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "size") (result i32) (memory.size))
            (func (export "init") (param i32 i32 i32)
                (memory.init $passive (local.get 0) (local.get 1) (local.get 2)))
            (func (export "drop") (data.drop $passive)))"#,
    );
    let memory = instance.memory(&store, "memory").unwrap();
    assert_eq!(&memory.data(&store)[65530..], b"abcdef");
    memory.data_mut(&mut store)[9] = 200;
    assert_eq!(call(&mut store, instance, "load", &[Value::I32(9)]), [Value::I32(200)]);
    let end = [Value::I32(65536)];
    assert_eq!(trap(&mut store, instance, "load", &end), TrapCode::MemoryOutOfBounds);
    assert_eq!(call(&mut store, instance, "grow", &[Value::I32(1)]), [Value::I32(1)]);
    assert_eq!(call(&mut store, instance, "load", &end), [Value::I32(0)]);
    assert_eq!(memory.grow(&mut store, 1).unwrap(), 2);
    assert_eq!(call(&mut store, instance, "size", &[]), [Value::I32(3)]);
    assert_eq!(call(&mut store, instance, "grow", &[Value::I32(1)]), [Value::I32(-1)]);
    assert_eq!(store.memory_used(), 3 * 65536);

    let init = |d, s, n| [Value::I32(d), Value::I32(s), Value::I32(n)];
    call(&mut store, instance, "init", &init(4, 1, 2));
    assert_eq!(&memory.data(&store)[3..7], b"\0yz\0");
    let oob = TrapCode::MemoryOutOfBounds;
    assert_eq!(trap(&mut store, instance, "init", &init(4, 2, 2)), oob);
    assert_eq!(trap(&mut store, instance, "init", &init(-1, 0, 2)), oob);
    call(&mut store, instance, "drop", &[]);
    assert_eq!(trap(&mut store, instance, "init", &init(4, 0, 1)), oob);
    call(&mut store, instance, "init", &init(4, 0, 0));
}

#[test]
fn tables_hold_functions() {
    let (mut store, instance) = alone(
        r#"(module
            (type $unary (func (param i32) (result i32)))
            (table (export "t") 6 10 funcref)
            (table $other 3 funcref)
            (elem (i32.const 1) $double $void)
            (elem $passive func $double $double)
            (func $double (export "double") (param i32) (result i32)
                (i32.add (local.get 0) (local.get 0)))
            (func $void)
            (func (export "call") (param i32 i32) (result i32)
                (call_indirect (type $unary) (local.get 1) (local.get 0)))
            (func (export "init") (param i32 i32 i32)
                (table.init $passive (local.get 0) (local.get 1) (local.get 2)))
            (func (export "drop") (elem.drop $passive))
            (func (export "grow") (param i32) (result i32)
                (table.grow 0 (ref.func $double) (local.get 0)))
            (func (export "fill") (param i32 i32)
                (table.fill 0 (local.get 0) (ref.null func) (local.get 1)))
            (func (export "copy") (param i32 i32 i32)
                (table.copy 0 0 (local.get 0) (local.get 1) (local.get 2))))"#,
    );
    let indirect = |store: &mut Store, index| {
        let func = instance.func(store, "call").unwrap();
        match func.call(store, &[Value::I32(index), Value::I32(21)]) {
            Ok(results) => Ok(results[0]),
            Err(CallError::Trap(trap)) => Err(trap.code()),
            Err(other) => panic!("{other}"),
        }
    };
    let answer = Ok(Value::I32(42));
    assert_eq!(indirect(&mut store, 0), Err(TrapCode::UninitializedElement));
    assert_eq!(indirect(&mut store, 1), answer);
    assert_eq!(indirect(&mut store, 2), Err(TrapCode::IndirectCallTypeMismatch));
    assert_eq!(indirect(&mut store, 6), Err(TrapCode::UndefinedElement));
    assert_eq!(indirect(&mut store, -1), Err(TrapCode::UndefinedElement));

    let table = instance.table(&store, "t").unwrap();
    let double = instance.func(&store, "double").unwrap();
    assert_eq!(table.get(&store, 1).unwrap(), double.into());
    table.set(&mut store, 0, double.into()).unwrap();
    assert_eq!(indirect(&mut store, 0), answer);

    let three = |a, b, c| [Value::I32(a), Value::I32(b), Value::I32(c)];
    let oob = TrapCode::TableOutOfBounds;
    call(&mut store, instance, "init", &three(4, 0, 2));
    assert_eq!(indirect(&mut store, 5), answer);
    assert_eq!(trap(&mut store, instance, "init", &three(5, 0, 2)), oob);
    assert_eq!(trap(&mut store, instance, "init", &three(0, 1, 2)), oob);
    call(&mut store, instance, "drop", &[]);
    assert_eq!(trap(&mut store, instance, "init", &three(0, 0, 1)), oob);
    assert_eq!(call(&mut store, instance, "grow", &[Value::I32(4)]), [Value::I32(6)]);
    assert_eq!(call(&mut store, instance, "grow", &[Value::I32(1)]), [Value::I32(-1)]);
    assert_eq!(indirect(&mut store, 9), answer);
    call(&mut store, instance, "fill", &[Value::I32(8), Value::I32(2)]);
    assert_eq!(indirect(&mut store, 9), Err(TrapCode::UninitializedElement));
    assert_eq!(trap(&mut store, instance, "fill", &[Value::I32(9), Value::I32(2)]), oob);
    call(&mut store, instance, "copy", &three(8, 0, 2));
    assert_eq!(indirect(&mut store, 9), answer);
    assert_eq!(trap(&mut store, instance, "copy", &three(9, 0, 2)), oob);
}

#[test]
fn globals_start_with_constant_expressions() {
    let importer = module(
        r#"(module
            (import "env" "base" (global $base i32))
            (import "env" "counter" (global $counter (mut i64)))
            (global (export "sum") i32 (i32.add (global.get $base) (i32.const 5)))
            (global (export "vector") v128 (v128.const i64x2 1 2))
            (global (export "f") funcref (ref.func $count))
            (func $count (export "count")
                (global.set $counter (i64.add (global.get $counter) (i64.const 1)))))"#,
    );
    let mut store = Store::new(Config::default());
    let base = Global::new(&mut store, false, Value::I32(37)).unwrap();
    let counter = Global::new(&mut store, true, Value::I64(1)).unwrap();
    let mut imports = Imports::new();
    imports.define("env", "base", base).define("env", "counter", counter);
    let instance = Instance::new(&mut store, &importer, &imports).unwrap();
    let get = |name| instance.global(&store, name).unwrap().get(&store);
    assert_eq!(get("sum"), Value::I32(42));
    assert_eq!(get("vector"), Value::V128(2 << 64 | 1));
    assert_eq!(get("f"), instance.func(&store, "count").unwrap().into());
    call(&mut store, instance, "count", &[]);
    assert_eq!(counter.get(&store), Value::I64(2));
    counter.set(&mut store, Value::I64(10)).unwrap();
    call(&mut store, instance, "count", &[]);
    assert_eq!(counter.get(&store), Value::I64(11));
}

#[test]
fn too_much_memory_is_refused() {
    let greedy = module(
        r#"(module (memory 1) (func (export "grow") (result i32)
        (memory.grow (i32.const 2))))"#,
    );
    let mut store = Store::new(Config { max_memory: Some(2 * 65536), ..Config::default() });
    let instance = Instance::new(&mut store, &greedy, &Imports::new()).unwrap();
    assert_eq!(call(&mut store, instance, "grow", &[]), [Value::I32(-1)]);
    Instance::new(&mut store, &greedy, &Imports::new()).unwrap();
    let error = Instance::new(&mut store, &greedy, &Imports::new()).unwrap_err();
    assert!(matches!(error, InstantiateError::Resource(_)), "{error}");
    assert_eq!(store.memory_used(), 2 * 65536);
}

#[test]
fn an_impossible_stack_is_an_error() {
    let module = module(r#"(module (func (export "f")))"#);
    let mut store = Store::new(Config { max_stack: usize::MAX, ..Config::default() });
    let instance = Instance::new(&mut store, &module, &Imports::new()).unwrap();
    let result = instance.func(&store, "f").unwrap().call(&mut store, &[]);
    assert!(matches!(result, Err(CallError::Host(_))), "{result:?}");
}
