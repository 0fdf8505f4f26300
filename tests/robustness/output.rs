//! Where the compiler cannot write, and options that it cannot follow.

use super::support;
use super::support::process::{Ended, Folder, run};
use std::path::Path;
use std::process::Command;

const MODULE: &str = r#"(module (memory 1) (func (export "f") (result i32)
    (i32.load (i32.const 4))))"#;

/// Compiles a valid module that is the only file in its folder, which has to
/// fail and leave nothing.
fn fail(args: &[&str], code: i32, words: &[&str]) -> Ended {
    let folder = Folder::new();
    folder.file("m.wat", MODULE);
    let ended = run(support::wasm2so().current_dir(folder.path()).arg("m.wat").args(args));
    let ended = ended.failed(code, words);
    assert_eq!(folder.names(), ["m.wat"], "{}", ended.command);
    ended
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let table: &[(&str, &[&str])] = &[
        (".", &["cannot write .", "directory", "-o"]),
        ("/", &["cannot write /", "directory", "-o"]),
        ("missing/m.so", &["cannot write missing/m.so", "No such file or directory"]),
        ("m.wat/m.so", &["cannot write m.wat/m.so", "Not a directory"]),
        ("/proc/m.so", &["cannot write /proc/m.so"]),
        ("m.wat", &["m.wat would be overwritten", "-o"]),
        ("./m.wat", &["m.wat would be overwritten", "-o"]),
    ];
    for (output, words) in table {
        fail(&["-o", output], 1, words);
    }
}

#[test]
fn a_full_disk_is_an_error() {
    for kind in ["so", "obj", "asm", "llvm-ir"] {
        let words = ["cannot write /dev/full", "No space left on device"];
        let ended = fail(&["-o", "/dev/full", "--emit", kind], 1, &words);
        assert_eq!(ended.stderr.matches("No space").count(), 1, "{}", ended.stderr);
    }
    // A file that may not grow beyond a kilobyte.
    let folder = Folder::new();
    folder.file("m.wat", MODULE);
    for kind in ["so", "obj", "asm", "llvm-ir"] {
        let program = env!("CARGO_BIN_EXE_wasm2so");
        let script = format!("trap '' XFSZ; ulimit -f 1; exec {program} m.wat --emit {kind}");
        let mut command = Command::new("bash");
        run(command.current_dir(folder.path()).args(["-c", &script]))
            .failed(1, &["cannot compile m.wat: ", "File too large"]);
        assert_eq!(folder.names(), ["m.wat"], "{kind}");
    }
}

#[test]
fn a_listing_that_cannot_be_written_is_an_error() {
    let table: &[(&str, &[&str])] = &[
        (".", &["cannot write .", "directory"]),
        ("missing/m.wat", &["cannot write missing/m.wat", "No such file or directory"]),
        ("m.wat", &["m.wat would be overwritten", "--listing="]),
        ("/dev/full", &["cannot write /dev/full", "No space left on device"]),
    ];
    for (listing, words) in table {
        fail(&[&format!("--listing={listing}")], 1, words);
    }
}

#[test]
fn a_failure_leaves_the_old_output() {
    let folder = Folder::new();
    folder.file("m.wat", "(module (func i32.add))");
    folder.file("m.so", "old");
    for args in [&[][..], &["--cpu", "none"], &["--linker", "false"]] {
        run(support::wasm2so().current_dir(folder.path()).arg("m.wat").args(args)).failed(1, &[]);
        assert_eq!(folder.read("m.so"), b"old");
    }
    assert_eq!(folder.names(), ["m.so", "m.wat"]);
}

#[test]
fn a_linker_that_fails_is_an_error() {
    let folder = Folder::new();
    let script = folder.file("ld", "#!/bin/sh\necho \"ld: cannot do this\" >&2\nexit 3\n");
    run(Command::new("chmod").arg("+x").arg(&script)).succeeded();
    let script = script.to_str().expect("UTF-8");
    let table: &[(&str, &[&str])] = &[
        ("/nonexistent/ld", &["cannot run /nonexistent/ld", "No such file or directory"]),
        ("no-such-linker", &["cannot run no-such-linker", "No such file or directory"]),
        ("/", &["cannot run /", "ermission denied"]),
        ("false", &["false ended with exit status: 1\n"]),
        ("true", &["true wrote nothing"]),
        (script, &["ended with exit status: 3: ld: cannot do this"]),
    ];
    for (linker, words) in table {
        fail(
            &["--linker", linker],
            1,
            &[&["cannot compile m.wat: linking failed"], *words].concat(),
        );
    }
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["--cpu", "z80"], 1, &["`z80`", "knows no such processor", "native", "x86-64-v2"]),
        (&["--cpu", ""], 1, &["knows no such processor"]),
        (&["--cpu", "x86-64"], 1, &["`x86-64`", "SSE4.1", "x86-64-v2"]),
        (&["--cpu", "core2"], 1, &["`core2`", "SSE4.1"]),
        (&["-O4"], 2, &["'4'", "-O", "0, g, 1, 2, 3"]),
        (&["-Os"], 2, &["'s'", "-O", "0, g, 1, 2, 3"]),
        (&["-O"], 2, &["value is required", "-O"]),
        (&["--emit", "exe"], 2, &["'exe'", "--emit", "so, obj, asm, llvm-ir"]),
        (
            &["--debug", "some"],
            2,
            &["'some'", "--debug", "full, source, source-lldb, functions, line, none"],
        ),
        (&["-j", "many"], 2, &["'many'", "--jobs", "not a number of threads"]),
        (&["-j", "-1"], 2, &["'-1'", "--jobs", "not a number of threads"]),
        (&["-j", "99999999999999999999"], 2, &["--jobs", "not a number of threads"]),
        (&["--color", "blue"], 2, &["'blue'", "--color", "auto, always, never"]),
        (&["--completions", "cmd"], 2, &["'cmd'", "--completions", "bash"]),
        (&["--no-such-option"], 2, &["--no-such-option", "--help"]),
        (&["second.wat"], 2, &["second.wat", "Usage: wasm2so"]),
        (&["-o"], 2, &["value is required", "--output"]),
        (&["-o", ""], 2, &["value is required", "--output"]),
        (&["-o", "a.so", "-o", "b.so"], 2, &["--output", "multiple times"]),
    ];
    for (args, code, words) in table {
        fail(args, *code, words);
    }
}

#[test]
fn more_threads_than_there_are_are_no_harm() {
    let folder = Folder::new();
    folder.compile("m", MODULE, &["-j", "1000000"]);
    assert_eq!(folder.names(), ["m.so", "m.wat"]);
}

#[test]
fn devices_links_and_odd_names_are_written_to() {
    let folder = Folder::new();
    folder.file("m.wat", MODULE);
    folder.file("-", "not this");
    let so = |output: &str| {
        let mut command = support::wasm2so();
        run(command.current_dir(folder.path()).args(["m.wat", "-o", output])).succeeded().stdout
    };
    let elf = |bytes: &[u8]| assert_eq!(&bytes[..4], b"\x7fELF");
    so("/dev/null");
    elf(&so("/dev/stdout"));
    elf(&so("-"));
    assert!(!Path::new("/dev/null").is_file());
    // The link stays.
    folder.file("target.so", "old");
    std::os::unix::fs::symlink("target.so", folder.path().join("link.so")).expect("a link");
    so("link.so");
    elf(&folder.read("target.so"));
    assert!(folder.path().join("link.so").is_symlink());
    let long = "x".repeat(255);
    for name in ["-x.so", "a b.so", "été.so", "@x.so", "%s\n.so", &long] {
        so(&format!("./{name}"));
        elf(&folder.read(name));
    }
    // Standard output that is a file.
    let file = std::fs::File::create(folder.path().join("stdout.so")).expect("a file");
    let mut command = support::wasm2so();
    let status = command.arg(folder.path().join("m.wat")).args(["-o", "-"]).stdout(file).status();
    assert!(status.expect("it runs").success());
    elf(&folder.read("stdout.so"));
}
