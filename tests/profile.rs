//! Profilers see where time is spent: ours, and a stock perf that reads the `.so`
//! as it is.

mod support;

#[path = "profile/firefox.rs"]
mod firefox;
#[path = "profile/perf.rs"]
mod perf;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;
use support::process::{Ended, Folder, run};
use support::truth::Truth;
use wasm2so::options::OptLevel;

/// Of `hot`, in percent of it and `cold`.
const HOT: f64 = 90.0;

/// By how many points it may be missed, if there are samples enough that chance
/// does not miss it by more.
const TOLERANCE: f64 = 2.0;

/// Rounds of `split.c`: enough for a thousand samples or so.
const ROUNDS: &str = "120";

/// `tests/profile/split.c`, compiled.
struct Program {
    wasm: Vec<u8>,
    folder: Folder,
}

impl Program {
    fn new(level: OptLevel) -> Self {
        let folder = Folder::new();
        let path = folder.path().join("split.wasm");
        let mut clang = support::tool("clang-22");
        clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "--no-wasm-opt", "-O2", "-g"]);
        clang.arg(support::root().join("tests/profile/split.c")).arg("-o").arg(&path);
        run(clang.arg("-Wno-deprecated")).succeeded();
        let wasm = folder.read("split.wasm");
        let so = folder.path().join("split.so");
        support::compile(&wasm, "split.wasm", &so, &support::options(level));
        Program { wasm, folder }
    }

    /// Profiles it.
    fn profile(&self, file: &str, options: &[&str], args: &[&str]) -> Ended {
        let mut command = support::wasmrun();
        command.current_dir(self.folder.path()).args(["--profile", file]).args(options);
        run(command.arg("split.so").args(args))
    }

    /// The stacks in a file, with how often each was seen.
    fn folded(&self, file: &str) -> BTreeMap<Vec<String>, u64> {
        let text = String::from_utf8(self.folder.read(file)).expect("UTF-8");
        assert!(text.ends_with('\n'), "{text}");
        let stacks = text.lines().map(|line| {
            let (stack, count) = line.rsplit_once(' ').expect("a stack and its count");
            (stack.split(';').map(str::to_owned).collect(), count.parse().expect("a count"))
        });
        stacks.collect()
    }
}

/// Checks how often `hot` was seen, and how often `cold`.
fn assert_split(hot: u64, cold: u64) {
    let percent = hot as f64 * 100.0 / (hot + cold) as f64;
    println!("{hot} of {} in `hot`: {percent:.2}%", hot + cold);
    assert!(hot + cold > 300, "only {} samples", hot + cold);
    // Four standard deviations: once in some ten thousand times.
    let chance = 4.0 * (HOT * (100.0 - HOT) / (hot + cold) as f64).sqrt();
    assert!((percent - HOT).abs() <= TOLERANCE.max(chance), "{percent}% in `hot`, not {HOT}%");
}

/// How often stacks with this function were seen.
fn total(stacks: &BTreeMap<Vec<String>, u64>, function: &str) -> u64 {
    let with = stacks.iter().filter(|(stack, _)| stack.iter().any(|name| name == function));
    with.map(|(_, count)| count).sum()
}

#[test]
fn a_known_split_is_seen() {
    for level in [OptLevel::O0, OptLevel::O3] {
        let program = Program::new(level);
        program.profile("p.folded", &[], &["split", ROUNDS]).succeeded();
        let stacks = program.folded("p.folded");
        assert_split(total(&stacks, "hot"), total(&stacks, "cold"));
        // All but a few begin in the program, and say where they end.
        let all: u64 = stacks.values().sum();
        let truth = Truth::of(&program.wasm);
        let mut exact = 0;
        for (stack, count) in &stacks {
            let [.., function, place] = &stack[..] else { continue };
            let Some((offset, source)) = place.split_once(' ') else { continue };
            // Else a function of the host.
            let Some(offset) = offset.strip_prefix("0x").filter(|_| !place.ends_with(']')) else {
                continue;
            };
            let offset = u64::from_str_radix(offset, 16).expect("an offset");
            // Else what prepares a function.
            let Some((around, _)) = truth.at(offset) else {
                assert!(truth.starts(offset), "{stack:?}");
                continue;
            };
            if function == "unit" && (around.name == Some("hot") || around.name == Some("cold")) {
                let caller = &stack[stack.len() - 3];
                assert_eq!(Some(&**caller), around.name, "{stack:?}");
                assert!(source.starts_with("split.c"), "{place}");
                exact += count;
            }
        }
        assert!(exact > all / 10 * 9, "{exact} of {all}: {stacks:#?}");
    }
}

#[test]
fn host_functions_are_named() {
    let program = Program::new(OptLevel::O3);
    program.profile("p.txt", &["--profile-rate", "2000"], &["ask", "15"]).succeeded();
    let stacks = program.folded("p.txt");
    let asks = stacks.iter().find(|(stack, _)| {
        let wasm = stack.iter().position(|name| name == "ask");
        let in_host = |name: &String| name.contains("::random_get") && name.ends_with(" [wasmrun]");
        let host = stack.iter().position(in_host);
        wasm.is_some() && wasm < host
    });
    assert!(asks.is_some(), "{stacks:#?}");
}

#[test]
fn a_deep_stack_is_cut_and_says_so() {
    let program = Program::new(OptLevel::O1);
    let ended = program.profile("p.folded", &["--trace=off"], &["down", "0"]);
    assert_eq!(ended.code, 134);
    let stacks = program.folded("p.folded");
    let (cut, whole): (Vec<_>, Vec<_>) = stacks.keys().partition(|stack| stack[0] == "(deeper)");
    assert!(cut.iter().all(|stack| stack.iter().filter(|name| *name == "down").count() > 400));
    assert!(whole.iter().all(|stack| !stack.contains(&"(deeper)".to_owned())));
    assert!(!cut.is_empty() && !whole.is_empty(), "{stacks:#?}");
}

#[test]
fn however_the_program_ends_the_profile_is_written() {
    let program = Program::new(OptLevel::O3);
    let table = [("split", 0, ""), ("exit", 7, ""), ("trap", 134, "wasm trap: unreachable")];
    for (how, code, message) in table {
        let ended = program.profile("p.folded", &[], &[how, "2"]);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.starts_with(message) && ended.stderr.is_empty() == message.is_empty());
        assert!(total(&program.folded("p.folded"), "hot") > 10);
        std::fs::remove_file(program.folder.path().join("p.folded")).unwrap();
        assert_eq!(program.folder.names(), ["split.so", "split.wasm"]);
    }
    // A module that is not there is an error as ever.
    let mut command = support::wasmrun();
    command.current_dir(program.folder.path()).args(["--profile", "p.json", "missing.so"]);
    run(&mut command).failed(1, &["missing.so"]);
}

#[test]
fn a_signal_that_ends_the_program_lets_the_profile_be_written() {
    let program = Program::new(OptLevel::O3);
    for (name, signal) in [("INT", 2), ("TERM", 15)] {
        let mut command = support::wasmrun();
        command.current_dir(program.folder.path()).args(["--profile", "p.folded", "split.so"]);
        let mut child = command.args(["split", "1000000"]).spawn().expect("it can be run");
        // Long enough for it to start, and to be seen at work.
        std::thread::sleep(Duration::from_millis(500));
        let status = child.try_wait().expect("it is ours");
        assert_eq!(status, None, "it ended by itself");
        run(Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string())).succeeded();
        let status = child.wait().expect("it is ours");
        assert_eq!(status.signal(), Some(signal), "{status}");
        assert!(total(&program.folded("p.folded"), "hot") > 10);
        std::fs::remove_file(program.folder.path().join("p.folded")).unwrap();
        assert_eq!(program.folder.names(), ["split.so", "split.wasm"]);
    }
    // One that is ignored stays so.
    let wasmrun = support::wasmrun();
    let wasmrun = wasmrun.get_program().to_str().expect("UTF-8");
    let script = format!(
        "trap '' INT; {wasmrun} --profile p.folded split.so split 60 & kill -INT $!; wait $!"
    );
    let mut bash = Command::new("bash");
    run(bash.current_dir(program.folder.path()).args(["-c", &script])).succeeded();
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let program = Program::new(OptLevel::O0);
    let refused = |file: &str, options: &[&str], code: i32, words: &[&str]| {
        program.profile(file, options, &["split", "0"]).failed(code, words);
    };
    let known = [".json", "Firefox Profiler", ".folded or .txt", "folded stacks"];
    refused("p.svg", &[], 2, &known);
    refused("profile", &[], 2, &known);
    for rate in ["0", "10001", "-1", "fast"] {
        let option = format!("--profile-rate={rate}");
        refused("p.json", &[&option], 2, &[rate, "--profile-rate <HZ>"]);
    }
    refused("missing/p.json", &[], 1, &["cannot write `missing/p.json`", "no such directory"]);
    std::os::unix::fs::symlink("/dev/full", program.folder.path().join("full.json")).unwrap();
    refused("full.json", &[], 1, &["cannot write `full.json`: No space left on device"]);
    // A file that may not grow, in place of an older one. The program's own exit
    // code counts more.
    program.folder.file("old.json", "old");
    let wasmrun = support::wasmrun();
    let wasmrun = wasmrun.get_program().to_str().expect("UTF-8");
    for (how, code) in [("split", 1), ("exit", 7)] {
        let script = format!(
            "trap '' XFSZ; ulimit -f 0; exec {wasmrun} --profile old.json split.so {how} 0"
        );
        let mut bash = Command::new("bash");
        run(bash.current_dir(program.folder.path()).args(["-c", &script]))
            .failed(code, &["cannot write `old.json`: File too large"]);
    }
    assert_eq!(program.folder.read("old.json"), b"old");
    assert_eq!(program.folder.names(), ["full.json", "old.json", "split.so", "split.wasm"]);
}
