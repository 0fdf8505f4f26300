//! The debug information that the compiler wrote for a module: the functions at
//! an address, and their wasm offsets. It is read where it lies, each time: line
//! tables, unpacked, would take several times the room, and few addresses are
//! ever asked for twice. Who asks for many has an index made first.

mod locals;

use std::ops::Range;
use std::sync::OnceLock;

use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EntriesTreeNode, LineRow, Unit, UnitOffset,
    UnitRef, constants as dw,
};

use super::dwarf::{self, Reader};
pub(crate) use locals::Machine;

/// An inlined or outermost function at an address.
pub(super) struct Location {
    pub(super) name: Option<String>,
    /// The line.
    pub(super) offset: Option<u64>,
}

/// A file's debug information.
pub(super) struct NativeInfo {
    // Before the file that it borrows from.
    dwarf: Dwarf<Reader>,
    units: Vec<CodeUnit>,
    _file: Box<dyn Send + Sync>,
}

/// The debug information of one shard.
struct CodeUnit {
    /// Where its code is.
    ranges: Vec<Range<u64>>,
    unit: Unit<Reader>,
    index: OnceLock<Index>,
}

/// A unit's tables, unpacked.
#[derive(Default)]
struct Index {
    /// Where stretches of code begin, by address, and their lines; an end is the
    /// beginning of one without.
    lines: Vec<(u64, Option<u64>)>,
    /// The ranges of its functions, by address.
    functions: Vec<(Range<u64>, UnitOffset)>,
}

impl NativeInfo {
    /// That of `file`; see [`dwarf::open`]. `None` also if it is malformed.
    pub(super) fn read<T, F>(
        file: T,
        parse: impl FnOnce(&'static [u8]) -> Option<F>,
    ) -> Option<Self>
    where
        T: AsRef<[u8]> + Send + Sync + 'static,
        F: Fn(&str) -> Option<&'static [u8]>,
    {
        // SAFETY: both are fields of the result, in this order.
        let (dwarf, file) = unsafe { dwarf::open(file, parse) }.ok()??;
        let units = units(&dwarf).ok()?;
        Some(NativeInfo { dwarf, units, _file: file })
    }

    /// The functions at an address in the file, innermost first.
    ///
    /// # Errors
    /// What there is of this place is malformed.
    pub(super) fn locations(&self, address: u64) -> gimli::Result<Vec<Location>> {
        let Some((unit, index)) = self.unit(address) else { return Ok(Vec::new()) };
        let mut locations = Vec::new();
        if let Some(index) = index {
            if let Some(function) = index.function(address) {
                add(unit, unit.entries_tree(Some(function))?.root()?, address, &mut locations)?;
            }
        } else {
            let mut tree = unit.entries_tree(None)?;
            let mut children = tree.root()?.children();
            while let Some(child) = children.next()? {
                if covers(unit, child.entry(), address)? {
                    add(unit, child, address, &mut locations)?;
                    break;
                }
            }
        }
        // So far, each has the line of the call in it; the innermost none.
        if let Some(innermost) = locations.last_mut() {
            innermost.offset = match index {
                Some(index) => index.line(address),
                None => line(unit, address)?,
            };
        }
        locations.reverse();
        Ok(locations)
    }

    /// The last line that code in `addresses` has.
    ///
    /// # Errors
    /// What there is of this place is malformed.
    pub(super) fn last_line(&self, addresses: Range<u64>) -> gimli::Result<Option<u64>> {
        let Some((unit, index)) = self.unit(addresses.start) else { return Ok(None) };
        if let Some(index) = index {
            return Ok(index.last_line(addresses));
        }
        let mut last = None;
        visit_lines(unit, |range, line| {
            if range.start < addresses.end && addresses.start < range.end {
                last = line.or(last);
            }
            addresses.end <= range.end && addresses.start < range.end
        })?;
        Ok(last)
    }

    /// Makes many questions quick, for memory in the order of the code's size.
    ///
    /// # Errors
    /// It is malformed.
    pub(super) fn index(&self) -> gimli::Result<()> {
        for unit in &self.units {
            let index = Index::of(unit.unit.unit_ref(&self.dwarf))?;
            unit.index.get_or_init(|| index);
        }
        Ok(())
    }

    fn unit(&self, address: u64) -> Option<(UnitRef<'_, Reader>, Option<&Index>)> {
        let around = |unit: &&CodeUnit| unit.ranges.iter().any(|range| range.contains(&address));
        let unit = self.units.iter().find(around)?;
        Some((unit.unit.unit_ref(&self.dwarf), unit.index.get()))
    }
}

impl Index {
    fn of(unit: UnitRef<'_, Reader>) -> gimli::Result<Self> {
        let mut index = Index::default();
        let mut starts = Vec::new();
        let mut end = None;
        visit_lines(unit, |range, line| {
            if end.is_some_and(|end| end != range.start) {
                index.lines.extend(end.map(|end| (end, None)));
            }
            starts.push((range.start, line));
            end = Some(range.end);
            false
        })?;
        index.lines.extend(end.map(|end| (end, None)));
        // Where one sequence ends and another begins, the beginning counts; of
        // several beginnings at one address, the last.
        index.lines.append(&mut starts);
        index.lines.sort_by_key(|(start, _)| *start);

        let mut tree = unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let mut ranges = unit.die_ranges(child.entry())?;
            while let Some(range) = ranges.next()? {
                index.functions.push((range.begin..range.end, child.entry().offset()));
            }
        }
        index.functions.sort_by_key(|(range, _)| range.start);
        Ok(index)
    }

    fn function(&self, address: u64) -> Option<UnitOffset> {
        let place = self.functions.partition_point(|(range, _)| range.start <= address);
        let (range, function) = &self.functions[place.checked_sub(1)?];
        range.contains(&address).then_some(*function)
    }

    fn line(&self, address: u64) -> Option<u64> {
        let place = self.lines.partition_point(|(start, _)| *start <= address);
        self.lines[place.checked_sub(1)?].1
    }

    fn last_line(&self, addresses: Range<u64>) -> Option<u64> {
        let end = self.lines.partition_point(|(start, _)| *start < addresses.end);
        let start = self.lines.partition_point(|(start, _)| *start <= addresses.start);
        let overlapping = &self.lines[start.saturating_sub(1).min(end)..end];
        overlapping.iter().rev().find_map(|(_, line)| *line)
    }
}

fn units(dwarf: &Dwarf<Reader>) -> gimli::Result<Vec<CodeUnit>> {
    let mut units = Vec::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let mut ranges = Vec::new();
        let mut found = dwarf.unit_ranges(&unit)?;
        while let Some(range) = found.next()? {
            ranges.push(range.begin..range.end);
        }
        units.push(CodeUnit { ranges, unit, index: OnceLock::new() });
    }
    Ok(units)
}

/// Adds the function of `node`, which is at `address`, then what is inlined into
/// it there.
fn add(
    unit: UnitRef<'_, Reader>,
    node: EntriesTreeNode<'_, '_, Reader>,
    address: u64,
    locations: &mut Vec<Location>,
) -> gimli::Result<()> {
    let entry = node.entry();
    if let Some(caller) = locations.last_mut() {
        let line = entry.attr_value(dw::DW_AT_call_line);
        caller.offset = line.and_then(|line| line.udata_value());
    }
    locations.push(Location { name: name(unit, entry)?, offset: None });
    let mut children = node.children();
    while let Some(child) = children.next()? {
        if child.entry().tag() == dw::DW_TAG_inlined_subroutine
            && covers(unit, child.entry(), address)?
        {
            return add(unit, child, address, locations);
        }
    }
    Ok(())
}

fn covers(
    unit: UnitRef<'_, Reader>,
    entry: &DebuggingInformationEntry<Reader>,
    address: u64,
) -> gimli::Result<bool> {
    let mut ranges = unit.die_ranges(entry)?;
    while let Some(range) = ranges.next()? {
        if (range.begin..range.end).contains(&address) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A function's name: its own, or that of what it is a copy of.
fn name(
    unit: UnitRef<'_, Reader>,
    entry: &DebuggingInformationEntry<Reader>,
) -> gimli::Result<Option<String>> {
    let value = match entry.attr_value(dw::DW_AT_abstract_origin) {
        Some(AttributeValue::UnitRef(origin)) => unit.entry(origin)?.attr_value(dw::DW_AT_name),
        _ => entry.attr_value(dw::DW_AT_name),
    };
    let Some(value) = value else { return Ok(None) };
    Ok(Some(unit.attr_string(value)?.to_string_lossy().into_owned()))
}

fn line(unit: UnitRef<'_, Reader>, address: u64) -> gimli::Result<Option<u64>> {
    let mut found = None;
    visit_lines(unit, |range, line| {
        if range.contains(&address) {
            found = line;
        }
        range.contains(&address)
    })?;
    Ok(found)
}

/// Shows `enough` each stretch of code and its line, in the order of the table,
/// until it has seen enough.
fn visit_lines(
    unit: UnitRef<'_, Reader>,
    mut enough: impl FnMut(Range<u64>, Option<u64>) -> bool,
) -> gimli::Result<()> {
    let Some(program) = unit.line_program.clone() else { return Ok(()) };
    let mut rows = program.rows();
    let mut previous: Option<(u64, Option<u64>)> = None;
    while let Some((_, row)) = rows.next_row()? {
        let row: &LineRow = row;
        if let Some((start, line)) = previous
            && enough(start..row.address(), line)
        {
            break;
        }
        let line = row.line().map(u64::from);
        previous = (!row.end_sequence()).then_some((row.address(), line));
    }
    Ok(())
}
