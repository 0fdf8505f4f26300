//! Code reaches the memory of its own instance, whoever called it and however it
//! is compiled: with the memory's base in GS, for processors that have no such
//! thing, and in the convention of tail calls.

use crate::Compiled;
use wasmrun::{
    CallError, Config, Extern, Func, FuncType, Imports, Instance, Store, Table, TableType,
    TrapCode, ValType, Value,
};

/// `visit(path, result)` adds the number in its memory to `result`, as a decimal
/// digit, goes where `path` says, and adds its number again.
const VISITOR: &str = r#"(module
    (type $visit (func (param i32 i32) (result i32)))
    (import "env" "table" (table $t 4 funcref))
    (import "env" "host" (func $host (param i32 i32 i32) (result i32)))
    (import "env" "next" (func $next (type $visit)))
    (memory (export "memory") 1)
    (func $add (param $result i32) (result i32)
        (i32.add (i32.mul (local.get $result) (i32.const 10)) (i32.load (i32.const 0))))
    (func $hop (param $path i32) (param $result i32) (param $slot i32) (result i32) HOP)
    (func (export "visit") (type $visit) (local $slot i32) (local $rest i32)
        (local.set 1 (call $add (local.get 1)))
        (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
        (local.set $slot (i32.and (i32.shr_u (local.get 0) (i32.const 2)) (i32.const 3)))
        (local.set $rest (i32.shr_u (local.get 0) (i32.const 4)))
        (block $done
            (block $next (block $trap (block $host (block $indirect
                (br_table $indirect $host $trap $next
                    (i32.and (local.get 0) (i32.const 3))))
            (local.set 1 (call $hop (local.get $rest) (local.get 1) (local.get $slot)))
            (br $done))
            (local.set 1 (call $host (local.get $slot) (local.get $rest) (local.get 1)))
            (br $done))
            (drop (i32.load (i32.const -1))))
            (local.set 1 (call $next (local.get $rest) (local.get 1))))
        (call $add (local.get 1))))"#;

/// The table's places.
const VISITORS: u32 = 4;

/// What the visitor in place `at` must say; nothing if it traps.
fn visit(at: u32, path: u32, result: u32) -> Option<u32> {
    let add = |result: u32| result.wrapping_mul(10).wrapping_add(at + 1);
    let result = add(result);
    if path == 0 {
        return Some(result);
    }
    let (slot, rest) = ((path >> 2) & 3, path >> 4);
    Some(add(match path & 3 {
        0 => visit(slot, rest, result)?,
        1 => visit(slot, rest, result).unwrap_or(result),
        2 => return None,
        _ if at == 0 => result,
        _ => visit(at - 1, rest, result)?,
    }))
}

#[test]
fn everyone_has_their_own() {
    let hop = |call: &str| {
        let call = format!("({call} $t (type $visit) (local.get 0) (local.get 1) (local.get 2))");
        VISITOR.replace("HOP", &call)
    };
    let native = Compiled::text(&hop("call_indirect")).load();
    let portable = Compiled::text_for(&hop("call_indirect"), "x86-64-v2").load();
    let tail = Compiled::text(&hop("return_call_indirect")).load();

    let mut store = Store::new(Config::default());
    let table = TableType { element: ValType::FuncRef, min: VISITORS.into(), max: None };
    let table = Table::new(&mut store, table, Value::FuncRef(None)).unwrap();
    let i32s = |count| vec![ValType::I32; count];
    let ty = FuncType::new(i32s(3), i32s(1));
    let host = Func::new(&mut store, ty, move |caller, args, results| {
        let Value::I32(slot) = args[0] else { unreachable!() };
        let element = table.get(caller.store(), slot as u64).unwrap();
        let Value::FuncRef(Some(func)) = element else { unreachable!() };
        results[0] = match func.call(caller.store(), &args[1..]) {
            Ok(results) => results[0],
            Err(CallError::Trap(trap)) if trap.code() == TrapCode::MemoryOutOfBounds => args[2],
            Err(other) => return Err(other.into()),
        };
        Ok(())
    });
    // The first one's next.
    let ty = FuncType::new(i32s(2), i32s(1));
    let end = Func::new(&mut store, ty, |_, args, results| {
        results[0] = args[1];
        Ok(())
    });
    let mut next: Extern = end.into();
    let mut visitors = Vec::new();
    for (place, module) in (0..VISITORS).zip([&native, &portable, &tail, &native]) {
        let mut imports = Imports::new();
        imports.define("env", "table", table);
        imports.define("env", "host", host);
        imports.define("env", "next", next);
        let instance = Instance::new(&mut store, module, &imports).unwrap();
        let memory = instance.memory(&store, "memory").unwrap();
        memory.data_mut(&mut store)[0] = place as u8 + 1;
        let visit = instance.func(&store, "visit").unwrap();
        table.set(&mut store, place.into(), visit.into()).unwrap();
        next = visit.into();
        visitors.push(visit);
    }
    for (at, visitor) in (0..VISITORS).zip(&visitors) {
        for path in 0..1 << 12 {
            let said = match visitor.call(&mut store, &[Value::I32(path as i32), Value::I32(0)]) {
                Ok(results) => Some(results[0]),
                Err(CallError::Trap(_)) => None,
                Err(other) => panic!("{other:?}"),
            };
            let expected = visit(at, path, 0).map(|result| Value::I32(result as i32));
            assert_eq!(said, expected, "from {at}, path {path:#x}");
        }
    }
}
