//! `--debug=source`: in gdb, a program is what it is when its sources are built
//! for this machine, line for line and value for value; traces and code are what
//! they are without; and whatever is wrong with the wasm's DWARF, the compiler
//! goes on.

#[path = "source_debug/broken.rs"]
mod broken;
#[path = "source_debug/containers_shown.rs"]
mod containers_shown;
#[path = "source_debug/lldb.rs"]
mod lldb;
#[allow(dead_code)]
#[path = "source/programs.rs"]
mod programs;
#[path = "source_debug/stops.rs"]
mod stops;
mod support;

use object::{Object, ObjectSection};
use std::path::{Path, PathBuf};
use stops::{At, Program, Score};
use support::process::{Folder, run};
use wasm2so::options::{DebugLevel, OptLevel, Options};

/// Stops at lines to compare; set `SOURCE_STOPS` for more.
fn stop_count() -> usize {
    std::env::var("SOURCE_STOPS").map_or(40, |text| text.parse().expect("a number"))
}

fn file(name: &str) -> PathBuf {
    support::root().join("tests/source_debug").join(name)
}

fn source_options(level: OptLevel) -> Options {
    Options { debug: DebugLevel::Source, ..support::options(level) }
}

/// A program for wasm, with debug information.
fn wasm(folder: &Folder, compiler: &str, source: &str, flags: &[&str]) -> Vec<u8> {
    let output = folder.path().join("program.wasm");
    let mut clang = support::tool(compiler);
    clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "--no-wasm-opt", "-Wno-deprecated"]);
    run(clang.args(["-g", "-o"]).arg(&output).arg(file(source)).args(flags)).succeeded();
    std::fs::read(output).expect("it was written")
}

const C: Program = Program {
    source: "program.c",
    probe: "probe",
    arrivals: 430,
    session: &[
        ("break hash", ""),
        ("run", "hash (text="),
        ("info args", "\"program\""),
        ("wasm view offsets", ""),
        ("bt 1", "hash (var0="),
        ("next", ""),
        ("wasm bt", " - hash"),
        ("wasm view source", ""),
        ("bt 1", "program.c:12"),
        ("next", "for (const char *c = text;"),
        ("print sum", "= 2166136261"),
        ("wasm view offsets", ""),
        ("kill", "sources are shown"),
        ("wasm bt", "The program is not running"),
        ("run", "hash (text="),
        ("wasm view offsets", ""),
        ("bt 1", "hash (var0="),
        ("wasm memory nowhere", "No symbol \"nowhere\" in current context"),
    ],
};

const CPP: Program = Program {
    source: "program.cpp",
    probe: "probe",
    arrivals: 430,
    session: &[
        ("break program.cpp:160", ""),
        ("run", "return result;"),
        ("print part", "\"abc\""),
        ("print result", "= \"abcabcabcabcabcabcabcabcabc\""),
        ("up", "main"),
        ("print text", "= \"some text\""),
        ("wasm view offsets", ""),
        // Of squares and circles.
        ("wasm break area", "Breakpoint 3 at"),
        ("wasm break area+4", "Which one? shapes::"),
    ],
};

const RUST: Program = Program {
    source: "program.rs",
    probe: "program::probe",
    arrivals: 320,
    session: &[
        ("break program::area", ""),
        ("run", "area"),
        ("print *shape", "= program::Shape::Dot(program::Point {x: -3, y: 1099511627776})"),
        ("tbreak program.rs:215", ""),
        ("delete 1", ""),
        ("continue", "215"),
        ("print reversed", "= \"jihgfedcba\""),
        ("print account.owner", "= \"somebody\""),
    ],
};

/// The program in a folder, built for this machine without optimisation.
fn native(folder: &Folder, program: &Program) -> PathBuf {
    let output = folder.path().join("native");
    let mut compiler = match program.source {
        "program.c" => support::tool("clang-22"),
        "program.cpp" => support::tool("clang++-22"),
        _ => rustc(),
    };
    run(compiler.args(["-g", "-o"]).arg(&output).arg(file(program.source))).succeeded();
    output
}

fn rustc() -> std::process::Command {
    let mut rustc = support::tool("/usr/bin/rustc");
    rustc.arg("--edition=2021");
    rustc
}

/// Built for wasm by clang or rustc, with this option for its optimiser.
fn for_wasm(folder: &Folder, source: &str, level: &str) -> Vec<u8> {
    match Path::new(source).extension().and_then(|extension| extension.to_str()) {
        Some("c") => wasm(folder, "clang-22", source, &[level]),
        Some("cpp") => wasm(folder, "clang++-22", source, &[level, "-fno-exceptions"]),
        _ => {
            let output = folder.path().join("program.wasm");
            let mut rustc = rustc();
            rustc.args(["--target=wasm32-wasi", "-Clinker=wasm-ld-22", "-g"]);
            rustc.arg(level.replace("-O", "-Copt-level="));
            rustc.arg("-Clink-arg=--no-fatal-warnings").arg(file(source));
            run(rustc.arg("-o").arg(&output));
            std::fs::read(output).expect("it was written")
        }
    }
}

/// How a program's variables are beside those of native code, at some stops.
fn score(
    folder: &Folder,
    program: &Program,
    at: At,
    native: &Path,
    wasm: &[u8],
    level: OptLevel,
) -> Score {
    let so = folder.path().join("program.so");
    support::compile(wasm, "program.wasm", &so, &source_options(level));
    verify(&so);
    let expected = stops::stops(folder, program, at, &[native]);
    let wasmrun = support::wasmrun();
    let ours = stops::stops(folder, program, at, &[Path::new(wasmrun.get_program()), &so]);
    Score::of(&expected, &ours)
}

/// At calls of the probe, which happen in the same order in all builds, whatever the
/// optimisers do: no value is wrong, and at least this share is known.
fn nothing_is_wrong(program: &Program, least: [f64; 3]) {
    let folder = Folder::new();
    let native = native(&folder, program);
    let builds = [("-O0", OptLevel::O3), ("-O2", OptLevel::Og), ("-O2", OptLevel::O3)];
    for ((flags, level), least) in builds.into_iter().zip(least) {
        let wasm = for_wasm(&folder, program.source, flags);
        let score = score(&folder, program, At::Probes, &native, &wasm, level);
        println!("{}, {flags}, ours {level:?}: {score}", program.source);
        assert!(score.wrong.is_empty(), "{flags}, {level:?}: {:#?}", score.wrong);
        let known = score.equal as f64 / (score.equal + score.unknown()) as f64;
        assert!(known >= least, "{flags}, {level:?}: {score}");
    }
}

/// Compiled without optimisation, everything is as in native code, but for so many
/// variables of which the wasm's DWARF does not say where they are.
fn is_as_native(program: &Program, untold: usize) {
    let folder = Folder::new();
    let native = native(&folder, program);
    let wasm = for_wasm(&folder, program.source, "-O0");
    let at = At::Lines(stop_count());
    let score = score(&folder, program, at, &native, &wasm, OptLevel::Og);
    println!("{}, -O0, ours -Og: {score}", program.source);
    assert!(score.wrong.is_empty(), "{:#?}", score.wrong);
    // Some of the arrivals that are chosen are the same.
    assert!(score.stops * 10 >= stop_count() * 9, "{score}");
    assert_eq!(score.unknown.len(), untold, "{:#?}", score.unknown);
    for (function, variable) in score.unknown.keys() {
        let told = stops::is_told(&folder.path().join("program.wasm"), function, variable);
        assert!(!told, "{variable} of {function} is not known");
    }
    stops::session(&folder, program, &folder.path().join("program.so"));
}

fn verify(so: &Path) {
    let text = run(support::tool("llvm-dwarfdump-22").arg("--verify").arg(so));
    assert!(text.code == 0 && text.text().ends_with("No errors.\n"), "{}", text.text());
}

#[test]
fn c_is_as_native() {
    is_as_native(&C, 0);
}

#[test]
fn cpp_is_as_native() {
    is_as_native(&CPP, 0);
}

#[test]
fn rust_is_as_native() {
    // What functions return that their callers have memory for.
    is_as_native(&RUST, 2);
}

#[test]
fn optimised_c_is_not_wrong() {
    nothing_is_wrong(&C, [0.9, 0.07, 0.02]);
}

#[test]
fn optimised_cpp_is_not_wrong() {
    nothing_is_wrong(&CPP, [0.95, 0.4, 0.25]);
}

#[test]
fn optimised_rust_is_not_wrong() {
    nothing_is_wrong(&RUST, [0.9, 0.2, 0.2]);
}

#[test]
fn what_is_loaded_and_traced_is_the_same() {
    let folder = Folder::new();
    let wasm = programs::wasm("orders.c", folder.path());
    for level in [OptLevel::Og, OptLevel::O3] {
        let [full, source] = [DebugLevel::Full, DebugLevel::Source].map(|debug| {
            let so = folder.path().join(format!("{debug:?}.so"));
            let options = Options { debug, ..support::options(level) };
            support::compile(&wasm, "program.wasm", &so, &options);
            so
        });
        verify(&source);
        let loaded = |so: &Path| {
            let bytes = std::fs::read(so).unwrap();
            let object = object::File::parse(&*bytes).unwrap();
            let loaded = object.sections().filter(|section| section.address() != 0);
            let loaded = loaded.filter(|section| section.name() != Ok(".note.gnu.build-id"));
            loaded
                .map(|s| (s.name().unwrap().to_owned(), s.address(), s.data().unwrap().to_vec()))
                .collect::<Vec<_>>()
        };
        assert!(loaded(&full) == loaded(&source), "{level:?}: the code depends on debugging");
        let trace = |so: &Path| run(support::wasmrun().arg(so)).stderr;
        let expected = trace(&full);
        assert!(expected.contains("#00: 0x") && expected.contains("orders.c:"), "{expected}");
        assert_eq!(trace(&source), expected, "{level:?}");
        let again = folder.path().join("again.so");
        let options = Options { jobs: 2, ..source_options(level) };
        support::compile(&wasm, "program.wasm", &again, &options);
        assert!(std::fs::read(again).unwrap() == std::fs::read(source).unwrap(), "{level:?}");
    }
}
