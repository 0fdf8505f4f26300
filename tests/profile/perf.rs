//! perf, as Debian has it.

use super::{Program, ROUNDS, assert_split, support};
use std::path::Path;
use std::process::Output;
use support::truth::Truth;
use wasm2so::options::OptLevel;

/// Runs perf in a directory.
fn perf(directory: &Path, args: &[&str]) -> String {
    let mut perf = support::tool("perf");
    perf.current_dir(directory).env("HOME", directory).args(args);
    let Output { status, stdout, stderr } = perf.output().expect("perf runs");
    let (text, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{text}\n{errors}");
    let forbidden = ["perf_event_paranoid", "No permission", "Permission denied"];
    assert!(
        !forbidden.iter().any(|message| errors.contains(message)) || status.success(),
        "perf may not sample programs here (perf_event_open is not permitted), so this cannot be \
         tested: run the tests where it may, such as in a container with --cap-add=PERFMON, and \
         with kernel.perf_event_paranoid at most 2\n{errors}"
    );
    assert!(status.success(), "perf {args:?} failed: {errors}");
    text.into_owned()
}

#[test]
fn it_names_functions_and_lines() {
    let program = Program::new(OptLevel::O3);
    let directory = program.folder.path();
    let wasmrun = support::wasmrun();
    let wasmrun = wasmrun.get_program().to_str().expect("UTF-8");
    let record = ["record", "-q", "-e", "cpu-clock:u", "-F", "997", "-g", "-o", "data", "--"];
    perf(directory, &[&record[..], &[wasmrun, "split.so", "split", ROUNDS]].concat());
    let report = ["report", "--stdio", "-i", "data", "-F", "sample,sym", "-w", "0,0"];
    let flat = perf(directory, &[&report[..], &["--no-children", "-g", "none"]].concat());
    let truth = Truth::of(&program.wasm);
    let samples = |name: &str| -> u64 {
        let symbol = format!("] wasm[{}]::{name}", truth.named(name).index);
        let line = flat.lines().find(|line| line.trim_end().ends_with(&symbol));
        let line = line.unwrap_or_else(|| panic!("no `{symbol}`"));
        line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number of samples")
    };
    assert_split(samples("hot"), samples("cold"));
    // From frame pointers, through wasm to the host.
    let callers = perf(directory, &[&report[..], &["--no-children", "-g", "caller"]].concat());
    for function in ["::_start.command_export", "wasmrun::activation::switch::enter"] {
        assert!(callers.contains(function), "no caller `{function}`");
    }
    // The lines with most samples are wasm offsets in `hot`.
    let symbol = format!("wasm[{}]::hot", truth.named("hot").index);
    let lines = perf(directory, &["annotate", "--stdio", "-l", "-i", "data", "-s", &symbol]);
    let summary = lines.lines().filter_map(|line| {
        let (percent, place) = line.trim().split_once(" split.wasm:")?;
        Some((percent.trim().parse::<f64>().ok()?, place.parse::<u64>().ok()?))
    });
    let mut count = 0;
    for (percent, offset) in summary {
        let (function, _) = truth.at(offset).unwrap_or_else(|| panic!("no instruction {offset}"));
        assert_eq!(function.name, Some("hot"));
        assert!(percent > 0.0);
        count += 1;
    }
    assert!(count >= 3, "only {count} lines");
}
