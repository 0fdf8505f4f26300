//! Where debug information may lie, and what may be wrong with it.

use super::programs::{compile, string, stripped, wasm, with_custom};
use crate::support;
use crate::support::process::{Ended, Folder, run};
use crate::support::random::Random;
use std::fs;
use std::path::Path;

/// What of a trace tells of sources.
const POSITION: &str = "        at ";

fn trace(so: &Path, options: &[&str]) -> Ended {
    let ended = run(support::wasmrun().args(options).arg(so));
    assert_eq!(ended.code, 134, "{}", ended.stderr);
    ended
}

fn without_positions(trace: &str) -> String {
    trace.lines().filter(|line| !line.starts_with(POSITION)).map(|l| l.to_owned() + "\n").collect()
}

/// Whether there are positions; the rest must be `frames`, whatever is known.
#[track_caller]
fn has_positions(trace: &str, frames: &str) -> bool {
    assert_eq!(without_positions(trace), frames);
    assert_ne!(trace.contains("orders.c:"), trace == frames, "{trace}");
    trace != frames
}

#[test]
fn kept_or_beside() {
    let (folder, alone) = (Folder::new(), Folder::new());
    let wasm = wasm("orders.c", folder.path());
    let so = compile(&wasm, alone.path(), "other.so", false);
    let frames = trace(&so, &[]).stderr;
    assert!(!has_positions(&frames, &frames));

    // Kept, with the same code.
    let kept = compile(&wasm, alone.path(), "kept.so", true);
    assert!(has_positions(&trace(&kept, &[]).stderr, &frames));
    // Beside, by its recorded name or by that of the .so.
    for name in ["program.wasm", "other.wasm"] {
        let beside = alone.file(name, &wasm);
        assert!(has_positions(&trace(&so, &[]).stderr, &frames));
        fs::remove_file(&beside).unwrap();
    }
    // Beside, but changed: only what is told to be used may differ.
    let changed = with_custom(&wasm, &[("more", b"")], |_, data| Some(data.to_vec()));
    let beside = alone.file("program.wasm", &changed);
    assert!(!has_positions(&trace(&so, &[]).stderr, &frames));
    let option = format!("--debug-file={}", beside.display());
    assert!(has_positions(&trace(&so, &[&option]).stderr, &frames));
}

#[test]
fn kept_as_it_was() {
    use object::{Object, ObjectSection};
    let folder = Folder::new();
    let wasm = wasm("orders.c", folder.path());
    let more: [(&str, &[u8]); 2] = [("build_id", b"\x02ab"), ("sourceMappingURL", b"\x01m")];
    let wasm = with_custom(&wasm, &more, |_, data| Some(data.to_vec()));
    let read = |keep| fs::read(compile(&wasm, folder.path(), "program.so", keep)).unwrap();
    let files = [read(true), read(false)];
    let [kept, plain] = files.each_ref().map(|file| object::File::parse(&**file).unwrap());
    let mut sections = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&wasm) {
        let wasmparser::Payload::CustomSection(custom) = payload.unwrap() else { continue };
        let name = format!(".wasm.{}", custom.name().trim_start_matches('.'));
        if custom.name() == "name" || ["producers", "target_features"].contains(&custom.name()) {
            continue;
        }
        assert_eq!(kept.section_by_name(&name).unwrap().data().unwrap(), custom.data(), "{name}");
        assert!(plain.section_by_name(&name).is_none());
        sections += 1;
    }
    assert!(sections >= 7, "{sections} sections");
    // What is loaded is the same.
    let loaded = |file: &object::File| {
        let sections = file.sections().filter(|section| section.address() != 0);
        let sections = sections.filter(|section| section.name() != Ok(".note.gnu.build-id"));
        sections
            .map(|s| (s.name().unwrap().to_owned(), s.address(), s.data().unwrap().to_vec()))
            .collect::<Vec<_>>()
    };
    assert!(loaded(&kept) == loaded(&plain), "code and data do not depend on what is kept");
}

#[test]
fn split_off() {
    let folder = Folder::new();
    let wasm = wasm("orders.c", folder.path());
    let link = string("http://example.org/files/orders.debug.wasm");
    // In this file, code is elsewhere than in the one with DWARF.
    let short = stripped(&wasm, &[("external_debug_info", &link), ("build_id", b"\x02ab")]);
    for keep in [true, false] {
        let folder = Folder::new();
        let so = compile(&short, folder.path(), "program.so", keep);
        folder.file("program.wasm", &short);
        let frames = trace(&so, &[]).stderr;
        assert!(!has_positions(&frames, &frames));
        folder.file("orders.debug.wasm", &wasm);
        assert!(has_positions(&trace(&so, &[]).stderr, &frames));
        fs::remove_file(folder.path().join("program.wasm")).unwrap();
        assert_eq!(has_positions(&trace(&so, &[]).stderr, &frames), keep);
        // Another module's.
        folder.file("program.wasm", &short);
        let other = support::wat("(module (func) (@custom \".debug_line\" \"\"))");
        let other = folder.file("orders.debug.wasm", other);
        let told = trace(&so, &[]).stderr;
        assert!(told.ends_with(&frames) && told.contains("is not of the module"), "{told}");
        let option = format!("--debug-file={}", other.display());
        let ended = run(support::wasmrun().arg(option).arg(&so));
        ended.failed(1, &["orders.debug.wasm", "is not of the module"]);
    }
}

#[test]
fn source_map() {
    let wasm = support::wat(r#"(module (func (export "f") i32.const 0 drop unreachable))"#);
    let link = string("f.map");
    let wasm = stripped(&wasm, &[("sourceMappingURL", &link)]);
    let truth = support::truth::Truth::of(&wasm);
    let trap = truth.functions[0].nth("Unreachable", 0);
    // Offset, source, line, column: the trap, in line 7, column 5.
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let number = |mut number: u64| {
        let mut text = String::new();
        number <<= 1;
        while number >= 32 {
            text.push(digits[(number & 31 | 32) as usize].into());
            number >>= 5;
        }
        text + &char::from(digits[number as usize]).to_string()
    };
    let mapping = [trap, 0, 6, 4].map(number).concat();
    let map = format!(r#"{{"version":3,"sources":["src/f.ts"],"mappings":"{mapping}"}}"#);
    for keep in [true, false] {
        let folder = Folder::new();
        let so = compile(&wasm, folder.path(), "program.so", keep);
        folder.file("program.wasm", &wasm);
        let frame = format!("wasm trap: wasm `unreachable` instruction executed\n#00: {trap:#06x}");
        let plain = trace(&so, &["--invoke=f"]).stderr;
        assert!(!plain.contains(POSITION), "{plain}");
        folder.file("f.map", &map);
        let mapped = trace(&so, &["--invoke=f"]).stderr;
        assert_eq!(mapped, plain.clone() + "        at src/f.ts:7:5\n", "{frame}");
        let map = folder.file("f.map", map.replace("3", "2"));
        let told = trace(&so, &["--invoke=f"]).stderr;
        assert!(told.ends_with(&plain) && told.contains("no source map of version 3"), "{told}");
        let option = format!("--debug-file={}", map.display());
        run(support::wasmrun().arg(option).arg(&so)).failed(1, &["version 3"]);
    }
}

#[test]
fn broken() {
    let folder = Folder::new();
    let whole = wasm("orders.c", folder.path());
    let so = compile(&stripped(&whole, &[]), folder.path(), "program.so", false);
    let frames = trace(&so, &[]).stderr;
    let mut random = Random(1);
    for round in 0..24 {
        let place = random.below(1 << 24);
        let fill = random.next() as u8;
        let broken = with_custom(&whole, &[], |name, data| {
            let mut data = data.to_vec();
            if name.starts_with(".debug") {
                match round % 3 {
                    0 => data.truncate(place % (data.len() + 1)),
                    1 => (0..16).for_each(|i| {
                        let at = (place + i * 7919) % data.len();
                        data[at] = fill.wrapping_mul(i as u8 + 1);
                    }),
                    _ => data.fill(fill),
                }
            }
            Some(data)
        });
        let file = folder.file("broken.wasm", &broken);
        let option = format!("--debug-file={}", file.display());
        let ended = run(support::wasmrun().arg(option).arg(&so));
        if ended.code == 134 {
            let text = without_positions(&ended.stderr);
            assert!(text.ends_with(&frames), "round {round}: {text}");
            let told = text.lines().count() - frames.lines().count();
            assert!(told <= 1, "round {round}: {text}");
        } else {
            ended.failed(1, &["debug information"]);
        }
        let so = compile(&broken, folder.path(), "broken.so", true);
        let text = without_positions(&trace(&so, &[]).stderr);
        assert!(text.ends_with(&frames), "round {round}: {text}");
    }
}
