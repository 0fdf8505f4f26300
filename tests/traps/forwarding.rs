//! Loads of what was stored or loaded just before, which need no access of their own
//! unless an address wraps: as without optimisation, whatever the addresses are.

use crate::check::{load, shown};
use crate::special::alone;
use crate::support::{self, random::Random};
use std::fmt::Write;
use wasm2so::options::OptLevel;
use wasmrun::{CallError, Module, Value};

/// Puts functions together.
struct Writer(Random);

impl Writer {
    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.0.below(choices.len())]
    }

    /// An address: one of two indices or a constant, and a sum that may wrap.
    fn address(&mut self) -> String {
        let index = self.of(&[
            "(local.get $a)",
            "(local.get $a)",
            "(local.get $a)",
            "(local.get $b)",
            "(i32.const 1000)",
        ]);
        match self.of(&["0", "0", "8", "16", "12", "-8"]) {
            "0" => index.to_owned(),
            added => format!("(i32.add {index} (i32.const {added}))"),
        }
    }

    /// An offset that an access adds.
    fn offset(&mut self) -> &'static str {
        self.of(&["", "", "offset=8", "offset=16", "offset=4"])
    }

    fn statement(&mut self) -> String {
        let (address, offset) = (self.address(), self.offset());
        let loaded = |value: String| {
            format!("(local.set $v (i64.add (i64.rotl (local.get $v) (i64.const 9)) {value}))")
        };
        match self.0.below(16) {
            0..3 => format!("(i64.store {offset} {address} (local.get $v))"),
            3 => {
                let store = self.of(&["i64.store8", "i64.store16", "i64.store32"]);
                let inside = self.of(&["", "offset=4", "offset=12", "offset=6"]);
                format!("({store} {inside} {address} (local.get $v))")
            }
            4 => format!("(f64.store {offset} {address} (f64.reinterpret_i64 (local.get $v)))"),
            5..8 => loaded(format!("(i64.load {offset} {address})")),
            8 => {
                let load = self.of(&["i64.load8_s", "i64.load16_u", "i64.load32_s"]);
                loaded(format!("({load} {offset} {address})"))
            }
            9 => loaded(format!("(i64.reinterpret_f64 (f64.load {offset} {address}))")),
            10 => format!("(call $put {address} (local.get $v))"),
            11 | 12 => {
                let at = self.of(&["8", "16", "24"]);
                format!(
                    "(call $put (i32.add (local.get $a) (i32.const {at})) (local.get $v)) {}",
                    loaded(format!("(i64.load offset={at} (local.get $a))"))
                )
            }
            13 => loaded(format!("(call $get {address})")),
            14 => {
                let between = self.of(&[
                    "(i64.store8 offset=15 (local.get $a) (local.get $v))",
                    "(i64.store32 offset=6 (local.get $a) (local.get $v))",
                    "(i64.store32 offset=4 (local.get $a) (local.get $v))",
                    "(i64.store16 offset=16 (local.get $a) (local.get $v))",
                    "(i64.store16 offset=8 (local.get $b) (local.get $v))",
                    "(call $count (i32.add (local.get $a) (i32.const 8)))",
                ]);
                format!(
                    "(i64.store offset=8 (local.get $a) (local.get $v)) {between} {}",
                    loaded("(i64.load offset=8 (local.get $a))".to_owned())
                )
            }
            _ => format!("(memory.copy {address} (i32.const 992) (i32.const 8))"),
        }
    }
}

/// How many functions there are, and of how many statements each is.
const SIZE: (usize, usize) = (60, 16);

fn module() -> String {
    let mut writer = Writer(Random(1));
    let mut text = String::from(
        r#"(module (memory (export "memory") 1)
        (func $put (param $to i32) (param $v i64)
            (i64.store (local.get $to) (local.get $v))
            (i64.store offset=8 (local.get $to) (i64.add (local.get $v) (i64.const 1))))
        (func $get (param $from i32) (result i64)
            (i64.sub (i64.load (local.get $from)) (i64.load offset=8 (local.get $from))))
        "#,
    );
    // Too much to become part of others.
    text += "(func $count (param $at i32)";
    for _ in 0..40 {
        text += "(i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 3)))\n";
    }
    text += ")\n";
    for number in 0..SIZE.0 {
        writeln!(
            text,
            r#"(func (export "f{number}") (param $a i32) (param $b i32) (param $v i64) (result i64)"#
        )
        .expect("writes to a string");
        for _ in 0..SIZE.1 {
            text += &writer.statement();
            text.push('\n');
        }
        text += "(local.get $v))\n";
    }
    text + ")"
}

/// Result or trap, and the memory then.
#[derive(PartialEq)]
struct Outcome {
    ended: Result<Vec<Value>, String>,
    memory: Vec<u8>,
}

fn outcome(module: &Module, name: &str, args: &[Value]) -> Outcome {
    let (mut store, instance) = alone(module);
    let func = instance.func(&store, name).expect("exported");
    let ended = func.call(&mut store, args).map_err(|error| match error {
        CallError::Trap(trap) => format!("{}\n{}", trap.message(), shown(trap.frames())),
        other => panic!("{name}: {other}"),
    });
    let memory = instance.memory(&store, "memory").expect("exported");
    Outcome { ended, memory: memory.data(&store).to_vec() }
}

#[test]
fn forwarded_loads() {
    let wasm = support::wat(&module());
    let (exact, _directory) = load(&wasm, OptLevel::O0);
    let fast = [OptLevel::O1, OptLevel::O3].map(|level| load(&wasm, level));
    // Where nothing wraps, where it does by some bytes, where the memory ends.
    let places = [1000, 1004, 1016, 0, 65_520, -4, -8, -12, -16, -20, -24, -32, i32::MIN];
    let [mut ended, mut trapped] = [0; 2];
    for number in 0..SIZE.0 {
        let name = format!("f{number}");
        for a in places {
            for b in [a, 1008, -8] {
                let args = [Value::I32(a), Value::I32(b), Value::I64(0x0123_4567_89ab_cdef)];
                let expected = outcome(&exact, &name, &args);
                *(if expected.ended.is_ok() { &mut ended } else { &mut trapped }) += 1;
                for (module, _directory) in &fast {
                    let found = outcome(module, &name, &args);
                    assert_eq!(found.ended, expected.ended, "{name} {args:?}");
                    assert!(found.memory == expected.memory, "{name} {args:?}: the memory");
                }
            }
        }
    }
    assert!(ended > 200 && trapped > 500, "{ended} ended, {trapped} trapped");
}
