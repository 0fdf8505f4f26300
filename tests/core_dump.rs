//! Wasm core dumps: what wasmparser reads in them is what traces tell, and what the
//! program had in its memory and globals. Those of processes that are no more are in
//! `tests/gdb.rs`.

mod support;

use serde_json::Value as Json;
use std::process::Command;
use support::dump::{Dump, Frame, Instance};
use support::process::{Folder, run};
use wasm2so::options::{DebugLevel, OptLevel, Options};
use wasmrun::{
    CallError, Config, Func, FuncType, Imports, Memory, MemoryType, Module, Store, ValType, Value,
    WasmCoreDump,
};

const TRAPS: &str = r#"(module $traps
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (memory (export "memory") 40 50)
    (data (i32.const 100) "first")
    (global $i32 (mut i32) (i32.const -2))
    (global $i64 (mut i64) (i64.const 0))
    (global $f32 f32 (f32.const 1.5))
    (global $f64 f64 (f64.const -0.1))
    (global $v128 v128 (v128.const i32x4 1 2 3 4))
    (global $function funcref (ref.func $leaf))
    (global $extern externref (ref.null extern))
    (elem declare func $leaf)
    ;; Inlined into its caller at -O3.
    (func $leaf (param $address i32) (result i32)
        (i32.load offset=16 (local.get $address)))
    (func $store (param $address i32) (param $value i64)
        (local $unused f64)
        (i64.store (local.get $address) (local.get $value)))
    (func $middle (param $address i32) (result i32)
        (drop (call $yield))
        (call $store (i32.const 131060) (i64.const 0x0102030405060708))
        (drop (memory.grow (i32.const 3)))
        (call $store (i32.const 2818040) (i64.const -1))
        (global.set $i64 (i64.const 0x1122334455667788))
        (i32.add (call $leaf (local.get $address)) (i32.const 1)))
    (func (export "run") (param $address i32) (result i32)
        (i32.xor (call $middle (local.get $address)) (i32.const 5)))
    (func $down (export "down") (param $depth i32) (result i32)
        (i32.add (i32.const 1) (call $down (i32.add (local.get $depth) (i32.const 1))))))"#;

/// Frames as `--trace=json` tells them: function, offset in it.
fn told(stderr: &str) -> Vec<(u64, u64)> {
    let line = stderr.lines().find(|line| line.starts_with('{')).expect("a trace");
    let json: Json = serde_json::from_str(line).expect("JSON");
    let frames = json["frames"].as_array().expect("frames").iter();
    let wasm = frames.filter(|frame| frame.get("function").is_some());
    wasm.map(|frame| {
        let number = |key: &str| frame[key].as_u64().expect(key);
        (number("function"), number("function_offset"))
    })
    .collect()
}

fn places(frames: &[Frame]) -> Vec<(u64, u64)> {
    frames.iter().map(|frame| (frame.function.into(), frame.offset.into())).collect()
}

#[test]
fn a_trap_leaves_a_dump_with_all_that_there_was() {
    for level in ["-O0", "-O3"] {
        let folder = Folder::new();
        folder.compile("traps", TRAPS, &[level]);
        let args = ["--trace=json", "--coredump", "dump", "--invoke", "run", "traps.so", "-1"];
        let ended = run(support::wasmrun().current_dir(folder.path()).args(args));
        assert_eq!(ended.code, 134, "{}", ended.stderr);
        let dump = Dump::read(&folder.path().join("dump"));
        assert_eq!(dump.name, dump.modules[0]);
        assert!(dump.modules.len() == 1 && dump.modules[0].ends_with("/traps.wat"), "{dump:?}");
        let globals = (0..7).collect();
        assert_eq!(dump.instances, [Instance { module: 0, memories: vec![0], globals }]);

        let [(name, frames)] = &dump.threads[..] else { panic!("{:?}", dump.threads) };
        assert_eq!(name, "main");
        // The load; the calls, after what comes before them.
        assert_eq!(frames.iter().map(|f| f.function).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(frames[0].offset, 3);
        assert_eq!(places(frames), told(&ended.stderr));
        assert!(frames.iter().all(|frame| frame.instance == 0 && frame.locals.len() == 1));

        let [(memory, max)] = &dump.memories[..] else { panic!("one memory") };
        assert_eq!((memory.len(), *max), (43 * 65536, Some(50 * 65536)));
        let mut expected = vec![0; 43 * 65536];
        expected[100..105].copy_from_slice(b"first");
        expected[131060..131068].copy_from_slice(&[8, 7, 6, 5, 4, 3, 2, 1]);
        expected[2818040..2818048].fill(0xff);
        assert!(*memory == expected);
        // Each is in one page, or in two.
        assert!((3..=4).contains(&dump.segments), "{} segments", dump.segments);
        let size = folder.read("dump").len();
        assert!(size < 20_000, "the dump has {size} bytes");

        let values = ["I32Const { value: -2 }", "I64Const { value: 1234605616436508552 }"];
        assert_eq!(dump.globals[..2], values);
        assert!(dump.globals[2].contains("F32Const") && dump.globals[3].contains("F64Const"));
        assert!(dump.globals[4].contains("V128Const"));
        assert!(dump.globals[5].contains("RefNull") && dump.globals[6].contains("RefNull"));
    }
}

#[test]
fn a_dump_is_written_of_traps_alone() {
    let folder = Folder::new();
    folder.compile("traps", TRAPS, &[]);
    let dump = |args: &[&str]| {
        let mut command = support::wasmrun();
        run(command.current_dir(folder.path()).arg("--coredump").args(args))
    };
    dump(&["dump", "--invoke", "run", "traps.so", "0"]).succeeded();
    assert_eq!(folder.names(), ["traps.so", "traps.wat"]);
    // What cannot be written is told, beside the trap.
    for (path, why) in [("missing/dump", "No such file"), ("/dev/full", "No space left")] {
        let ended = dump(&[path, "--invoke", "run", "traps.so", "-1"]);
        assert_eq!(ended.code, 134, "{}", ended.stderr);
        let message = format!("error: cannot write `{path}`: {why}");
        assert!(ended.stderr.starts_with("wasm trap: out of bounds memory access"));
        assert!(ended.stderr.contains(&message), "{}", ended.stderr);
    }
    let wasmrun = support::wasmrun();
    let wasmrun = wasmrun.get_program().to_str().expect("UTF-8");
    let script =
        format!("trap '' XFSZ; ulimit -f 1; exec {wasmrun} --coredump d --invoke run traps.so -1");
    let ended = run(Command::new("bash").current_dir(folder.path()).args(["-c", &script]));
    assert!(ended.stderr.contains("cannot write `d`: File too large"), "{}", ended.stderr);
    assert_eq!(folder.names(), ["traps.so", "traps.wat"]);
}

#[test]
fn a_very_deep_stack_says_what_it_is_without() {
    let folder = Folder::new();
    folder.compile("traps", TRAPS, &["-O0"]);
    let args = ["--coredump", "dump", "--invoke", "down", "traps.so", "0"];
    let ended = run(support::wasmrun().current_dir(folder.path()).args(args));
    assert!(ended.stderr.contains("call stack exhausted"), "{}", ended.stderr);
    let dump = Dump::read(&folder.path().join("dump"));
    let [(name, frames)] = &dump.threads[..] else { panic!("{:?}", dump.threads) };
    let omitted = name.strip_prefix("main (without ").and_then(|n| n.strip_suffix(" frames)"));
    let omitted: usize = omitted.and_then(|n| n.parse().ok()).expect("a number");
    assert!(omitted > 1000 && frames.len() > 1000);
    assert!(frames.iter().all(|frame| frame.function == 5));
}

const LOW: &str = r#"(module $low
    (memory (export "memory") 1)
    (global $calls (export "calls") (mut i32) (i32.const 0))
    (func (export "load") (param i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.load (local.get 0))))"#;

const HIGH: &str = r#"(module $high
    (import "low" "load" (func $load (param i32) (result i32)))
    (import "low" "memory" (memory 1))
    (import "low" "calls" (global $calls (mut i32)))
    (global $own i64 (i64.const 7))
    (func (export "run") (param i32) (result i32)
        (i32.store8 (i32.const 5) (i32.const 6))
        (drop (call $load (i32.const 0)))
        (i32.add (call $load (local.get 0)) (i32.const 1))))"#;

#[test]
fn instances_share_what_they_import() {
    let folder = Folder::new();
    let load = |name: &str, text: &str| {
        let so = folder.path().join(format!("{name}.so"));
        support::compile(&support::wat(text), name, &so, &support::options(OptLevel::O3));
        Module::load(so).expect("it loads")
    };
    let (low, high) = (load("low", LOW), load("high", HIGH));
    let mut store = Store::new(Config::default());
    let mut imports = Imports::new();
    // One that is on no stack.
    wasmrun::Instance::new(&mut store, &load("other", LOW), &imports).expect("it links");
    let low = wasmrun::Instance::new(&mut store, &low, &imports).expect("it links");
    imports.define_instance(&store, "low", low);
    let high = wasmrun::Instance::new(&mut store, &high, &imports).expect("it links");
    let func = high.func(&store, "run").expect("exported");
    let Err(CallError::Trap(trap)) = func.call(&mut store, &[Value::I32(-1)]) else { panic!() };
    let mut bytes = Vec::new();
    WasmCoreDump::of_trap(&trap, &store).write(&mut bytes).expect("there is room");
    let dump = Dump::parse(&bytes);
    // Innermost first.
    assert_eq!(dump.modules, ["low", "high"]);
    let low = Instance { module: 0, memories: vec![0], globals: vec![0] };
    let high = Instance { module: 1, memories: vec![0], globals: vec![0, 1] };
    assert_eq!(dump.instances, [low, high]);
    let frames = &dump.threads[0].1;
    assert_eq!(
        frames.iter().map(|f| (f.instance, f.function)).collect::<Vec<_>>(),
        [(0, 0), (1, 1)]
    );
    assert_eq!(dump.globals, ["I32Const { value: 2 }", "I64Const { value: 7 }"]);
    let [(memory, None)] = &dump.memories[..] else { panic!("one memory") };
    assert_eq!((memory.len(), memory[5]), (65536, 6));
}

/// Traps at the load, with something in every local; `$inner` is inlined at -O3.
const LOCALS: &str = r#"(module
    (memory 1)
    (func $inner (param $address i32) (param $scale f32) (result f32)
        (local $doubled i64) (local $vector v128)
        (local.set $doubled (i64.mul (i64.extend_i32_s (local.get $address)) (i64.const 2)))
        (f32.mul (f32.load (local.get $address)) (f32.convert_i64_s (local.get $doubled))))
    (func (export "run") (param $address i32) (param $wide i64) (param $half f32) (result f64)
        (local $double f64) (local $nothing externref) (local $count i32)
        (local.set $double (f64.promote_f32 (local.get $half)))
        (loop $again
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const 7))))
        (local.set $double (f64.add (local.get $double)
            (f64.promote_f32 (call $inner (local.get $address) (local.get $half)))))
        (f64.add (f64.convert_i64_s (local.get $wide)) (local.get $double))))"#;

#[test]
fn locals_have_their_values() {
    let inner = ["I32(-2147483644)", "F32(Ieee32(1056964608))", "I64(-4294967288)", "Missing"];
    let outer = [
        "I32(-2147483644)",
        "I64(5000000000)",
        "F32(Ieee32(1056964608))",
        "F64(Ieee64(4602678819172646912))",
        "Missing",
        "I32(7)",
    ];
    for options in [&["-Og"][..], &["-O0", "--debug=full"], &["-O3", "--debug=full"], &[]] {
        let folder = Folder::new();
        folder.compile("locals", LOCALS, options);
        let args = ["--coredump", "dump", "--invoke", "run", "locals.so"];
        let values = ["-2147483644", "5000000000", "0.5"];
        let mut command = support::wasmrun();
        let ended = run(command.current_dir(folder.path()).args(args).args(values));
        assert_eq!(ended.code, 134, "{}", ended.stderr);
        let dump = Dump::read(&folder.path().join("dump"));
        let frames: Vec<&[String]> = dump.threads[0].1.iter().map(|f| &*f.locals).collect();
        let operands: Vec<&[String]> = dump.threads[0].1.iter().map(|f| &*f.operands).collect();
        match options {
            // What the load takes; the sum's first operand, and what is passed.
            ["-Og"] => assert_eq!(operands, [&[inner[0]][..], &[outer[3], outer[0], outer[2]]]),
            _ => assert!(operands.iter().all(|operands| operands.is_empty()), "{operands:?}"),
        }
        let hint = ended.stderr.contains("\ndump has no values of locals in ");
        assert_eq!(hint, options.is_empty(), "{}", ended.stderr);
        match options {
            // Parameters are known to be there.
            [] => assert_eq!(frames, [&["Missing"; 2][..], &["Missing"; 3]]),
            ["-O3", ..] => {
                let all = frames.concat();
                let truth = [&inner[..], &outer].concat();
                assert_eq!(all.len(), truth.len(), "{all:?}");
                let known = all.iter().zip(&truth).filter(|(value, truth)| value == truth).count();
                let missing = all.iter().filter(|value| *value == "Missing").count();
                // What is missing anyway is in both.
                assert!(known + missing == all.len() + 2 && known > 4, "{all:?}");
            }
            _ => assert_eq!(frames, [&inner[..], &outer], "{options:?}"),
        }
    }
}

/// Adds to its own global, then calls the next instance, or traps.
const LINK: &str = r#"(module $link
    (import "" "next" (func $next (param i32)))
    (import "" "memory" (memory 1))
    (global $own (mut i32) (i32.const 0))
    (func $add (param $n i32) (global.set $own (local.get $n)))
    (func (export "go") (param $n i32)
        (call $add (local.get $n))
        (if (i32.eq (local.get $n) (i32.const 3)) (then unreachable))
        (call $next (i32.add (local.get $n) (i32.const 1)))))"#;

#[test]
fn instances_of_one_module_are_told_apart() {
    for level in [OptLevel::O0, OptLevel::O3] {
        let folder = Folder::new();
        let so = folder.path().join("link.so");
        support::compile(&support::wat(LINK), "link", &so, &support::options(level));
        let module = Module::load(so).expect("it loads");
        let mut store = Store::new(Config { keep_locals: true, ..Config::default() });
        let ty = MemoryType { min: 1, max: None };
        let memory = Memory::new(&mut store, ty).expect("there is memory");
        let ty = FuncType::new([ValType::I32], []);
        let mut next = Func::new(&mut store, ty, |_, _, _| Ok(()));
        // The one that is made last calls those before it.
        for _ in 0..4 {
            let mut imports = Imports::new();
            imports.define("", "next", next).define("", "memory", memory);
            let link = wasmrun::Instance::new(&mut store, &module, &imports).expect("it links");
            next = link.func(&store, "go").expect("exported");
        }
        let Err(CallError::Trap(trap)) = next.call(&mut store, &[Value::I32(1)]) else { panic!() };
        let mut bytes = Vec::new();
        WasmCoreDump::of_trap(&trap, &store).write(&mut bytes).expect("there is room");
        let dump = Dump::parse(&bytes);
        assert_eq!(dump.modules.len(), 1);
        let instance = |global| Instance { module: 0, memories: vec![0], globals: vec![global] };
        assert_eq!(dump.instances, [instance(0), instance(1), instance(2)]);
        let globals = [3, 2, 1].map(|value| format!("I32Const {{ value: {value} }}"));
        assert_eq!(dump.globals, globals);
        let frames = dump.threads[0].1.iter();
        assert_eq!(frames.map(|frame| frame.instance).collect::<Vec<_>>(), [0, 1, 2]);
    }
}

/// Keeps numbers in registers while the host calls `inner`.
const OUTER: &str = r#"(module
    (import "" "again" (func $again (param i32)))
    (memory 1)
    (func (export "outer") (param $n i32) (result i32) (local $read i32) (local $wide i64)
        (i32.store (i32.const 0) (i32.mul (local.get $n) (i32.const 2)))
        (i64.store (i32.const 8) (i64.mul (i64.extend_i32_s (local.get $n)) (i64.const -7)))
        (local.set $read (i32.load (i32.const 0)))
        (local.set $wide (i64.load (i32.const 8)))
        (call $again (local.get $n))
        (i32.store (i32.const 0) (local.get $read))
        (i64.store (i32.const 8) (local.get $wide))
        (local.get $n))
    (func (export "inner") (param $n i32) (unreachable)))"#;

#[test]
fn functions_around_host_functions_have_their_locals() {
    let folder = Folder::new();
    let so = folder.path().join("outer.so");
    let options = Options { debug: DebugLevel::Full, ..support::options(OptLevel::O3) };
    support::compile(&support::wat(OUTER), "outer", &so, &options);
    let module = Module::load(so).expect("it loads");
    let mut store = Store::new(Config { keep_locals: true, ..Config::default() });
    let ty = FuncType::new([ValType::I32], []);
    let again = Func::new(&mut store, ty, |caller, args, _| {
        let Value::I32(n) = args[0] else { panic!("an i32") };
        let instance = caller.instance().expect("called by wasm");
        // The last one called traps.
        let (name, n) = if n < 3 { ("outer", n + 1) } else { ("inner", n) };
        let func = instance.func(caller.store(), name).expect("exported");
        Ok(func.call(caller.store(), &[Value::I32(n)]).map(drop)?)
    });
    let mut imports = Imports::new();
    imports.define("", "again", again);
    let instance = wasmrun::Instance::new(&mut store, &module, &imports).expect("it links");
    let outer = instance.func(&store, "outer").expect("exported");
    let Err(CallError::Host(mut error)) = outer.call(&mut store, &[Value::I32(1)]) else {
        panic!("it traps behind the host function")
    };
    let trap = loop {
        match *error.downcast::<CallError>().expect("the host function passed it on") {
            CallError::Trap(trap) => break trap,
            CallError::Host(inner) => error = inner,
            other => panic!("{other}"),
        }
    };
    let mut bytes = Vec::new();
    WasmCoreDump::of_trap(&trap, &store).write(&mut bytes).expect("there is room");
    let dump = Dump::parse(&bytes);
    let outer = |n: i64| [format!("I32({})", 2 * n), format!("I64({})", -7 * n)];
    let outer_frames = dump.threads[0].1[1..].iter();
    let frames: Vec<&[String]> = outer_frames.map(|frame| &frame.locals[1..]).collect();
    assert_eq!(frames, [outer(3), outer(2), outer(1)]);
}
