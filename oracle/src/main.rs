//! The oracle's command line.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use wasm2so::options::OptLevel;
use wasm2so_oracle::report::Report;
use wasm2so_oracle::{cases, inject, kinds, smith};

/// Judges the traces of compiled modules by what the modules themselves record.
#[derive(Parser)]
struct Arguments {
    /// Where cases come from; all sources, if not given.
    #[arg(long, value_enum)]
    source: Vec<Source>,
    /// Modules of `smith`, or sites of each program of `inject`.
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// First module of `smith`.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What random choices are made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Optimisation levels; all three, if not given.
    #[arg(long, value_parser = level)]
    opt: Vec<OptLevel>,
    /// Programs of `inject`; all, if not given.
    #[arg(long)]
    program: Vec<String>,
    /// Where the programs are.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/programs"))]
    programs: PathBuf,
    /// Where to write what is wrong.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/oracle"))]
    output: PathBuf,
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
}

fn level(text: &str) -> Result<OptLevel, String> {
    match text {
        "0" => Ok(OptLevel::O0),
        "1" => Ok(OptLevel::O1),
        "2" => Ok(OptLevel::O2),
        "3" => Ok(OptLevel::O3),
        _ => Err("a level is 0, 1, 2 or 3".to_owned()),
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let levels = match arguments.opt.as_slice() {
        [] => &[OptLevel::O3, OptLevel::O2, OptLevel::O0],
        levels => levels,
    };
    let sources = match arguments.source.as_slice() {
        [] => &[Source::Cases, Source::Kinds, Source::Smith, Source::Inject],
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
        arguments.run(source, program, levels, &mut report)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{source:?} {program} at {levels:?}: {report}  {seconds:.1} s");
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
        levels: &[OptLevel],
        report: &mut Report,
    ) -> Result<()> {
        match source {
            Source::Cases => cases::run(CASES.as_ref(), levels, report),
            Source::Kinds => kinds::run(levels, report),
            Source::Smith => smith::run(self.seed, self.first, self.count, levels, report),
            Source::Inject => {
                inject::run(&self.programs, program, self.seed, self.count, levels, report)
            }
        }
    }
}
