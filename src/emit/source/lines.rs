//! The line table: machine code to sources, through the wasm's line table.

use super::input::{Id, Input, Reader};
use super::native::{Instance, Row};
use gimli::AttributeValue;
use gimli::write::{Address, FileId, LineProgram, LineString};
use std::collections::{HashMap, HashSet};

/// Where a program's files are in the output.
#[derive(Default)]
pub struct Files(HashMap<(usize, u64), Option<FileId>>);

impl Files {
    /// File `index` of the input's `unit`, in `program`.
    pub fn id<'a>(
        &mut self,
        input: &Input<'a>,
        unit: usize,
        index: u64,
        program: &mut LineProgram,
    ) -> Option<FileId> {
        *self.0.entry((unit, index)).or_insert_with(|| {
            let read = input.unit(unit);
            let header = read.line_program.as_ref()?.header();
            let file = header.file(index)?;
            let text = |value: AttributeValue<Reader<'a>>| {
                let text = read.attr_string(value).ok()?;
                path(text.slice())
            };
            let name = LineString::String(text(file.path_name())?);
            let directory = match file.directory(header).and_then(text) {
                // The first directory is that of the unit, which may be another.
                Some(directory) if file.directory_index() > 0 || header.version() >= 5 => {
                    program.add_directory(LineString::String(directory))
                }
                _ => match read.comp_dir.and_then(|directory| path(directory.slice())) {
                    Some(directory) => program.add_directory(LineString::String(directory)),
                    None => program.default_directory(),
                },
            };
            Some(program.add_file(name, directory, None))
        })
    }
}

/// A path as line tables can have it.
fn path(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
    (!text.is_empty()).then_some(text)
}

/// A piece of machine code, and the row of a unit that it comes from.
struct Piece {
    row: Row,
    unit: usize,
}

/// Adds the rows of a function's machine code to its unit's table. `find` tells
/// the entry of the function with a body.
pub fn add(
    program: &mut LineProgram,
    files: &mut Files,
    input: &Input<'_>,
    function: &Instance,
    find: &dyn Fn(u64) -> Option<Id>,
) {
    let mut pieces = Vec::new();
    collect(function, find, &mut pieces);
    for range in &function.ranges {
        program.begin_sequence(Some(Address::Constant(range.start)));
        let mut seen = HashSet::new();
        let mut current = None;
        let inside = pieces.iter().filter(|piece| {
            piece.row.range.start < range.end && range.start <= piece.row.range.start
        });
        for Piece { row, unit } in inside {
            let Some((at, place)) = row.at.and_then(|at| Some((at, input.row(*unit, at)?))) else {
                continue;
            };
            if current == Some((*unit, place)) {
                continue;
            }
            current = Some((*unit, place));
            let source = &input.units[*unit].rows[place];
            let Some(file) = files.id(input, *unit, source.file, program) else { continue };
            let first = seen.insert((*unit, place));
            let next = program.row();
            // A function's first row is for all that comes before, too.
            next.address_offset =
                if seen.len() == 1 && first { 0 } else { row.range.start - range.start };
            next.file = file;
            next.line = source.line;
            next.column = source.column;
            next.is_statement = source.is_statement && (first || at == source.range.start);
            next.prologue_end = source.prologue_end && first;
            program.generate_row();
        }
        program.end_sequence(range.end - range.start);
    }
}

/// The pieces of a function, ascending: those of inlined ones that have an entry
/// are theirs.
fn collect(function: &Instance, find: &dyn Fn(u64) -> Option<Id>, pieces: &mut Vec<Piece>) {
    let inlined = function.outermost(&|body| find(body).is_some());
    let mut inlined: Vec<&Instance> = inlined.into_iter().map(|call| call.callee).collect();
    inlined.sort_by_key(|inlined| inlined.ranges[0].start);
    let start = pieces.len();
    for inlined in &inlined {
        collect(inlined, find, pieces);
    }
    let mut taken: Vec<_> = inlined.iter().flat_map(|inlined| inlined.ranges.clone()).collect();
    taken.sort_by_key(|range| range.start);
    if let Some(Id { unit, .. }) = find(function.body) {
        let mut own = function.rows.clone();
        super::ranges::remove(&mut own, &taken);
        pieces.extend(own.into_iter().map(|row| Piece { row, unit }));
    }
    pieces[start..].sort_by_key(|piece| piece.row.range.start);
}
