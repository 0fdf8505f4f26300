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

/// Compiles a module by the compiler's program; tells what it warns of.
fn warnings(folder: &Folder, name: &str, wasm: Vec<u8>) -> String {
    let wasm = folder.file(name, wasm);
    // In kilobytes.
    let limit = "ulimit -v 4000000 && exec \"$@\"";
    let compiler = compiler(&wasm);
    let mut limited = Command::new("sh");
    limited.args(["-c", limit, "sh"]).arg(compiler.get_program()).args(compiler.get_args());
    let ended = run(&mut limited);
    assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
    super::verify(&wasm.with_extension("so"));
    ended.stderr
}

#[test]
fn producers_differ() {
    let folder = Folder::new();
    let flags = ["-O1", "-nostdlib", "-Wl,--no-entry,--export-all", "-Wno-everything"];
    for (flag, expected) in [
        ("-gdwarf-2", ""),
        ("-gdwarf-3", ""),
        ("-gdwarf-5", ""),
        ("-fdebug-types-section", ""),
        ("-gsplit-dwarf", "attributes that have no counterpart"),
        ("-gline-tables-only", ""),
    ] {
        let flags = [&flags[..], &[flag]].concat();
        let said = warnings(
            &folder,
            &format!("{flag}.wasm"),
            wasm(&folder, "clang-22", "small.c", &flags),
        );
        assert!(said.contains(expected), "{flag}: {said}");
        assert!(!expected.is_empty() || said.is_empty(), "{flag}: {said}");
    }
}

#[test]
fn much_dwarf_takes_no_gigabytes() {
    let folder = Folder::new();
    let flags = ["-O1", "-nostdlib", "-Wl,--no-entry,--export-all", "-Wno-everything"];
    let wasm = wasm(&folder, "clang-22", "small.c", &flags);
    let large = |more: usize| {
        programs::with_custom(&wasm, &[], |name, data| {
            Some(match name {
                ".debug_info" => {
                    // And a unit of so many bytes.
                    let mut units = data.repeat(1500);
                    units.extend((more as u32).to_le_bytes());
                    units.extend([4, 0, 0, 0, 0, 0, 4]);
                    units.resize(units.len() + more - 7, 0);
                    units
                }
                ".debug_str" => [data, &b"a name of a type\0".repeat(1 << 20)].concat(),
                _ => data.to_vec(),
            })
        })
    };
    let said = warnings(&folder, "large.wasm", large(50 << 20));
    let expected = "left out of the wasm's DWARF: 1 compilation units, of which there are too many";
    assert!(said.contains(expected), "{said}");
}
