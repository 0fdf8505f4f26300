//! Modules that cannot be run as asked: imports that nobody defines, limits,
//! and calls that do not fit.

use super::support;
use super::support::process::{Ended, Folder, run};

/// Runs `NAME.so` of the folder.
fn wasmrun(folder: &Folder, options: &[&str], args: &[&str]) -> Ended {
    let mut command = support::wasmrun();
    run(command.current_dir(folder.path()).args(options).args(args))
}

#[test]
fn every_import_that_is_missing_is_named() {
    let folder = Folder::new();
    let text = r#"(module $importer
        (import "env" "function" (func (param i32 v128) (result i64 externref)))
        (import "env" "memory" (memory 1 2))
        (import "env" "table" (table 3 externref))
        (import "env" "constant" (global f32))
        (import "env" "variable" (global (mut i64)))
        (import "wasi_snapshot_preview1" "no_such_call" (func))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32)))
        (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (import "" "" (func))
        (import "terminal\1b[2J" "bell\07" (func))
        (func (export "_start")))"#;
    folder.compile("m", text, &[]);
    let lines = [
        "cannot instantiate `m.so`: cannot link `importer`:",
        "\n  unknown import: `env` `function`: define a function (i32, v128) -> (i64, externref)\n",
        "\n  unknown import: `env` `memory`: define a memory 1..2\n",
        "\n  unknown import: `env` `table`: define a table 3.. of externref\n",
        "\n  unknown import: `env` `constant`: define a global f32\n",
        "\n  unknown import: `env` `variable`: define a mutable global i64\n",
        "\n  unknown import: `wasi_snapshot_preview1` `no_such_call`: define a function () -> ()\n",
        "\n  incompatible import type: `wasi_snapshot_preview1` `fd_write` must be a function (i32) -> (), \
         but is a function (i32, i32, i32, i32) -> (i32)\n",
        "\n  unknown import: `wasi_unstable` `fd_write`: define a function (i32, i32, i32, i32) -> (i32)\n",
        "\n  unknown import: `` ``: define a function () -> ()\n",
        r"  unknown import: `terminal\u{1b}[2J` `bell\u{7}`: define a function () -> ()",
    ];
    let ended = wasmrun(&folder, &["--color=always"], &["m.so"]);
    assert!(!ended.stderr.contains("\x1b[2J"));
    wasmrun(&folder, &[], &["m.so"]).failed(1, &lines);
    folder.compile("one", r#"(module (import "env" "f" (func)) (func (export "_start")))"#, &[]);
    wasmrun(&folder, &[], &["one.so"])
        .failed(1, &["`one.so`", ": unknown import: `env` `f`: define"]);
}

#[test]
fn memory_has_limits() {
    let folder = Folder::new();
    let module = |name: &str, pages: u32| {
        let text = format!(
            r#"(module (memory {pages}) (func (export "_start")
                (if (i32.ne (memory.size) (i32.const {pages})) (then unreachable))
                (if (memory.size) (then
                    (i32.store8 (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1))
                        (i32.const 1))))))"#
        );
        folder.compile(name, &text, &[]);
    };
    module("none", 0);
    module("small", 16);
    module("all", 65536);
    let table: &[(&str, &str, Option<&str>)] = &[
        ("none", "0", None),
        ("small", "1M", None),
        ("small", "1048576", None),
        ("small", "1048575", Some("1048576 bytes of linear memory exceed the limit of 1048575")),
        ("small", "0", Some("exceed the limit of 0")),
        ("all", "4G", None),
        ("all", "18446744073709551615", None),
        ("all", "4GB", Some("4294967296 bytes of linear memory exceed the limit of 4000000000")),
    ];
    for (name, limit, error) in table {
        let file = format!("{name}.so");
        let ended = wasmrun(&folder, &["--max-memory", limit], &[&file]);
        match error {
            None => drop(ended.succeeded()),
            Some(words) => {
                drop(ended.failed(1, &["cannot instantiate", &file, words, "raise the limit"]))
            }
        }
    }
    wasmrun(&folder, &[], &["all.so"]).succeeded();

    // Growing is limited, too, and tells the program.
    let text = r#"(module (memory 1) (func (export "grow") (param i32) (result i32 i32)
        (memory.grow (local.get 0)) (memory.size)))"#;
    folder.compile("grow", text, &[]);
    let grow = |limit: &str, pages: &str| {
        let options = ["--max-memory", limit, "--invoke", "grow"];
        wasmrun(&folder, &options, &["grow.so", pages]).succeeded().text().replace('\n', " ")
    };
    assert_eq!(grow("1M", "15"), "1 16 ");
    assert_eq!(grow("1M", "16"), "-1 1 ");
    assert_eq!(grow("8G", "65535"), "1 65536 ");
    assert_eq!(grow("8G", "65536"), "-1 1 ");
    assert_eq!(grow("8G", "-1"), "-1 1 ");
}

#[test]
fn the_stack_has_limits() {
    let folder = Folder::new();
    let text = r#"(module (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
            (else (i32.const 0)))))"#;
    folder.compile("m", text, &["-O0"]);
    let deep = |size: &str, depth: &str| {
        wasmrun(&folder, &["--max-stack", size, "--invoke", "deep"], &["m.so", depth])
    };
    assert_eq!(deep("64M", "10000").succeeded().text(), "10000\n");
    // The least is always given.
    for size in ["0", "1", "64K"] {
        assert_eq!(deep(size, "10").succeeded().text(), "10\n");
        let ended = deep(size, "1000000");
        assert_eq!(ended.code, 134, "{}", ended.stderr);
        assert!(ended.stderr.starts_with("wasm trap: call stack exhausted"), "{}", ended.stderr);
    }
    for size in ["99999G", "18446744073709551615"] {
        let words =
            ["cannot run `m.so`", "cannot get memory for a stack", "Cannot allocate memory"];
        deep(size, "10").failed(1, &words);
    }
}

#[test]
fn sizes_that_are_none_are_refused() {
    let folder = Folder::new();
    folder.compile("m", "(module)", &[]);
    for option in ["--max-memory", "--max-stack"] {
        for size in ["", "x", "-1", "1.5M", "1T", "M", "0x10", "1 M", "18446744073709551616"] {
            let words = [format!("'{size}'"), option.into(), "not a size such as".into()];
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            wasmrun(&folder, &[&format!("{option}={size}")], &["m.so"]).failed(2, &words);
        }
        let words = [option, "more bytes than there can be"];
        wasmrun(&folder, &[option, "99999999999G"], &["m.so"]).failed(2, &words);
    }
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let text = r#"(module $lib
        (func (export "add") (param i32 i64) (result f64) (f64.const 0))
        (func (export "vector") (param v128))
        (func (export "reference") (param funcref externref))
        (func (export "odd name\1b[2J"))
        (func $hidden (param f32))
        (global (export "global") i32 (i32.const 1))
        (memory (export "memory") 1))"#;
    folder.compile("lib", text, &[]);
    let functions =
        ["\n  add (i32, i64) -> (f64)\n", "\n  vector (v128) -> ()\n", r"odd name\u{1b}[2J"];
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "nothing",
            &[],
            &[&["`lib.so` exports no function `nothing`", "--invoke"], &functions[..]].concat(),
        ),
        ("hidden", &[], &["exports no function `hidden`"]),
        ("global", &[], &["exports no function `global`"]),
        ("memory", &[], &["exports no function `memory`"]),
        ("", &[], &["exports no function ``"]),
        ("add", &[], &["`add` (i32, i64) -> (f64) takes 2 arguments, not 0"]),
        ("add", &["1"], &["takes 2 arguments, not 1"]),
        ("add", &["1", "2", "3"], &["takes 2 arguments, not 3"]),
        ("add", &["one", "2"], &["`one` is not a value of type i32"]),
        ("add", &["1", "1.5"], &["`1.5` is not a value of type i64"]),
        ("add", &["4294967296", "2"], &["`4294967296` is not a value of type i32", "fit 32 bits"]),
        ("add", &["", "2"], &["`` is not a value of type i32"]),
        ("vector", &["7"], &["`7` is not a value of type v128", "0x", "i32x4:1,2,3,4"]),
        ("vector", &["1,2,3"], &["i32x4 has 4 lanes, not 3"]),
        ("reference", &["7", "null"], &["`7` is not a value of type funcref", "null"]),
    ];
    for (function, args, words) in table {
        wasmrun(&folder, &["--invoke", function, "lib.so"], args).failed(2, words);
    }
    wasmrun(&folder, &["--invoke", "reference", "lib.so"], &["null", "null"]).succeeded();

    let words = [&["`lib.so` is a library, without `_start`", "--invoke"], &functions[..]].concat();
    wasmrun(&folder, &[], &["lib.so"]).failed(1, &words);
    wasmrun(&folder, &[], &["lib.so", "arg"]).failed(1, &words);
    // Nothing to call: nothing to complain of.
    folder.compile("data", r#"(module (memory (export "memory") 1))"#, &[]);
    wasmrun(&folder, &[], &["data.so"]).succeeded();
    // A library with more functions than anybody wants to see.
    let many: String = (0..500).map(|i| format!("(func (export \"f{i}\"))")).collect();
    folder.compile("many", &format!("(module {many})"), &[]);
    let ended = wasmrun(&folder, &[], &["many.so"]).failed(1, &["\n  f0 ", "and 480 more"]);
    assert!(ended.stderr.lines().count() < 30, "{}", ended.stderr);
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let folder = Folder::new();
    folder.compile("m", "(module)", &[]);
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["--no-such-option", "m.so"], 2, &["--no-such-option", "Usage: wasmrun"]),
        (&["--trace=much", "m.so"], 2, &["'much'", "--trace", "short, full, web, json, off"]),
        (&["--color=blue", "m.so"], 2, &["'blue'", "--color", "auto, always, never"]),
        (&["--env", "=x", "m.so"], 2, &["--env", "name is missing"]),
        (&["--env", "", "m.so"], 2, &["--env", "name is missing"]),
        (&["--dir", "::", "m.so"], 2, &["--dir", "directory is missing", "HOST::GUEST"]),
        (&["--dir", "/nonexistent", "m.so"], 1, &["directory `/nonexistent`", "No such file"]),
        (&["--dir", "m.so", "m.so"], 1, &["directory `m.so`", "Not a directory"]),
        (&["--invoke"], 2, &["value is required", "--invoke"]),
        (&["--invoke", "f"], 2, &["required", "LIB.SO"]),
        (&["--completions", "cmd"], 2, &["'cmd'", "--completions", "bash"]),
        (&["--trace-on", "SIGNONE", "m.so"], 2, &["'SIGNONE'", "--trace-on", "SIGUSR1"]),
        (&["--trace-on", "SIGKILL", "m.so"], 2, &["'SIGKILL'", "--trace-on", "SIGUSR1"]),
        (&["--debug-file", "none.wasm", "m.so"], 1, &["cannot read `none.wasm`", "No such file"]),
        (
            &["--debug-file", "m.wat", "m.so"],
            1,
            &["`m.wat`", "neither a wasm file nor a source map"],
        ),
        (&["symbolize"], 2, &["required", "LIB.SO", "Usage: wasmrun symbolize"]),
        (&["symbolize", "none.so"], 1, &["cannot read `none.so`", "No such file"]),
        (&["symbolize", "m.wat", "0x1"], 1, &["not compiled yet", "wasm2so"]),
    ];
    for (args, code, words) in table {
        wasmrun(&folder, &[], args).failed(*code, words);
    }
}
