//! Whatever is wrong with the wasm's DWARF, the file is compiled, and a warning says
//! what was left out.

use super::{programs, source_options, support, wasm};
use std::path::Path;
use std::process::Command;
use support::process::{Folder, run};
use wasm2so::options::OptLevel;

/// The compiler's program, asked for sources.
fn compiler(wasm: &Path) -> Command {
    let mut command = support::wasm2so();
    command.args(["-O0", "--debug=source", "-o"]).arg(wasm.with_extension("so")).arg(wasm);
    command
}

#[test]
fn without_dwarf_there_is_a_warning() {
    let folder = Folder::new();
    let wasm = folder.file("m.wasm", support::wat("(module (func (export \"f\")))"));
    let ended = run(&mut compiler(&wasm));
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("the wasm has no DWARF"), "{}", ended.stderr);
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn broken_dwarf_is_left_out() {
    let folder = Folder::new();
    let flags = ["-O1", "-nostdlib", "-Wl,--no-entry,--export-all", "-Wno-everything"];
    let wasm = wasm(&folder, "clang-22", "small.c", &flags);
    let change = |wanted: &str, change: &dyn Fn(&[u8]) -> Vec<u8>| {
        programs::with_custom(&wasm, &[], |name, data| {
            Some(if name == wanted { change(data) } else { data.to_vec() })
        })
    };
    let so = folder.path().join("broken.so");
    let compile = |wasm: &[u8]| {
        support::compile(wasm, "small.wasm", &so, &source_options(OptLevel::Og));
        wasmrun::Module::load(&so).expect("it loads");
    };
    let sections = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_ranges"];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for name in sections.into_iter().chain([".debug_loc"]) {
        for parts in 0..4 {
            compile(&change(name, &|data| data[..data.len() * parts / 4].to_vec()));
        }
        for _ in 0..25 {
            let place = (numbers.below(1 << 20), numbers.below(256) as u8, numbers.below(1 << 20));
            compile(&change(name, &|data| {
                let mut data = data.to_vec();
                let length = data.len().max(1);
                if let Some(byte) = data.get_mut(place.0 % length) {
                    *byte = place.1;
                }
                if let Some(byte) = data.get_mut(place.2 % length) {
                    *byte ^= 0x80;
                }
                data
            }));
        }
    }
    // It says what is missing.
    let cut = change(".debug_info", &|data| data[..data.len() - 9].to_vec());
    let ended = run(&mut compiler(&folder.file("cut.wasm", cut)));
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("left out of the wasm's DWARF: 1 "), "{}", ended.stderr);
}
