//! Programs run to their end in folders of their own: what they said, what
//! they left, and what they must never do.
#![allow(dead_code, missing_docs)]

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What no program may say, whatever it is given.
const NEVER: &[&str] =
    &["panicked", "LLVM ERROR", "RUST_BACKTRACE", "Stack dump", "bug in wasm2so"];

/// A program that ended by itself.
pub struct Ended {
    pub command: String,
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs a program without input.
pub fn run(command: &mut Command) -> Ended {
    run_with(command, b"")
}

/// Runs a program with `input` on its standard input.
///
/// # Panics
/// When a signal ends it, or it says what no program may say.
pub fn run_with(command: &mut Command, input: &[u8]) -> Ended {
    let text = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    // Small enough for the pipe; a program that does not read is fine.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("it can be waited for");
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    let signal = output.status.signal();
    assert_eq!(signal, None, "{text} was ended by a signal, after saying: {stderr}");
    for never in NEVER {
        assert!(!stderr.contains(never), "{text} said: {stderr}");
    }
    let code = output.status.code().expect("there was no signal");
    Ended { command: text, code, stdout: output.stdout, stderr }
}

impl Ended {
    /// It did what it was asked to, and had nothing to say.
    pub fn succeeded(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.command);
        self
    }

    /// It ended with `code` and an error that contains all of `words`, and
    /// printed nothing else.
    pub fn failed(self, code: i32, words: &[&str]) -> Self {
        let Ended { command, stderr, .. } = &self;
        assert_eq!(self.code, code, "{command} said: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.ends_with('\n'),
            "{command} said: {stderr}"
        );
        for word in words {
            assert!(stderr.contains(word), "{command} should say `{word}`, but said: {stderr}");
        }
        assert!(self.stdout.is_empty(), "{command} printed {:?}", self.text());
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the output is UTF-8")
    }
}

/// A folder that is deleted with everything in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes a file.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path().join(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The names of all that is there, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).expect("the folder is there");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.expect("it can be read").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// Compiles a module in text form to `NAME.so` with the compiler's program.
    pub fn compile(&self, name: &str, text: &str, options: &[&str]) -> PathBuf {
        self.file(&format!("{name}.wat"), text);
        let mut command = super::wasm2so();
        run(command.current_dir(self.path()).arg(format!("{name}.wat")).args(options)).succeeded();
        self.path().join(format!("{name}.so"))
    }

    /// The code that the compiler's program makes of the module in `file`.
    pub fn assembly(&self, file: &str, options: &[&str]) -> String {
        let mut command = super::wasm2so();
        let args = [options, &["--emit=asm", "-o", "assembly.s", file]].concat();
        run(command.current_dir(self.path()).args(args)).succeeded();
        String::from_utf8(self.read("assembly.s")).expect("text")
    }
}
