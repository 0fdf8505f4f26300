//! The stack used up: always a trap, with the right functions at both ends.
//!
//! Which machine instruction touches the guard first depends on the code. So of
//! the innermost machine frame, and what is inlined there, only the functions are
//! certain, and that the offsets are instructions of them, or their starts; all
//! other frames are exact.

use crate::LEVELS;
use crate::check::{call, load};
use crate::special::alone;
use crate::support::{self, truth::Truth};
use wasm2so::options::OptLevel;
use wasmrun::{
    Config, Frame, Func, FuncType, Imports, Instance, Store, Trap, TrapCode, ValType, Value,
    WasmFrame,
};

fn wasm_frames(trap: &Trap) -> Vec<&WasmFrame> {
    let frames = trap.frames().iter().filter_map(|frame| match frame {
        Frame::Wasm(frame) => Some(frame),
        Frame::Host | Frame::Omitted(_) => None,
    });
    frames.collect()
}

/// Checks all frames: each must be one of `cycle` (`function operator nth`),
/// but for the last ones, which must be `outermost`.
fn check(truth: &Truth, trap: &Trap, cycle: &[&str], outermost: &[&str], context: &str) {
    assert_eq!(trap.code(), TrapCode::StackOverflow, "{context}");
    let place = |frame: &&str| {
        let [name, operator, nth] = frame.split(' ').collect::<Vec<_>>()[..] else { panic!() };
        let function = truth.named(name);
        (Some(function.index), Some(function.nth(operator, nth.parse().unwrap())))
    };
    let cycle: Vec<_> = cycle.iter().map(place).collect();
    let outermost: Vec<_> = outermost.iter().map(place).collect();
    let frames = wasm_frames(trap);
    assert!(frames.len() > 20, "{context}: {} frames", frames.len());
    let functions: Vec<_> = cycle.iter().map(|(function, _)| *function).collect();
    let machine = 1 + frames.iter().position(|frame| !frame.inlined).expect("the outermost");
    for innermost in &frames[..machine] {
        let offset = innermost.module_offset.expect("never without");
        assert!(functions.contains(&innermost.func_index), "{context}: {innermost:?}");
        let function = truth.function(innermost.func_index.unwrap()).unwrap();
        let known = offset == function.body.start || truth.at(offset).is_some();
        assert!(known && function.body.contains(&offset), "{context}: {innermost:?}");
    }

    let others = &frames[machine..];
    let (rest, ends) = others.split_at(others.len() - outermost.len());
    for frame in rest {
        let place = (frame.func_index, frame.module_offset);
        assert!(cycle.contains(&place), "{context}: {frame:?}");
    }
    let ends: Vec<_> = ends.iter().map(|f| (f.func_index, f.module_offset)).collect();
    assert_eq!(ends, outermost, "{context}");
}

fn overflow(text: &str, entry: &str, cycle: &[&str], outermost: &[&str], levels: &[OptLevel]) {
    let wasm = support::wat(text);
    let truth = Truth::of(&wasm);
    for &level in levels {
        let (module, _directory) = load(&wasm, level);
        let (mut store, instance) = alone(&module);
        for _ in 0..2 {
            let trap = call(&mut store, instance, entry, &[Value::I32(1)]).unwrap();
            check(&truth, &trap, cycle, outermost, &format!("{entry} at {level:?}"));
        }
    }
}

#[test]
fn plain_recursion() {
    let text = r#"(module
        (func $down (param $x i32) (result i32)
            (i32.add (call $down (i32.mul (local.get $x) (i32.const 3))) (i32.const 1)))
        (func $top (export "top") (param $x i32) (result i32) (call $down (local.get $x))))"#;
    overflow(text, "top", &["down Call 0"], &["top Call 0"], &LEVELS);
}

#[test]
fn mutual_and_indirect_recursion() {
    let text = r#"(module
        (type $t (func (param i32) (result i32)))
        (table 1 funcref) (elem (i32.const 0) func $three)
        (func $one (param $x i32) (result i32) (i32.add (call $two (local.get $x)) (i32.const 1)))
        (func $two (param $x i32) (result i32)
            (i32.add (call_indirect (type $t) (local.get $x) (i32.const 0)) (i32.const 1)))
        (func $three (param $x i32) (result i32)
            (drop (call $two_or_none (i32.const 0)))
            (i32.add (call $one (local.get $x)) (i32.const 1)))
        (func $two_or_none (param $x i32) (result i32)
            (if (local.get $x) (then (return (call $two (local.get $x))))) (local.get $x))
        (func $top (export "top") (param $x i32) (result i32) (call $one (local.get $x))))"#;
    let cycle = ["one Call 0", "two CallIndirect 0", "three Call 1"];
    // One that fits no more is perhaps the leaf.
    let cycle = [&cycle[..], &["three Call 0", "two_or_none Call 0"]].concat();
    overflow(text, "top", &cycle, &["top Call 0"], &LEVELS);
}

/// Frames of many pages must not step over the guard: `count` values that live
/// across the call, or wait for it on the operand stack.
fn large_frames(count: usize, levels: &[OptLevel]) {
    let locals = "v128 ".repeat(count);
    let sets: String = (1..=count)
        .map(|i| format!("(local.set {i} (i8x16.splat (i32.add (local.get $x) (i32.const {i}))))"))
        .collect();
    let uses: String =
        (1..=count).map(|i| format!("(local.get {i}) i8x16.add (call $not)")).collect();
    let text = format!(
        r#"(module
        (func $not (param v128) (result v128) (v128.not (local.get 0)))
        (func $down (param $x i32) (result v128) (local {locals})
            {sets} (call $down (local.get $x)) {uses})
        (func $top (export "top") (param $x i32) (result v128) (call $down (local.get $x))))"#
    );
    let cycle = ["down Call 0", "not V128Not 0"];
    overflow(&text, "top", &cycle, &["top Call 0"], levels);
}

#[test]
fn frames_of_many_pages() {
    large_frames(600, &LEVELS);
}

#[test]
fn frames_larger_than_the_guard() {
    large_frames(17_000, &[OptLevel::O0]);
}

/// Wasm and host call each other without end: the host's stack is what ends.
#[test]
fn recursion_through_the_host() {
    let wasm = support::wat(
        r#"(module
        (import "host" "call" (func $host (param i32)))
        (func $again (export "again") (param $x i32) (call $host (local.get $x)) (call $host (local.get $x)))
        (func $top (export "top") (param $x i32) (call $again (local.get $x))))"#,
    );
    let truth = Truth::of(&wasm);
    let again = truth.named("again");
    for level in LEVELS {
        let (module, _directory) = load(&wasm, level);
        let mut store = Store::new(Config::default());
        let host = Func::new(&mut store, FuncType::new([ValType::I32], []), |caller, args, _| {
            let again = caller.instance().unwrap().func(caller.store(), "again").unwrap();
            again.call(caller.store(), args)?;
            Ok(())
        });
        let mut imports = Imports::new();
        imports.define("host", "call", host);
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let trap = innermost(
            instance.func(&store, "top").unwrap().call(&mut store, &[Value::I32(1)]).unwrap_err(),
        );
        assert_eq!(trap.code(), TrapCode::StackOverflow);
        let frames = wasm_frames(&trap);
        let (top, rest) = frames.split_last().unwrap();
        assert_eq!(top.module_offset, Some(truth.named("top").nth("Call", 0)), "{level:?}");
        assert!(rest.len() > 20, "{} frames", rest.len());
        for frame in rest {
            assert_eq!(frame.module_offset, Some(again.nth("Call", 0)), "{level:?}");
        }
        let hosts = trap.frames().iter().filter(|f| **f == Frame::Host).count();
        assert!(hosts + 1 >= rest.len(), "{hosts} times the host between {} frames", rest.len());
    }
}

/// The trap that host functions passed on as their own error.
fn innermost(mut error: wasmrun::CallError) -> Trap {
    loop {
        error = match error {
            wasmrun::CallError::Trap(trap) => return trap,
            wasmrun::CallError::Host(error) => *error.downcast().expect("a trap passed on"),
            other => panic!("{other}"),
        };
    }
}

/// A callee that needs little, at the end of a stack.
#[test]
fn an_overflow_in_a_leaf() {
    let text = r#"(module (memory 1)
        (func $leaf (param $x i32) (result i32) (i32.load8_u (i32.and (local.get $x) (i32.const 255))))
        (func $down (param $x i32) (result i32)
            (memory.fill (i32.const 300) (i32.const 0) (i32.and (local.get $x) (i32.const 63)))
            (i32.add (call $leaf (local.get $x))
                (i32.add (call $down (i32.add (local.get $x) (i32.const 1))) (call $leaf (i32.const 9)))))
        (func $top (export "top") (param $x i32) (result i32) (call $down (local.get $x))))"#;
    let cycle = ["down Call 1", "down Call 0", "down MemoryFill 0", "leaf I32Load8U 0"];
    overflow(text, "top", &cycle, &["top Call 0"], &LEVELS);
}
