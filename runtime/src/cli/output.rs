//! What `wasmrun` itself prints: results on standard output, everything else on
//! standard error. A reader that went away is no reason to fail.

use anstream::ColorChoice;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;
use tracing_subscriber::EnvFilter;
use wasmrun::trace::{Format, Trace};

/// Decides on colours and on what is told, for the whole program.
pub fn set_up(color: clap::ColorChoice, verbose: u8) {
    let color = match color {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    };
    color.write_global();
    let filter = match verbose {
        0 => "warn",
        1 => "warn,wasmrun=debug",
        _ => "warn,wasmrun=trace,wiggle=trace,wasi_common=trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(anstream::stderr)
        .with_target(false)
        .without_time()
        .init();
}

/// Prints what was asked for.
pub fn print(bytes: &[u8]) -> Result<()> {
    write_all(std::io::stdout().lock(), bytes)
}

/// The same, with its colours if there can be any.
pub fn print_styled(text: &str) -> Result<()> {
    write_all(anstream::stdout().lock(), text.as_bytes())
}

fn write_all(mut stdout: impl Write, bytes: &[u8]) -> Result<()> {
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Says why values are missing from the wasm core dump at `path`.
pub fn missing_locals(path: &Path, modules: &[PathBuf]) {
    for module in modules {
        let (module, path) = (module.display(), path.display());
        hint(&format!(
            "{path} has no values of locals in {module}: `wasm2so --debug=full` lets it have those \
             that still exist, `-Og` all"
        ));
    }
}

/// Writes a file, all of it or none: what was there before stays if that fails.
pub fn file(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    let result = if is_special {
        // A device or a pipe, say.
        File::options().write(true).open(path).and_then(|mut file| write(&mut file))
    } else {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}", process::id()));
        let temporary = path.with_file_name(name);
        let result = File::create(&temporary)
            .and_then(|mut file| write(&mut file))
            .and_then(|()| fs::rename(&temporary, path));
        result.inspect_err(|_| drop(fs::remove_file(&temporary)))
    };
    result.with_context(|| format!("cannot write `{}`", path.display()))
}

/// Prints a trap or a host function's error, and where it was.
pub fn trace(trace: &Trace, format: Format) {
    write(trace.display(format, true));
}

/// Prints an error and what caused it.
pub fn error(error: &anyhow::Error) {
    let mut text = format!("{error}");
    for cause in error.chain().skip(1).map(|cause| cause.to_string()) {
        // Many messages include their cause already.
        if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    write(format_args!("\x1b[1;31merror:\x1b[0m {text}\n"));
}

/// Tells what is going on.
pub fn hint(text: &str) {
    write(format_args!("{text}\n"));
}

fn write(text: impl Display) {
    // There is nowhere to report that reporting failed.
    let _ = anstream::stderr().lock().write_all(text.to_string().as_bytes());
}
