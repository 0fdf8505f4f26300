//! The wasm's DWARF, as trees of entries and tables of rows. What is malformed
//! costs the unit that it is in.

use super::Dropped;
use super::ranges::{self, Ranges};
use gimli::{
    Attribute, AttributeValue, ColumnType, DebugInfoOffset, Dwarf, EndianSlice, LittleEndian,
    UnitOffset, UnitRef, constants as dw,
};
use std::ops::Range;

/// What DWARF is read from.
pub type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Bytes of units that are read, at most: each takes a hundred bytes of memory.
const MAX_INFO: usize = 40 << 20;

/// Entries nested deeper than this are not read; people nest a tenth of it.
const MAX_DEPTH: usize = 500;

/// All of it.
pub struct Input<'a> {
    /// The sections.
    pub dwarf: Dwarf<Reader<'a>>,
    /// The units that can be read.
    pub units: Vec<Unit<'a>>,
}

/// A compilation unit.
pub struct Unit<'a> {
    /// As read.
    pub header: gimli::Unit<Reader<'a>>,
    /// The entries, parents before their children; the first is the root.
    pub entries: Vec<Entry<'a>>,
    /// Their offsets, ascending.
    offsets: Vec<usize>,
    /// The line table, ascending.
    pub rows: Vec<SourceRow>,
}

/// An entry.
pub struct Entry<'a> {
    /// What it is.
    pub tag: gimli::DwTag,
    /// What is said of it.
    pub attributes: Vec<Attribute<Reader<'a>>>,
    /// Place of what it is in.
    pub parent: usize,
    /// Places of what is in it.
    pub children: Vec<usize>,
}

/// Some wasm code, and where it comes from.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Positions in the Code section's payload.
    pub range: Range<u64>,
    /// Index of the file.
    pub file: u64,
    /// From 1; 0 is none.
    pub line: u64,
    /// From 1; 0 is none.
    pub column: u64,
    /// A statement starts here.
    pub is_statement: bool,
    /// The function has set up its frame.
    pub prologue_end: bool,
}

/// A unit and an entry in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Place of the unit.
    pub unit: usize,
    /// Place of the entry.
    pub entry: usize,
}

impl<'a> Input<'a> {
    /// Reads the DWARF in `sections`. Only code in `bodies`, positions of
    /// functions, is there.
    pub fn read(
        sections: &[(&'a str, &'a [u8])],
        bodies: &[Range<u64>],
        dropped: &mut Dropped,
    ) -> Self {
        let load = |id: gimli::SectionId| -> Result<Reader<'a>, gimli::Error> {
            let section = sections.iter().find(|(name, _)| *name == id.name());
            Ok(EndianSlice::new(section.map_or(&[][..], |section| section.1), LittleEndian))
        };
        let mut input =
            Input { dwarf: Dwarf::load(load).expect("nothing fails"), units: Vec::new() };
        let mut headers = input.dwarf.units();
        let mut left = MAX_INFO;
        loop {
            match headers.next() {
                Ok(Some(header)) if header.length_including_self() > left => dropped.large(),
                Ok(Some(header)) => match Unit::read(&input.dwarf, header, bodies, dropped) {
                    Ok(unit) => {
                        left -= unit.header.header.length_including_self();
                        input.units.push(unit);
                    }
                    Err(error) => dropped.unit(error),
                },
                Ok(None) => return input,
                Err(error) => {
                    dropped.unit(error);
                    return input;
                }
            }
        }
    }

    /// The unit at a place, with the sections.
    pub fn unit(&self, unit: usize) -> UnitRef<'_, Reader<'a>> {
        self.units[unit].header.unit_ref(&self.dwarf)
    }

    /// An entry.
    pub fn entry(&self, id: Id) -> &Entry<'a> {
        &self.units[id.unit].entries[id.entry]
    }

    /// The entry that an attribute in `unit` names.
    pub fn target(&self, unit: usize, value: &AttributeValue<Reader<'a>>) -> Option<Id> {
        match *value {
            AttributeValue::UnitRef(UnitOffset(offset)) => self.at_offset(unit, offset),
            AttributeValue::DebugInfoRef(DebugInfoOffset(offset)) => {
                let start = |unit: &Unit<'_>| Some(unit.header.header.debug_info_offset()?.0);
                let after = self.units.partition_point(|unit| start(unit) <= Some(offset));
                let unit = after.checked_sub(1)?;
                let within = offset - start(&self.units[unit])?;
                self.at_offset(unit, within)
            }
            _ => None,
        }
    }

    fn at_offset(&self, unit: usize, offset: usize) -> Option<Id> {
        let entry = self.units[unit].offsets.binary_search(&offset).ok()?;
        Some(Id { unit, entry })
    }

    /// What attribute `name` of an entry names.
    pub fn reference(&self, id: Id, name: gimli::DwAt) -> Option<Id> {
        self.target(id.unit, &self.entry(id).value(name)?)
    }

    /// The type of a variable, or of what it is a copy of.
    pub fn variable_type(&self, id: Id) -> Option<Id> {
        let own = |id| self.reference(id, dw::DW_AT_type);
        own(id).or_else(|| own(self.reference(id, dw::DW_AT_abstract_origin)?))
    }

    /// The text that attribute `name` of an entry is.
    pub fn text(&self, id: Id, name: gimli::DwAt) -> Option<&'a [u8]> {
        let value = self.entry(id).value(name)?;
        self.unit(id.unit).attr_string(value).ok().map(|text| text.slice())
    }

    /// The wasm code of an entry.
    pub fn ranges(&self, id: Id, dropped: &mut Dropped) -> Ranges {
        let unit = self.unit(id.unit);
        let entry = self.entry(id);
        let address = |name| unit.attr_address(entry.value(name)?).ok()?;
        let mut found = Vec::new();
        if let Some(low) = address(dw::DW_AT_low_pc) {
            let high = match entry.value(dw::DW_AT_high_pc) {
                Some(value) => match value.udata_value() {
                    Some(size) => low.checked_add(size),
                    None => unit.attr_address(value).ok().flatten(),
                },
                None => None,
            };
            found.extend(high.map(|high| low..high));
        } else if let Some(value) = entry.value(dw::DW_AT_ranges)
            && let Ok(Some(mut ranges)) = unit.attr_ranges(value)
        {
            // Many entries may share one long list.
            while let Ok(Some(range)) = ranges.next()
                && dropped.may_read()
            {
                found.push(range.begin..range.end);
            }
        }
        ranges::normal(found)
    }

    /// Where the code at a position comes from.
    pub fn row(&self, unit: usize, at: u64) -> Option<usize> {
        let rows = &self.units[unit].rows;
        let place = rows.partition_point(|row| row.range.start <= at).checked_sub(1)?;
        rows[place].range.contains(&at).then_some(place)
    }
}

impl<'a> Unit<'a> {
    fn read(
        dwarf: &Dwarf<Reader<'a>>,
        header: gimli::UnitHeader<Reader<'a>>,
        bodies: &[Range<u64>],
        dropped: &mut Dropped,
    ) -> gimli::Result<Self> {
        let header = dwarf.unit(header)?;
        let (entries, offsets) = entries(&header)?;
        let mut unit = Unit { header, entries, offsets, rows: Vec::new() };
        match rows(unit.header.unit_ref(dwarf), bodies) {
            Ok(rows) => unit.rows = rows,
            Err(error) => dropped.lines(error),
        }
        Ok(unit)
    }
}

impl<'a> Entry<'a> {
    /// The value of an attribute.
    pub fn value(&self, name: gimli::DwAt) -> Option<AttributeValue<Reader<'a>>> {
        self.attributes.iter().find(|attribute| attribute.name() == name).map(Attribute::value)
    }

    /// Whether there is such an attribute.
    pub fn has(&self, name: gimli::DwAt) -> bool {
        self.attributes.iter().any(|attribute| attribute.name() == name)
    }
}

type Entries<'a> = (Vec<Entry<'a>>, Vec<usize>);

fn entries<'a>(unit: &gimli::Unit<Reader<'a>>) -> gimli::Result<Entries<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    let mut offsets = Vec::new();
    // Places of what encloses the next one, outermost first.
    let mut open: Vec<usize> = Vec::new();
    let mut raw = unit.entries_raw(None)?;
    while !raw.is_empty() {
        let offset = raw.next_offset().0;
        let Some(abbreviation) = raw.read_abbreviation()? else {
            open.pop();
            if open.is_empty() {
                break;
            }
            continue;
        };
        let mut attributes = Vec::new();
        raw.read_attributes(abbreviation.attributes(), &mut attributes)?;
        attributes.shrink_to_fit();
        let place = entries.len();
        if open.is_empty() && place > 0 || open.len() > MAX_DEPTH {
            return Err(gimli::Error::UnsupportedOffset);
        }
        let parent = open.last().copied().unwrap_or(0);
        if place > 0 {
            entries[parent].children.push(place);
        }
        let tag = abbreviation.tag();
        entries.push(Entry { tag, attributes, parent, children: Vec::new() });
        offsets.push(offset);
        if abbreviation.has_children() {
            open.push(place);
        }
    }
    match entries.first().map(|root| root.tag) {
        Some(dw::DW_TAG_compile_unit | dw::DW_TAG_partial_unit) => Ok((entries, offsets)),
        _ => Err(gimli::Error::MissingUnitDie),
    }
}

fn rows(unit: UnitRef<'_, Reader<'_>>, bodies: &[Range<u64>]) -> gimli::Result<Vec<SourceRow>> {
    let Some(program) = unit.line_program.clone() else { return Ok(Vec::new()) };
    // Linkers leave those of functions that they took out at no function's place.
    let is_there = |at: u64| {
        let after = bodies.partition_point(|body| body.start <= at);
        after.checked_sub(1).is_some_and(|place| at < bodies[place].end)
    };
    let mut found: Vec<SourceRow> = Vec::new();
    let mut open: Option<SourceRow> = None;
    let mut rows = program.rows();
    while let Some((_, row)) = rows.next_row()? {
        if let Some(mut previous) = open.take() {
            previous.range.end = row.address();
            if previous.range.start < previous.range.end && is_there(previous.range.start) {
                found.push(previous);
            }
        }
        if !row.end_sequence() {
            open = Some(SourceRow {
                range: row.address()..row.address(),
                file: row.file_index(),
                line: row.line().map_or(0, |line| line.get()),
                column: match row.column() {
                    ColumnType::LeftEdge => 0,
                    ColumnType::Column(column) => column.get(),
                },
                is_statement: row.is_stmt(),
                prologue_end: row.prologue_end(),
            });
        }
    }
    found.sort_by_key(|row| row.range.start);
    Ok(found)
}
