//! The options of `wasmrun`.

use super::wasi;
use crate::support;
use crate::support::process::{Ended, Folder, run, run_with};
use std::process::{Command, Stdio};

/// `wasmrun` in the folder.
fn wasmrun(folder: &Folder, args: &[&str]) -> Command {
    let mut command = support::wasmrun();
    command
        .current_dir(folder.path())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .args(args);
    command
}

/// A program's strings, which end with NUL.
fn list(ended: Ended) -> Vec<String> {
    ended.succeeded().text().split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn the_program_gets_its_arguments() {
    let folder = Folder::new();
    folder.compile("args", &wasi::strings("args"), &[]);
    let table: &[(&[&str], &[&str])] = &[
        (&["args.so"], &["args.so"]),
        (&["./args.so", "a", "b c", "", "é"], &["args.so", "a", "b c", "", "é"]),
        (&["args.so", "--help", "-v", "--", "--env"], &["args.so", "--help", "-v", "--", "--env"]),
        (&["--", "args.so", "-x"], &["args.so", "-x"]),
        (&["--env", "A=1", "args.so", "--env"], &["args.so", "--env"]),
    ];
    for (args, given) in table {
        assert_eq!(list(run(&mut wasmrun(&folder, args))), *given, "{args:?}");
    }
}

#[test]
fn the_program_gets_only_the_environment_that_is_named() {
    let folder = Folder::new();
    folder.compile("env", &wasi::strings("environ"), &[]);
    let table: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["--env", "A=1", "--env=B=x=y"], &["A=1", "B=x=y"]),
        (&["--env", "EMPTY="], &["EMPTY="]),
        (&["--env", "HOSTS", "--env", "UNSET"], &["HOSTS=given"]),
    ];
    for (args, given) in table {
        let mut command = wasmrun(&folder, args);
        let ended = run(command.arg("env.so").env("HOSTS", "given").env_remove("UNSET"));
        assert_eq!(list(ended), *given, "{args:?}");
    }
}

#[test]
fn the_program_gets_only_the_directories_that_are_named() {
    let folder = Folder::new();
    folder.compile("files", &wasi::files(), &[]);
    for (name, text) in [("one", "first\n"), ("two", "second\n")] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
        folder.file(&format!("{name}/hello.txt"), text);
    }
    let table: &[(&[&str], &str)] = &[
        (&[], ""),
        (&["--dir", "one"], "onefirst\n"),
        (&["--dir=one::/"], "/first\n"),
        (&["--dir", "one::/data", "--dir", "two"], "/datafirst\ntwosecond\n"),
    ];
    for (args, printed) in table {
        let ended = run(wasmrun(&folder, args).arg("files.so"));
        assert_eq!(ended.succeeded().text(), *printed, "{args:?}");
    }
    // No such file in it: WASI's error 44, which this program exits with.
    let ended = run(&mut wasmrun(&folder, &["--dir", ".", "files.so"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (44, ""));
}

#[test]
fn standard_streams_are_the_programs() {
    let folder = Folder::new();
    let example = support::root().join("examples/wordfreq.wasm");
    let so = folder.path().join("wordfreq.so");
    run(support::wasm2so().arg(example).arg("-o").arg(&so)).succeeded();
    let mut command = support::wasmrun();
    let ended = run_with(command.arg(&so).arg("2"), b"tea and milk and tea and cake");
    let text = ended.text().to_owned();
    assert!(text.contains("and") && text.contains("tea") && !text.contains("cake"), "{text}");
}

#[test]
fn the_exit_code_is_the_programs() {
    let folder = Folder::new();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "exit") (param i32) (call $exit (local.get 0)))
        (func (export "trap") unreachable)
        (func (export "_start") (call $exit (i32.const 7))))"#;
    folder.compile("exit", text, &[]);
    let code = |args: &[&str]| {
        let ended = run(&mut wasmrun(&folder, args));
        assert_eq!(ended.stderr, "", "{args:?}");
        ended.code
    };
    assert_eq!(code(&["exit.so"]), 7);
    for number in [0, 1, 2, 42, 125, 134, 255] {
        assert_eq!(code(&["--invoke", "exit", "exit.so", &number.to_string()]), number);
    }
    let ended = run(&mut wasmrun(&folder, &["--invoke", "trap", "exit.so"]));
    assert_eq!(ended.code, 134, "{}", ended.stderr);
}

#[test]
fn invoke_reads_and_prints_values_of_every_type() {
    let folder = Folder::new();
    let same =
        |ty: &str| format!("(func (export \"{ty}\") (param {ty}) (result {ty}) (local.get 0))\n");
    let functions: String =
        ["i32", "i64", "f32", "f64", "v128", "funcref", "externref"].map(same).concat();
    let text = format!(
        r#"(module {functions}
            (func (export "none"))
            (func (export "two") (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))
            (func (export "several") (result i32 f64 i64)
                (i32.const -1) (f64.const 0.5) (i64.const 1)))"#
    );
    folder.compile("m", &text, &[]);
    let table: &[(&str, &[&str], &str)] = &[
        ("i32", &["-1"], "-1\n"),
        ("i32", &["4294967295"], "-1\n"),
        ("i32", &["0x7fffffff"], "2147483647\n"),
        ("i64", &["-9223372036854775808"], "-9223372036854775808\n"),
        ("i64", &["0xffffffffffffffff"], "-1\n"),
        ("f32", &["0.1"], "0.1\n"),
        ("f32", &["-0"], "-0\n"),
        ("f64", &["1e300"], "1e300\n"),
        ("f64", &["inf"], "inf\n"),
        ("f64", &["nan"], "NaN\n"),
        ("v128", &["0x10"], "0x00000000000000000000000000000010\n"),
        ("v128", &["i32x4:1,2,3,4"], "0x00000004000000030000000200000001\n"),
        ("funcref", &["null"], "null\n"),
        ("externref", &["null"], "null\n"),
        ("none", &[], ""),
        ("two", &["1", "2"], "2\n1\n"),
        ("several", &[], "-1\n0.5\n1\n"),
    ];
    for (function, args, printed) in table {
        let mut command = wasmrun(&folder, &["--invoke", function, "m.so"]);
        assert_eq!(run(command.args(*args)).succeeded().text(), *printed, "{function} {args:?}");
    }
}

/// What is said of a trap, in each of the formats.
#[test]
fn traces_have_formats() {
    let folder = Folder::new();
    let text = r#"(module $traps (memory 1)
        (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
        (func $main (export "main") (param i32) (result i32) (call $leaf (local.get 0))))"#;
    folder.compile("m", text, &[]);
    let say = |args: &[&str]| {
        let ended = run(&mut wasmrun(&folder, &[args, &["--invoke=main", "m.so", "-1"]].concat()));
        assert_eq!((ended.code, ended.stdout.len()), (134, 0), "{}", ended.stderr);
        ended.stderr
    };
    let head = "wasm trap: out of bounds memory access (address 0xffffffff, memory size 0x10000)\n";
    let short = say(&[]);
    let frames = short.strip_prefix(head).unwrap_or_else(|| panic!("{short}"));
    let frames: Vec<&str> = frames.lines().collect();
    assert_eq!(frames.len(), 2, "{short}");
    assert!(frames[0].starts_with("#00: 0x00") && frames[0].ends_with(" - leaf"), "{short}");
    assert!(frames[1].starts_with("#01: 0x00") && frames[1].ends_with(" - main"), "{short}");
    assert_eq!(say(&["--trace=short"]), short, "it is the default");
    assert_eq!(say(&["--trace=off"]), head);
    let full = say(&["--trace=full"]);
    assert!(full.starts_with(head) && full.contains("function 0+0x"), "{full}");
    assert_eq!(say(&["--trace"]), full, "it is what --trace means");
    let web = say(&["--trace=web"]);
    assert!(web.contains("wasm-function[0]:0x"), "{web}");
    let json = say(&["--trace=json"]);
    assert_eq!(json.lines().count(), 1, "{json}");
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["frames"].as_array().map(Vec::len), Some(2), "{json}");
}

#[test]
fn colours_are_as_asked() {
    let folder = Folder::new();
    folder.compile("m", r#"(module (func (export "_start") unreachable))"#, &[]);
    let say = |args: &[&str], environment: &[(&str, &str)]| {
        run(wasmrun(&folder, args).envs(environment.iter().copied())).stderr
    };
    for file in ["m.so", "missing.so"] {
        let plain = say(&[file], &[]);
        assert!(!plain.contains('\x1b') && plain.lines().count() >= 1, "{plain:?}");
        assert_eq!(say(&["--color=auto", file], &[]), plain);
        assert_eq!(say(&["--color=never", file], &[("CLICOLOR_FORCE", "1")]), plain);
        for args in [&["--color", "always", file][..], &[file]] {
            assert!(
                say(args, &[("CLICOLOR_FORCE", "1")]).contains("\x1b[1;31m"),
                "{file} {args:?}"
            );
        }
    }
    let machine = say(&["--trace=json", "--color=always", "m.so"], &[]);
    assert!(!machine.contains('\x1b'), "{machine:?}");
}

#[test]
fn verbose_tells_what_happens() {
    let folder = Folder::new();
    folder.compile("m", &wasi::strings("args"), &[]);
    let say = |args: &[&str]| {
        let ended = run(&mut wasmrun(&folder, &[args, &["m.so"]].concat()));
        assert_eq!((ended.code, ended.text()), (0, "m.so\0"));
        ended.stderr
    };
    assert_eq!(say(&[]), "");
    let some = say(&["-v"]);
    assert!(some.contains("loaded") && some.contains("calling"), "{some}");
    let all = say(&["-vv"]);
    assert!(all.contains("fd_write") && !some.contains("fd_write"), "{all}");
    assert!(!all.contains('\x1b'), "{all:?}");
}

/// A reader that goes away is the program's to notice, and no error of ours.
#[test]
fn a_closed_pipe_is_no_error() {
    let folder = Folder::new();
    folder.compile("args", &wasi::strings("args"), &[]);
    folder.compile("m", r#"(module (func (export "f") (result i32) (i32.const 1)))"#, &[]);
    // WASI's error 64 is that of a broken pipe.
    let table: &[(&[&str], i32)] = &[(&["--invoke", "f", "m.so"], 0), (&["args.so"], 64)];
    for (args, code) in table {
        let mut command = wasmrun(&folder, args);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(*code), ""), "{args:?}");
    }
    // A full disk is one.
    let mut command = wasmrun(&folder, &["--invoke", "f", "m.so"]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let output = command.stdout(full).stderr(Stdio::piped()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: cannot write to standard output: No space left"), "{said}");
}
