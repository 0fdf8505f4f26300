//! A stock gdb understands what we write: breakpoints by wasm offset and by
//! function, backtraces with inlined functions from wasm out to the host's
//! `main`, stepping, faults, core dumps. No script, no plugin, no JIT interface.

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use support::dump::Dump;
use support::truth::Truth;
use tempfile::TempDir;
use wasm2so::options::{DebugLevel, OptLevel, Options};

const LEVELS: [OptLevel; 3] = [OptLevel::O0, OptLevel::Og, OptLevel::O3];

/// A function's name, and the line that is shown for it.
type Frame = (String, Option<u64>);

/// `tests/gdb/session.wat`, compiled.
struct Session {
    wasm: Vec<u8>,
    directory: TempDir,
}

impl Session {
    fn new(level: OptLevel) -> Self {
        let wasm = support::wat(include_str!("gdb/session.wat"));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let so = directory.path().join("session.so");
        let options = Options { debug: DebugLevel::Full, ..support::options(level) };
        support::compile(&wasm, "session.wasm", &so, &options);
        Session { wasm, directory }
    }

    /// Offset of the `nth` operator of this kind in a function.
    fn offset(&self, function: &str, operator: &str, nth: usize) -> u64 {
        Truth::of(&self.wasm).named(function).nth(operator, nth)
    }

    /// Debugs `wasmrun --invoke FUNCTION session.so ARGS`.
    fn debug(&self, invoke: &[&str], commands: &[&str]) -> Transcript {
        let wasmrun = support::wasmrun();
        let (function, args) = invoke.split_first().expect("a function");
        let mut all = vec!["--args", wasmrun.get_program().to_str().unwrap()];
        all.extend(["--max-stack", "1M", "--invoke", function, "session.so"]);
        all.extend(args);
        gdb(self.directory.path(), &all, commands)
    }

    /// The frames of wasm when `leaf` runs, called by `run`.
    fn in_leaf(&self) -> [Frame; 4] {
        [("leaf", "I32Load"), ("square", "Call"), ("sum", "CallIndirect"), ("run", "Call")]
            .map(|(name, operator)| (name.to_owned(), Some(self.offset(name, operator, 0))))
    }
}

/// What gdb printed.
struct Transcript {
    /// For each command.
    outputs: Vec<String>,
    /// Messages, and the program's standard error.
    errors: String,
}

/// Runs commands in gdb.
fn gdb(directory: &Path, args: &[&str], commands: &[&str]) -> Transcript {
    const PROMPT: &str = "\n(gdb) ";
    let mut gdb = support::tool("gdb");
    gdb.current_dir(directory).args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    // A container may forbid to load the program elsewhere than usual.
    gdb.args(["-ex", "set disable-randomization off", "-ex", "set breakpoint pending on"]);
    gdb.args(["-ex", "set confirm off", "-ex", "set width 0", "-ex", "set height 0"]);
    for command in commands {
        gdb.args(["-ex", &format!("echo \\n(gdb) {command}\\n"), "-ex", command]);
    }
    let output = gdb.args(args).output().expect("gdb runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{text}\n{errors}");
    let forbidden = ["Could not trace the inferior", "ptrace: Operation not permitted"];
    assert!(
        !forbidden.iter().any(|message| errors.contains(message)),
        "gdb may not trace programs here (ptrace is not permitted), so this cannot be tested: run \
         the tests where it may, such as in a container with --cap-add=SYS_PTRACE\n{errors}"
    );
    for bad in ["Backtrace stopped", "corrupt stack", "Cannot access memory", "internal-error"] {
        assert!(!text.contains(bad) && !errors.contains(bad), "gdb says `{bad}`");
    }
    let mut outputs = text.split(PROMPT).skip(1);
    let outputs = commands.iter().map(|command| {
        let output = outputs.next().unwrap_or_else(|| panic!("gdb ended before `{command}`"));
        output.strip_prefix(&format!("{command}\n")).expect("commands are in order").to_owned()
    });
    Transcript { outputs: outputs.collect(), errors }
}

/// The frames in a piece of output.
fn frames(output: &str) -> Vec<Frame> {
    let lines = output.lines().filter_map(|line| line.strip_prefix('#'));
    let frames = lines.map(|line| {
        let frame = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let frame = match frame.split_once(" in ") {
            Some((address, frame)) if address.starts_with("0x") => frame,
            _ => frame,
        };
        let name = frame.split(" (").next().unwrap();
        let line = frame.rsplit_once(" at session.wasm:").and_then(|(_, line)| line.parse().ok());
        (name.to_owned(), line)
    });
    frames.collect()
}

/// The backtrace begins with `wasm`, then leaves it, and ends in `main`.
fn assert_backtrace(output: &str, wasm: &[Frame]) {
    let frames = frames(output);
    assert_eq!(frames[..wasm.len()], *wasm);
    assert!(frames[wasm.len()].0.starts_with("wasm2so."), "{:?}", frames[wasm.len()]);
    assert!(frames[wasm.len()..].iter().all(|(_, offset)| offset.is_none()));
    assert!(frames.iter().any(|(name, _)| name.starts_with("wasmrun::main")));
    assert_eq!(frames.last().unwrap().0, "main");
}

fn assert_starts(output: &str, start: &str) {
    assert!(output.starts_with(start), "not `{start}` but: {output}");
}

fn assert_contains(output: &str, part: &str) {
    assert!(output.contains(part), "no `{part}` in: {output}");
}

#[test]
fn a_breakpoint_at_an_offset_stops_there() {
    let session = Session::new(OptLevel::O3);
    let wasm = session.in_leaf();
    let load = wasm[0].1.unwrap();
    let commands = [
        &format!("break 'session.wasm':{load}"),
        "run",
        "backtrace",
        "info line",
        "info symbol $pc",
        "up",
        "frame 3",
        "delete",
        "continue",
    ];
    let Transcript { outputs, .. } = session.debug(&["run", "0", "5"], &commands);
    let [set, run, backtrace, line, symbol, up, frame, _, end] = &outputs[..] else { panic!() };
    assert_eq!(set.trim(), format!("Breakpoint 1 ('session.wasm':{load}) pending."));
    assert_contains(run, &format!("Breakpoint 1, leaf (address=0) at session.wasm:{load}\n"));
    assert_backtrace(backtrace, &wasm);
    assert_starts(line, &format!("Line {load} of \"session.wasm\" starts at address 0x"));
    // `leaf` is inlined.
    assert_starts(symbol, "wasm[2]::square + ");
    assert_eq!(frames(up), wasm[1..2]);
    assert_eq!(frames(frame), wasm[3..4]);
    assert_contains(end, "46\n");
    assert_contains(end, "exited normally]");
}

#[test]
fn a_breakpoint_at_a_function_stops_there() {
    for level in LEVELS {
        let session = Session::new(level);
        let commands = ["break leaf", "run", "backtrace 1", "info breakpoints", "finish", "finish"];
        let Transcript { outputs, .. } = session.debug(&["run", "0", "5"], &commands);
        let [set, run, backtrace, breakpoints, first, second] = &outputs[..] else { panic!() };
        assert_eq!(set.trim(), "Breakpoint 1 (leaf) pending.");
        assert_contains(run, "Breakpoint 1, leaf (address=");
        assert_contains(breakpoints, " in leaf at session.wasm:");
        let truth = Truth::of(&session.wasm);
        let [(_, Some(line))] = frames(backtrace)[..] else { panic!("{backtrace}") };
        assert!(truth.named("leaf").body.contains(&line), "{backtrace}");
        // Where an inlined function ends, gdb only steps.
        for (output, function) in [(first, "square ("), (second, "sum (")] {
            assert_contains(output, function);
            assert_contains(output, ") at session.wasm:");
        }
    }
}

#[test]
fn a_breakpoint_in_a_loop_is_hit_each_time() {
    for level in LEVELS {
        let session = Session::new(level);
        let call = session.offset("sum", "CallIndirect", 0);
        let set = format!("break 'session.wasm':{call}");
        let commands = [&set, "ignore 1 1000", "run", "info breakpoints"];
        let Transcript { outputs, .. } = session.debug(&["run", "0", "7"], &commands);
        assert_contains(&outputs[2], "exited normally]");
        assert_contains(&outputs[3], "breakpoint already hit 7 times");
    }
}

/// Of the copies of an instruction in one function, gdb takes only the first for
/// a line; the line table has them all.
#[test]
fn every_copy_of_an_instruction_can_be_stopped_at() {
    for level in LEVELS {
        let session = Session::new(level);
        let start = format!("break 'session.wasm':{}", session.offset("total", "I32Store", 0));
        let load = session.offset("total", "I32Load", 0);
        let rows = format!(
            "gdb.decode_line(\"'session.wasm':{load}\")[1][0].symtab.linetable().line({load})"
        );
        let set = format!("python copies = [gdb.Breakpoint('*%#x' % row.pc) for row in {rows}]");
        let commands = [
            &start,
            "run",
            "delete",
            &set,
            "python for copy in copies: copy.ignore_count = 1000",
            "continue",
            "python print(len(copies), 'hit', sum(copy.hit_count for copy in copies))",
        ];
        let Transcript { outputs, .. } = session.debug(&["total", "5"], &commands);
        assert_contains(&outputs[5], "exited normally]");
        let (copies, hits) = outputs[6].trim().split_once(" hit ").expect("what python prints");
        let (copies, hits): (u32, u32) = (copies.parse().unwrap(), hits.parse().unwrap());
        assert!(copies > 1 || level <= OptLevel::Og, "the loop is not unrolled");
        // Some are split up, with other instructions in between.
        assert!(hits == 25 || hits > 25 && copies > 1, "{level:?}: {hits} hits, {copies} copies");
    }
}

/// The lines where a program is after each of so many commands.
fn walk(session: &Session, start: u64, command: &str, count: usize) -> Vec<u64> {
    let set = format!("break 'session.wasm':{start}");
    let mut commands = vec![&*set, "run", "frame"];
    for _ in 0..count {
        commands.extend([command, "frame"]);
    }
    let Transcript { outputs, .. } = session.debug(&["straight", "7"], &commands);
    let places = outputs[2..].iter().step_by(2).flat_map(|output| frames(output));
    places.take_while(|(name, _)| name == "straight").filter_map(|(_, line)| line).collect()
}

#[test]
fn steps_go_from_offset_to_offset() {
    for level in LEVELS {
        let session = Session::new(level);
        let stores = [0, 1, 2, 3].map(|nth| session.offset("straight", "I32Store", nth));
        let truth = Truth::of(&session.wasm);
        for (command, count) in [("step", 12), ("stepi", 40)] {
            let lines = walk(&session, stores[0], command, count);
            assert!(lines.is_sorted(), "{level:?} {command}: {lines:?}");
            assert!(lines.iter().all(|line| truth.at(*line).is_some()), "{lines:?}");
            assert_eq!(lines[0], stores[0]);
            assert!(stores.iter().all(|store| lines.contains(store)), "{lines:?}");
            if level == OptLevel::O3 {
                assert_eq!(lines[..4], stores, "{command}");
            }
        }
    }
}

#[test]
fn a_step_goes_into_a_function() {
    for level in LEVELS {
        let session = Session::new(level);
        let call = session.offset("sum", "CallIndirect", 0);
        let set = format!("break 'session.wasm':{call}");
        let commands = [&set, "run", "step", "step", "step", "step", "step", "step"];
        let Transcript { outputs, .. } = session.debug(&["run", "0", "5"], &commands);
        let inside = outputs[2..].iter().any(|output| output.contains("square (address="));
        assert!(inside, "{level:?}: {outputs:?}");
    }
}

#[test]
fn a_trap_is_a_fault_with_its_frames() {
    for level in LEVELS {
        let session = Session::new(level);
        let wasm = session.in_leaf();
        let commands = ["run", "backtrace", "info line *$pc", "continue"];
        let Transcript { outputs, errors } = session.debug(&["run", "0x10000", "5"], &commands);
        let [run, backtrace, line, end] = &outputs[..] else { panic!() };
        assert_contains(run, "Program received signal SIGSEGV");
        assert_backtrace(backtrace, &wasm);
        assert_starts(line, &format!("Line {} of \"session.wasm\" ", wasm[0].1.unwrap()));
        // Debugged or not, the program sees the fault as a trap. 0206 is 134.
        assert_contains(end, "exited with code 0206]");
        for (number, (name, offset)) in wasm.iter().enumerate() {
            assert_contains(
                &errors,
                &format!("#{number:02}: 0x{:04x} - {name}\n", offset.unwrap()),
            );
        }
    }
}

#[test]
fn host_functions_are_between_wasm_and_what_they_call() {
    let session = Session::new(OptLevel::O3);
    let commands = ["break sched_yield", "run", "backtrace", "generate-core-file core"];
    let Transcript { outputs, .. } = session.debug(&["through"], &commands);
    let through = ("through".to_owned(), Some(session.offset("through", "Call", 0)));
    let check = |output: &str| {
        let frames = frames(output);
        let wasm = frames.iter().position(|f| *f == through).expect("the wasm function");
        assert!(frames[0].0.contains("sched_yield"), "{:?}", frames[0]);
        assert!(frames[wasm - 1].0.contains("::call_host"), "{:?}", frames[wasm - 1]);
        assert!(frames[wasm + 1].0.starts_with("wasm2so."), "{:?}", frames[wasm + 1]);
        assert_eq!(frames.last().unwrap().0, "main");
    };
    check(&outputs[2]);
    check(&post_mortem(&session, "backtrace"));
}

#[test]
fn an_exhausted_stack_shows_both_ends() {
    for level in LEVELS {
        let session = Session::new(level);
        let commands = ["run", "backtrace 4", "backtrace -1"];
        let Transcript { outputs, .. } = session.debug(&["down", "0"], &commands);
        assert_contains(&outputs[0], "Program received signal SIGSEGV");
        let call = session.offset("down", "Call", 0);
        let frames = frames(&outputs[1]);
        assert!(frames.iter().all(|(name, _)| name == "down"), "{frames:?}");
        assert!(frames[1..].iter().all(|(_, line)| *line == Some(call)), "{frames:?}");
        assert_eq!(self::frames(&outputs[2])[0].0, "main");
    }
}

/// What gdb tells of `core`.
fn post_mortem(session: &Session, command: &str) -> String {
    let wasmrun = support::wasmrun();
    let args = [wasmrun.get_program().to_str().unwrap(), "core"];
    gdb(session.directory.path(), &args, &[command]).outputs.remove(0)
}

/// Runs `wasmrun symbolize`.
fn symbolize(session: &Session, args: &[&str]) -> Output {
    let mut command = support::wasmrun();
    command.current_dir(session.directory.path()).arg("symbolize").args(args);
    command.output().expect("wasmrun runs")
}

/// What it tells of a core.
fn offline(session: &Session, args: &[&str]) -> Vec<Frame> {
    let output = symbolize(session, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(text.starts_with("wasm stack: thread "), "{text}");
    let frames = text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let (offset, name) = line[5..].split_once(" - ").expect("offset and name");
        let offset = offset.strip_prefix("0x").expect("an offset");
        (name.to_owned(), Some(u64::from_str_radix(offset, 16).expect("a known offset")))
    });
    frames.collect()
}

#[test]
fn a_core_dump_tells_the_same() {
    for level in LEVELS {
        let session = Session::new(level);
        let wasm = session.in_leaf();
        let core = session.directory.path().join("core");
        let stop = format!("break 'session.wasm':{}", wasm[0].1.unwrap());
        // At a fault, and where nothing is wrong.
        for (stop, address) in [("", "0x10000"), (&*stop, "0")] {
            let commands = [stop, "run", "generate-core-file core", "kill"];
            let Transcript { outputs, .. } = session.debug(&["run", address, "5"], &commands);
            assert_contains(&outputs[2], "Saved corefile core");
            assert_backtrace(&post_mortem(&session, "backtrace"), &wasm);
            assert_eq!(offline(&session, &["--core", "core"]), wasm);
            // Not the gigabytes that are set aside for the memory.
            let size = fs::metadata(&core).expect("a core dump").len();
            assert!(size < 1 << 30, "the core dump has {size} bytes");
            fs::remove_file(&core).unwrap();
        }
    }
}

#[test]
fn a_core_dump_is_read_where_it_was_not_made() {
    let session = Session::new(OptLevel::O3);
    let wasm = session.in_leaf();
    let directory = session.directory.path();
    let commands = ["run", "generate-core-file core", "kill"];
    session.debug(&["run", "0x10000", "5"], &commands);
    let refused = |args: &[&str], why: &str| {
        let output = symbolize(&session, args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{text}");
        assert!(text.starts_with("error: ") && text.contains(why), "{text}");
    };
    fs::create_dir(directory.join("moved")).unwrap();
    fs::rename(directory.join("session.so"), directory.join("moved/session.so")).unwrap();
    refused(&["--core", "core"], "no module of wasm2so");
    assert_eq!(offline(&session, &["--core", "core", "moved/session.so"]), wasm);
    // Another build in its place.
    let so = directory.join("session.so");
    support::compile(&session.wasm, "session.wasm", &so, &support::options(OptLevel::O0));
    refused(&["--core", "core"], "no module of wasm2so");
    refused(&["--core", "core", "session.so"], "build IDs differ");
    fs::copy(&so, directory.join("other.so")).unwrap();
    refused(&["--core", "core", "other.so"], "not loaded a file named `other.so`");
    // What is no core.
    let core = fs::read(directory.join("core")).unwrap();
    fs::write(directory.join("half"), &core[..core.len() / 2]).unwrap();
    refused(&["--core", "half"], "it was cut off");
    refused(&["--core", "session.so"], "another kind of ELF file");
    refused(&["--core", "nowhere"], "cannot read nowhere");
}

/// From gdb's core of the process, the same as the process itself writes.
#[test]
fn a_core_dump_becomes_one_of_wasm() {
    for level in LEVELS {
        let session = Session::new(level);
        let directory = session.directory.path();
        let commands = ["run", "generate-core-file core", "kill"];
        session.debug(&["run", "0x10000", "5"], &commands);
        let wasm = session.in_leaf();
        assert_eq!(offline(&session, &["--core", "core", "--coredump", "offline"]), wasm);
        let offline = Dump::read(&directory.join("offline"));
        let mut live = support::wasmrun();
        live.current_dir(directory).args(["--coredump", "live", "--invoke", "run"]);
        let status =
            live.args(["session.so", "0x10000", "5"]).output().expect("wasmrun runs").status;
        assert_eq!(status.code(), Some(134));
        let live = Dump::read(&directory.join("live"));
        assert_eq!(offline.instances, live.instances);
        assert_eq!(offline.modules, live.modules);
        assert_eq!(offline.globals, ["I64Const { value: 1 }"]);
        assert_eq!(offline.globals, live.globals);
        let [(thread, frames)] = &offline.threads[..] else { panic!("{:?}", offline.threads) };
        assert!(thread.starts_with("thread "), "{thread}");
        assert_eq!(*frames, live.threads[0].1);
        assert_eq!(frames.len(), wasm.len());
        let (memory, _) = &offline.memories[0];
        assert!(*memory == live.memories[0].0, "the memories differ");
        assert_eq!((memory[16], &memory[40000..40009]), (3, b"untouched".as_slice()));
    }
}

/// In a host function, too; from the gdb's core alone.
#[test]
fn a_core_dump_in_a_host_function_becomes_one_of_wasm() {
    let session = Session::new(OptLevel::O3);
    let commands = ["break sched_yield", "run", "generate-core-file core", "kill"];
    session.debug(&["through"], &commands);
    offline(&session, &["--core", "core", "--coredump", "offline"]);
    let dump = Dump::read(&session.directory.path().join("offline"));
    let through = Truth::of(&session.wasm);
    let through = through.named("through");
    let [frame] = &dump.threads[0].1[..] else { panic!("{:?}", dump.threads) };
    let offset = through.nth("Call", 0) - through.body.start;
    assert_eq!((frame.function, u64::from(frame.offset)), (through.index, offset));
    assert_eq!(dump.globals, ["I64Const { value: 0 }"]);
    assert_eq!(dump.memories[0].0[40000..40009], *b"untouched");
}
