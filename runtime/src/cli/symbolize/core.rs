//! `wasmrun symbolize --core`: the wasm stacks of a process that crashed.

use crate::cli::output;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wasmrun::trace::{Format, Trace};
use wasmrun::{CoreDump, CoreThread, Frame, Module};

/// Opens a native core dump, with its modules.
pub fn open(core: &Path, modules: &[PathBuf], debug_file: Option<&Path>) -> Result<CoreDump> {
    let mut dump = CoreDump::open(core)?;
    for path in modules {
        dump.add_module(&Module::load(path)?)?;
    }
    dump.load_modules().context("a module of the core cannot be loaded")?;
    if let Some(file) = debug_file {
        dump.modules().try_for_each(|module| module.use_debug_file(file))?;
    }
    if dump.modules().next().is_none() {
        bail!(
            "{} is of a process that had loaded no module of wasm2so, or it is no longer where it \
             was; say where it is: wasmrun symbolize --core {0} LIB.SO",
            core.display()
        );
    }
    Ok(dump)
}

/// Writes the wasm core dump of it.
pub fn convert(dump: &CoreDump, path: &Path) -> Result<()> {
    let dump = dump.to_wasm();
    output::file(path, |file| dump.write(file))?;
    output::missing_locals(path, &dump.without_locals());
    Ok(())
}

/// Prints the stacks of the threads that were in wasm.
pub fn print(dump: &CoreDump, format: Format) -> Result<()> {
    let mut found = false;
    for thread in dump.threads() {
        let stack = dump.stack(thread);
        if stack.iter().any(|frame| matches!(frame, Frame::Wasm(_))) {
            found = true;
            let trace = Trace::of_stack(title(thread), &stack);
            output::print_styled(&trace.display(format, true).to_string())?;
        }
    }
    if !found {
        output::hint("no thread was in wasm");
    }
    Ok(())
}

/// Which thread, and what happened to it.
fn title(thread: &CoreThread) -> String {
    let signal = thread.signal.map(|signal| format!(", {}", signal_name(signal)));
    format!("thread {}{}", thread.id, signal.unwrap_or_default())
}

fn signal_name(signal: i32) -> String {
    let known = match signal {
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGQUIT => "SIGQUIT",
        _ => return format!("signal {signal}"),
    };
    known.to_owned()
}
