//! Programs with DWARF, and changes to what their wasm files carry.

use crate::support;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasmparser::{Parser, Payload};

const CUSTOM: u8 = 0;
const EXPORT: u8 = 7;

/// A program here, compiled at -O2 with debug information.
pub fn wasm(source: &str, directory: &Path) -> Vec<u8> {
    let source = support::root().join("tests/source").join(source);
    let output = directory.join("program.wasm");
    let mut command = if source.extension().is_some_and(|e| e == "c") { c() } else { rust() };
    let status = command.arg("-o").args([&output, &source]).status().expect("the compiler runs");
    assert!(status.success(), "{command:?}");
    std::fs::read(output).expect("it wrote the file")
}

fn c() -> Command {
    let mut clang = support::tool("clang-22");
    clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "--no-wasm-opt", "-O2", "-g"]);
    clang.arg("-Wno-deprecated");
    clang
}

fn rust() -> Command {
    // Debian's: only that one has a packaged std for wasm32-wasi.
    let mut rustc = support::tool("/usr/bin/rustc");
    rustc.args(["--target=wasm32-wasi", "--edition=2021", "-Copt-level=2", "-g"]);
    rustc.args(["-Clinker=wasm-ld-22", "-Clink-arg=--no-fatal-warnings"]);
    rustc
}

/// `wasm` with other custom sections: first `more`, then what `change` makes of
/// each that it has.
pub fn with_custom(
    wasm: &[u8],
    more: &[(&str, &[u8])],
    change: impl Fn(&str, &[u8]) -> Option<Vec<u8>>,
) -> Vec<u8> {
    rewrite(wasm, more, change, |_| true)
}

/// `wasm` without DWARF, with `more` custom sections.
pub fn stripped(wasm: &[u8], more: &[(&str, &[u8])]) -> Vec<u8> {
    with_custom(wasm, more, |name, data| (!name.starts_with(".debug")).then(|| data.to_vec()))
}

/// `wasm` without the names that `llvm-symbolizer` would mix up with DWARF's: it
/// counts those from elsewhere.
pub fn nameless(wasm: &[u8]) -> Vec<u8> {
    let change = |name: &str, data: &[u8]| (name != "name").then(|| data.to_vec());
    rewrite(wasm, &[], change, |id| id != EXPORT)
}

fn rewrite(
    wasm: &[u8],
    more: &[(&str, &[u8])],
    change: impl Fn(&str, &[u8]) -> Option<Vec<u8>>,
    keep: impl Fn(u8) -> bool,
) -> Vec<u8> {
    let mut output = wasm[..8].to_vec();
    for (name, data) in more {
        section(&mut output, CUSTOM, &[string(name).as_slice(), data].concat());
    }
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.expect("a valid module");
        if let Payload::CustomSection(custom) = &payload {
            if let Some(data) = change(custom.name(), custom.data()) {
                section(&mut output, CUSTOM, &[string(custom.name()), data].concat());
            }
        } else if let Some((id, range)) = payload.as_section().filter(|(id, _)| keep(*id)) {
            section(&mut output, id, &wasm[range.start as usize..range.end as usize]);
        }
    }
    output
}

fn section(output: &mut Vec<u8>, id: u8, contents: &[u8]) {
    output.push(id);
    output.extend(leb(contents.len()));
    output.extend(contents);
}

/// As wasm writes texts.
pub fn string(text: &str) -> Vec<u8> {
    let mut bytes = leb(text.len());
    bytes.extend(text.as_bytes());
    bytes
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = number >= 0x80;
        bytes.push((number & 0x7f) as u8 | u8::from(more) << 7);
        number >>= 7;
        if !more {
            return bytes;
        }
    }
}

/// Compiles `wasm` to `directory`/`name`.
pub fn compile(wasm: &[u8], directory: &Path, name: &str, keep_dwarf: bool) -> PathBuf {
    let so = directory.join(name);
    let options = wasm2so::options::Options {
        keep_dwarf,
        ..support::options(wasm2so::options::OptLevel::O2)
    };
    support::compile(wasm, "program.wasm", &so, &options);
    so
}
