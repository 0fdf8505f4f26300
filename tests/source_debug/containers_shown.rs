//! What gdb shows of containers: what it shows on other machines.

use super::stops::says;
use super::support::process::{Folder, run};
use super::{file, for_wasm, source_options, support};
use std::path::{Path, PathBuf};
use wasm2so::options::OptLevel;

/// The line at which to stop.
fn stop(source: &str) -> String {
    let text = std::fs::read_to_string(file(source)).expect("the source is there");
    let line = text.lines().position(|line| line.contains("// stop")).expect("it is marked");
    format!("break {source}:{}", line + 1)
}

fn compiled(folder: &Folder, source: &str) -> PathBuf {
    let so = folder.path().join("program.so");
    let wasm = for_wasm(folder, source, "-O0");
    support::compile(&wasm, "program.wasm", &so, &source_options(OptLevel::Og));
    so
}

/// Variables of the text of `info locals`, without addresses.
fn locals(text: &str) -> Vec<String> {
    let mut locals: Vec<String> = text
        .lines()
        .filter(|line| line.contains(" = "))
        .map(|line| match line.split_once("= 0x") {
            Some((start, rest)) if !rest.starts_with("0}") => start.to_owned(),
            _ => line.to_owned(),
        })
        // A word has other bits.
        .map(|line| line.replace("length 3, capacity 64", "length 3, capacity 32"))
        .collect();
    locals.sort();
    locals
}

#[test]
fn cpp_containers_are_as_native() {
    let folder = Folder::new();
    let source = "containers.cpp";
    let native = folder.path().join("native");
    run(support::tool("g++").args(["-g", "-o"]).arg(&native).arg(file(source))).succeeded();
    let so = compiled(&folder, source);
    let wasmrun = support::wasmrun();
    let at = stop(source);
    for limit in ["set print elements 200", "set print elements 2"] {
        let commands = [limit, &at, "run", "info locals"];
        let expected = locals(&says(&folder, &[&native], &commands)[3]);
        let ours = locals(&says(&folder, &[Path::new(wasmrun.get_program()), &so], &commands)[3]);
        assert!(expected.len() > 15 && expected[0].contains("std::map"), "{expected:#?}");
        assert_eq!(ours, expected);
    }
}

/// There, gdb has no printers, so these are what rustc's have, where those differ.
#[test]
fn rust_containers_are_shown() {
    let shown = [
        ("print numbers", "Vec(size=5) = {3, 1, 4, 1, 5}"),
        ("print none", "Vec(size=0)"),
        ("print words", r#"Vec(size=2) = {"some", "words"}"#),
        ("print rows", "Vec(size=3) = {Vec(size=2) = {1, 2}, Vec(size=0), Vec(size=1) = {3}}"),
        (
            "print shapes",
            "Vec(size=3) = {containers::Shape::Dot(-3, 1099511627776), \
             containers::Shape::Circle{radius: 1.5}, containers::Shape::Nothing}",
        ),
        ("print fixed", "{containers::Shape::Nothing, containers::Shape::Dot(1, 2)}"),
        ("print slice", "&[i32](size=2) = {1, 4}"),
        ("print some_texts", r#"&[&str](size=2) = {"slice", "of texts"}"#),
        ("print part.id", "1"),
        ("print part.name", r#""wheel""#),
        ("print *shape", "containers::Shape::Circle{radius: 1.5}"),
        ("print shared", "Rc(strong=2, weak=0) = {value = 12}"),
        ("print atomic", "Arc(strong=1, weak=0) = {value = containers::Shape::Dot(5, 6)}"),
        ("print maybe", r#"core::option::Option<&str>::Some("text")"#),
        ("set print elements 3", ""),
        ("print numbers", "Vec(size=5) = {3, 1, 4...}"),
    ];
    let folder = Folder::new();
    let so = compiled(&folder, "containers.rs");
    let at = stop("containers.rs");
    let commands: Vec<&str> =
        [at.as_str(), "run"].into_iter().chain(shown.iter().map(|(command, _)| *command)).collect();
    let wasmrun = support::wasmrun();
    let said = says(&folder, &[Path::new(wasmrun.get_program()), &so], &commands);
    for ((command, expected), said) in shown.iter().zip(&said[2..]) {
        let value = said.trim().split_once(" = ").map_or("", |(_, value)| value);
        assert_eq!(&value, expected, "{command}");
    }
}
