//! The command line: reads options, shows progress and errors, and puts the
//! output in place whole or not at all.

mod args;
mod output;
mod progress;

use anstream::{eprintln, println};
use anyhow::{Context, Result, bail};
use args::Args;
use clap::{CommandFactory, Parser};
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use wasm2so::error::Error;
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
            eprintln!("{style}error{style:#}: {error:#}");
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
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
}

fn run(args: &Args) -> Result<()> {
    if let Some(shell) = args.completions {
        clap_complete::generate(shell, &mut Args::command(), "wasm2so", &mut std::io::stdout());
        return Ok(());
    }
    if args.man {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        std::io::stdout().write_all(&page)?;
        return Ok(());
    }
    let started = Instant::now();
    let input = args.input.as_deref().context("no input file")?;
    let options = args.options();
    let (bytes, file_name) = read(input)?;
    let wasm = wat::Parser::new()
        .parse_bytes(Some(Path::new(&file_name)), &bytes)
        .map_err(|e| Error::Text(e.to_string()))
        .with_context(|| format!("cannot compile {}", input.display()))?;
    let target = args.output_path(&options)?;
    let summary = compile(&wasm, &file_name, &target, &options)
        .with_context(|| format!("cannot compile {}", input.display()))?;
    if args.verbose > 0 {
        println!(
            "{}: {} functions in {} shards, {} memory accesses ({} stamped), {} calls, {:.2} s",
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

fn compile(
    wasm: &[u8],
    file_name: &str,
    target: &Path,
    options: &Options,
) -> Result<wasm2so::Summary> {
    let output = output::Output::create(target)?;
    let progress = progress::Bar::new(wasm.len());
    let summary = wasm2so::compile(wasm, file_name, output.path(), options, &progress)?;
    progress.finish();
    output.keep()?;
    Ok(summary)
}

/// Reads the input and names it as debuggers will.
fn read(input: &Path) -> Result<(Vec<u8>, String)> {
    if input == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok((bytes, "stdin.wasm".to_owned()));
    }
    let bytes = std::fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
    let name = input.file_name().unwrap_or(input.as_os_str()).to_string_lossy().into_owned();
    Ok((bytes, name))
}
