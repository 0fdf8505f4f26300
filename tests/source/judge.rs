//! What `llvm-symbolizer` says of offsets in a wasm file.

use super::programs;
use crate::support::{self, truth::Truth};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use wasmparser::{Parser, Payload};
use wasmrun::SourceFrame;

/// A position: function, file, line, column.
pub type Position = (String, String, u64, u64);

/// The positions at each of `offsets`, innermost first.
///
/// `llvm-symbolizer` takes addresses as DWARF has them, from the start of the
/// Code section's payload, though it looks symbols up from the start of the file:
/// it gets a file without symbols.
pub fn positions(wasm: &[u8], offsets: &[u64], directory: &Path) -> Vec<Vec<Position>> {
    let start = code_start(wasm);
    let file = directory.join("judged.wasm");
    std::fs::write(&file, programs::nameless(wasm)).expect("a file can be written");
    let mut child = support::tool("llvm-symbolizer-22")
        .arg(format!("--obj={}", file.display()))
        .args(["--no-demangle", "--functions=linkage", "--output-style=JSON"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("llvm-symbolizer runs");
    let input: String = offsets.iter().map(|offset| format!("{:#x}\n", offset - start)).collect();
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads its input");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<_> = text.lines().map(positions_in).collect();
    assert_eq!(answers.len(), offsets.len());
    answers
}

fn positions_in(line: &str) -> Vec<Position> {
    let answer: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let symbols = answer["Symbol"].as_array().unwrap_or_else(|| panic!("{line}"));
    let position = |symbol: &serde_json::Value| {
        let text = |key: &str| symbol[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| symbol[key].as_u64().unwrap_or_default();
        // Without a line, there is no column to speak of.
        let (line, column) = (number("Line"), number("Column"));
        let column = if line == 0 { 0 } else { column };
        (text("FunctionName"), path(&text("FileName")), line, column)
    };
    let positions: Vec<Position> = symbols.iter().map(position).collect();
    // This is how it says that it knows nothing.
    let nothing = |p: &Position| p.0.is_empty() && p.1.is_empty();
    if positions.iter().all(nothing) { Vec::new() } else { positions }
}

/// Ours in the same form.
pub fn ours(frames: &[SourceFrame]) -> Vec<Position> {
    let position = |frame: &SourceFrame| {
        let file = frame.path().map(|path| path.to_string_lossy().into_owned());
        (
            frame.function.clone().unwrap_or_default(),
            path(&file.unwrap_or_default()),
            frame.line.unwrap_or_default().into(),
            frame.column.unwrap_or_default().into(),
        )
    };
    frames.iter().map(position).collect()
}

/// Without the parts that lead nowhere.
pub fn path(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| *part != ".").collect();
    parts.join("/")
}

/// `count` instructions' offsets, always the same.
pub fn sites(wasm: &[u8], count: usize) -> Vec<u64> {
    let truth = Truth::of(wasm);
    let all: Vec<u64> = truth
        .functions
        .iter()
        .flat_map(|f| f.operators.iter().map(|(offset, _)| *offset))
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all[(state % all.len() as u64) as usize]
    };
    (0..count).map(|_| next()).collect()
}

fn code_start(wasm: &[u8]) -> u64 {
    let starts = Parser::new(0).parse_all(wasm).find_map(|payload| match payload {
        Ok(Payload::CodeSectionStart { unchecked_range, .. }) => Some(unchecked_range.start),
        _ => None,
    });
    starts.expect("the module has code")
}
