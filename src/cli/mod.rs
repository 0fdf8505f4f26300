//! The command line: reads options, shows progress and errors, and puts the
//! output in place whole or not at all.

mod args;
mod input;
mod output;
mod progress;

use anstream::eprintln;
use anyhow::{Context, Result, bail};
use args::{Args, Debugger};
use clap::{CommandFactory, Parser};
use input::Source;
use output::Output;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use wasm2so::options::{Listing, Options};
use wasm2so::{Summary, debuggers};

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
    if let Some(debugger) = args.debugger_script {
        let script = match debugger {
            Debugger::Gdb => debuggers::GDB,
            Debugger::Lldb => debuggers::LLDB,
        };
        return output::print(script.as_bytes());
    }
    if args.man {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        return output::print(&page);
    }
    let started = Instant::now();
    let input = args.input.as_deref().context("no input file")?;
    let mut options = args.options();
    let target = args.output_path(&options)?;
    let listing = args.listing_path(&target);
    let source = Source::read(input)?;
    for (path, option) in [(Some(&target), "-o "), (listing.as_ref(), "--listing=")] {
        let is_input = |path: &PathBuf| {
            input.canonicalize().is_ok_and(|input| path.canonicalize().is_ok_and(|p| p == input))
        };
        if path.is_some_and(is_input) {
            bail!("{} would be overwritten; give another file with {option}FILE", input.display());
        }
    }
    options.listing = listing.as_deref().map(place_of).transpose()?;
    let summary = compile(&source, &target, listing.as_deref(), &options)
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

/// Where debuggers find the listing at `path`.
fn place_of(path: &Path) -> Result<Listing> {
    let path = std::path::absolute(path)?;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("{} is no file that a listing can be written to", path.display());
    };
    let text = |part: &OsStr| part.to_string_lossy().into_owned();
    Ok(Listing { directory: text(directory.as_os_str()), name: text(name) })
}

fn compile(
    source: &Source,
    target: &Path,
    listing: Option<&Path>,
    options: &Options,
) -> Result<Summary> {
    let wasm = source.to_wasm()?;
    let output = Output::create(target)?;
    let listing = listing.map(Output::create).transpose()?;
    let progress = progress::Bar::new(wasm.len());
    let summary = wasm2so::compile(&wasm, &source.name, output.path(), options, &progress)?;
    if let Some(listing) = listing {
        let text = wasm2so::emit::listing::text(&wasm)?;
        let path = listing.path();
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        listing.keep()?;
    }
    progress.finish();
    output.keep()?;
    Ok(summary)
}
