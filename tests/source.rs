//! Source positions: what traces and `wasmrun symbolize` say of the sources is
//! what `llvm-symbolizer` says, wherever the debug information lies; and where it
//! is missing or broken, traces are what they are without it.

#[path = "source/judge.rs"]
mod judge;
#[path = "source/places.rs"]
mod places;
#[path = "source/programs.rs"]
mod programs;
mod support;
#[path = "source/symbolize.rs"]
mod symbolize;

use std::path::Path;
use support::process::{Folder, run};
use wasmrun::Module;

/// Sites to compare; set `SOURCE_SITES` for more.
fn site_count() -> usize {
    std::env::var("SOURCE_SITES").map_or(200, |count| count.parse().expect("a number"))
}

/// At random sites, ours are `llvm-symbolizer`'s positions, all of them.
fn agrees(source: &str) {
    let folder = Folder::new();
    let wasm = match Path::new(source).extension() {
        Some(extension) if extension == "wasm" => std::fs::read(source).expect("it is there"),
        _ => programs::wasm(source, folder.path()),
    };
    let so = programs::compile(&wasm, folder.path(), "program.so", true);
    let module = Module::load(so).expect("it loads");
    let sites = judge::sites(&wasm, site_count());
    let judged = judge::positions(&wasm, &sites, folder.path());
    let (mut known, mut inlined, mut differences) = (0, 0, Vec::new());
    for (site, judged) in sites.iter().zip(judged) {
        let ours = judge::ours(&module.source_at(*site));
        known += usize::from(!judged.is_empty());
        inlined += judged.len().saturating_sub(1);
        if ours != judged {
            differences.push(format!("{site:#x}:\n  ours   {ours:?}\n  judged {judged:?}"));
        }
    }
    println!("{source}: {} sites, {known} known, {inlined} frames inlined", sites.len());
    let shown = differences.len().min(10);
    let list = differences[..shown].join("\n");
    assert!(differences.is_empty(), "{} of {}:\n{list}", differences.len(), sites.len());
    assert!(known * 2 > sites.len(), "most code has debug information");
}

#[test]
fn c_agrees() {
    agrees("orders.c");
}

#[test]
fn rust_agrees() {
    agrees("words.rs");
}

/// Any file, by hand: `SOURCE_WASM=FILE cargo test --test source -- --ignored`
#[test]
#[ignore = "needs SOURCE_WASM"]
fn this_agrees() {
    agrees(&std::env::var("SOURCE_WASM").expect("the path of a wasm file with DWARF"));
}

/// Every frame of a trap has the positions that `llvm-symbolizer` gives for its
/// offset.
fn trace_agrees(source: &str, least: usize) {
    let folder = Folder::new();
    let wasm = programs::wasm(source, folder.path());
    let so = programs::compile(&wasm, folder.path(), "program.so", true);
    let ended = run(support::wasmrun().arg("--trace=json").arg(so));
    assert_eq!(ended.code, 134, "{}", ended.stderr);
    let last = ended.stderr.lines().last().expect("a trace");
    let trace: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let frames = trace["frames"].as_array().expect("frames");
    let offsets: Vec<u64> = frames.iter().map(|frame| frame["offset"].as_u64().unwrap()).collect();
    let judged = judge::positions(&wasm, &offsets, folder.path());
    assert!(judged.iter().map(Vec::len).sum::<usize>() >= least, "{judged:?}");
    for (frame, judged) in frames.iter().zip(judged) {
        let place = |position: &serde_json::Value| {
            let number = |key: &str| position[key].as_u64().unwrap_or_default();
            let file = position["file"].as_str().unwrap_or_default();
            (judge::path(file), number("line"), number("column"))
        };
        let ours: Vec<_> =
            frame["source"].as_array().map_or(Vec::new(), |list| list.iter().map(place).collect());
        let names = frame["source"].as_array().into_iter().flatten().map(|p| &p["function"]);
        for name in names.filter_map(|name| name.as_str()) {
            assert!(!name.starts_with("_ZN"), "`{name}` is demangled");
        }
        let judged: Vec<_> = judged.into_iter().map(|(_, file, l, c)| (file, l, c)).collect();
        assert_eq!(ours, judged, "{frame}");
    }
}

#[test]
fn c_trace_agrees() {
    trace_agrees("orders.c", 4);
}

#[test]
fn rust_trace_agrees() {
    trace_agrees("words.rs", 8);
}

/// The line of the program where a comment says `HERE: name`.
fn here(name: &str) -> usize {
    let source = support::root().join("tests/source/orders.c");
    let text = std::fs::read_to_string(source).expect("the program is there");
    let mark = format!("HERE: {name}");
    1 + text.lines().position(|line| line.ends_with(&mark)).expect("there is such a line")
}

#[test]
fn short_trace() {
    let folder = Folder::new();
    let wasm = programs::wasm("orders.c", folder.path());
    let so = programs::compile(&wasm, folder.path(), "program.so", true);
    let text = run(support::wasmrun().arg(so)).stderr;
    let lines: Vec<&str> = text.lines().collect();
    // Without what depends on the compiler: offsets, columns, directories.
    let file = |line: &str| {
        let (before, after) = line.rsplit_once('/').unwrap_or(("", line));
        let name = before.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let numbers: Vec<_> = after.splitn(3, ':').collect();
        let inlined = after.ends_with(" (inlined)");
        (name, numbers[0].to_owned(), numbers[1].parse().unwrap_or(0), inlined)
    };
    let expect = |name: &str, line: &str, inlined| {
        (name.to_owned(), "orders.c".to_owned(), here(line), inlined)
    };
    assert!(lines[0].starts_with("wasm trap: out of bounds memory access"), "{text}");
    assert!(lines[1].starts_with("#00: 0x") && lines[1].ends_with(" - total"), "{text}");
    assert_eq!(file(lines[2]), expect("price_of", "price_of", true), "{text}");
    assert_eq!(file(lines[3]), expect("total", "total", false), "{text}");
    assert!(lines[4].starts_with("#01: 0x") && lines[4].ends_with(" - main"), "{text}");
    assert_eq!(file(lines[5]), expect("__main_argc_argv", "main", false), "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
}
