//! What modules say of themselves, and how they are linked.

use crate::{alone, call, module, trap};
use wasmrun::{
    Config, Global, ImportProblem, Imports, Instance, InstantiateError, Memory, MemoryType, Store,
    Table, TableType, TrapCode, ValType, Value,
};

#[test]
fn a_module_says_what_it_has() {
    let module = module(
        r#"(module $shapes
            (import "env" "f" (func (param i32) (result f64)))
            (import "env" "m" (memory 1 2))
            (func $square (export "square") (param i32) (result i32)
                (i32.mul (local.get 0) (local.get 0)))
            (global (export "g") (mut i64) (i64.const 3)))"#,
    );
    assert_eq!(module.name(), "shapes");
    let imports: Vec<_> = module.imports().iter().map(|import| import.ty.to_string()).collect();
    assert_eq!(imports, ["function (i32) -> (f64)", "memory 1..2"]);
    let exports: Vec<_> = module.exports().iter().map(|e| format!("{} {}", e.name, e.ty)).collect();
    assert_eq!(exports, ["square function (i32) -> (i32)", "g mutable global i64"]);
    assert_eq!((module.num_imported_functions(), module.num_functions()), (1, 2));
    assert_eq!(module.function_name(1), Some("square"));
    let body = module.function_body(1).unwrap();
    assert_eq!(module.function_at_offset(body.start), Some(1));
    assert_eq!(module.function_at_offset(body.end), None);
    assert_eq!(module.function_body(0), None);
    assert!(module.code_section_start() < body.start);
}

#[test]
fn a_module_can_be_loaded_twice() {
    let first = module("(module (func (export \"f\") unreachable))");
    let mut store = Store::new(Config::default());
    let instance = Instance::new(&mut store, &first, &Imports::new()).unwrap();
    let other = Instance::new(&mut store, &first.clone(), &Imports::new()).unwrap();
    assert_ne!(instance.func(&store, "f"), other.func(&store, "f"));
    drop(first);
    assert_eq!(trap(&mut store, instance, "f", &[]), TrapCode::Unreachable);
}

#[test]
fn all_link_errors_are_reported_at_once() {
    let importer = module(
        r#"(module
            (import "env" "missing" (func (param i32)))
            (import "env" "memory" (memory 2))
            (import "env" "good" (global i32))
            (import "env" "good" (func)))"#,
    );
    let mut store = Store::new(Config::default());
    let memory = Memory::new(&mut store, MemoryType { min: 1, max: None }).unwrap();
    let good = Global::new(&mut store, false, Value::I32(0)).unwrap();
    let mut imports = Imports::new();
    imports.define("env", "memory", memory).define("env", "good", good);
    let Err(InstantiateError::Link(error)) = Instance::new(&mut store, &importer, &imports) else {
        panic!("not linked")
    };
    use ImportProblem::{Incompatible, Unknown};
    assert!(matches!(
        error.problems[..],
        [Unknown { .. }, Incompatible { .. }, Incompatible { .. }]
    ));
    let message = error.to_string();
    assert!(message.contains("unknown import: `env` `missing`: define a function (i32) -> ()"));
    assert!(message.contains("must be a memory 2.., but is a memory 1.."));
}

#[test]
fn instances_link_to_each_other() {
    let exporter = module(
        r#"(module
            (memory (export "memory") 1)
            (table (export "table") 2 funcref)
            (global (export "g") (mut i32) (i32.const 1))
            (func (export "add") (param i32 i32) (result i32)
                (i32.add (local.get 0) (i32.add (local.get 1) (i32.load (i32.const 0))))))"#,
    );
    let importer = module(
        r#"(module
            (import "lib" "memory" (memory 1))
            (import "lib" "table" (table 1 funcref))
            (import "lib" "g" (global $g (mut i32)))
            (import "lib" "add" (func $add (param i32 i32) (result i32)))
            (export "add" (func $add))
            (elem (i32.const 1) $add)
            (data (i32.const 0) "\64")
            (func (export "run") (result i32)
                (global.set $g (i32.const 7))
                (call $add (i32.const 1) (global.get $g)))
            (func (export "indirect") (result i32)
                (call_indirect (param i32 i32) (result i32)
                    (i32.const 1) (i32.const 2) (i32.const 1))))"#,
    );
    let mut store = Store::new(Config::default());
    let lib = Instance::new(&mut store, &exporter, &Imports::new()).unwrap();
    let mut imports = Imports::new();
    imports.define_instance(&store, "lib", lib);
    let user = Instance::new(&mut store, &importer, &imports).unwrap();
    assert_eq!(call(&mut store, user, "run", &[]), [Value::I32(108)]);
    assert_eq!(call(&mut store, user, "indirect", &[]), [Value::I32(103)]);
    assert_eq!(lib.global(&store, "g").unwrap().get(&store), Value::I32(7));
    assert_eq!(user.export(&store, "add"), lib.export(&store, "add"));
    let names: Vec<_> = lib.exports(&store).map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["memory", "table", "g", "add"]);
}

#[test]
fn a_failing_segment_leaves_what_was_done() {
    let importer = module(
        r#"(module
            (import "env" "table" (table 3 funcref))
            (import "env" "memory" (memory 1))
            (func $f (export "f") (result i32) (i32.const 3))
            (elem $first (i32.const 0) $f)
            (elem $second (i32.const 2) $f $f)
            (data (i32.const 0) "x"))"#,
    );
    let mut store = Store::new(Config::default());
    let ty = TableType { element: ValType::FuncRef, min: 3, max: None };
    let table = Table::new(&mut store, ty, Value::FuncRef(None)).unwrap();
    let memory = Memory::new(&mut store, MemoryType { min: 1, max: None }).unwrap();
    let mut imports = Imports::new();
    imports.define("env", "table", table).define("env", "memory", memory);
    let error = Instance::new(&mut store, &importer, &imports).unwrap_err();
    let InstantiateError::Trap(trap) = error else { panic!("{error}") };
    assert_eq!(trap.code(), TrapCode::TableOutOfBounds);
    assert_eq!(table.get(&store, 2).unwrap(), Value::FuncRef(None));
    assert_eq!(memory.data(&store)[0], 0);
    let Value::FuncRef(Some(f)) = table.get(&store, 0).unwrap() else { panic!("not applied") };
    assert_eq!(f.call(&mut store, &[]).unwrap(), [Value::I32(3)]);
}

#[test]
fn other_stores_instances_are_refused() {
    let (store, instance) = alone(r#"(module (memory (export "memory") 1))"#);
    let memory = instance.export(&store, "memory").unwrap();
    let importer = module(r#"(module (import "a" "m" (memory 1)))"#);
    let mut imports = Imports::new();
    imports.define("a", "m", memory);
    let mut other = Store::new(Config::default());
    let Err(InstantiateError::Link(error)) = Instance::new(&mut other, &importer, &imports) else {
        panic!("linked")
    };
    assert!(matches!(error.problems[..], [ImportProblem::OtherStore { .. }]));
}

#[test]
fn many_threads_run_their_own_stores() {
    let fib = module(
        r#"(module (memory 1) (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add
                    (call $fib (i32.sub (local.get 0) (i32.const 1)))
                    (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#,
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut store = Store::new(Config::default());
                    let instance = Instance::new(&mut store, &fib, &Imports::new()).unwrap();
                    let results = call(&mut store, instance, "fib", &[Value::I32(15)]);
                    assert_eq!(results, [Value::I32(610)]);
                }
            });
        }
    });
}
