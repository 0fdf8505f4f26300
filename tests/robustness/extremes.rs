//! Valid modules with too much of something: deep, wide, long, or with odd
//! names. They compile at full optimisation, and give the right result.

use super::support;
use super::support::process::{Folder, run};
use std::fmt::Display;

/// `count` pieces of text, each made of its number.
fn each<T: Display>(count: usize, piece: impl Fn(usize) -> T) -> String {
    (0..count).map(|i| format!("{} ", piece(i))).collect()
}

/// The body of a function `f` from i32 to i32.
fn function(body: &str) -> String {
    format!("(func (export \"f\") (param i32) (result i32) {body})")
}

/// Modules, and what `f(1)` of each is.
fn modules() -> Vec<(&'static str, String, i32)> {
    let get = "local.get 0";
    let deep = |block: &str, branch: &str, end: &str, count: usize| {
        function(&format!(
            "{} {branch} {} i32.const 7",
            each(count, |_| block),
            each(count, |_| end)
        ))
    };
    let twice = |block: &str| format!("{} {}", each(1000, |_| get), each(999, |_| block));
    vec![
        ("blocks", deep("block", "local.get 0 br_if 9999", "end", 10_000), 7),
        ("loops", deep("loop", "i32.const 0 br_if 2999", "end", 3000), 7),
        (
            "loops in a row",
            function(&format!(
                "{} {get}",
                each(3000, |_| "loop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end \
                                i32.const 5 local.set 0")
            )),
            5,
        ),
        ("ifs", deep("local.get 0 if", "nop", "else unreachable end", 3000), 7),
        (
            "br_table",
            function(&format!(
                "block block local.get 0 br_table {} end i32.const 1 return end i32.const 2",
                each(20_000, |i| i % 2)
            )),
            2,
        ),
        (
            "deep stack",
            function(&format!("{} {}", each(9000, |_| get), each(8999, |_| "i32.add"))),
            9000,
        ),
        (
            "long body",
            function(&format!(
                "{get} {}",
                each(3000, |_| "i32.const 3 i32.mul i32.const 2 i32.sub")
            )),
            1,
        ),
        (
            "selects",
            function(&format!("{get} {}", each(9000, |_| "i32.const 5 local.get 0 select"))),
            1,
        ),
        (
            "diamonds",
            function(&format!("{} {get}", each(3000, |_| "block local.get 0 i32.eqz br_if 0 end"))),
            1,
        ),
        ("locals", function(&format!("(local {}) local.get 48999", each(49_000, |_| "i32"))), 0),
        (
            "loads",
            format!("(memory 1) {}", function(&format!("{get} {}", each(3000, |_| "i32.load")))),
            0,
        ),
        (
            "calls",
            format!(
                "(func $g (param i32) (result i32) local.get 0) {}",
                function(&format!("{get} {}", each(9000, |_| "call $g")))
            ),
            1,
        ),
        (
            "values",
            format!(
                "(func $g (param {0}) (result {0}) {1}) {2}",
                each(1000, |_| "i32"),
                each(1000, |i| format!("local.get {i}")),
                function(&format!(
                    "{} call $g {}",
                    each(1000, |i| format!("i32.const {i}")),
                    each(999, |_| "i32.add")
                ))
            ),
            499_500,
        ),
        ("twice", function(&twice("i32.or")), 1),
        ("functions", format!("{} {}", each(9000, |_| "(func)"), function(get)), 1),
        (
            "exports",
            format!("{} {}", each(3000, |i| format!("(func (export \"g{i}\"))")), function(get)),
            1,
        ),
        (
            "call chain",
            format!(
                "(func $f0 (param i32) (result i32) local.get 0) {} (export \"f\" (func $f500))",
                each(500, |i| format!(
                    "(func $f{} (param i32) (result i32) local.get 0 i32.const 2 i32.add call $f{i})",
                    i + 1
                ))
            ),
            1001,
        ),
        (
            "globals",
            format!(
                "{} {}",
                each(20_000, |i| format!("(global i32 (i32.const {i}))")),
                function("global.get 19999")
            ),
            19_999,
        ),
        (
            "constant",
            format!(
                "(global i32 i32.const 0 {}) {}",
                each(9000, |_| "i32.const 2 i32.add"),
                function("global.get 0")
            ),
            18_000,
        ),
        (
            "types",
            format!(
                "{} {}",
                each(4096, |i| format!(
                    "(type (func (param {})))",
                    each(6, |k| ["i32", "i64", "f32", "f64"][i >> (2 * k) & 3])
                )),
                function(get)
            ),
            1,
        ),
        (
            "data",
            format!(
                "(memory 100) (data (i32.const 0) \"{}\") {}",
                "abcdefgh".repeat(500_000),
                function("(i32.load8_u (i32.const 3999999))")
            ),
            104,
        ),
        (
            "segments",
            format!(
                "(memory 1) {} {}",
                each(9000, |i| format!("(data (i32.const {i}) \"x\")")),
                function("(i32.load8_u (i32.const 8999))")
            ),
            120,
        ),
        (
            "elements",
            format!(
                "(table 50000 funcref) (elem (i32.const 0) {}) (func $g (result i32) i32.const 3) {}",
                each(50_000, |_| "$g"),
                function("(call_indirect (result i32) (i32.const 49999))")
            ),
            3,
        ),
    ]
}

#[test]
fn too_much_of_anything_compiles() {
    let folder = Folder::new();
    for (name, fields, expected) in modules() {
        println!("{name}");
        let so = folder.compile("m", &format!("(module {fields})"), &[]);
        let ended = run(support::wasmrun().args(["--invoke", "f"]).arg(so).arg("1")).succeeded();
        assert_eq!(ended.text(), format!("{expected}\n"), "{name}");
    }
    assert_eq!(folder.names(), ["m.so", "m.wat"]);
}

#[test]
fn names_can_be_anything() {
    let folder = Folder::new();
    let long = "n".repeat(50_000);
    let names = [
        "",
        " ",
        "a b",
        "é",
        "日本語",
        "-",
        "--",
        "\\00",
        "\\n",
        "\\\"",
        "'",
        "\\\\",
        "%s",
        "$f",
        "@plt",
        "main",
        "malloc",
        "_init",
        "_fini",
        ".text",
        "wasm2so_module_v1",
        "wasm2so.trap",
        "wasm2so.enter",
        "llvm.trap",
        "memcpy",
        "_ZN4core9panicking5panicE",
        "\\e2\\80\\ae",
        "\\1b[31m",
        "a;b,c:d",
        &long,
    ];
    // Each both as an export and, twice, in the name section.
    let function = |(i, name): (usize, &&str)| {
        format!("(func $f{i} (@name \"{name}\") (export \"{name}\") (result i32) i32.const {i})\n")
    };
    let functions: String = names.iter().enumerate().map(function).collect();
    let twins: String = names.iter().map(|name| format!("(func (@name \"{name}\"))\n")).collect();
    for level in ["-O0", "-O3"] {
        let so = folder.compile(
            "m",
            &format!("(module (@name \"\\00/\\\\\") {functions} {twins})"),
            &[level],
        );
        for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.contains('\\')) {
            let mut command = support::wasmrun();
            let ended = run(command.arg(format!("--invoke={name}")).arg(&so)).succeeded();
            assert_eq!(ended.text(), format!("{i}\n"), "{name}");
        }
    }
}
