//! Folded stacks: text, a line for each stack, as flame graph tools read it.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use super::Profile;
use super::places::{Frame, Places};
use super::stacks::StackId;

/// Writes the stacks, sorted.
pub(super) fn write(profile: &Profile, writer: impl Write) -> io::Result<()> {
    let Profile { recording, places, .. } = profile;
    let stacks = recording.stacks.all();
    let mut counts: BTreeMap<StackId, u64> = BTreeMap::new();
    for sample in &recording.samples {
        *counts.entry(sample.stack).or_default() += u64::from(sample.weight);
    }
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for (stack, count) in counts {
        let mut names: Vec<String> = Vec::new();
        let mut next = Some(stack);
        while let Some(stack) = next {
            let frames = places.at(stacks[stack as usize].pc);
            // Only of the innermost is it told where it was.
            if names.is_empty() {
                names.extend(frames.first().and_then(|frame| place(frame, places)));
            }
            names.extend(frames.iter().map(|frame| name(frame, places)));
            next = stacks[stack as usize].outer;
        }
        if names.is_empty() {
            names.push("(glue)".into());
        }
        names.reverse();
        *lines.entry(names.join(";")).or_default() += count;
    }
    let mut writer = BufWriter::new(writer);
    for (line, count) in lines {
        writeln!(writer, "{line} {count}")?;
    }
    writer.flush()
}

/// A function's name, without what would end it; a host function's with its file.
fn name(frame: &Frame, places: &Places) -> String {
    let name = frame.function.replace([';', '\n'], ":");
    match frame.binary.map(|binary| &places.binaries[binary]).filter(|binary| !binary.is_wasm) {
        Some(binary) => format!("{name} [{}]", binary.name),
        None => name,
    }
}

/// Where in the wasm file, and in the sources: `0x0238 leaf.c:12`.
fn place(frame: &Frame, places: &Places) -> Option<String> {
    let offset = frame.wasm_offset(&places.binaries)?;
    let wasm = &places.binaries[frame.binary?].name;
    let source = frame.position.as_ref().filter(|position| position.file != *wasm);
    let source = source.map(|position| format!(" {}", position.short().replace([';', '\n'], ":")));
    Some(format!("{offset:#06x}{}", source.unwrap_or_default()))
}
