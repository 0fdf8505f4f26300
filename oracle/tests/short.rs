//! The oracle on what takes seconds: what was once wrong, every kind of trap,
//! and some random modules. Real programs and long runs: `cargo run -p
//! wasm2so-oracle -- --help`.

use std::path::Path;
use wasm2so_oracle::locals::Locals;
use wasm2so_oracle::report::Report;
use wasm2so_oracle::subject::Build;
use wasm2so_oracle::{cases, kinds, loops, smith};

/// The report of what `run` judges; nothing may be wrong.
fn report(name: &str, run: impl FnOnce(&mut Report) -> anyhow::Result<()>) -> Report {
    let mut report = Report::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle"));
    run(&mut report).unwrap_or_else(|e| panic!("{name}: {e:#}"));
    println!("{name}: {report}");
    let shown = report.wrong.len().min(5);
    assert!(report.wrong.is_empty(), "{name}\n{}", report.wrong[..shown].join("\n"));
    report
}

#[test]
fn what_was_once_wrong() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let report = report("cases", |report| cases::run(&folder, &Build::all(), report));
    assert!(report.traps() > 0);
}

#[test]
fn every_kind() {
    let report = report("kinds", |report| kinds::run(&Build::all()[..1], report));
    assert!(report.exact.len() >= 9, "a kind of trap does not occur: {:?}", report.exact);
}

#[test]
fn random_modules() {
    let report = report("smith", |report| smith::run(1, 0, 60, &Build::all(), report));
    let deep: usize = report.depths.range(3..).map(|(_, count)| count).sum();
    assert!(report.traps() > 300 && deep > 100, "{report}");
}

#[test]
fn random_loops() {
    let builds = &Build::all()[..2];
    let report = report("loops", |report| loops::run(1, 0, 40, builds, report));
    assert!(report.traps() > 10_000, "{report}");
}

/// Beside those of all else that is judged here.
#[test]
fn locals_are_right_or_missing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let report = report("locals", |report| {
        report.locals = Some(Locals::default());
        cases::run(&folder, &Build::all()[..1], report)?;
        smith::run(1, 0, 5, &Build::all()[..1], report)?;
        // Blocks that only tell of a local, which are removed.
        smith::run(1, 28, 1, &Build::all()[..1], report)?;
        loops::run(1, 1, 2, &Build::all()[..1], report)
    });
    let Locals { all, kept, known } = report.locals.expect("compared");
    assert!(known > 2500 && known < kept && kept < all, "{report}");
}
