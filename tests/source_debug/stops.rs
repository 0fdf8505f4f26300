//! Where gdb stops in a program and what variables are there, and how far two
//! programs agree.

use super::{file, support};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use support::process::{Folder, run};

/// A program to be debugged.
pub struct Program {
    /// The file.
    pub source: &'static str,
    /// The function at whose calls optimised programs are compared.
    pub probe: &'static str,
    /// Stops at lines are chosen among the first so many.
    pub arrivals: usize,
    /// Commands for gdb that come with the compiler, or are helped by what does; and
    /// something that each says.
    pub session: &'static [(&'static str, &'static str)],
}

/// Where to stop.
#[derive(Clone, Copy)]
pub enum At {
    /// So many times at lines with statements, chosen at random.
    Lines(usize),
    /// At all calls of the probe.
    Probes,
}

/// A stop.
pub struct Stop {
    /// The functions that are active, with lines.
    frames: String,
    /// Values, of parts that have no parts; `?` is one that is not known.
    values: BTreeMap<String, String>,
}

/// Where gdb stops in `command`, and what variables are there.
pub fn stops(folder: &Folder, program: &Program, at: At, command: &[&Path]) -> Vec<Stop> {
    let text = std::fs::read_to_string(file(program.source)).expect("the source is there");
    let code = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("static "));
    // No members: gdb would go on to the line that sets them.
    let statements = code.filter(|(_, line)| {
        let acts = line.contains(['(', '=', '+', '-']) || line.contains("return ");
        line.starts_with("    ") && line.ends_with(';') && acts
    });
    let lines: Vec<String> = statements.map(|(place, _)| (place + 1).to_string()).collect();
    let mut gdb = gdb();
    gdb.arg("-x").arg(file("stops.py")).arg("--args").args(command);
    gdb.env("STOPS_FILE", program.source).env("STOPS_PROBE", program.probe);
    if let At::Lines(count) = at {
        gdb.env("STOPS", count.to_string()).env("STOPS_LINES", lines.join(","));
        gdb.env("STOPS_ARRIVALS", program.arrivals.to_string());
    }
    let output = gdb.current_dir(folder.path()).output().expect("gdb runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let stops: Vec<Stop> =
        text.lines().filter_map(|line| line.strip_prefix("STOP ")).map(Stop::read).collect();
    assert!(stops.len() > 30, "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    stops
}

fn gdb() -> Command {
    let mut gdb = support::tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    gdb.args(["-ex", "set disable-randomization off", "-ex", "set breakpoint pending on"]);
    gdb.args(["-ex", "set confirm off"]);
    gdb
}

/// Has gdb run the program's session.
pub fn session(folder: &Folder, program: &Program, so: &Path) {
    let commands: Vec<&str> = program.session.iter().map(|(command, _)| *command).collect();
    let wasmrun = support::wasmrun();
    let all = says(folder, &[Path::new(wasmrun.get_program()), so], &commands);
    for ((command, expected), said) in program.session.iter().zip(&all) {
        assert!(said.contains(expected), "{command} says {said:?}, not {expected:?}: {all:#?}");
    }
}

/// What gdb, with our commands, says to each command about a program.
pub fn says(folder: &Folder, program: &[&Path], commands: &[&str]) -> Vec<String> {
    let mut gdb = gdb();
    gdb.arg("-x").arg(folder.file("commands.py", wasm2so::debuggers::GDB));
    for command in commands {
        gdb.args(["-ex", "echo \\nSAYS", "-ex", command]);
    }
    gdb.args(["-ex", "echo \\nSAYS"]);
    // Errors among what is printed.
    let (mut output, both) = std::io::pipe().expect("a pipe");
    gdb.stdout(both.try_clone().expect("a pipe")).stderr(both);
    let mut running = gdb.arg("--args").args(program).spawn().expect("gdb runs");
    drop(gdb);
    let mut all = Vec::new();
    output.read_to_end(&mut all).expect("gdb's output can be read");
    running.wait().expect("gdb ends");
    let all = String::from_utf8_lossy(&all);
    let said: Vec<String> = all.split("\nSAYS").skip(1).map(str::to_owned).collect();
    assert!(said.len() == commands.len() + 1, "gdb ended early: {all}");
    said
}

impl Stop {
    fn read(line: &str) -> Self {
        let mut parts = line.split('\t');
        let frames = parts.next().unwrap_or_default().to_owned();
        let values = parts.filter_map(|part| part.split_once('='));
        Stop { frames, values: values.map(|(k, v)| (k.to_owned(), v.to_owned())).collect() }
    }

    /// The innermost function, and the variable that a part is of; without namespaces.
    fn variable(&self, part: &str) -> (String, String) {
        let last = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
        let function = self.frames.split(" < ").next().unwrap_or_default();
        let function = function.rsplit_once(':').map_or(function, |(function, _)| function);
        (last(function), last(part.split(['.', '-', '[']).next().unwrap_or(part)))
    }

    /// Whether it is known that nothing is known of a part.
    fn is_unknown(&self, part: &str) -> bool {
        self.values.iter().any(|(path, value)| value == "?" && part.starts_with(path.as_str()))
    }
}

/// How far a program is in gdb what another one is.
#[derive(Default)]
pub struct Score {
    /// Stops in both.
    pub stops: usize,
    /// Values that are the same.
    pub equal: usize,
    /// Values that gdb does not know, by function and variable.
    pub unknown: BTreeMap<(String, String), usize>,
    /// What is another value, or another place.
    pub wrong: Vec<String>,
}

impl Score {
    /// Of `ours`, beside what is `expected`.
    pub fn of(expected: &[Stop], ours: &[Stop]) -> Self {
        let mut score = Score::default();
        if expected.len() != ours.len() {
            score.wrong.push(format!("{} stops, not {}", ours.len(), expected.len()));
        }
        for (expected, ours) in expected.iter().zip(ours) {
            score.stops += 1;
            if expected.frames != ours.frames {
                score.wrong.push(format!("at {}, not {}", ours.frames, expected.frames));
                continue;
            }
            for (part, value) in expected.values.iter().filter(|(_, value)| *value != "?") {
                match ours.values.get(part) {
                    Some(same) if same == value => score.equal += 1,
                    Some(other) if other != "?" => {
                        let at = &ours.frames;
                        score.wrong.push(format!("{at}: {part} is {other}, not {value}"));
                    }
                    _ => *score.unknown.entry(expected.variable(part)).or_default() += 1,
                }
            }
            // Of what is behind another pointer, say.
            let more = ours.values.iter().filter(|(part, value)| {
                *value != "?" && !expected.values.contains_key(*part) && !expected.is_unknown(part)
            });
            score.wrong.extend(more.map(|(part, _)| format!("{}: there is {part}", ours.frames)));
        }
        score
    }

    /// How many values gdb does not know.
    pub fn unknown(&self) -> usize {
        self.unknown.values().sum()
    }
}

/// Whether a wasm file's DWARF says where a variable of a function is.
pub fn is_told(wasm: &Path, function: &str, variable: &str) -> bool {
    let mut dump = support::tool("llvm-dwarfdump-22");
    let dump = run(dump.arg("-c").arg(format!("--name={function}")).arg(wasm)).succeeded();
    let name = format!("DW_AT_name\t(\"{variable}\")");
    let mut entries = dump.text().split("\n\n").filter(|entry| entry.contains(&name)).peekable();
    assert!(entries.peek().is_some(), "{function} has no {variable}");
    entries.any(|entry| entry.contains("DW_AT_location"))
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Score { stops, equal, wrong, .. } = self;
        let unknown = self.unknown();
        write!(f, "{stops} stops, {equal} values equal, {unknown} unknown, {} wrong", wrong.len())
    }
}
