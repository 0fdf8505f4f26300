//! Real programs do exactly what their native builds do: the same output, the
//! same exit code, at -O3.

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use wasm2so::options::OptLevel;

/// A program compiled twice: by `wasm2so`, and for this machine.
struct Program {
    directory: TempDir,
    native: PathBuf,
}

impl Program {
    /// One that `tests/programs/build` builds.
    fn real(name: &str) -> Self {
        let native = support::program(&format!("{name}.native"));
        Self::new(&support::program(&format!("{name}.wasm")), |_| native)
    }

    /// Compiles `wasm`; `native` gets a directory to build in.
    fn new(wasm: &Path, native: impl FnOnce(&Path) -> PathBuf) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let bytes = fs::read(wasm).expect("the program can be read");
        let name = wasm.file_name().unwrap().to_str().unwrap();
        let so = directory.path().join("program.so");
        support::compile(&bytes, name, &so, &support::options(OptLevel::O3));
        Program { native: native(directory.path()), directory }
    }

    /// Runs both in the program's directory, which wasm sees too, and compares.
    /// Returns what both did.
    fn same(&self, args: &[&str], stdin: Option<&Path>) -> Output {
        let mut wasm = support::wasmrun();
        wasm.args(["--dir", ".", "program.so"]);
        let wasm = self.run(wasm, args, stdin);
        let native = self.run(Command::new(&self.native), args, stdin);
        assert_same_text("standard output", &wasm.stdout, &native.stdout);
        assert_same_text("standard error", &wasm.stderr, &native.stderr);
        assert_eq!(wasm.status.code(), native.status.code(), "exit code (native: right)");
        native
    }

    fn run(&self, mut command: Command, args: &[&str], stdin: Option<&Path>) -> Output {
        let stdin = stdin.map_or(Stdio::null(), |path| File::open(path).expect("its input").into());
        command.args(args).current_dir(self.directory.path()).stdin(stdin);
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).expect("a script can be written");
    }
}

fn assert_same_text(what: &str, wasm: &[u8], native: &[u8]) {
    if wasm != native {
        let lines = |bytes| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect();
        let (wasm, native): (Vec<_>, Vec<_>) = (lines(wasm), lines(native));
        let same = wasm.iter().zip(&native).take_while(|(a, b)| a == b).count();
        let (wasm, native) = (wasm.get(same), native.get(same));
        panic!("{what} differs in line {}:\n  wasm:   {wasm:?}\n  native: {native:?}", same + 1);
    }
}

#[test]
fn sqlite() {
    let run = Program::real("sqlite").same(&[], None);
    assert!(run.status.success() && run.stdout.len() > 1000, "{run:?}");
}

#[test]
fn zstd() {
    let run = Program::real("zstd").same(&[], None);
    assert!(run.status.success() && run.stdout.len() > 100, "{run:?}");
}

#[test]
fn rust() {
    let program = Program::real("rust");
    let args = fs::read_to_string(support::program("rust.args")).expect("arguments, one a line");
    let args: Vec<&str> = args.lines().collect();
    let run = program.same(&args, Some(&support::program("rust.stdin")));
    assert!(run.status.success() && run.stdout.len() > 1000, "{run:?}");
}

const SCRIPT: &str = r#"
const squares = new Map();
for (const n of [3, 1, 2]) squares.set(`n${n}`, n ** 2);
print(JSON.stringify([...squares].sort()), scriptArgs.join("|"));
print(0.1 + 0.2, (1e21).toString(7), Math.hypot(3, 4), -0, 2n ** 100n);
print("2024-02-29".replace(/(\d+)-(\d+)-(\d+)/u, "$3.$2.$1"), "\u{1F600}".length);
Promise.resolve("later").then(print);
function* count() { for (let i = 0; ; i++) yield i * i; }
let sum = 0;
for (const square of count()) { if (square > 1e5) break; sum += square; }
print(sum);
"#;

#[test]
fn quickjs() {
    let program = Program::real("quickjs");
    let run = program.same(&[], None);
    assert!(run.status.success() && run.stdout.len() > 1000, "{run:?}");

    program.write("script.js", SCRIPT);
    let run = program.same(&["script.js", "one", "two words"], None);
    assert!(run.status.success() && run.stdout.ends_with(b"later\n"), "{run:?}");

    program.write("error.js", "print('first');\nfunction f() { return x.y; }\nf();\n");
    let run = program.same(&["error.js"], None);
    assert_eq!((run.status.code(), run.stdout.as_slice()), (Some(1), b"first\n".as_slice()));

    let run = program.same(&["missing.js"], None);
    assert_eq!(run.status.code(), Some(2));
}

#[test]
fn wordfreq() {
    let examples = support::root().join("examples");
    let source = examples.join("wordfreq.c");
    let program = Program::new(&examples.join("wordfreq.wasm"), |directory| {
        let native = directory.join("wordfreq.native");
        let mut cc = support::tool("cc");
        let status = cc.args(["-O2", "-o"]).arg(&native).arg(&source).status().expect("cc runs");
        assert!(status.success(), "cc cannot build {}", source.display());
        native
    });
    let run = program.same(&[], None);
    assert!(run.stdout.starts_with(b"40 words, 33 different\n"), "{run:?}");
    program.same(&["25"], Some(&source));
}
