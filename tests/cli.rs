//! The options of both programs do what their help says.

#[path = "cli/compiler.rs"]
mod compiler;
#[path = "cli/loops.rs"]
mod loops;
#[path = "cli/products.rs"]
mod products;
#[path = "cli/runner.rs"]
mod runner;
mod support;
#[path = "cli/wasi.rs"]
mod wasi;

use std::io::Read;
use std::process::{Command, Stdio};
use support::process::run;

/// Makes a command.
type Program = fn() -> Command;

/// Both programs, by name.
fn programs() -> [(&'static str, Program); 2] {
    [("wasm2so", support::wasm2so), ("wasmrun", support::wasmrun)]
}

#[test]
fn help_fits_a_terminal() {
    for (name, program) in programs() {
        let mut pages: Vec<&[&str]> = vec![&["--help"], &["-h"]];
        if name == "wasmrun" {
            pages.extend([&["symbolize", "--help"][..], &["symbolize", "-h"]]);
        }
        for page in pages {
            let ended = run(program().args(page)).succeeded();
            assert!(ended.text().contains(&format!("Usage: {name} ")), "{}", ended.text());
            for line in ended.text().lines() {
                assert!(line.chars().count() <= 80, "{name} {page:?}: {line}");
                assert!(!line.contains('\x1b'), "{name} {page:?}: {line:?}");
            }
        }
        // Without arguments, help is an error.
        let ended = run(&mut program());
        assert_eq!((ended.code, ended.stdout.len()), (2, 0));
        assert!(ended.stderr.contains(&format!("Usage: {name} ")), "{}", ended.stderr);
    }
}

#[test]
fn versions_are_told() {
    for (name, program) in programs() {
        let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        for option in ["--version", "-V"] {
            assert_eq!(run(program().arg(option)).succeeded().text(), version);
        }
    }
}

#[test]
fn shells_get_completions() {
    for (name, program) in programs() {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let script = run(program().args(["--completions", shell])).succeeded();
            let text = script.text();
            assert!(text.contains(name) && text.contains("color"), "{name} for {shell}: {text}");
        }
        let script = run(program().args(["--completions", "bash"])).succeeded();
        let mut check = Command::new("bash");
        support::process::run_with(check.arg("-n"), &script.stdout).succeeded();
    }
}

#[test]
fn there_is_a_manual_page() {
    for (name, program) in programs() {
        let page = run(program().arg("--man")).succeeded();
        assert!(page.text().contains(&format!(".TH {name} 1")), "{}", page.text());
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", "\\-\\-color"] {
            assert!(page.text().contains(part), "{name}: {part}");
        }
    }
}

/// A reader that goes away early is no reason for an error, let alone a panic.
#[test]
fn a_closed_pipe_is_no_error() {
    for (name, program) in programs() {
        for args in [&["--help"][..], &["--man"], &["--completions", "zsh"], &["--version"]] {
            let mut child = program()
                .args(args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs");
            drop(child.stdout.take());
            let mut said = String::new();
            let stderr = child.stderr.as_mut().expect("piped");
            stderr.read_to_string(&mut said).expect("messages are UTF-8");
            let status = child.wait().expect("it ends");
            assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{name} {args:?}");
        }
    }
}
