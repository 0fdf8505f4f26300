//! The command line: reads options, shows progress and errors, and puts the
//! output in place whole or not at all.

mod args;
mod input;
mod output;
mod progress;

use anstream::eprintln;
use anyhow::{Context, Result, bail};
use args::Args;
use clap::{CommandFactory, Parser};
use input::Source;
use output::Output;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use wasm2so::Summary;
use wasm2so::options::Options;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = Args::parse();
    args.color.write_global();
    init_log(args.verbose);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let style = anstyle_error();
            eprintln!("{style}error:{style:#} {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn anstyle_error() -> clap::builder::styling::Style {
    clap::builder::styling::AnsiColor::Red.on_default().bold()
}

fn init_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("WASM2SO_LOG")
                .unwrap_or_else(|_| level.into()),
        )
        .with_writer(anstream::stderr)
        .without_time()
        .with_target(false)
        .init();
}

fn run(args: &Args) -> Result<()> {
    if let Some(shell) = args.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), "wasm2so", &mut script);
        return output::print(&script);
    }
    if args.man {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        return output::print(&page);
    }
    let started = Instant::now();
    let input = args.input.as_deref().context("no input file")?;
    let options = args.options();
    let target = args.output_path(&options)?;
    let source = Source::read(input)?;
    if input.canonicalize().is_ok_and(|input| target.canonicalize().is_ok_and(|t| t == input)) {
        bail!("{} would be overwritten; give another file with -o", input.display());
    }
    let summary = compile(&source, &target, &options)
        .with_context(|| format!("cannot compile {}", input.display()))?;
    if args.verbose > 0 {
        eprintln!(
            "{}: functions {}, shards {}, memory accesses {} (stamped {}), calls {}, {:.2} s",
            target.display(),
            summary.functions,
            summary.shards,
            summary.stamps.accesses,
            summary.stamps.stamped,
            summary.stamps.calls,
            started.elapsed().as_secs_f64(),
        );
    }
    if summary.stamps.violations > 0 {
        bail!(
            "{} sites have no exact location, which is a bug in wasm2so; the file was written, but \
             its traces are not exact there (-v names the sites)",
            summary.stamps.violations
        );
    }
    Ok(())
}

fn compile(source: &Source, target: &Path, options: &Options) -> Result<Summary> {
    let wasm = source.to_wasm()?;
    let output = Output::create(target)?;
    let progress = progress::Bar::new(wasm.len());
    let summary = wasm2so::compile(&wasm, &source.name, output.path(), options, &progress)?;
    progress.finish();
    output.keep()?;
    Ok(summary)
}
