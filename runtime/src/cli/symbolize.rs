//! `wasmrun symbolize`: tells what the addresses and offsets in a text mean.

mod core;
mod shape;

use super::options::TraceOption;
use super::output;
use anyhow::{Context, Result};
use clap::Parser;
use shape::{Place, Shape};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use wasmrun::Module;
use wasmrun::trace::Frame;

/// Tell which functions, wasm offsets and source lines the addresses in a text
/// mean
///
/// Every line is printed as it is; what is known of the place that it names
/// follows it. A line names a place in one of these ways, the first that fits:
///
///   wasm-function[5]:0x238  offset in the wasm file, as browsers write it
///   lib.so+0x1c38           address in the shared object
///   lib.wasm:568            offset in the wasm file, in decimal, as gdb, perf
///                           and addr2line print it (it is the line number)
///   lib.wasm+0x238          the same in hexadecimal
///   #03: 0x0238 ...         offset in the wasm file, as traces have it
///   0x1c38                  alone on a line: address in the shared object
///
/// Names of files must be those of this module, and offsets must lie in the
/// function that the line names, if it does: lines about other modules are left
/// alone. An address is that of an instruction, as for addr2line; of a return
/// address, give the address before.
///
/// With --core, prints the wasm stacks of all threads of a process that crashed.
/// Its modules are taken from where they were; name those that have moved. With
/// --coredump, also makes a WebAssembly core dump of it.
#[derive(Debug, Parser)]
#[command(name = "wasmrun symbolize", max_term_width = 80, verbatim_doc_comment)]
struct Options {
    /// The shared object
    #[arg(value_name = "LIB.SO", required_unless_present = "core")]
    module: Option<PathBuf>,

    /// Lines, or names of files with lines; standard input if there are none
    #[arg(value_name = "INPUT", allow_hyphen_values = true)]
    inputs: Vec<OsString>,

    /// Take source positions from this file
    #[arg(long, value_name = "FILE.WASM")]
    debug_file: Option<PathBuf>,

    /// A native core dump of a process that ran wasm
    #[arg(long, value_name = "FILE")]
    core: Option<PathBuf>,

    /// Write the wasm stacks, memories and globals of the process to a WebAssembly
    /// core dump
    #[arg(long, value_name = "FILE", requires = "core")]
    coredump: Option<PathBuf>,

    #[command(flatten)]
    trace: TraceOption,
}

/// The arguments of `symbolize`, if that is asked for: by its name alone, so
/// that a file of this name can be run as `./symbolize`.
pub fn asked_for(args: &[OsString]) -> Option<&[OsString]> {
    let (first, rest) = args.split_first()?;
    (first == "symbolize").then_some(rest)
}

/// Does what `args` say.
pub fn run(args: &[OsString], debug_file: Option<&Path>) -> Result<()> {
    let name = OsStr::new("wasmrun symbolize").to_owned();
    let options = Options::parse_from([name].iter().chain(args));
    let debug_file = options.debug_file.as_deref().or(debug_file);
    if let Some(core) = &options.core {
        let others = options.inputs.iter().map(PathBuf::from);
        let modules: Vec<PathBuf> = options.module.into_iter().chain(others).collect();
        let dump = core::open(core, &modules, debug_file)?;
        core::print(&dump, options.trace.format.into())?;
        return options.coredump.map_or(Ok(()), |path| core::convert(&dump, &path));
    }
    let path = options.module.expect("required by the parser");
    let module = Module::load(path)?;
    if let Some(file) = debug_file {
        module.use_debug_file(file)?;
    }
    let mut annotator = Annotator::new(&module, io::stdout().lock());
    match annotate(&options.inputs, &mut annotator) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot symbolize"),
    }
}

fn annotate(inputs: &[OsString], annotator: &mut Annotator<impl Write>) -> io::Result<()> {
    if inputs.is_empty() {
        if io::stdin().is_terminal() {
            output::hint("reading lines from the terminal; end with Ctrl-D");
        }
        return annotator.text(io::stdin().lock());
    }
    for input in inputs {
        let text = input.to_string_lossy();
        if annotator.shape(&text).is_some() {
            annotator.line(text.as_bytes())?;
        } else {
            match input.to_str() {
                Some("-") => annotator.text(io::stdin().lock())?,
                _ if Path::new(input).is_file() => {
                    annotator.text(BufReader::new(File::open(input)?))?;
                }
                _ => annotator.line(text.as_bytes())?,
            }
        }
    }
    annotator.flush()
}

/// Copies lines, with what is known of the places that they name.
struct Annotator<'a, W> {
    module: &'a Module,
    so_name: String,
    output: W,
    /// After a frame of a trace: what is to follow, unless the trace has it.
    pending: Option<Vec<String>>,
}

impl<'a, W: Write> Annotator<'a, W> {
    fn new(module: &'a Module, output: W) -> Self {
        let so_name = module.path().file_name().unwrap_or_default().to_string_lossy().into();
        Annotator { module, so_name, output, pending: None }
    }

    fn shape(&self, line: &str) -> Option<Shape> {
        shape::find(line, &self.so_name, self.module.wasm_file_name())
    }

    fn text(&mut self, mut text: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while text.read_until(b'\n', &mut line)? > 0 {
            self.line(line.strip_suffix(b"\n").unwrap_or(&line))?;
            line.clear();
        }
        self.flush()
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(line);
        let shape = self.shape(text.trim_end());
        let of_frame = self.pending.is_some();
        if of_frame && text.starts_with(shape::SOURCE) {
            // The trace has sources.
            self.pending = Some(Vec::new());
        }
        let details = of_frame && text.starts_with(' ') && shape.is_some();
        if !details {
            self.flush()?;
        }
        self.output.write_all(line)?;
        let Some(Shape { place, is_frame }) = shape.filter(|_| !details) else {
            return writeln!(self.output);
        };
        let frames = self.frames(place);
        match frames.as_slice() {
            [frame] if is_frame => self.frame(&text, frame),
            frames => {
                writeln!(self.output)?;
                for frame in frames {
                    writeln!(self.output, "     {}", frame.title())?;
                    for line in frame.source_lines() {
                        writeln!(self.output, "{line}")?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Ends the line of a trace's frame.
    fn frame(&mut self, line: &str, frame: &Frame) -> io::Result<()> {
        let title = frame.title();
        let (_, name) = title.split_once(" - ").unwrap_or_default();
        match line.trim_end().split_once(" - ") {
            None => write!(self.output, " - {name}")?,
            // Another module's.
            Some((_, own)) if !own.contains(name) => return writeln!(self.output),
            Some(_) => {}
        }
        self.pending = Some(frame.source_lines());
        writeln!(self.output)
    }

    /// Ends the frame of a trace.
    fn flush(&mut self) -> io::Result<()> {
        let mut pending = self.pending.take().into_iter().flatten();
        pending.try_for_each(|line| writeln!(self.output, "{line}"))?;
        self.output.flush()
    }

    /// What is at a place; nothing if it is not in this module.
    fn frames(&self, place: Place) -> Vec<Frame<'static>> {
        let (offset, function) = match place {
            Place::Native(address) => {
                let frames = self.module.frames_at(address);
                return frames.iter().map(|frame| Frame::from(frame).into_owned()).collect();
            }
            Place::Wasm { offset, function } => (offset, function),
        };
        let found = self.module.function_at_offset(offset);
        let Some(index) = found.filter(|index| function.is_none_or(|named| named == *index)) else {
            return Vec::new();
        };
        vec![Frame {
            function: Some(index),
            name: self.module.function_name(index).map(|name| name.to_owned().into()),
            offset: Some(offset),
            source: self.module.source_at(offset),
            ..Frame::default()
        }]
    }
}
