//! The listing: the module as text in which line N is what is at offset N, so
//! that debuggers, profilers and editors show it as the source.

use crate::error::Error;
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{Parser, Payload};

/// The text of `wasm`. A byte is the least that an instruction takes, so each has
/// a line to itself; what has no room joins the line before.
///
/// # Errors
/// [`Error::Listing`] for what the printer does not know.
pub fn text(wasm: &[u8]) -> Result<String, Error> {
    let mut storage = String::new();
    let printed = wasmprinter::Config::new()
        .offsets_and_lines(wasm, &mut storage)
        .map_err(|error| Error::Listing(format!("{error:#}")))?;
    let empty = empty_functions(wasm)?;
    let mut offset = 1;
    let mut lines: Vec<(u64, &str)> = Vec::new();
    for (own, text) in printed {
        // What has no offset belongs to what is before it.
        offset = own.unwrap_or(offset).max(offset);
        let text = text.trim_end();
        match (own.and_then(|own| empty.get(&own)), text.strip_suffix(')')) {
            (Some(&end), Some(start)) => lines.extend([(offset, start), (end, ")")]),
            _ => lines.push((offset, text)),
        }
    }
    let mut listing = String::with_capacity(wasm.len());
    let mut line = 1;
    let mut groups = lines.chunk_by(|a, b| a.0 == b.0).peekable();
    while let Some(group) = groups.next() {
        pad(&mut listing, &mut line, group[0].0);
        let next = groups.peek().map_or(u64::MAX, |next| next[0].0);
        for (nth, (_, text)) in group.iter().enumerate() {
            if nth > 0 && line + 1 < next {
                let below = line + 1;
                pad(&mut listing, &mut line, below);
            } else if nth > 0 {
                listing.push(' ');
            }
            listing.push_str(text);
        }
    }
    listing.push('\n');
    Ok(listing)
}

/// Where functions start and end that have no locals and no other instruction than
/// their `end`: the printer has one line for each of them.
fn empty_functions(wasm: &[u8]) -> Result<HashMap<u64, u64>, Error> {
    let mut empty = HashMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CodeSectionEntry(body) = payload? else { continue };
        let Range { start, end } = body.range();
        if body.get_operators_reader()?.original_position() == start + 1 && start + 2 == end {
            empty.insert(start, start + 1);
        }
    }
    Ok(empty)
}

/// Empty lines up to line `to`.
fn pad(listing: &mut String, line: &mut u64, to: u64) {
    for _ in *line..to {
        listing.push('\n');
    }
    *line = to.max(*line);
}
