//! Situations that no table holds: unconditional traps, tail calls that trap
//! themselves, several modules, and the state a host finds.

use crate::LEVELS;
use crate::check::{call, expected, load, shown};
use crate::support::{self, truth::Truth};
use wasm2so::options::OptLevel;
use wasmrun::{CallError, Config, Frame, Imports, Instance, Module, Store, Trap, TrapCode, Value};

/// Calls `entry` of a module without imports, which must trap with these frames.
fn expect(text: &str, entry: &str, args: &[Value], code: TrapCode, frames: &[&str]) {
    let wasm = support::wat(text);
    let expected = expected(&Truth::of(&wasm), "", frames);
    for level in LEVELS {
        let (module, _directory) = load(&wasm, level);
        let (mut store, instance) = alone(&module);
        let trap =
            call(&mut store, instance, entry, args).unwrap_or_else(|e| panic!("{entry}: {e}"));
        assert_eq!(trap.code(), code, "{entry} at {level:?}");
        assert_eq!(shown(trap.frames()), expected, "{entry} at {level:?}");
    }
}

/// An instance that imports nothing.
pub fn alone(module: &Module) -> (Store, Instance) {
    let mut store = Store::new(Config::default());
    let instance = Instance::new(&mut store, module, &Imports::new()).expect("instantiates");
    (store, instance)
}

#[test]
fn unconditional() {
    let text = r#"(module
        (memory 1)
        (func $only (export "only") unreachable)
        (func $first (export "first") unreachable (i32.store (i32.const 0) (i32.const 1)) (call $only))
        (func $last (export "last") (i32.store (i32.const 0) (i32.const 1)) (call $nothing) unreachable)
        (func $nothing)
        (func $two (export "two") unreachable unreachable)
        (func $arms (export "arms") (param i32)
            (if (local.get 0) (then unreachable) (else unreachable)))
        (func $select (export "select") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (unreachable)) (else (i32.const 4))))
        (func $empty_loop (export "empty_loop") (loop unreachable))
        (func $after_return (export "after_return") (param i32)
            (if (local.get 0) (then return)) unreachable)
        (func $table (export "table") (param i32)
            (block $b (block $a (br_table $a $b (local.get 0))) unreachable) unreachable)
        (func $chain (export "chain") (call $calls))
        (func $calls (call $nothing) (call $only) unreachable)
        (func $after_trap (export "after_trap")
            (drop (i32.load (i32.const -1))) unreachable))"#;
    let zero = &[Value::I32(0)];
    let one = &[Value::I32(1)];
    let table: &[(&str, &[Value], &[&str])] = &[
        ("only", &[], &["only Unreachable 0"]),
        ("first", &[], &["first Unreachable 0"]),
        ("last", &[], &["last Unreachable 0"]),
        ("two", &[], &["two Unreachable 0"]),
        ("arms", one, &["arms Unreachable 0"]),
        ("arms", zero, &["arms Unreachable 1"]),
        ("select", one, &["select Unreachable 0"]),
        ("empty_loop", &[], &["empty_loop Unreachable 0"]),
        ("after_return", zero, &["after_return Unreachable 0"]),
        ("table", zero, &["table Unreachable 0"]),
        ("table", one, &["table Unreachable 1"]),
        ("chain", &[], &["only Unreachable 0", "calls Call 1", "chain Call 0"]),
    ];
    for (entry, args, frames) in table {
        expect(text, entry, args, TrapCode::Unreachable, frames);
    }
    expect(text, "after_trap", &[], TrapCode::MemoryOutOfBounds, &["after_trap I32Load 0"]);
}

#[test]
fn tail_calls_that_trap_are_of_their_own_function() {
    let text = r#"(module
        (type $v (func))
        (table 4 funcref)
        (elem (i32.const 0) func $nothing $other)
        (func $nothing)
        (func $other (result i32) (i32.const 1))
        (func $jumps (param $i i32) (return_call_indirect (type $v) (local.get $i)))
        (func $jump (export "jump") (param $i i32)
            (call $jumps (i32.const 0)) (call $jumps (local.get $i)))
        (func $arms (export "arms") (param $c i32) (param $i i32)
            (if (local.get $c)
                (then (return_call_indirect (type $v) (local.get $i)))
                (else (return_call_indirect (type $v) (local.get $i))))))"#;
    let table = [
        (4, TrapCode::UndefinedElement),
        (3, TrapCode::UninitializedElement),
        (1, TrapCode::IndirectCallTypeMismatch),
    ];
    for (index, code) in table {
        let index = Value::I32(index);
        expect(text, "jump", &[index], code, &["jumps ReturnCallIndirect 0", "jump Call 1"]);
        let arms = |c| [Value::I32(c), index];
        expect(text, "arms", &arms(1), code, &["arms ReturnCallIndirect 0"]);
        expect(text, "arms", &arms(0), code, &["arms ReturnCallIndirect 1"]);
    }
}

/// More frames than any stack holds, if they were not replaced.
#[test]
fn a_million_tail_calls_leave_one_frame() {
    let text = r#"(module
        (type $t (func (param i64)))
        (table 1 funcref) (elem (i32.const 0) func $even)
        (func $even (param $n i64)
            (if (i64.eqz (local.get $n)) (then unreachable))
            (return_call $odd (i64.sub (local.get $n) (i64.const 1))))
        (func $odd (param $n i64)
            (return_call_indirect (type $t)
                (i64.sub (local.get $n) (i64.const 1)) (i32.const 0)))
        (func $start (export "start") (param $n i64) (call $even (local.get $n))))"#;
    let frames = ["even Unreachable 0", "start Call 0"];
    expect(text, "start", &[Value::I64(1_000_000)], TrapCode::Unreachable, &frames);
}

/// A table that never changes is in the file; types that are equal are one.
#[test]
fn calls_through_a_table_that_never_changes() {
    let text = r#"(module
        (type $v (func (result i32))) (type $w (func (result i32)))
        (table 6 funcref)
        (elem (i32.const 1) $one $two $other)
        (func $one (type $v) (i32.const 1))
        (func $two (type $w) (i32.const 2))
        (func $other (result i64) (i64.const 3))
        (func $call (export "call") (param $i i32) (result i32)
            (call_indirect (type $v) (local.get $i)))
        (func $arms (export "arms") (param $i i32) (result i32)
            (if (result i32) (i32.eqz (local.get $i))
                (then (call_indirect (type $v) (i32.const 5)))
                (else (call_indirect (type $w) (local.get $i))))))"#;
    let table = [
        (-1, TrapCode::UndefinedElement),
        (6, TrapCode::UndefinedElement),
        (5, TrapCode::UninitializedElement),
        (4, TrapCode::UninitializedElement),
        (0, TrapCode::UninitializedElement),
        (3, TrapCode::IndirectCallTypeMismatch),
    ];
    for (index, code) in table {
        let args = &[Value::I32(index)];
        expect(text, "call", args, code, &["call CallIndirect 0"]);
        let arm = if index == 0 { "arms CallIndirect 0" } else { "arms CallIndirect 1" };
        expect(text, "arms", args, code, &[arm]);
    }
    let wasm = support::wat(text);
    for level in LEVELS {
        let (module, _directory) = load(&wasm, level);
        let (mut store, instance) = alone(&module);
        for (name, index) in [("call", 1), ("call", 2), ("arms", 1), ("arms", 2)] {
            let func = instance.func(&store, name).unwrap().typed::<i32, i32>(&store).unwrap();
            assert_eq!(func.call(&mut store, index).unwrap(), index, "{name} at {level:?}");
        }
    }
}

/// Sums of 32 bits are addresses as they are, but an access's own offset does not
/// wrap.
#[test]
fn sums_that_are_addresses_wrap() {
    let text = r#"(module
        (memory 1) (data (i32.const 16) "\2a\00\00\00")
        (func $sum (export "sum") (param $a i32) (param $b i32) (result i32)
            (i32.load (i32.add (local.get $a) (local.get $b))))
        (func $scaled (export "scaled") (param $a i32) (param $b i32) (result i32)
            (i32.load (i32.sub
                (i32.add (local.get $a) (i32.shl (local.get $b) (i32.const 2))) (i32.const 8))))
        (func $twice (export "twice") (param $a i32) (param $b i32) (result i32)
            (local $at i32)
            (i32.store (local.tee $at (i32.add (local.get $a) (local.get $b)))
                (i32.add (i32.load (local.get $at)) (i32.const 1)))
            (i32.sub (i32.load (local.get $at)) (i32.const 1)))
        (func $offset (export "offset") (param $a i32) (param $b i32) (result i32)
            (i32.load offset=8 (i32.add (local.get $a) (local.get $b)))))"#;
    let wasm = support::wat(text);
    let int = Value::I32;
    for level in LEVELS {
        let (module, _directory) = load(&wasm, level);
        let (mut store, instance) = alone(&module);
        let cases = [
            ("sum", -16, 32),
            ("scaled", -8, 8),
            ("scaled", -2147483624, 0x2000_0000),
            ("offset", -24, 32),
        ];
        for (name, a, b) in cases {
            let func = instance.func(&store, name).unwrap().typed::<(i32, i32), i32>(&store);
            assert_eq!(func.unwrap().call(&mut store, (a, b)).unwrap(), 42, "{name} at {level:?}");
        }
        let twice = instance.func(&store, "twice").unwrap();
        let twice = twice.typed::<(i32, i32), i32>(&store).unwrap();
        assert_eq!(twice.call(&mut store, (-16, 32)).unwrap(), 42, "{level:?}");
    }
    let outside = TrapCode::MemoryOutOfBounds;
    expect(text, "sum", &[int(-8), int(4)], outside, &["sum I32Load 0"]);
    expect(text, "scaled", &[int(0), int(1)], outside, &["scaled I32Load 0"]);
    expect(text, "twice", &[int(-8), int(4)], outside, &["twice I32Load 0"]);
    expect(text, "offset", &[int(-8), int(4)], outside, &["offset I32Load 0"]);
}

/// Accesses that LLVM would like to replace by one after the arms meet.
#[test]
fn arms_whose_values_meet() {
    let text = r#"(module
        (memory 1)
        (global $g (mut i32) (i32.const 0))
        (func $loads (export "loads") (param $c i32) (param $x i32) (result i32)
            (if (result i32) (local.get $c)
                (then (i32.load (local.get $x)))
                (else (i32.load (i32.add (local.get $x) (local.get $x))))))
        (func $same (export "same") (param $c i32) (param $x i32) (result i32)
            (if (result i32) (local.get $c)
                (then (i32.load (local.get $x)))
                (else (i32.load (local.get $x)))))
        (func $stores (export "stores") (param $c i32) (param $x i32)
            (if (local.get $c)
                (then (i32.store (local.get $x) (i32.const 1)))
                (else (i32.store (local.get $x) (i32.const 2)))))
        (func $updates (export "updates") (param $c i32) (param $x i32)
            (if (local.get $c)
                (then (i32.store (local.get $x) (i32.add (i32.load (local.get $x)) (i32.const 1))))
                (else (i32.store (local.get $x) (i32.sub (i32.load (local.get $x)) (i32.const 1))))))
        (func $divides (export "divides") (param $c i32) (param $x i32) (result i32)
            (if (result i32) (local.get $c)
                (then (i32.div_u (i32.const 8) (i32.eqz (local.get $x))))
                (else (i32.div_u (i32.const 8) (i32.eqz (local.get $x))))))
        (func $earlier (export "earlier") (param $c i32) (param $x i32) (result i32)
            (if (local.get $c) (then (global.set $g (i32.load (local.get $x)))))
            (i32.add (i32.load (local.get $x)) (global.get $g)))
        (func $latch (export "latch") (param $c i32) (param $x i32) (result i32)
            (local $s i32)
            (local.set $s (i32.load (local.get $c)))
            (loop $again
                (local.set $s (i32.add (local.get $s) (i32.load (local.get $c))))
                (local.set $c (i32.add (local.get $c) (local.get $x)))
                (br_if $again (i32.load (local.get $c))))
            (local.get $s)))"#;
    let bad = |c| [Value::I32(c), Value::I32(0x10000)];
    let code = TrapCode::MemoryOutOfBounds;
    for (c, place) in [(1, "0"), (0, "1")] {
        let expect = |entry: &str, operator: &str, code| {
            expect(text, entry, &bad(c), code, &[&format!("{entry} {operator} {place}")]);
        };
        expect("loads", "I32Load", code);
        expect("same", "I32Load", code);
        expect("stores", "I32Store", code);
        expect("updates", "I32Load", code);
        expect("divides", "I32DivU", TrapCode::IntegerDivideByZero);
        expect("earlier", "I32Load", code);
    }
    expect(text, "latch", &bad(0), code, &["latch I32Load 2"]);
    expect(text, "latch", &bad(-1), code, &["latch I32Load 0"]);
}

#[test]
fn results_in_memory_do_not_matter() {
    let text = r#"(module
        (memory 1)
        (func $many (param $x i32) (result i32 i64 f32 f64 i32 i64)
            (i32.load (local.get $x)) (i64.const 1) (f32.const 2) (f64.const 3)
            (i32.load (local.get $x)) (i64.load offset=65535 (local.get $x)))
        (func $user (export "user") (param $x i32) (result i64)
            (call $many (local.get $x)) (local.set $x) (drop) (drop) (drop) (drop) (drop)
            (i64.extend_i32_u (local.get $x))))"#;
    let frames = |first| [first, "user Call 0"];
    let code = TrapCode::MemoryOutOfBounds;
    let text = &text.replace("(local.set $x) (drop)", "(drop) (local.set $x)");
    expect(text, "user", &[Value::I32(0)], code, &frames("many I64Load 0"));
    expect(text, "user", &[Value::I32(-1)], code, &frames("many I32Load 0"));
}

/// Stores that LLVM could take for dead: later ones hide them, but for the trap.
#[test]
fn the_host_sees_the_state_at_the_trap() {
    for (trap, code) in [
        ("(drop (i32.load (local.get $x)))", TrapCode::MemoryOutOfBounds),
        ("(i32.store (local.get $x) (i32.const 7))", TrapCode::MemoryOutOfBounds),
        ("(if (local.get $x) (then unreachable))", TrapCode::Unreachable),
        (
            "(drop (i32.div_u (i32.const 1) (i32.eqz (local.get $x))))",
            TrapCode::IntegerDivideByZero,
        ),
        ("(drop (table.get $t (local.get $x)))", TrapCode::TableOutOfBounds),
        ("(call $leaf (local.get $x))", TrapCode::Unreachable),
        ("(memory.fill (local.get $x) (i32.const 0) (i32.const 9))", TrapCode::MemoryOutOfBounds),
    ] {
        let text = format!(
            r#"(module
            (memory (export "memory") 1)
            (table $t (export "table") 2 externref)
            (global $g (export "g") (mut i32) (i32.const 0))
            (global $h (export "h") (mut i64) (i64.const 0))
            (func $leaf (param $x i32) (if (local.get $x) (then unreachable)))
            (func (export "f") (param $x i32) (param $r externref)
                (global.set $g (i32.const 1)) (global.set $h (i64.const 10))
                (i32.store (i32.const 128) (i32.const 1))
                (table.set $t (i32.const 1) (local.get $r))
                {trap}
                (global.set $g (i32.const 2)) (global.set $h (i64.const 20))
                (i32.store (i32.const 128) (i32.const 2))
                (table.set $t (i32.const 1) (ref.null extern))))"#
        );
        let wasm = support::wat(&text);
        for level in LEVELS {
            let (module, _directory) = load(&wasm, level);
            let (mut store, instance) = alone(&module);
            let thing = Value::ExternRef(std::num::NonZeroU64::new(5));
            let found = call(&mut store, instance, "f", &[Value::I32(0x10000), thing]);
            assert_eq!(found.map(|t| t.code()), Ok(code), "{trap} at {level:?}");
            let global = |name| instance.global(&store, name).unwrap().get(&store);
            assert_eq!(global("g"), Value::I32(1), "{trap} at {level:?}");
            assert_eq!(global("h"), Value::I64(10), "{trap} at {level:?}");
            let memory = instance.memory(&store, "memory").unwrap().data(&store);
            assert_eq!(memory[128], 1, "{trap} at {level:?}");
            let element = instance.table(&store, "table").unwrap().get(&store, 1);
            assert_eq!(element.unwrap(), thing, "{trap} at {level:?}");
        }
    }
}

/// Bulk operations check before they write.
#[test]
fn a_bulk_operation_that_traps_writes_nothing() {
    let text = r#"(module
        (memory (export "memory") 1)
        (data $d "0123456789")
        (func (export "fill") (memory.fill (i32.const 0xfff0) (i32.const 1) (i32.const 17)))
        (func (export "copy") (param $n i32)
            (i32.store8 (i32.const 0) (i32.const 9))
            (memory.copy (i32.const 0xfff0) (i32.const 0) (local.get $n)))
        (func (export "init") (memory.init $d (i32.const 0xfffb) (i32.const 0) (i32.const 10))))"#;
    let wasm = support::wat(text);
    for level in LEVELS {
        let (module, _directory) = load(&wasm, level);
        let (mut store, instance) = alone(&module);
        for (name, args) in [("fill", &[][..]), ("copy", &[Value::I32(17)]), ("init", &[])] {
            let found = call(&mut store, instance, name, args);
            assert_eq!(found.map(|t| t.code()), Ok(TrapCode::MemoryOutOfBounds), "{name}");
            let memory = instance.memory(&store, "memory").unwrap().data(&store);
            assert!(memory[1..].iter().all(|&byte| byte == 0), "{name} at {level:?}");
        }
    }
}

/// Each module's frames by its own offsets; and again on another thread.
#[test]
fn several_modules() {
    let inner = support::wat(
        r#"(module $inner (memory 1)
            (func $leaf (param i32) (drop (i64.load (local.get 0))))
            (func $in (export "in") (param i32) (call $leaf (local.get 0))))"#,
    );
    let outer = support::wat(
        r#"(module $outer (import "inner" "in" (func $in (param i32)))
            (type $t (func (param i32)))
            (table 1 funcref) (elem (i32.const 0) func $in)
            (func $direct (export "direct") (param i32) (call $in (local.get 0)))
            (func $indirect (export "indirect") (param i32)
                (call_indirect (type $t) (local.get 0) (i32.const 0)))
            (func $tail (export "tail") (param i32) (return_call $in (local.get 0))))"#,
    );
    let [inner_truth, outer_truth] = [Truth::of(&inner), Truth::of(&outer)];
    let inside = expected(&inner_truth, "I64Load", &["leaf Site 0", "in Call 0"]);
    let table =
        [("direct", "direct Call 0"), ("indirect", "indirect CallIndirect 0"), ("tail", "")];
    for level in LEVELS {
        let (inner, _inner_directory) = load(&inner, level);
        let (outer, _outer_directory) = load(&outer, level);
        let run = || {
            let mut store = Store::new(Config::default());
            let mut imports = Imports::new();
            let instance = Instance::new(&mut store, &inner, &imports).unwrap();
            imports.define_instance(&store, "inner", instance);
            let instance = Instance::new(&mut store, &outer, &imports).unwrap();
            for (entry, caller) in table {
                let trap = call(&mut store, instance, entry, &[Value::I32(-1)]).unwrap();
                let caller: &[&str] = if caller.is_empty() { &[] } else { &[caller] };
                let expected = inside.clone() + &expected(&outer_truth, "", caller);
                assert_eq!(shown(trap.frames()), expected, "{entry} at {level:?}");
                let modules: Vec<_> = trap.frames().iter().map(module_name).collect();
                let outer = vec!["outer"; caller.len()];
                assert_eq!(modules, [&["inner", "inner"], &outer[..]].concat());
            }
        };
        run();
        std::thread::scope(|scope| scope.spawn(run).join().expect("another thread"));
    }
}

fn module_name(frame: &Frame) -> &str {
    match frame {
        Frame::Wasm(frame) => frame.module.name(),
        other => panic!("unexpected {other:?}"),
    }
}

/// Whether a frame is inlined, is said.
#[test]
fn inlined_frames_are_marked() {
    let wasm = support::wat(
        r#"(module (memory 1)
            (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
            (func $mid (param i32) (result i32) (i32.add (call $leaf (local.get 0)) (i32.const 1)))
            (func $top (export "top") (param i32) (result i32) (call $mid (local.get 0))))"#,
    );
    let inlined = |level| {
        let (module, _directory) = load(&wasm, level);
        let (mut store, instance) = alone(&module);
        let trap: Trap = call(&mut store, instance, "top", &[Value::I32(-1)]).unwrap();
        let frames = trap.frames().iter().map(|frame| match frame {
            Frame::Wasm(frame) => (frame.inlined, frame.pc),
            other => panic!("unexpected {other:?}"),
        });
        frames.collect::<Vec<_>>()
    };
    let [leaf, mid, top] = inlined(OptLevel::O3)[..] else { panic!("three frames") };
    assert_eq!([leaf.0, mid.0, top.0], [true, true, false]);
    assert_eq!([mid.1, top.1], [leaf.1; 2], "one machine instruction");
    assert!(inlined(OptLevel::O0).iter().all(|(inlined, _)| !inlined));
}

/// After thousands of traps the next one is as good.
#[test]
fn traps_can_be_many() {
    let wasm = support::wat(
        r#"(module (memory 1)
            (func $f (export "f") (param i32) (result i32) (i32.load (local.get 0))))"#,
    );
    let (module, _directory) = load(&wasm, OptLevel::O3);
    let (mut store, instance) = alone(&module);
    let func = instance.func(&store, "f").unwrap();
    let expected = expected(&Truth::of(&wasm), "I32Load", &["f Site 0"]);
    for _ in 0..2000 {
        let Err(CallError::Trap(trap)) = func.call(&mut store, &[Value::I32(-4)]) else {
            panic!("no trap")
        };
        assert_eq!(shown(trap.frames()), expected);
        assert_eq!(func.call(&mut store, &[Value::I32(4)]).unwrap(), [Value::I32(0)]);
    }
}
