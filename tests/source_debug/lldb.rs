//! `--debug=source-lldb`: lldb, with our commands, follows pointers in linear memory.

use super::support::process::Folder;
use super::{file, for_wasm, support, verify};
use wasm2so::options::{DebugLevel, Debugger, OptLevel, Options};

/// At a line with some text, what lldb is to say to `frame variable` of a path.
fn shows(source: &str, text: &str, expected: &[(&str, &str)]) {
    let folder = Folder::new();
    let so = folder.path().join("program.so");
    let wasm = for_wasm(&folder, source, "-O0");
    let options = Options {
        debug: DebugLevel::Source,
        debugger: Debugger::Lldb,
        ..support::options(OptLevel::Og)
    };
    support::compile(&wasm, "program.wasm", &so, &options);
    verify(&so);
    let lines = std::fs::read_to_string(file(source)).expect("the source is there");
    let line = 1 + lines.lines().position(|line| line.contains(text)).expect("there is one");
    let script = folder.file("wasm_lldb.py", wasm2so::debuggers::LLDB);
    let mut lldb = support::tool("lldb-22");
    lldb.args(["--no-lldbinit", "--batch", "-o", "settings set target.disable-aslr false"]);
    lldb.args(["-o", "settings set target.output-path /dev/null"]);
    lldb.args(["-o", &format!("command script import {}", script.display())]);
    lldb.args(["-o", &format!("breakpoint set -f {source} -l {line}"), "-o", "run"]);
    for (path, _) in expected {
        lldb.args(["-o", &format!("frame variable {path}")]);
    }
    let output = lldb.arg("--").arg(support::wasmrun().get_program()).arg(&so).output();
    let output = output.expect("lldb runs");
    let all = String::from_utf8_lossy(&output.stdout);
    let mut said = all.split("(lldb) frame variable ").skip(1);
    for (path, expected) in expected {
        let said = said.next().unwrap_or_default();
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.ends_with(expected), "{path} is {said}, not {expected}: {all}");
    }
}

#[test]
fn lldb_follows_pointers_of_c() {
    shows(
        "program.c",
        "if (place == 6)",
        &[
            ("stack->depth", "(int) stack->depth = 0"),
            ("stack->values", "([0] = 0, [1] = 0, [2] = 0, [3] = 0, [4] = 0, [5] = 0)"),
            ("stack->name", "\"program\""),
            ("*stack->name", "(const char) *stack->name = 'p'"),
            ("stack->name[3]", "= 'g'"),
        ],
    );
}

#[test]
fn lldb_shows_containers_of_cpp() {
    shows(
        "containers.cpp",
        "// stop",
        &[
            ("numbers", "size=5 { [0] = 3 [1] = 1 [2] = 4 [3] = 1 [4] = 5 }"),
            ("numbers[2]", "(int) numbers[2] = 4"),
            ("words", "{ [0] = \"some\" [1] = \"words that do not fit into the string\" }"),
            ("part.__ptr_->id", "= 7"),
            ("*part.__ptr_", "{ id = 7 name = \"wheel\" }"),
            ("view", "= \"view\""),
            ("text", r#"= "a \"quoted\" text""#),
            ("empty.__tree_.__size_", "= 0"),
        ],
    );
}

#[test]
fn lldb_follows_pointers_of_rust() {
    shows(
        "containers.rs",
        "// stop",
        &[
            ("part->id", "= 1"),
            ("part->name", "= \"wheel\""),
            ("texts", r#"([0] = "a", [1] = "slice", [2] = "of texts")"#),
            ("slice.data_ptr[1]", "= 4"),
            ("*shared.ptr.pointer", "value = 12 }"),
        ],
    );
}
