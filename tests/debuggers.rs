//! Sessions of stock gdb and lldb, typed in once and written down: each script in
//! `debuggers/` has a transcript beside it. `BLESS=1` writes the transcripts anew;
//! read what changed.
//!
//! A script's first line says how the program is compiled and invoked.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// `debuggers/program.wat`, compiled, with the scripts' commands at hand.
struct Session {
    directory: TempDir,
    invoke: Vec<String>,
    commands: Vec<String>,
}

impl Session {
    fn new(script: &str) -> Self {
        let text = fs::read_to_string(folder().join(script)).expect("the script is there");
        let (head, commands) = text.split_once('\n').expect("a first line");
        let mut head = head.strip_prefix("# ").expect("how to run it").split(' ');
        let level = head.next().expect("a level");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut compiler = support::wasm2so();
        compiler.current_dir(&directory).arg(folder().join("program.wat"));
        // The same variables are in registers on all machines.
        compiler.args([level, "--debug=full", "--listing", "--cpu=x86-64-v2"]);
        support::process::run(&mut compiler).succeeded();
        let debugger = script.rsplit_once('.').expect("an extension").1;
        let script =
            support::process::run(support::wasm2so().args(["--debugger-script", debugger]));
        let file = format!("wasm_{debugger}.py");
        fs::write(directory.path().join(file), script.succeeded().stdout).expect("it is written");
        let words = |text: &str| text.to_owned();
        Session {
            directory,
            invoke: head.map(words).collect(),
            commands: commands.lines().map(words).collect(),
        }
    }

    /// The program and its arguments.
    fn program(&self) -> Vec<String> {
        let wasmrun = support::wasmrun().get_program().to_str().expect("UTF-8").to_owned();
        let (function, arguments) = self.invoke.split_first().expect("a function");
        let mut program = vec![wasmrun, "--invoke".into(), function.clone(), "program.so".into()];
        program.extend_from_slice(arguments);
        program
    }

    fn gdb(&self, rest: &[String]) -> String {
        let mut gdb = support::tool("gdb");
        gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
        gdb.args(["-iex", "set auto-load python-scripts off", "-ex", "source wasm_gdb.py"]);
        // A container may forbid to load the program elsewhere than usual.
        gdb.args(["-ex", "set disable-randomization off", "-ex", "set breakpoint pending on"]);
        gdb.args(["-ex", "set width 0", "-ex", "set confirm off"]);
        for command in &self.commands {
            let shown = command.replace('$', "\\$");
            gdb.args(["-ex", &format!("echo \\n(gdb) {shown}\\n"), "-ex", command]);
        }
        self.output(gdb.args(rest))
    }

    fn lldb(&self, rest: &[String]) -> String {
        let mut lldb = support::tool("lldb-22");
        lldb.args(["--no-lldbinit", "--batch", "-o", "command script import wasm_lldb.py"]);
        // A container may forbid to load the program elsewhere than usual.
        lldb.args(["-o", "settings set target.disable-aslr false"]);
        // What the program prints comes when it likes.
        for output in ["output", "error"] {
            lldb.args(["-o", &format!("settings set target.{output}-path /dev/null")]);
        }
        // After a fault a batch goes on with other commands.
        let run = self.commands.iter().position(|command| command == "run");
        for (place, command) in self.commands.iter().enumerate() {
            lldb.args(["-o", command]);
            if run.is_some_and(|run| place > run) {
                lldb.args(["-k", command]);
            }
        }
        self.output(lldb.args(rest))
    }

    /// All that is printed, in order.
    fn output(&self, command: &mut Command) -> String {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut child = command
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .spawn()
            .expect("the debugger starts");
        // The command holds the other end.
        *command = Command::new("true");
        let text = std::io::read_to_string(reader).expect("UTF-8");
        child.wait().expect("the debugger ends");
        println!("{text}");
        for forbidden in ["Could not trace the inferior", "ptrace: Operation not permitted"] {
            assert!(
                !text.contains(forbidden),
                "debuggers may not trace programs here: run the tests where they may, such as in \
                 a container with --cap-add=SYS_PTRACE"
            );
        }
        text
    }
}

fn folder() -> PathBuf {
    support::root().join("tests/debuggers")
}

/// Without what differs from run to run, and the host's frames.
fn settled(text: &str, directory: &Path) -> String {
    const NOISE: &[&str] = &[
        "[Thread debugging using",
        "Using host libthread_db",
        "warning: ",
        "Use `info auto-load",
        "of file ",
        "Current executable set",
        "(lldb) target create",
        "(lldb) settings set",
        "(lldb) command script import",
    ];
    let wasmrun = support::wasmrun();
    let wasmrun = wasmrun.get_program().to_str().expect("UTF-8");
    let text =
        text.replace(directory.to_str().expect("UTF-8"), "DIRECTORY").replace(wasmrun, "wasmrun");
    let mut settled = String::new();
    let mut host = false;
    for line in text.lines() {
        let frame = line.trim_start_matches([' ', '*']);
        let frame = frame.starts_with('#') || frame.starts_with("frame #");
        let of_wasm =
            line.contains("program.wasm.wat") || line.starts_with('#') && line.contains(": 0x");
        // The C library's source, if there is debug information of it.
        let libc = line.contains("sched_yield (") || line.contains("sysdeps");
        if NOISE.iter().any(|noise| line.starts_with(noise)) || libc || frame && !of_wasm && host {
            continue;
        }
        host = frame && !of_wasm;
        let line = if host { "(frames of the host)".to_owned() } else { numbers(line) };
        settled += line.trim_end();
        settled.push('\n');
    }
    settled
}

/// `line` with native addresses and process numbers replaced.
fn numbers(line: &str) -> String {
    let mut rest = line;
    let mut out = String::new();
    while let Some(at) = rest.find("0x") {
        let digits = rest[at + 2..].bytes().take_while(u8::is_ascii_hexdigit).count();
        out += &rest[..at];
        // A dump of linear memory has eight digits and a colon.
        out += match digits {
            9.. => "ADDRESS",
            _ => &rest[at..at + 2 + digits],
        };
        rest = &rest[at + 2 + digits..];
    }
    out += rest;
    let words = out.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let number = |word: &str| word.bytes().any(|b| b.is_ascii_digit());
    let replaced = words.iter().enumerate().map(|(i, word)| {
        let before = i.checked_sub(1).map(|i| words[i].trim_start_matches(['[', '(']));
        match before {
            Some("process" | "Process" | "LWP") if number(word) => {
                word.chars().filter(|c| !c.is_ascii_digit()).collect()
            }
            _ => word.clone(),
        }
    });
    replaced.collect::<Vec<_>>().join(" ")
}

fn assert_transcript(name: &str, text: &str) {
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).expect("the transcript is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} went otherwise than {} says:\n{text}", path.display());
}

fn gdb(script: &str) {
    let session = Session::new(script);
    let mut rest = vec!["--args".to_owned()];
    rest.extend(session.program());
    assert_transcript(script, &settled(&session.gdb(&rest), session.directory.path()));
}

fn lldb(script: &str) {
    let session = Session::new(script);
    let text = session.lldb(&[&["--".to_owned()], &session.program()[..]].concat());
    assert_transcript(script, &settled(&text, session.directory.path()));
}

#[test]
fn gdb_walks() {
    gdb("walk.gdb");
}

#[test]
fn gdb_watches_linear_memory() {
    gdb("watch.gdb");
}

#[test]
fn gdb_lands_on_a_trap() {
    gdb("trap.gdb");
}

#[test]
fn gdb_in_a_host_function() {
    gdb("host.gdb");
}

/// Makes a core file of the program's trap.
fn crash(session: &mut Session) -> [String; 2] {
    let after = std::mem::take(&mut session.commands);
    session.commands = ["run", "generate-core-file core", "kill"].map(str::to_owned).to_vec();
    let program = session.program();
    session.gdb(&[&["--args".to_owned()], &program[..]].concat());
    session.commands = after;
    [program[0].clone(), "core".to_owned()]
}

#[test]
fn gdb_after_the_end() {
    let script = "core.gdb";
    let mut session = Session::new(script);
    let [program, core] = crash(&mut session);
    let text = session.gdb(&[program, core]);
    let start = text.find("(gdb) bt").expect("the first command");
    assert_transcript(script, &settled(&text[start..], session.directory.path()));
}

#[test]
fn lldb_after_the_end() {
    let script = "core.lldb";
    let mut session = Session::new(script);
    let [program, core] = crash(&mut session);
    let text = session.lldb(&["--core".to_owned(), core, program]);
    let start = text.find("(lldb) bt").expect("the first command");
    assert_transcript(script, &settled(&text[start..], session.directory.path()));
}

/// Lets `debug` attach to the program, whose process number it gets, and checks what it
/// prints.
fn attached(session: &Session, debug: impl FnOnce(String) -> String) {
    let program = session.program();
    let mut running = Command::new(&program[0]);
    let mut running =
        running.args(&program[1..]).current_dir(&session.directory).spawn().expect("it starts");
    // It has begun to turn when it has used this much time.
    let used = || fs::read_to_string(format!("/proc/{}/stat", running.id())).expect("it runs");
    while used().split(' ').nth(13).and_then(|ticks| ticks.parse().ok()).unwrap_or(0) < 30 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let text = debug(running.id().to_string());
    running.kill().and_then(|()| running.wait()).expect("it can be killed");
    let wasm = text.lines().find(|line| line.starts_with("#00: ")).expect("a frame of wasm");
    assert!(wasm.ends_with(" - $f5"), "{wasm}");
    let host = [" in main ()", "`main + "];
    assert!(host.iter().any(|main| text.contains(main)), "the host is not there");
}

#[test]
fn gdb_attaches() {
    let session = Session::new("attach.gdb");
    attached(&session, |process| session.gdb(&["-p".to_owned(), process]));
}

#[test]
fn lldb_attaches() {
    let session = Session::new("attach.lldb");
    attached(&session, |process| session.lldb(&["-p".to_owned(), process]));
}

#[test]
fn lldb_walks() {
    lldb("walk.lldb");
}

#[test]
fn lldb_watches_linear_memory() {
    lldb("watch.lldb");
}

#[test]
fn lldb_in_a_host_function() {
    lldb("host.lldb");
}

#[test]
fn lldb_lands_on_a_trap() {
    lldb("trap.lldb");
}
