//! `--debug=source`: in gdb, a program is what it is when its sources are built
//! for this machine, line for line and value for value; traces and code are what
//! they are without; and whatever is wrong with the wasm's DWARF, the compiler
//! goes on.

#[allow(dead_code)]
#[path = "source/programs.rs"]
mod programs;
mod support;

use object::{Object, ObjectSection};
use programs::with_custom;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::process::{Folder, run};
use wasm2so::options::{DebugLevel, OptLevel, Options};

/// Stops to compare; set `SOURCE_STOPS` for more.
fn stop_count() -> String {
    std::env::var("SOURCE_STOPS").unwrap_or_else(|_| "60".to_owned())
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

/// Where gdb stops in `source`, on all lines of statements, and what variables
/// are there.
fn stops(folder: &Folder, source: &str, program: &[&str]) -> Vec<String> {
    let text = std::fs::read_to_string(file(source)).expect("the source is there");
    let code = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("static "));
    let lines = code.filter(|(_, line)| line.starts_with("    ") && line.contains(';'));
    let lines: Vec<String> = lines.map(|(place, _)| (place + 1).to_string()).collect();
    let mut gdb = support::tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    gdb.args(["-ex", "set disable-randomization off", "-ex", "set breakpoint pending on"]);
    gdb.args(["-ex", "set confirm off", "-x"]).arg(file("stops.py")).arg("--args").args(program);
    gdb.env("STOPS", stop_count()).env("STOPS_FILE", source).env("STOPS_LINES", lines.join(","));
    let output = gdb.current_dir(folder.path()).output().expect("gdb runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let stops: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("STOP ")).map(str::to_owned).collect();
    assert!(stops.len() > 30, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    stops
}

/// Compiled without optimisation, everything is as in native code; but in `may`
/// of the stops, gdb may not know a variable.
fn is_as_native(folder: &Folder, wasm: &[u8], native: &Path, source: &str, may: usize) {
    let so = folder.path().join("program.so");
    support::compile(wasm, "program.wasm", &so, &source_options(OptLevel::Og));
    verify(&so);
    let expected = stops(folder, source, &[native.to_str().unwrap()]);
    let wasmrun = support::wasmrun();
    let ours =
        stops(folder, source, &[wasmrun.get_program().to_str().unwrap(), so.to_str().unwrap()]);
    let mut unknown = 0;
    for (ours, expected) in ours.iter().zip(&expected) {
        if ours.contains("=?") && without_unknown(ours, expected) {
            unknown += 1;
        } else {
            assert_eq!(ours, expected);
        }
    }
    println!("{source}: {} stops, {unknown} with an unknown variable", ours.len());
    assert_eq!(ours.len(), expected.len());
    assert!(unknown <= may, "{unknown} stops have unknown variables");
}

/// Whether stops are the same but for a variable, the last one, that gdb does not
/// know in `ours`.
fn without_unknown(ours: &str, expected: &str) -> bool {
    let (before, after) = ours.split_once("=?").expect("it is unknown");
    after.is_empty() && expected.starts_with(before)
        || expected.starts_with(before) && expected.ends_with(after)
}

fn verify(so: &Path) {
    let text = run(support::tool("llvm-dwarfdump-22").arg("--verify").arg(so));
    assert!(text.code == 0 && text.text().ends_with("No errors.\n"), "{}", text.text());
}

/// Built for both by clang.
fn of_clang(compiler: &str, source: &str, flags: &[&str]) {
    let folder = Folder::new();
    let native = folder.path().join("native");
    run(support::tool(compiler).args(["-g", "-O0", "-o"]).arg(&native).arg(file(source)))
        .succeeded();
    let wasm = wasm(&folder, compiler, source, flags);
    is_as_native(&folder, &wasm, &native, source, 0);
}

#[test]
fn c_is_as_native() {
    of_clang("clang-22", "program.c", &["-O0"]);
}

#[test]
fn cpp_is_as_native() {
    of_clang("clang++-22", "program.cpp", &["-O0", "-fno-exceptions"]);
}

#[test]
fn rust_is_as_native() {
    let folder = Folder::new();
    let output = |name: &str| folder.path().join(name);
    let rustc = || {
        let mut rustc = support::tool("/usr/bin/rustc");
        rustc.args(["--edition=2021", "-g", "-Copt-level=0"]).arg(file("program.rs"));
        rustc
    };
    run(rustc().arg("-o").arg(output("native"))).succeeded();
    let mut rustc = rustc();
    rustc.args(["--target=wasm32-wasi", "-Clinker=wasm-ld-22"]);
    run(rustc.args(["-Clink-arg=--no-fatal-warnings", "-o"]).arg(output("program.wasm")));
    let wasm = std::fs::read(output("program.wasm")).expect("it was written");
    // gdb does not follow pointers to enumerations.
    is_as_native(&folder, &wasm, &output("native"), "program.rs", 6);
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
        with_custom(&wasm, &[], |name, data| {
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
