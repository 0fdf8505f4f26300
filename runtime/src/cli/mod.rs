//! The `wasmrun` program: from a command line to an exit code. Everything it
//! can do, the library can; nothing here may know how.

mod options;
mod output;
mod profile;
mod running;
mod signals;
mod symbolize;
mod values;
mod watch;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use options::Options;
use profile::Profiling;
use running::Stop;
use wasmrun::trace::{Format, Trace};
use wasmrun::{Value, WasmCoreDump};

/// Exit code after a trap: that of a process ended by `abort`.
const TRAPPED: i32 = 134;
/// Exit code when the program was never to blame.
const FAILED: i32 = 1;
/// Exit code for a command line that cannot be followed.
const USAGE: i32 = 2;

/// The command line asks for something the module does not have.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

/// Does what the command line says, and returns the exit code.
pub fn main() -> i32 {
    let options = Options::parse();
    output::set_up(options.color, options.verbose);
    match act(&options) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            if error.is::<UsageError>() { USAGE } else { FAILED }
        }
    }
}

fn act(options: &Options) -> Result<i32> {
    if let Some(shell) = options.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Options::command(), "wasmrun", &mut script);
        output::print(&script)?;
        return Ok(0);
    }
    if options.man {
        let mut page = Vec::new();
        clap_mangen::Man::new(Options::command()).render(&mut page)?;
        output::print(&page)?;
        return Ok(0);
    }
    if let Some(rest) = symbolize::asked_for(&options.module_and_args) {
        return symbolize::run(rest, options.debug_file.as_deref()).map(|()| 0);
    }
    let format = options.trace.format.into();
    if let Some(signal) = options.trace_on {
        watch::start(signal, format)?;
    }
    let profiling = (options.profile.as_ref())
        .map(|file| Profiling::start(file, options.profile_rate, options.trace_on))
        .transpose()?;
    let (mut dumped, mut without_locals) = (Ok(()), Vec::new());
    let result = running::run(options, |trap, store| {
        if let Some(path) = &options.coredump {
            let dump = WasmCoreDump::of_trap(trap, store);
            dumped = output::file(path, |file| dump.write(file));
            without_locals = dump.without_locals();
        }
    });
    let profiled = profiling.map_or(Ok(()), |profiling| profiling.finish());
    let code = tell(result, format);
    if let (Some(path), Ok(())) = (&options.coredump, &dumped) {
        output::missing_locals(path, &without_locals);
    }
    let mut failed = false;
    for error in [profiled, dumped].into_iter().filter_map(Result::err) {
        output::error(&error);
        failed = true;
    }
    code.map(|code| if failed && code == 0 { FAILED } else { code })
}

/// Prints how the program ended; returns the exit code.
fn tell(result: Result<Vec<Value>, Stop>, format: Format) -> Result<i32> {
    match result {
        Ok(results) => {
            let lines: String = results.iter().map(|value| values::show(value) + "\n").collect();
            output::print(lines.as_bytes())?;
            Ok(0)
        }
        Err(Stop::Exit(code)) => Ok(code),
        Err(Stop::Trap(trap)) => {
            output::trace(&Trace::from(&trap), format);
            Ok(TRAPPED)
        }
        Err(Stop::Wasi(error)) => {
            output::trace(&Trace::of_error(error.to_string(), &error.stack), format);
            Ok(FAILED)
        }
        Err(Stop::Error(error)) => Err(error),
    }
}
