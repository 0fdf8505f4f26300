//! Files that the runtime must not run: it says why and what to do.

use super::support;
use super::support::process::{Ended, Folder, run};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const MODULE: &str = r#"(module
    (memory (export "memory") 1)
    (data (i32.const 4) "\2a")
    (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "f") (result i32) (call $leaf (i32.const 4))))"#;

/// A compiled module, to be damaged.
struct Victim {
    folder: Folder,
    bytes: Vec<u8>,
}

impl Victim {
    fn new(options: &[&str]) -> Self {
        let folder = Folder::new();
        let path = folder.compile("m", MODULE, options);
        let bytes = std::fs::read(path).expect("it was compiled");
        Victim { folder, bytes }
    }

    /// Runs what `bytes` are, as a user would.
    fn run(&self, bytes: &[u8]) -> Ended {
        self.folder.file("damaged.so", bytes);
        let mut command = support::wasmrun();
        run(command.current_dir(self.folder.path()).args(["--invoke", "f", "damaged.so"]))
    }

    /// Where the descriptor is in the file.
    fn descriptor(&self) -> usize {
        let file = object::File::parse(&*self.bytes).expect("an ELF file");
        let root = file.dynamic_symbols().find(|s| s.name() == Ok(wasm2so_abi::ROOT_SYMBOL));
        let address = root.expect("the root symbol is exported").address();
        let holds =
            |s: &object::Section| s.address() <= address && address < s.address() + s.size();
        let section = file.sections().find(holds).expect("it lies in a section");
        let (offset, _) = section.file_range().expect("which is in the file");
        (offset + address - section.address()) as usize
    }

    /// Runs it with `byte` of the descriptor changed.
    fn run_changed(&self, byte: usize) -> Ended {
        let mut bytes = self.bytes.clone();
        bytes[self.descriptor() + byte] ^= 0x40;
        self.run(&bytes)
    }
}

#[test]
fn another_contract_is_refused() {
    use std::mem::offset_of;
    use wasm2so_abi::{ABI_VERSION, Preamble, layout_hash};
    let victim = Victim::new(&[]);
    let compile_again = "compile it again with the wasm2so of this version";
    let (theirs, ours) = (ABI_VERSION ^ 0x40, ABI_VERSION);
    let version = format!("version {theirs} of the contract, this is version {ours}");
    let hash = layout_hash();
    let layout = format!("layout {:016x}, this is {hash:016x}", hash ^ 0x40);
    let table = [
        (offset_of!(Preamble, magic), "does not start with wasm2so's mark"),
        (offset_of!(Preamble, abi_version), version.as_str()),
        (offset_of!(Preamble, layout_hash), layout.as_str()),
    ];
    for (byte, words) in table {
        victim.run_changed(byte).failed(1, &["damaged.so", words, compile_again]);
    }
    // Unchanged, it runs.
    assert_eq!(victim.run(&victim.bytes).succeeded().text(), "42\n");
}

#[test]
fn a_processor_that_lacks_a_feature_is_told() {
    let mut victim = Victim::new(&["--cpu", "x86-64-v2"]);
    let find = b"sse4.2";
    let place = victim.bytes.windows(find.len()).position(|bytes| bytes == find);
    victim.bytes[place.expect("a feature's name") + 3] = b'9';
    let words = ["damaged.so", "CPU features", ": sse9.2;", "compile it again"];
    victim.run(&victim.bytes).failed(1, &words);
}

/// Whatever processor it was compiled for, code that this one cannot execute is
/// never executed.
#[test]
fn code_for_other_processors_runs_or_is_refused() {
    let folder = Folder::new();
    // LLVM has instructions of its own choice for each of these.
    let text = r#"(module
        (func (export "dot") (param v128 v128 v128) (result v128)
            (i32x4.add (local.get 2) (i32x4.dot_i16x8_s (local.get 0) (local.get 1))))
        (func (export "min") (param v128 v128 v128) (result v128)
            (f32x4.min (local.get 2) (f32x4.add (f32x4.mul (local.get 0) (local.get 1)) (local.get 2))))
        (func (export "select") (param v128 v128 v128) (result v128)
            (v128.bitselect (i16x8.replace_lane 3 (local.get 0) (i32.const 7))
                (i64x2.mul (local.get 1) (local.get 0)) (local.get 2))))"#;
    let cpus = [
        "x86-64-v2",
        "x86-64-v3",
        "x86-64-v4",
        "nehalem",
        "skylake",
        "alderlake",
        "sapphirerapids",
        "sierraforest",
        "clearwaterforest",
        "diamondrapids",
        "bdver2",
        "bdver4",
        "znver1",
        "znver5",
    ];
    let mut results = HashMap::new();
    let (mut ran, mut refused) = (0, 0);
    for cpu in cpus {
        let so = folder.compile("m", text, &["--cpu", cpu]);
        for function in ["dot", "min", "select"] {
            let mut command = support::wasmrun();
            let ended =
                run(command.args(["--invoke", function]).arg(&so).args(["0x3", "0x5", "0x7"]));
            match ended.code {
                0 => {
                    let first = results.entry(function).or_insert(ended.text().to_owned());
                    assert_eq!(ended.text(), first, "{function} for {cpu}");
                    ran += 1;
                }
                _ => {
                    ended.failed(1, &["m.so", "CPU features", "compile it again for this CPU"]);
                    refused += 1;
                }
            }
        }
    }
    println!("{ran} ran, {refused} were refused");
    assert!(ran >= 3);
}

#[test]
fn a_truncated_library_is_refused() {
    let victim = Victim::new(&[]);
    let whole = victim.bytes.len();
    for end in (0..whole).step_by(97).chain([3, 4, 16, 52, 63, 64, 4096, 8192, whole - 1]) {
        let words: &[&str] = match end {
            ..5 => &["not made by wasm2so"],
            _ => &["damaged.so", "ends too early", "compile it again"],
        };
        victim.run(&victim.bytes[..end]).failed(1, words);
    }
}

#[test]
fn a_stripped_library_runs() {
    let victim = Victim::new(&[]);
    let strip = |tool: &str, option: &str| {
        let path = victim.folder.file("stripped.so", &victim.bytes);
        run(support::tool(tool).arg(option).arg(&path)).succeeded();
        victim.run(&victim.folder.read("stripped.so"))
    };
    let ways = [
        ("strip", "--strip-all"),
        ("strip", "--strip-debug"),
        ("llvm-strip-22", "--strip-sections"),
    ];
    for (tool, option) in ways {
        assert_eq!(strip(tool, option).succeeded().text(), "42\n", "{tool} {option}");
    }
    let ended = strip("objcopy", "--only-keep-debug");
    ended.failed(1, &["damaged.so"]);
}

/// The system's own libraries.
fn foreign() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let mut paths: Vec<_> =
        maps.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    paths.retain(|path| path.contains(".so"));
    paths.dedup();
    paths.into_iter().map(PathBuf::from).collect()
}

#[test]
fn what_wasm2so_did_not_make_is_refused() {
    let folder = Folder::new();
    let not_ours = ["not made by wasm2so", "wasm2so_module_v1", "compile a .wasm file"];
    let refuse = |path: &Path, words: &[&str]| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let name = if path.is_symlink() { String::new() } else { name };
        run(support::wasmrun().arg(path)).failed(1, &[words, &[&name]].concat());
    };
    let libraries = foreign();
    assert!(libraries.len() > 3, "libc and its like: {libraries:?}");
    for library in libraries {
        refuse(&library, &not_ours);
    }
    refuse(Path::new(env!("CARGO_BIN_EXE_wasm2so")), &not_ours);
    refuse(&folder.file("empty.so", ""), &not_ours);
    refuse(&folder.file("text.so", "not a library\n"), &not_ours);
    refuse(&folder.file("elf32.so", b"\x7fELF\x01\x01\x01".repeat(99)), &not_ours);
    refuse(&folder.file("noise.so", [&b"\x7fELF\x02"[..], &[7; 999]].concat()), &["damaged"]);

    let not_compiled = ["not compiled yet", "compile it with `wasm2so`"];
    refuse(&support::root().join("examples/trap.wasm"), &not_compiled);
    refuse(&folder.file("m.so", support::wat(MODULE)), &not_compiled);
    refuse(&folder.file("m.wat", MODULE), &not_compiled);

    folder.compile("m", MODULE, &["--emit", "obj"]);
    refuse(&folder.path().join("m.o"), &["cannot load", "m.o"]);
    refuse(&folder.path().join("missing.so"), &["cannot read", "No such file or directory"]);
    refuse(folder.path(), &["cannot read", "not a regular file"]);
    refuse(Path::new("/dev/null"), &["cannot read", "not a regular file"]);
}
