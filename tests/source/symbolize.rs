//! `wasmrun symbolize`: what it makes of lines of every kind.

use super::programs;
use crate::support;
use crate::support::process::{Folder, run, run_with};
use std::path::{Path, PathBuf};

struct Program {
    folder: Folder,
    /// It finds sources.
    so: PathBuf,
    /// It does not; its code is the same.
    plain: PathBuf,
}

impl Program {
    fn new() -> Self {
        let (folder, build) = (Folder::new(), Folder::new());
        let wasm = programs::wasm("orders.c", build.path());
        let plain = programs::compile(&wasm, folder.path(), "program.so", false);
        std::fs::create_dir(folder.path().join("kept")).unwrap();
        let so = programs::compile(&wasm, &folder.path().join("kept"), "program.so", true);
        Program { folder, so, plain }
    }

    fn trace(&self, so: &Path, format: &str) -> String {
        let ended = run(support::wasmrun().arg(format).arg(so));
        assert_eq!(ended.code, 134, "{}", ended.stderr);
        ended.stderr
    }

    fn symbolize(&self, inputs: &[&str], stdin: &str) -> String {
        let mut command = support::wasmrun();
        command.arg("symbolize").arg(&self.so).args(inputs).current_dir(self.folder.path());
        run_with(&mut command, stdin.as_bytes()).succeeded().text().to_owned()
    }
}

#[test]
fn traces_without_sources_get_them() {
    let program = Program::new();
    let with = program.trace(&program.so, "--trace=short");
    let without = program.trace(&program.plain, "--trace=short");
    assert_ne!(with, without);
    assert_eq!(program.symbolize(&[], &without), with);
    assert_eq!(program.symbolize(&[], &with), with, "they are there already");
    let log = program.folder.file("log.txt", format!("before\n{without}after"));
    let log = log.to_str().unwrap();
    assert_eq!(program.symbolize(&[log], ""), format!("before\n{with}after\n"));
    // Offsets alone get their functions, too.
    let offsets: String = without
        .lines()
        .map(|line| if line.starts_with('#') { line.split_once(" - ").unwrap().0 } else { line })
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_eq!(program.symbolize(&["-"], &offsets), with);
    // Full ones keep their details.
    let full = program.trace(&program.plain, "--trace=full");
    let symbolized = program.symbolize(&[], &full);
    let kept: Vec<&str> =
        symbolized.lines().filter(|line| !line.starts_with("        at ")).collect();
    let expected: Vec<&str> = full.lines().collect();
    assert_eq!(kept, expected);
    let added = symbolized.lines().count() - kept.len();
    assert_eq!(added, with.lines().count() - without.lines().count());
}

#[test]
fn places() {
    let program = Program::new();
    let json = program.trace(&program.so, "--trace=json");
    let trace: serde_json::Value = serde_json::from_str(&json).unwrap();
    let frame = &trace["frames"][0];
    let number = |key: &str| frame[key].as_u64().unwrap();
    let (offset, function, native) =
        (number("offset"), number("function"), number("native_offset"));
    // The frames at the innermost native address.
    let short = program.trace(&program.so, "--trace=short");
    let frames = trace["frames"].as_array().unwrap();
    let inlined = frames.iter().take_while(|frame| frame["inlined"] == true).count() + 1;
    let starts: Vec<usize> = short.match_indices('#').map(|(place, _)| place).collect();
    let end = starts.get(inlined).copied().unwrap_or(short.len());
    let untitled = |text: &str| {
        let line = |line: &str| match line.split_once(": ") {
            Some((number, rest)) if number.starts_with('#') => format!("     {rest}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect::<String>()
    };
    let (first, all) = (untitled(&short[starts[0]..starts[1]]), untitled(&short[starts[0]..end]));
    for (line, found) in [
        (format!("program.so+{native:#x}"), &all),
        (format!("  {native:#x}"), &all),
        (format!("7f00 sym+0x1 (/some/where/program.so+{native:#x})"), &all),
        (format!("#1 0x7ff in f () at ./program.wasm:{offset}"), &first),
        (format!("program.wasm+{offset:#x}"), &first),
        (format!("    at f (https://x/y.wasm:wasm-function[{function}]:{offset:#x})"), &first),
    ] {
        assert_eq!(program.symbolize(&[&line], ""), format!("{line}\n{found}"));
    }
    let other = function + 1;
    for line in [
        "nothing to see",
        "",
        "0xffffffffffffff",
        "0x0",
        "#00: 0x0001",
        "#00: 0x???? - main",
        &format!("#00: {offset:#x} - elsewhere in other"),
        &format!("other.so+{native:#x}"),
        &format!("wasm-function[{other}]:{offset:#x}"),
        "\u{fffd}",
    ] {
        assert_eq!(
            program.symbolize(&[], line),
            line.to_owned() + if line.is_empty() { "" } else { "\n" }
        );
    }
    let web = program.trace(&program.plain, "--trace=web");
    let symbolized = program.symbolize(&[], &web);
    assert!(symbolized.contains("orders.c:") && symbolized.starts_with("RuntimeError: "));
}

#[test]
fn a_file_of_this_name_can_be_run() {
    let program = Program::new();
    std::fs::copy(&program.so, program.folder.path().join("symbolize")).unwrap();
    let mut command = support::wasmrun();
    let ended = run(command.arg("./symbolize").current_dir(program.folder.path()));
    assert_eq!(ended.code, 134);
    let ended = run(support::wasmrun().arg("symbolize").arg(&program.plain).arg("--help"));
    assert!(ended.succeeded().text().contains("LIB.SO"));
}
