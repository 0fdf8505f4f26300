//! The static audit: in the finished `.so` of a real program, at -O3, every
//! machine instruction that touches linear memory, every call and every trap has
//! its own exact row. No exceptions.
//!
//! The compiler only labels what it takes for an access. Everything else is
//! taken from the ELF file by a disassembler, and from the wasm file.

#[path = "audit/chains.rs"]
mod chains;
#[path = "audit/fields.rs"]
mod fields;
#[path = "audit/image.rs"]
mod image;
#[path = "traps/kinds.rs"]
#[allow(dead_code)]
mod kinds;
#[path = "audit/machine.rs"]
mod machine;
#[path = "audit/operators.rs"]
mod operators;
#[path = "audit/rules.rs"]
mod rules;
#[path = "traps/situations.rs"]
#[allow(dead_code)]
mod situations;
mod support;

use chains::Chains;
use fields::Fields;
use image::Image;
use object::{Object, ObjectSection};
use rules::{Audit, Counts};
use std::path::Path;
use support::callees::Callees;
use support::truth::Truth;
use wasm2so::Summary;
use wasm2so::options::{OptLevel, Options};

/// With or without labels.
fn options(level: OptLevel, audit_labels: bool) -> Options {
    Options { audit_labels, ..support::options(level) }
}

fn compile(wasm: &[u8], name: &str, options: &Options) -> (Vec<u8>, Summary) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("audited.so");
    let summary = support::compile(wasm, name, &path, options);
    (std::fs::read(&path).expect("was written"), summary)
}

/// What is loaded, and what traces are read from.
fn contents(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let file = object::File::parse(file).expect("an ELF file");
    let sections = file.sections().map(|section| {
        let name = section.name().expect("a name").to_owned();
        (name, section.data().expect("contents").to_vec())
    });
    let symbols = [".symtab", ".strtab", ".note.gnu.build-id", ".shstrtab"];
    sections.filter(|(name, _)| !symbols.contains(&name.as_str())).collect()
}

/// Audits a file by what `wasm` says.
fn look(wasm: &[u8], file: &[u8]) -> (Counts, Vec<String>) {
    let file = object::File::parse(file).expect("an ELF file");
    let truth = Truth::of(wasm);
    let module = wasm2so::module::parse(wasm).expect("a valid module");
    let callees = Callees(&module);
    let mut audit = Audit {
        image: &Image::read(&file),
        truth: &truth,
        chains: &Chains::new(&file, &truth, &callees),
        callees: &callees,
        fields: &Fields::of(&module),
        counts: Counts::default(),
        violations: Vec::new(),
    };
    audit.run();
    (audit.counts, audit.violations)
}

/// Audits what `wasm` was compiled to, with labels.
fn audit(wasm: &[u8], (bytes, summary): &(Vec<u8>, Summary), name: &str) -> Counts {
    let (counts, violations) = look(wasm, bytes);
    let shown = violations.len().min(20);
    assert!(
        violations.is_empty(),
        "{name}: {} violations, of which {shown}:\n{}",
        violations.len(),
        violations[..shown].join("\n")
    );
    // One machine instruction each.
    assert_eq!(counts.accesses, summary.stamps.accesses, "{name}");
    assert_eq!(counts.calls + counts.tail_jumps, summary.stamps.calls, "{name}");
    counts
}

fn program(path: &Path) {
    let name = path.display().to_string();
    let wasm = std::fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let labelled = compile(&wasm, &name, &options(OptLevel::O3, true));
    println!("{name}: {:?}", audit(&wasm, &labelled, &name));
}

/// So the audit holds for files without labels.
#[test]
fn labels_change_nothing() {
    for file in ["zstd.wasm", "rust.wasm"] {
        let wasm = std::fs::read(support::program(file)).expect("the program was built");
        let [labelled, plain] =
            [true, false].map(|labels| compile(&wasm, file, &options(OptLevel::O3, labels)));
        for (with, without) in contents(&labelled.0).iter().zip(&contents(&plain.0)) {
            assert!(with == without, "{file}: labels change {}", with.0);
        }
    }
}

#[test]
fn zstd() {
    program(&support::program("zstd.wasm"));
}

#[test]
fn quickjs() {
    program(&support::program("quickjs.wasm"));
}

#[test]
fn sqlite() {
    program(&support::program("sqlite.wasm"));
}

#[test]
fn rust() {
    program(&support::program("rust.wasm"));
}

/// Modules made of every kind of trap in every situation.
fn every_trap(level: OptLevel, cpu: &str) {
    let situations = situations::with(true);
    let mut counts = Counts::default();
    for kind in kinds::all() {
        let wasm = support::wat(&situations::module(&kind, &situations));
        let name = format!("{} at {level:?} for {cpu}", kind.site);
        let options = Options { cpu: cpu.to_owned(), ..options(level, true) };
        counts += audit(&wasm, &compile(&wasm, &name, &options), &name);
    }
    println!("every trap at {level:?} for {cpu}: {counts:#?}");
    assert!(counts.tail_jumps > 0);
}

#[test]
fn every_trap_at_o0() {
    every_trap(OptLevel::O0, "native");
}

#[test]
fn every_trap_at_o3() {
    every_trap(OptLevel::O3, "native");
}

#[test]
fn every_trap_for_old_processors() {
    every_trap(OptLevel::O3, "x86-64-v2");
}

/// Bulk operations of constant length, which become instructions of any width,
/// and results that travel in memory.
#[test]
fn bulk_operations_and_results_in_memory() {
    let lengths = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 33, 64, 100, 128, 129, 200, 256, 511, 1024];
    let bulk: String = lengths
        .iter()
        .map(|n| {
            format!(
                "(memory.copy (local.get $x) (local.get $y) (i32.const {n}))
                (memory.copy (i32.const 8) (i32.const 64) (i32.const {n}))
                (memory.fill (local.get $x) (i32.const 0) (i32.const {n}))
                (memory.fill (local.get $x) (i32.const 7) (i32.const {n}))
                (memory.fill (local.get $x) (local.get $y) (i32.const {n}))"
            )
        })
        .collect();
    let text = format!(
        r#"(module (memory 1)
        (func (export "bulk") (param $x i32) (param $y i32)
            (local $n i32)
            {bulk}
            (loop $again
                (memory.fill (local.get $n) (i32.const 1) (i32.const 16))
                (memory.copy (local.get $n) (i32.const 0) (local.get $y))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (local.get $x))))))
        (func $many (param $x i32) (result i32 i64 f32 f64 i32 v128)
            (i32.load (local.get $x)) (i64.const 1) (f32.const 2) (f64.load (local.get $x))
            (i32.load (local.get $x)) (v128.load (local.get $x)))
        (func (export "many") (param $x i32) (result i32 i64 f32 f64 i32 v128)
            (if (local.get $x) (then (return (call $many (local.get $x)))))
            (call $many (i32.const 5)))
        (func (export "user") (param $x i32) (result f64)
            (local $d f64)
            (call $many (local.get $x)) (drop) (drop) (local.set $d) (drop) (drop) (drop)
            (local.get $d)))"#
    );
    let wasm = support::wat(&text);
    for level in [OptLevel::O0, OptLevel::O1, OptLevel::O2, OptLevel::O3] {
        for cpu in ["x86-64-v2", "sandybridge", "x86-64-v3", "native"] {
            let name = format!("bulk at {level:?} for {cpu}");
            let options = Options { cpu: cpu.to_owned(), ..options(level, true) };
            audit(&wasm, &compile(&wasm, &name, &options), &name);
        }
    }
}

/// The auditor is awake.
#[test]
fn faults_are_found() {
    let text = r#"(module (memory 1) (global $g (mut i32) (i32.const 0))
        (func (export "f") (param $x i32)
            (i32.store (local.get $x) (i32.add (i32.load (local.get $x)) (global.get $g)))
            (if (local.get $x) (then unreachable))))"#;
    let wasm = support::wat(text);
    let found = |wasm: &[u8], labels| {
        look(wasm, &compile(wasm, "faults", &options(OptLevel::O3, labels)).0).1
    };
    assert_eq!(found(&wasm, true), [""; 0]);
    let unseen = found(&wasm, false);
    assert!(!unseen.is_empty() && unseen.iter().all(|v| v.ends_with("unseen")), "{unseen:?}");

    // The same code at other offsets.
    let moved = [&wasm[..8], &[0, 2, 1, b'x'], &wasm[8..]].concat();
    let (bytes, _) = compile(&wasm, "faults", &options(OptLevel::O3, true));
    let (counts, moved) = look(&moved, &bytes);
    assert!(moved.len() as u64 >= counts.accesses + counts.calls, "{moved:?}");
}

/// LLVM keeps the address of a field with many users in a register, unless told
/// otherwise; then nothing tells from the instruction what it reads.
#[test]
fn fields_that_are_read_often() {
    let turn = "(call $f) (br_if 0 (i32.eqz (global.get $state)))\n";
    let wasm = support::wat(&format!(
        "(module (import \"host\" \"f\" (func $f)) (global $state (mut i32) (i32.const 1))
           (func (export \"run\") {}))",
        turn.repeat(150)
    ));
    let counts = audit(&wasm, &compile(&wasm, "often", &options(OptLevel::O3, true)), "often");
    assert!(counts.others >= 150, "{counts:?}");
}

#[test]
#[ignore = "audits what scripts/audit names"]
fn named() {
    let files = std::env::var_os("AUDIT").expect("scripts/audit names files");
    std::env::split_paths(&files).for_each(|path| program(&path));
}
