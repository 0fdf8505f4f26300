//! Tables whose elements are bound to functions as they are used.

use crate::{alone, call, module};
use wasmrun::{
    CallError, Config, Extern, Func, Imports, Instance, InstantiateError, Store, Table, TrapCode,
    Value,
};

/// Functions that return their number; the table has them at 1 to 4, and lets
/// every operator loose on it.
const PROVIDER: &str = r#"(module
    (type $number (func (result i32)))
    (table $t (export "t") 8 20 funcref)
    (table $other 8 funcref)
    (elem (i32.const 1) $one $two $three $four)
    (elem $passive funcref (ref.func $four) (ref.null func) (ref.func $one))
    (func $one (export "one") (result i32) (i32.const 1))
    (func $two (result i32) (i32.const 2))
    (func $three (export "three") (result i32) (i32.const 3))
    (func $four (result i32) (i32.const 4))
    (func (export "call") (param i32) (result i32) (call_indirect (type $number) (local.get 0)))
    (func (export "call other") (param i32) (result i32)
        (call_indirect $other (type $number) (local.get 0)))
    (func (export "get") (param i32) (result funcref) (table.get $t (local.get 0)))
    (func (export "set") (param i32 funcref) (table.set $t (local.get 0) (local.get 1)))
    (func (export "refer") (result funcref) (ref.func $three))
    (func (export "fill") (param i32 funcref i32)
        (table.fill $t (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32)
        (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
    (func (export "to other") (param i32 i32 i32)
        (table.copy $other $t (local.get 0) (local.get 1) (local.get 2)))
    (func (export "from other") (param i32 i32 i32)
        (table.copy $t $other (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init") (param i32 i32 i32)
        (table.init $t $passive (local.get 0) (local.get 1) (local.get 2)))
    (func (export "grow") (param i32) (result i32)
        (table.grow $t (ref.null func) (local.get 0))))"#;

/// Other users of the table.
const USER: &str = r#"(module
    (import "provider" "t" (table 8 20 funcref))
    (type $number (func (result i32)))
    (func (export "call") (param i32) (result i32) (call_indirect (type $number) (local.get 0)))
    (func (export "get") (param i32) (result funcref) (table.get (local.get 0)))
    (func (export "clear") (param i32) (table.set (local.get 0) (ref.null func))))"#;

/// What calling element `index` says, by export `name`: a number, or none for null.
fn number(store: &mut Store, instance: Instance, name: &str, index: i32) -> Option<i32> {
    let func = instance.func(store, name).unwrap().typed::<i32, i32>(store).unwrap();
    match func.call(store, index) {
        Ok(number) => Some(number),
        Err(CallError::Trap(trap)) if trap.code() == TrapCode::UninitializedElement => None,
        Err(other) => panic!("{other}"),
    }
}

/// What all elements say.
fn numbers(store: &mut Store, instance: Instance, name: &str) -> [Option<i32>; 8] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|index| number(store, instance, name, index))
}

fn ints<const N: usize>(numbers: [i32; N]) -> [Value; N] {
    numbers.map(Value::I32)
}

fn table(store: &Store, instance: Instance) -> Table {
    instance.table(store, "t").unwrap()
}

const NULL: Value = Value::FuncRef(None);

#[test]
fn elements_are_what_the_segments_say() {
    let (mut store, instance) = alone(PROVIDER);
    let all = [None, Some(1), Some(2), Some(3), Some(4), None, None, None];
    assert_eq!(numbers(&mut store, instance, "call"), all);
    assert_eq!(numbers(&mut store, instance, "call"), all);
}

#[test]
fn one_function_has_one_reference() {
    let (mut store, instance) = alone(PROVIDER);
    let three: Value = instance.func(&store, "three").unwrap().into();
    assert_eq!(table(&store, instance).get(&store, 3).unwrap(), three);
    assert_eq!(call(&mut store, instance, "get", &ints([3])), [three]);
    assert_eq!(call(&mut store, instance, "refer", &[]), [three]);
    // The other way round: it is made by the code that names it.
    let (mut store, instance) = alone(PROVIDER);
    let results = call(&mut store, instance, "refer", &[]);
    assert_eq!(results, call(&mut store, instance, "refer", &[]));
    assert_eq!(results, [instance.func(&store, "three").unwrap().into()]);
    let [Value::FuncRef(Some(three))] = results[..] else { panic!("{results:?}") };
    assert_eq!(three.call(&mut store, &[]).unwrap(), ints([3]));
    // By a table, of a function that nothing else names.
    let Value::FuncRef(Some(two)) = table(&store, instance).get(&store, 2).unwrap() else {
        panic!("null")
    };
    assert_eq!(two.call(&mut store, &[]).unwrap(), ints([2]));
    assert_eq!(call(&mut store, instance, "get", &ints([2])), [two.into()]);
}

#[test]
fn null_stays_null_whoever_wrote_it() {
    let clear: [fn(&mut Store, Instance, i32); 6] = [
        |store, instance, index| {
            call(store, instance, "set", &[Value::I32(index), NULL]);
        },
        |store, instance, index| {
            call(store, instance, "fill", &[Value::I32(index), NULL, Value::I32(1)]);
        },
        |store, instance, index| {
            call(store, instance, "copy", &ints([index, 0, 1]));
        },
        |store, instance, index| {
            call(store, instance, "from other", &ints([index, 0, 1]));
        },
        |store, instance, index| {
            call(store, instance, "init", &ints([index, 1, 1]));
        },
        |store, instance, index| {
            table(store, instance).set(store, index as u64, NULL).unwrap();
        },
    ];
    for clear in clear {
        // Before the element was ever used, and afterwards.
        for used in [false, true] {
            let (mut store, instance) = alone(PROVIDER);
            if used {
                assert_eq!(number(&mut store, instance, "call", 2), Some(2));
            }
            clear(&mut store, instance, 2);
            assert_eq!(table(&store, instance).get(&store, 2).unwrap(), NULL);
            assert_eq!(call(&mut store, instance, "get", &ints([2])), [NULL]);
            let rest = [None, Some(1), None, Some(3), Some(4), None, None, None];
            assert_eq!(numbers(&mut store, instance, "call"), rest);
            // Another instance has its own.
            let module = instance.module(&store).clone();
            let other = Instance::new(&mut store, &module, &Imports::new()).unwrap();
            assert_eq!(number(&mut store, other, "call", 2), Some(2));
        }
    }
}

#[test]
fn what_is_copied_is_bound() {
    let (mut store, instance) = alone(PROVIDER);
    call(&mut store, instance, "to other", &ints([2, 0, 4]));
    let other = [None, None, None, Some(1), Some(2), Some(3), None, None];
    assert_eq!(numbers(&mut store, instance, "call other"), other);
    // Within one table, both ways.
    call(&mut store, instance, "copy", &ints([2, 0, 6]));
    let up = [None, Some(1), None, Some(1), Some(2), Some(3), Some(4), None];
    assert_eq!(numbers(&mut store, instance, "call"), up);
    call(&mut store, instance, "copy", &ints([0, 2, 6]));
    let down = [None, Some(1), Some(2), Some(3), Some(4), None, Some(4), None];
    assert_eq!(numbers(&mut store, instance, "call"), down);
    call(&mut store, instance, "init", &ints([3, 0, 3]));
    assert_eq!(call(&mut store, instance, "grow", &ints([2])), ints([8]));
    let after = [None, Some(1), Some(2), Some(4), None, Some(1), Some(4), None];
    assert_eq!(numbers(&mut store, instance, "call"), after);
    assert_eq!(number(&mut store, instance, "call", 9), None);
}

#[test]
fn tables_are_shared_before_they_are_bound() {
    let mut store = Store::new(Config::default());
    let provider = Instance::new(&mut store, &module(PROVIDER), &Imports::new()).unwrap();
    let mut imports = Imports::new();
    imports.define("provider", "t", table(&store, provider));
    let user = Instance::new(&mut store, &module(USER), &imports).unwrap();
    assert_eq!(number(&mut store, user, "call", 4), Some(4));
    let two = call(&mut store, user, "get", &ints([2]));
    assert_eq!(two, call(&mut store, provider, "get", &ints([2])));
    call(&mut store, user, "clear", &ints([3]));
    call(&mut store, user, "clear", &ints([2]));
    let all = [None, Some(1), None, None, Some(4), None, None, None];
    assert_eq!(numbers(&mut store, user, "call"), all);
    assert_eq!(numbers(&mut store, provider, "call"), all);
}

#[test]
fn imported_functions_are_in_tables_too() {
    let relay = module(
        r#"(module
            (import "host" "seven" (func $seven (result i32)))
            (import "provider" "three" (func $three (result i32)))
            (type $number (func (result i32)))
            (table 8 funcref) (elem (i32.const 0) $eight $seven $three)
            (func $eight (result i32) (i32.const 8))
            (func (export "refer") (result funcref) (ref.func $seven))
            (func (export "call") (param i32) (result i32)
                (call_indirect (type $number) (local.get 0))))"#,
    );
    let mut store = Store::new(Config::default());
    let provider = Instance::new(&mut store, &module(PROVIDER), &Imports::new()).unwrap();
    let mut imports = Imports::new();
    let seven = Func::wrap(&mut store, |_, ()| Ok(7));
    imports.define("host", "seven", Extern::Func(seven));
    imports.define("provider", "three", provider.func(&store, "three").unwrap());
    let relay = Instance::new(&mut store, &relay, &imports).unwrap();
    assert_eq!(numbers(&mut store, relay, "call")[..4], [Some(8), Some(7), Some(3), None]);
    let results = call(&mut store, relay, "refer", &[]);
    let [Value::FuncRef(Some(seven))] = results[..] else { panic!("{results:?}") };
    assert_eq!(seven.call(&mut store, &[]).unwrap(), ints([7]));
}

#[test]
fn what_fits_stays_when_a_later_segment_does_not() {
    let failing = module(
        r#"(module
            (import "provider" "t" (table $shared 8 20 funcref))
            (table $own 4 funcref)
            (type $number (func (result i32)))
            (elem (table $own) (i32.const 0) func $five $five)
            (elem (table $shared) (i32.const 5) func $from_own $set_from_own)
            (elem (table $own) (i32.const 3) func $six $six)
            (elem (table $own) (i32.const 2) func $six)
            (func $five (result i32) (i32.const 5))
            (func $six (result i32) (i32.const 6))
            (func $from_own (result i32) (call_indirect $own (type $number) (i32.const 1)))
            (func $set_from_own (result i32) (call_indirect $own (type $number) (i32.const 2))))"#,
    );
    let mut store = Store::new(Config::default());
    let provider = Instance::new(&mut store, &module(PROVIDER), &Imports::new()).unwrap();
    let mut imports = Imports::new();
    imports.define("provider", "t", table(&store, provider));
    let error = Instance::new(&mut store, &failing, &imports).unwrap_err();
    let InstantiateError::Trap(trap) = error else { panic!("{error}") };
    assert_eq!(trap.code(), TrapCode::TableOutOfBounds);
    assert_eq!(number(&mut store, provider, "call", 5), Some(5));
    assert_eq!(number(&mut store, provider, "call", 6), None);
}

/// The same loop finds its function unbound, bound, and then gone.
#[test]
fn a_loop_sees_elements_change() {
    let (mut store, instance) = alone(
        r#"(module
            (type $number (func (result i32)))
            (table 4 funcref)
            (elem (i32.const 1) $one)
            (func $one (result i32)
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (if (i32.eq (global.get $calls) (i32.const 3))
                    (then (table.set (i32.const 1) (ref.null func))))
                (i32.const 1))
            (global $calls (export "calls") (mut i32) (i32.const 0))
            (func (export "call") (param i32) (result i32)
                (loop $again (drop (call_indirect (type $number) (local.get 0))) (br $again))
                (unreachable)))"#,
    );
    assert_eq!(number(&mut store, instance, "call", 1), None);
    assert_eq!(instance.global(&store, "calls").unwrap().get(&store), Value::I32(3));
}

/// Functions of types A to E in a table that nobody changes: those of A and of D, one
/// each, are at its middle and its start, of B side by side, of C apart; E has none.
#[test]
fn a_call_through_a_table_that_never_changes_goes_to_the_type_it_names() {
    const TYPES: [(char, &str, &str); 5] = [
        ('A', "", ""),
        ('B', "(param i32)", "(i32.const 7)"),
        ('C', "(param i64)", "(i64.const 7)"),
        ('D', "(param f32)", "(f32.const 7)"),
        ('E', "(param f64)", "(f64.const 7)"),
    ];
    const ELEMENTS: &str = "D-ABBB-C-C";
    const LEN: usize = 12;

    let mut text = format!("(module (table {LEN} funcref)");
    for (name, params, args) in TYPES {
        text += &format!(
            r#"(type ${name} (func {params} (result i32)))
            (func (export "{name}") (param i32) (result i32)
                (call_indirect (type ${name}) {args} (local.get 0)))"#
        );
    }
    for (index, ty) in ELEMENTS.char_indices().filter(|&(_, ty)| ty != '-') {
        text += &format!(
            "(func $at{index} (type ${ty}) (i32.const {index}))
            (elem (i32.const {index}) $at{index})"
        );
    }
    let (mut store, instance) = alone(&(text + ")"));

    for (name, ..) in TYPES {
        let func = instance.func(&store, &name.to_string()).unwrap();
        let func = func.typed::<i32, i32>(&store).unwrap();
        for index in -1..=LEN as i32 {
            let expected = match ELEMENTS.chars().nth(index as usize) {
                _ if index as usize >= LEN => Err(TrapCode::UndefinedElement),
                None | Some('-') => Err(TrapCode::UninitializedElement),
                Some(ty) if ty != name => Err(TrapCode::IndirectCallTypeMismatch),
                Some(_) => Ok(index),
            };
            let actual = func.call(&mut store, index).map_err(|error| match error {
                CallError::Trap(trap) => trap.code(),
                other => panic!("{other}"),
            });
            assert_eq!(actual, expected, "{name} at {index}");
        }
    }
}
