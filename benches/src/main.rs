//! `wasm2so-bench`: how fast compiled programs are, beside native builds of the
//! same sources and other engines.
//!
//! The time of a run is the CPU time, user and system, of its whole process: it
//! does not count what else the machine did meanwhile. Of several rounds the
//! least counts, as these programs do the same in each, and whatever disturbs
//! them only adds. Everything runs once in each round, so that a slow minute of
//! the machine hits all alike.

mod engines;
mod growth;
mod measure;
mod plot;
mod programs;
mod report;
mod suite;

use anyhow::{Context, Result};
use clap::Parser;
use engines::{Engine, Installed};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures real programs and kernels beside native code and other engines.
#[derive(Parser)]
struct Arguments {
    /// Measure only the programs whose name contains this; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How often everything runs; the least time counts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Engines to measure; all, if not given.
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    engines: Vec<Engine>,
    /// Only kernels, tiny, one round: shows that everything works, and no more.
    #[arg(long)]
    quick: bool,
    /// Instead, compile the code of a program again and again in one module, of 1,
    /// 10 and 70 MB: tells how time and memory grow.
    #[arg(long)]
    growth: bool,
    /// Where to write the report.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    output: PathBuf,
}

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let rounds = if arguments.quick { 1 } else { arguments.rounds };
    let output = &arguments.output;
    fs::create_dir_all(output)
        .with_context(|| format!("cannot make the folder {}", output.display()))?;

    let wanted = match arguments.engines.as_slice() {
        [] => Engine::ALL,
        engines => engines,
    };
    let mut engines: Vec<Installed> = Vec::new();
    let mut absent = Vec::new();
    for &engine in wanted {
        match engine.find() {
            Ok(installed) => engines.push(installed),
            Err(missing) => absent.push(missing),
        }
    }
    for missing in &absent {
        eprintln!("absent: {missing}");
    }

    if arguments.growth {
        let programs = programs::build(output, &["quickjs".to_owned()], false)?;
        let (_, wasm) = &programs[0].modules[0];
        let table = growth::measure(wasm, &engines, output)?;
        println!("\n{table}");
        return Ok(ExitCode::SUCCESS);
    }
    let programs = programs::build(output, &arguments.only, arguments.quick)?;
    let mut rows = Vec::new();
    for program in &programs {
        let new = suite::measure(program, &engines, rounds)?;
        new.iter().for_each(|row| println!("{row}"));
        rows.extend(new);
    }

    let report = report::Report { rows: &rows, engines: &engines, absent: &absent, rounds };
    let (table, picture) = (output.join("report.md"), output.join("report.svg"));
    let write = |path: &PathBuf, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(&table, report.to_string())?;
    write(&picture, plot::Plot { rows: &rows, engines: &engines }.to_string())?;
    println!("\n{report}\nwritten: {} and {}", table.display(), picture.display());

    // Others may well lack what a program needs; this engine may not.
    let failed =
        rows.iter().any(|row| row.outcome(Engine::Wasm2so).is_some_and(|time| time.is_err()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
