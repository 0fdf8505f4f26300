//! What a user sees: `wasmrun`'s output for a trap, made of the wasm alone.

use crate::support::{self, truth::Truth};
use std::process::Output;
use wasm2so::options::OptLevel;

const TEXT: &str = r#"(module $shown
    (memory 1)
    (func $leaf (param i32) (drop (i32.load (local.get 0))))
    (func (param i32) (call $leaf (local.get 0)))
    (func $main (export "main") (param i32) (call 1 (local.get 0)))
    (func $div (export "div") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
    (func $index (export "index") (param i32) (drop (table.get $t (local.get 0))))
    (table $t 3 externref))"#;

fn run(wasm: &[u8], args: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let so = directory.path().join("shown.so");
    support::compile(wasm, "shown.wasm", &so, &support::options(OptLevel::O3));
    let (options, rest) = args.split_at(args.len() - 1);
    let mut command = support::wasmrun();
    let output = command.args(options).arg(&so).args(rest).output().expect("wasmrun runs");
    assert_eq!(output.status.code(), Some(134), "{output:?}");
    assert_eq!(output.stdout, b"");
    output
}

/// The three frames of `main`, innermost first: offset, index, name.
fn frames(truth: &Truth) -> [(u64, u32, Option<&'static str>); 3] {
    let [leaf, unnamed, main] = [0, 1, 2].map(|index| truth.function(index).unwrap());
    assert_eq!((leaf.name, unnamed.name, main.name), (Some("leaf"), None, Some("main")));
    [
        (leaf.nth("I32Load", 0), 0, Some("leaf")),
        (unnamed.nth("Call", 0), 1, None),
        (main.nth("Call", 0), 2, Some("main")),
    ]
}

#[test]
fn short() {
    let wasm = support::wat(TEXT);
    let truth = Truth::of(&wasm);
    let output = run(&wasm, &["--invoke", "main", "0x10000"]);
    let lines: String = (frames(&truth).iter().enumerate())
        .map(|(number, (offset, index, name))| {
            let name = name.map_or(format!("$f{index}"), str::to_owned);
            format!("#{number:02}: 0x{offset:04x} - {name}\n")
        })
        .collect();
    let head = "wasm trap: out of bounds memory access (address 0x10000, memory size 0x10000)\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), head.to_owned() + &lines);

    let one = |entry, args, what: &str, operator| {
        let output = run(&wasm, &["--invoke", entry, args]);
        let offset = truth.named(entry).nth(operator, 0);
        let expected = format!("wasm trap: {what}\n#00: 0x{offset:04x} - {entry}\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    };
    one("div", "0", "integer divide by zero", "I32DivU");
    one("index", "7", "out of bounds table access (index 7)", "TableGet");
}

#[test]
fn off() {
    let output = run(&support::wat(TEXT), &["--trace=off", "--invoke", "div", "0"]);
    assert_eq!(output.stderr, b"wasm trap: integer divide by zero\n");
}

#[test]
fn json() {
    let wasm = support::wat(TEXT);
    let truth = Truth::of(&wasm);
    let output = run(&wasm, &["--trace=json", "--invoke", "main", "0x10004"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "one line");
    let trace: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(trace["trap"], "MemoryOutOfBounds");
    assert_eq!(
        (trace["address"].as_u64(), trace["memory_size"].as_u64()),
        (Some(0x10004), Some(0x10000))
    );
    let shown = trace["frames"].as_array().expect("frames");
    assert_eq!(shown.len(), 3);
    for (frame, (offset, index, name)) in shown.iter().zip(frames(&truth)) {
        assert_eq!(frame["module"], "shown");
        assert_eq!(frame["offset"], offset);
        assert_eq!(frame["function"], index);
        assert_eq!(frame.get("name").and_then(|name| name.as_str()), name);
        let start = truth.function(index).unwrap().body.start;
        assert_eq!(frame["function_offset"], offset - start);
    }
}
