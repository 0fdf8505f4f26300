//! What the compiler is given that is no module, or none that it compiles.

use super::support::process::{Ended, Folder, run, run_with};
use super::support::random::Random;
use super::support::{self, wat};
use wasm2so::error::Error;
use wasm2so::options::OptLevel;
use wasmparser::Validator;

/// Some of everything that a module can hold.
pub const EVERYTHING: &str = r#"(module $everything
    (import "env" "f" (func $f (param i32)))
    (import "env" "g" (global $g i32))
    (table $t 2 10 funcref)
    (memory $m 1 2)
    (global $h (mut i64) (i64.const -1))
    (export "run" (func $run))
    (export "memory" (memory $m))
    (start $start)
    (elem $e (i32.const 0) func $f $run)
    (elem declare func $start)
    (data $d "passive")
    (data (global.get $g) "active\00\ff")
    (func $start (drop (ref.func $start)))
    (func $run (param $x i32) (result f64) (local v128 f32)
        (block $out
            (br_if $out (i32.eqz (local.get $x)))
            (call_indirect (param i32) (local.get $x) (i32.load8_u offset=7 (local.get $x)))
            (memory.init $d (i32.const 0) (i32.const 0) (i32.const 7)))
        (f64.convert_i64_s (global.get $h))))"#;

/// Has the program compile `contents`, which it has to refuse with all of
/// `words`; checks that nothing is left.
fn refuse(name: &str, contents: &[u8], words: &[&str]) -> Ended {
    let folder = Folder::new();
    folder.file(name, contents);
    let ended = run(support::wasm2so().current_dir(folder.path()).args([name, "-o", "out.so"]));
    let ended = ended.failed(1, &[&[name], words].concat());
    assert_eq!(folder.names(), [name], "{}", ended.command);
    ended
}

#[test]
fn what_is_no_module_is_refused() {
    let everything = wat(EVERYTHING);
    let noise = Random(1).bytes(1000);
    let object = std::fs::read(env!("CARGO_BIN_EXE_wasm2so")).expect("the compiler is there");
    let table: &[(&str, &[u8], &[&str])] = &[
        ("empty.wasm", b"", &["it is empty"]),
        ("noise.wasm", &noise, &["no WebAssembly"]),
        ("noise.wat", &noise, &["no WebAssembly"]),
        ("short.wasm", b"\0as", &["no WebAssembly"]),
        ("magic.wasm", b"\0asm", &["not a valid WebAssembly module", "offset 0x4"]),
        ("version.wasm", b"\0asm\x02\0\0\0", &["version", "offset 0x4"]),
        ("cut.wasm", &everything[..everything.len() / 2], &["unexpected end", "offset 0x"]),
        ("more.wasm", &[&everything[..], b"\x0b"].concat(), &["offset 0x"]),
        ("twice.wasm", &[&everything[..], &everything[..]].concat(), &["offset 0x"]),
        ("library.so", &object, &["ELF", "wasmrun"]),
        ("component.wasm", b"\0asm\x0d\0\x01\0", &["component", "core module"]),
        ("component.wat", b"(component)", &["component", "core module"]),
        ("prose.txt", b"Hello, world.\n", &["not valid WebAssembly text", "prose.txt:1:1"]),
        ("spaces.wat", b" \n\n ", &["not valid WebAssembly text"]),
        ("open.wat", b"(module (func (i32.add", &["not valid WebAssembly text", "open.wat:1:23"]),
        ("name.wat", b"(module\n(func call $f))", &["unknown func", "name.wat:2:12"]),
        ("latin1.wat", b"(module (; caf\xe9 ;))", &["no WebAssembly"]),
    ];
    for (name, contents, words) in table {
        refuse(name, contents, words);
    }
    // Nesting that could exhaust the parser's stack.
    refuse("deep.wat", "(".repeat(1 << 20).as_bytes(), &["not valid WebAssembly text"]);
    refuse("deeper.wat", format!("(module (func{}", "(block".repeat(1 << 18)).as_bytes(), &[]);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("folder.wasm")).expect("a folder");
    let table = [
        ("missing.wasm", "cannot read missing.wasm: No such file"),
        ("folder.wasm", "cannot read folder.wasm: Is a directory"),
        ("folder.wasm/x.wasm", "cannot read folder.wasm/x.wasm: No such file"),
    ];
    for (input, words) in table {
        let mut command = support::wasm2so();
        run(command.current_dir(folder.path()).arg(input)).failed(1, &[words]);
    }
    let mut command = support::wasm2so();
    let ended = run_with(command.current_dir(folder.path()).args(["-", "-o", "x.so"]), b"\0asm!");
    ended.failed(1, &["cannot compile -:", "offset 0x4"]);
    assert_eq!(folder.names(), ["folder.wasm"]);
}

#[test]
fn an_invalid_module_is_refused_at_its_offset() {
    let table: &[(&str, &str)] = &[
        ("(func (result i32) i64.const 1)", "type mismatch"),
        ("(func (param i32) (f32.add (local.get 0) (local.get 0)))", "type mismatch"),
        ("(func i32.add drop)", "type mismatch"),
        ("(func br 7)", "unknown label"),
        ("(func call 7)", "unknown function 7"),
        ("(func local.get 3 drop)", "unknown local 3"),
        ("(func global.get 3 drop)", "unknown global"),
        ("(func (i32.load (i32.const 0)) drop)", "unknown memory 0"),
        ("(memory 1) (func (i32.load align=8 (i32.const 0)) drop)", "alignment"),
        ("(memory 65537)", "memory size"),
        ("(memory 2 1)", "minimum"),
        ("(table 2 1 funcref)", "minimum"),
        ("(func (export \"a\")) (func (export \"a\"))", "duplicate export name `a`"),
        ("(func $f (param i32)) (start $f)", "start function"),
        ("(global i32 (i64.const 1))", "type mismatch"),
        ("(global i32 (i32.const 1)) (func (global.set 0 (i32.const 1)))", "immutable"),
        ("(func (drop (ref.func 0)))", "undeclared function reference"),
        ("(memory 1) (data (i32.const 0) \"\") (func (data.drop 1))", "unknown data segment"),
        ("(func (select (i32.const 1) (i64.const 1) (i32.const 0)) drop)", "type mismatch"),
        // Wrong whatever is supported, though it needs exceptions.
        ("(func throw_ref)", "type mismatch"),
    ];
    for (fields, words) in table {
        let wasm = wat(&format!("(module {fields})"));
        let error = Validator::new().validate_all(&wasm).err().expect(fields);
        let offset = format!("(at offset {:#x})", error.offset());
        refuse("m.wasm", &wasm, &["not a valid WebAssembly module", words, &offset]);
    }
}

#[test]
fn a_proposal_that_is_not_supported_is_named() {
    let table: &[(&str, &str)] = &[
        ("(tag (param i32))", "exceptions"),
        ("(import \"a\" \"b\" (tag))", "exceptions"),
        ("(func try_table end)", "exceptions"),
        ("(func try end)", "legacy-exceptions"),
        ("(memory 1 1 shared)", "threads"),
        ("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))", "threads"),
        ("(func atomic.fence)", "threads"),
        ("(memory i64 1)", "memory64"),
        ("(table i64 1 funcref)", "memory64"),
        ("(memory 1) (memory 1)", "multi-memory"),
        ("(import \"a\" \"m\" (memory 1)) (memory 1)", "multi-memory"),
        ("(memory 1 (pagesize 1))", "custom-page-sizes"),
        ("(type (struct (field i32)))", "gc"),
        ("(type (array i8))", "gc"),
        ("(rec (type (func)))", "gc"),
        ("(type (sub (func)))", "gc"),
        ("(func (drop (ref.i31 (i32.const 1))))", "gc"),
        ("(func (param anyref))", "gc"),
        ("(func (param (ref func)))", "function-references"),
        (
            "(type $t (func)) (func (param (ref null $t)) (call_ref $t (local.get 0)))",
            "function-references",
        ),
        ("(table 1 funcref (ref.null func))", "function-references"),
        ("(func (param v128) (drop (i32x4.relaxed_trunc_f32x4_s (local.get 0))))", "relaxed-simd"),
        (
            "(func (param i64) (i64.mul_wide_s (local.get 0) (local.get 0)) drop drop)",
            "wide-arithmetic",
        ),
        ("(type $f (func)) (type (cont $f))", "stack-switching"),
    ];
    for (fields, proposal) in table {
        let wasm = wat(&format!("(module {fields})"));
        let words = format!("not supported: the proposal `{proposal}` (at offset 0x");
        let ended = refuse("m.wasm", &wasm, &[&words]);
        let hex = ended.stderr.rsplit("0x").next().and_then(|t| t.split(')').next());
        let offset = hex.and_then(|hex| usize::from_str_radix(hex, 16).ok()).expect("an offset");
        assert!((8..wasm.len()).contains(&offset), "{fields}: {}", ended.stderr);
    }
}

/// In process: a panic would show, and nothing of LLVM runs on what is refused.
#[test]
fn every_prefix_of_a_module_is_judged() {
    let folder = Folder::new();
    let output = folder.path().join("out.so");
    let options = support::options(OptLevel::O0);
    let everything = wat(EVERYTHING);
    let large = std::fs::read(support::root().join("examples/wordfreq.wasm")).expect("examples");
    let all = 0..everything.len();
    let sample = (0..large.len()).step_by(131);
    let cuts = all.map(|end| &everything[..end]).chain(sample.map(|end| &large[..end]));
    let (mut refused, mut compiled) = (0, 0);
    for cut in cuts {
        let result = wasm2so::compile(cut, "cut.wasm", &output, &options, &());
        let valid = Validator::new().validate_all(cut).is_ok();
        match result {
            Ok(_) if valid => compiled += 1,
            Err(Error::Invalid { offset, .. }) if !valid && offset <= cut.len() as u64 => {
                refused += 1
            }
            result => panic!("of {} bytes: {result:?}", cut.len()),
        }
    }
    println!("prefixes: {refused} refused, {compiled} compiled");
    assert!(refused > 400 && compiled > 3);
}

/// As a user would meet them.
#[test]
fn a_truncated_module_leaves_nothing() {
    let everything = wat(EVERYTHING);
    let invalid = |end: &usize| Validator::new().validate_all(&everything[..*end]).is_err();
    for end in (4..everything.len()).step_by(13).filter(invalid) {
        refuse("cut.wasm", &everything[..end], &["not a valid WebAssembly module", "offset 0x"]);
    }
}
