//! The oracle's command line.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use wasm2so_oracle::report::Report;
use wasm2so_oracle::subject::Build;
use wasm2so_oracle::{cases, inject, kinds, loops, smith};

/// Judges the traces of compiled modules by what the modules themselves record.
#[derive(Parser)]
struct Arguments {
    /// Where cases come from; all sources, if not given.
    #[arg(long, value_enum)]
    source: Vec<Source>,
    /// Modules of `smith` or `loops`, or sites of each program of `inject`.
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// First module of `smith` or `loops`.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What random choices are made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How to compile, LEVEL or LEVEL@CPU; 3, 3@x86-64-v2, 2 and 0, if not given.
    #[arg(long)]
    opt: Vec<Build>,
    /// Programs of `inject`; all, if not given.
    #[arg(long)]
    program: Vec<String>,
    /// Where the programs are.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/programs"))]
    programs: PathBuf,
    /// Where to write what is wrong.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/oracle"))]
    output: PathBuf,
    /// Compare the values of locals, too.
    #[arg(long)]
    locals: bool,
    /// Go on after the first mistake.
    #[arg(long)]
    keep_going: bool,
}

/// Modules that were once wrong.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");

/// A source of cases.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Source {
    Smith,
    Inject,
    Kinds,
    Cases,
    Loops,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let builds = match arguments.opt.as_slice() {
        [] => Build::all(),
        builds => builds.to_vec(),
    };
    let names: Vec<String> = builds.iter().map(Build::to_string).collect();
    let names = names.join(", ");
    let sources = match arguments.source.as_slice() {
        [] => &[Source::Cases, Source::Kinds, Source::Loops, Source::Smith, Source::Inject],
        sources => sources,
    };
    let programs: Vec<&str> = match arguments.program.as_slice() {
        [] => inject::PROGRAMS.to_vec(),
        programs => programs.iter().map(String::as_str).collect(),
    };
    let runs = sources.iter().flat_map(|&source| match source {
        Source::Inject => programs.iter().map(|&program| (source, program)).collect(),
        _ => vec![(source, "")],
    });
    let mut wrong = 0;
    for (source, program) in runs {
        let start = Instant::now();
        let mut report = Report::new(&arguments.output);
        report.locals = arguments.locals.then(Default::default);
        arguments.run(source, program, &builds, &mut report)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{source:?} {program} at {names}: {report}  {seconds:.1} s");
        for text in report.wrong.iter().take(5) {
            println!("\n{text}");
        }
        wrong += report.wrong.len();
        if wrong > 0 && !arguments.keep_going {
            break;
        }
    }
    if wrong == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let again: Vec<String> = std::env::args().skip(1).collect();
    println!("again: cargo run -p wasm2so-oracle -- {}", again.join(" "));
    Ok(ExitCode::FAILURE)
}

impl Arguments {
    fn run(
        &self,
        source: Source,
        program: &str,
        builds: &[Build],
        report: &mut Report,
    ) -> Result<()> {
        match source {
            Source::Cases => cases::run(CASES.as_ref(), builds, report),
            Source::Kinds => kinds::run(builds, report),
            Source::Smith => smith::run(self.seed, self.first, self.count, builds, report),
            Source::Loops => loops::run(self.seed, self.first, self.count, builds, report),
            Source::Inject => {
                inject::run(&self.programs, program, self.seed, self.count, builds, report)
            }
        }
    }
}
