//! The oracle's command line.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use wasm2so::options::OptLevel;
use wasm2so_oracle::report::Report;
use wasm2so_oracle::smith;

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
    /// Where to write what is wrong.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/oracle"))]
    output: PathBuf,
    /// Go on after the first mistake.
    #[arg(long)]
    keep_going: bool,
}

/// A source of cases.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Source {
    Smith,
    Inject,
    Kinds,
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
    let start = Instant::now();
    let mut report = Report::new(&arguments.output);
    smith::run(arguments.seed, arguments.first, arguments.count, levels, &mut report)?;
    println!("{levels:?}: {report}{:.1} s", start.elapsed().as_secs_f64());
    for wrong in report.wrong.iter().take(3) {
        println!("\n{wrong}");
    }
    Ok(if report.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
