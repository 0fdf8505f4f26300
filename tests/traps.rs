//! Every kind of trap in every situation, at every level: the kind, the depth,
//! and of each frame the function and the offset, which are looked up in the
//! wasm itself; and what the host sees of the instance afterwards.

#[path = "traps/check.rs"]
mod check;
#[path = "traps/forwarding.rs"]
mod forwarding;
#[path = "traps/kinds.rs"]
mod kinds;
#[path = "traps/overflow.rs"]
mod overflow;
#[path = "traps/situations.rs"]
mod situations;
#[path = "traps/special.rs"]
mod special;
mod support;
#[path = "traps/transcript.rs"]
mod transcript;
#[path = "traps/vectors.rs"]
mod vectors;

use check::Report;
use wasm2so::options::OptLevel;

const LEVELS: [OptLevel; 5] =
    [OptLevel::O0, OptLevel::Og, OptLevel::O1, OptLevel::O2, OptLevel::O3];

/// Every kind in every situation.
fn exact_at(level: OptLevel) {
    let kinds = kinds::all();
    let mut report = Report::default();
    for kind in &kinds {
        for tail_calls in [false, true] {
            check::check(kind, level, tail_calls, &mut report);
        }
    }
    let Report { modules, traps, frames, failures } = report;
    println!("{level:?}: {} kinds, {modules} modules, {traps} traps, {frames} frames", kinds.len());
    let shown = failures.len().min(20);
    assert!(
        failures.is_empty(),
        "{} failures, of which {shown}:\n\n{}",
        failures.len(),
        failures[..shown].join("\n\n")
    );
}

#[test]
fn every_trap_is_exact_at_o0() {
    exact_at(OptLevel::O0);
}

#[test]
fn every_trap_is_exact_at_og() {
    exact_at(OptLevel::Og);
}

#[test]
fn every_trap_is_exact_at_o1() {
    exact_at(OptLevel::O1);
}

#[test]
fn every_trap_is_exact_at_o2() {
    exact_at(OptLevel::O2);
}

#[test]
fn every_trap_is_exact_at_o3() {
    exact_at(OptLevel::O3);
}
