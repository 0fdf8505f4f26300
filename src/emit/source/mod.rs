//! Source-level debugging: the wasm's own DWARF, translated into that of the
//! finished file.
//!
//! | what | file |
//! |---|---|
//! | our own debug information: machine code to wasm | `native` |
//! | the wasm's: wasm to sources | `input` |
//! | units, types, all that is there once | `translation`, `types` |
//! | functions, scopes, variables, once per copy of their code | `functions` |
//! | pointers, as lldb follows them | `lldb` |
//! | where variables are | `location`, `values`, `code` |
//! | the line table | `lines` |
//! | new sections for the file | `elf` |
//!
//! It happens after linking, when addresses are known; debug sections are not
//! loaded, so the code is what it is without. Our own debug information stays
//! in the file, under other names: traces are made from it. Whatever of the
//! wasm's DWARF cannot be understood is left out, with a warning: a debugger
//! should rather know nothing than something wrong.

mod code;
mod elf;
mod functions;
mod input;
mod lines;
mod lldb;
mod location;
mod native;
mod ranges;
mod translation;
mod types;
mod values;

use crate::error::Error;
use crate::module::WasmModule;
use crate::options::Options;
use gimli::write::{EndianVec, Sections};
use std::collections::BTreeMap;
use std::path::Path;

/// Debug sections larger than this are not even looked at.
const MAX_BYTES: usize = 512 << 20;

/// Ranges and locations that are read, at most: so many for each byte of the
/// sections. Each takes two bytes, but entries may share them.
const READS_PER_BYTE: usize = 4;

/// Translates the wasm's DWARF into the file at `output`, which was linked from
/// `module`.
///
/// # Errors
/// [`Error::Io`]. What is wrong with the DWARF is only warned of.
pub fn apply(module: &WasmModule<'_>, output: &Path, options: &Options) -> Result<(), Error> {
    let sections = &module.source_sections;
    let size: usize = sections.iter().map(|(_, bytes)| bytes.len()).sum();
    if !sections.iter().any(|(name, _)| *name == ".debug_info") {
        tracing::warn!(
            "the wasm has no DWARF, so debuggers show offsets; compile the sources with -g"
        );
        return Ok(());
    }
    if size > MAX_BYTES {
        tracing::warn!("the wasm's DWARF is not translated: {size} bytes are too many");
        return Ok(());
    }
    let io = |action| move |source| Error::Io { action, path: output.to_owned(), source };
    let file = std::fs::read(output).map_err(io("read"))?;
    if let Some(file) = translated(module, &file, size, options) {
        std::fs::write(output, file).map_err(io("write"))?;
    }
    Ok(())
}

fn translated(
    module: &WasmModule<'_>,
    file: &[u8],
    size: usize,
    options: &Options,
) -> Option<Vec<u8>> {
    let start = module.code_section_start;
    let bodies: Vec<_> =
        module.bodies.iter().map(|body| body.range.start - start..body.range.end - start).collect();
    let natives = match native::read(file, &bodies, start) {
        Ok(natives) => natives,
        Err(error) => {
            tracing::warn!("the wasm's DWARF is not translated: our own is malformed: {error}");
            return None;
        }
    };
    let mut dropped = Dropped::new(size);
    let input = input::Input::read(&module.source_sections, &bodies, &mut dropped);
    if input.units.is_empty() {
        dropped.warn();
        tracing::warn!("nothing of the wasm's DWARF can be used, so debuggers show offsets");
        return None;
    }
    let instance = code::Instance::of(module);
    let mut translation =
        translation::Translation::new(&input, &instance, options.debugger, &mut dropped);
    let optimised = options.opt_level.is_optimised();
    functions::add(&mut translation, module, &bodies, &natives, optimised);
    let mut sections = Sections::new(EndianVec::new(gimli::LittleEndian));
    let written = translation.output.write(&mut sections);
    dropped.warn();
    if let Err(error) = written {
        tracing::warn!("the wasm's DWARF is not translated: {error}");
        return None;
    }
    let mut new = Vec::new();
    let add = |id: gimli::SectionId, bytes: &EndianVec<_>| {
        if !bytes.slice().is_empty() {
            new.push((id.name(), bytes.slice().to_vec()));
        }
        Ok::<(), ()>(())
    };
    sections.for_each(add).expect("nothing fails");
    let file = elf::with_debug_sections(file, &new);
    if file.is_none() {
        tracing::warn!("the wasm's DWARF is not translated: the linker's output is unusual");
    }
    file
}

/// What was left out, to be told in the end.
struct Dropped {
    /// Ranges and locations that may still be read.
    reads: usize,
    /// How often, and an example.
    kinds: BTreeMap<&'static str, (usize, String)>,
    involved_locations: usize,
}

impl Dropped {
    fn new(size: usize) -> Self {
        let reads = size.saturating_mul(READS_PER_BYTE);
        Dropped { reads, kinds: BTreeMap::new(), involved_locations: 0 }
    }

    fn add(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        self.kinds.entry(kind).or_insert_with(|| (0, example())).0 += 1;
    }

    fn unit(&mut self, error: gimli::Error) {
        self.add("compilation units that are malformed", || error.to_string());
    }

    fn large(&mut self) {
        self.add("compilation units, of which there are too many", String::new);
    }

    fn lines(&mut self, error: gimli::Error) {
        self.add("line tables that are malformed", || error.to_string());
    }

    fn attribute(&mut self, name: gimli::DwAt) {
        self.add("attributes that have no counterpart", || name.to_string());
    }

    fn location(&mut self) {
        self.add("locations of variables that are malformed", String::new);
    }

    /// A location that says something, but not what can be said of machine code: there
    /// are some in any optimised program.
    fn involved_location(&mut self) {
        self.involved_locations += 1;
    }

    fn copy(&mut self) {
        self.add("inlined functions and their variables, of which there are too many", String::new);
    }

    /// Whether another range or location may be read.
    fn may_read(&mut self) -> bool {
        match self.reads.checked_sub(1) {
            Some(left) => self.reads = left,
            None => {
                self.add("ranges and locations, of which there are too many", String::new);
                return false;
            }
        }
        true
    }

    fn warn(&self) {
        for (kind, (count, example)) in &self.kinds {
            let separator = if example.is_empty() { "" } else { ", such as: " };
            tracing::warn!("left out of the wasm's DWARF: {count} {kind}{separator}{example}");
        }
        if self.involved_locations > 0 {
            tracing::info!(
                "left out of the wasm's DWARF: {} locations of variables that are too involved",
                self.involved_locations
            );
        }
    }
}
