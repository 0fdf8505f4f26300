//! What our own debug information says of the finished code: which machine code
//! belongs to which wasm instruction of which function, inlined ones too, and
//! where it keeps the wasm locals. Knows nothing of sources.

use super::ranges::{self, Ranges};
use crate::emit::debug::VMCTX_NAME;
use crate::module::names::LOCAL_PREFIX;
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, EntriesTreeNode, Expression,
    LittleEndian, Operation, UnitOffset, UnitRef, constants as dw,
};
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection};
use std::collections::HashMap;
use std::ops::Range;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Machine code of a wasm function: all of it, or where it was inlined once.
/// Positions in the wasm are as its DWARF counts them, from the start of the
/// Code section's payload.
pub struct Instance {
    /// Where the function's body starts in the wasm.
    pub body: u64,
    /// Its machine code, with what is inlined into it.
    pub ranges: Ranges,
    /// Where in its caller, if it is inlined.
    pub call: Option<u64>,
    /// All its machine code, ascending. That of inlined functions is at the call.
    pub rows: Vec<Row>,
    /// Where locals are, by index, ascending by address; see [`VMCTX`].
    pub locals: HashMap<u32, Vec<(Range<u64>, Place)>>,
    /// What is inlined into it.
    pub inlined: Vec<Instance>,
}

/// A function inlined into another.
#[derive(Clone, Copy)]
pub struct Call<'n> {
    /// Where in the other's wasm.
    pub at: Option<u64>,
    /// It.
    pub callee: &'n Instance,
}

impl Instance {
    /// The outermost functions inlined into it of which `knows` is true.
    pub fn outermost(&self, knows: &dyn Fn(u64) -> bool) -> Vec<Call<'_>> {
        let mut found = Vec::new();
        for callee in &self.inlined {
            let at = callee.call;
            match knows(callee.body) {
                true => found.push(Call { at, callee }),
                false => {
                    let inner = callee.outermost(knows);
                    found.extend(inner.into_iter().map(|call| Call { at, ..call }));
                }
            }
        }
        found
    }
}

/// The instance pointer, among the locals.
pub const VMCTX: u32 = u32::MAX;

/// A piece of machine code and the wasm instruction it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Addresses.
    pub range: Range<u64>,
    /// Position in the wasm.
    pub at: Option<u64>,
    /// In optimised code: it is one instruction, which comes among those that touch
    /// memory in the order of the wasm.
    pub in_order: bool,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this offset from a register, by DWARF's number.
    Memory(u16, i64),
    /// In a register.
    Register(u16),
    /// DWARF operations compute it.
    Value(Vec<u8>),
}

impl Place {
    /// Whether it may be a number that is no instance's own.
    pub fn is_constant(&self) -> bool {
        let starts = |op: u8| {
            (dw::DW_OP_const1u.0..=dw::DW_OP_consts.0).contains(&op)
                || (dw::DW_OP_lit0.0..=dw::DW_OP_lit31.0).contains(&op)
        };
        matches!(self, Place::Value(code) if code.first().is_some_and(|op| starts(*op)))
    }
}

/// Reads what `file` says of the functions of which `bodies` are the positions,
/// ascending; `code_start` is where the wasm file has the first position.
///
/// # Errors
/// Its debug information is not what we write.
pub fn read(file: &[u8], bodies: &[Range<u64>], code_start: u64) -> gimli::Result<Vec<Instance>> {
    let object = ElfFile64::<object::Endianness>::parse(file).ok();
    let section = |id: gimli::SectionId| -> gimli::Result<Reader<'_>> {
        let data = object.as_ref().and_then(|o| o.section_by_name(id.name())?.data().ok());
        Ok(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let dwarf = Dwarf::load(section)?;
    let mut instances = Vec::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let unit = unit.unit_ref(&dwarf);
        let rows = rows(unit, code_start)?;
        let mut tree = unit.entries_tree(None)?;
        let mut functions = tree.root()?.children();
        while let Some(node) = functions.next()? {
            if node.entry().tag() == dw::DW_TAG_subprogram {
                let frame = frame_register(node.entry());
                let reading = Reading { unit, bodies, code_start, frame };
                instances.extend(reading.instance(node, &rows)?);
            }
        }
    }
    instances.sort_by_key(|i| i.ranges.first().map_or(0, |range| range.start));
    Ok(instances)
}

/// The rows of a unit's line table, ascending.
fn rows(unit: UnitRef<'_, Reader<'_>>, code_start: u64) -> gimli::Result<Vec<Row>> {
    let Some(program) = unit.line_program.clone() else { return Ok(Vec::new()) };
    let mut found: Vec<Row> = Vec::new();
    let mut previous: Option<Row> = None;
    let mut rows = program.rows();
    while let Some((_, row)) = rows.next_row()? {
        if let Some(mut previous) = previous.take()
            && previous.range.start < row.address()
        {
            previous.range.end = row.address();
            found.push(previous);
        }
        if !row.end_sequence() {
            let at = row.line().and_then(|line| line.get().checked_sub(code_start));
            let in_order = row.column() != gimli::ColumnType::LeftEdge;
            previous = Some(Row { range: row.address()..row.address(), at, in_order });
        }
    }
    found.sort_by_key(|row| row.range.start);
    Ok(found)
}

/// The register that a function's variables are relative to.
fn frame_register(entry: &DebuggingInformationEntry<Reader<'_>>) -> Option<u16> {
    let base = entry.attr_value(dw::DW_AT_frame_base)?.exprloc_value()?;
    match base.0.slice() {
        // DW_OP_reg0 and on.
        [op @ 0x50..=0x6f] => Some(u16::from(op - 0x50)),
        _ => None,
    }
}

/// Reads one function.
#[derive(Clone, Copy)]
struct Reading<'a, 'd> {
    unit: UnitRef<'a, Reader<'d>>,
    bodies: &'a [Range<u64>],
    code_start: u64,
    frame: Option<u16>,
}

impl<'d> Reading<'_, 'd> {
    /// The instance of `node`, unless it has no code; `rows` has that of its
    /// surroundings.
    fn instance(
        self,
        node: EntriesTreeNode<'_, '_, Reader<'d>>,
        rows: &[Row],
    ) -> gimli::Result<Option<Instance>> {
        let ranges = self.ranges(node.entry())?;
        if ranges.is_empty() {
            return Ok(None);
        }
        let number = |name| {
            let attribute = |e: &DebuggingInformationEntry<_>| e.attr_value(name)?.udata_value();
            gimli::Result::Ok(match attribute(node.entry()) {
                Some(number) => Some(number),
                None => self.origin(node.entry())?.as_ref().and_then(attribute),
            })
        };
        let from_code = |line: u64| line.checked_sub(self.code_start);
        let Some(body) = number(dw::DW_AT_decl_line)?.and_then(from_code) else { return Ok(None) };
        let call = number(dw::DW_AT_call_line)?.and_then(from_code);
        let mut instance = Instance {
            body,
            rows: ranges::clip(rows, &ranges),
            ranges,
            call,
            locals: HashMap::new(),
            inlined: Vec::new(),
        };
        self.children(node, &mut instance)?;
        for places in instance.locals.values_mut() {
            places.sort_by_key(|(range, _)| range.start);
        }
        let own = match self.bodies.binary_search_by_key(&body, |body| body.start) {
            Ok(place) => &self.bodies[place],
            Err(_) => return Ok(None),
        };
        for row in &mut instance.rows {
            row.at = row.at.filter(|at| own.contains(at));
        }
        for inlined in &instance.inlined {
            ranges::replace(&mut instance.rows, &inlined.ranges, inlined.call);
        }
        ranges::fill(&mut instance.rows);
        Ok(Some(instance))
    }

    fn children(
        self,
        node: EntriesTreeNode<'_, '_, Reader<'d>>,
        instance: &mut Instance,
    ) -> gimli::Result<()> {
        // Before positions of calls take the place of those inside.
        let rows = instance.rows.clone();
        let mut children = node.children();
        while let Some(child) = children.next()? {
            match child.entry().tag() {
                dw::DW_TAG_inlined_subroutine => {
                    instance.inlined.extend(self.instance(child, &rows)?);
                }
                dw::DW_TAG_lexical_block => self.children(child, instance)?,
                dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => {
                    if let Some(index) = self.local_index(child.entry())? {
                        let places = self.places(child.entry(), &instance.ranges)?;
                        instance.locals.entry(index).or_default().extend(places);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ranges(&self, entry: &DebuggingInformationEntry<Reader<'d>>) -> gimli::Result<Ranges> {
        let mut found = Vec::new();
        let mut ranges = self.unit.die_ranges(entry)?;
        while let Some(range) = ranges.next()? {
            found.push(range.begin..range.end);
        }
        Ok(ranges::normal(found))
    }

    /// What an entry is a copy of.
    fn origin(
        &self,
        entry: &DebuggingInformationEntry<Reader<'d>>,
    ) -> gimli::Result<Option<DebuggingInformationEntry<Reader<'d>>>> {
        match entry.attr_value(dw::DW_AT_abstract_origin) {
            Some(AttributeValue::UnitRef(UnitOffset(origin))) => {
                self.unit.entry(UnitOffset(origin)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The local that a variable is.
    fn local_index(
        &self,
        entry: &DebuggingInformationEntry<Reader<'d>>,
    ) -> gimli::Result<Option<u32>> {
        let origin = self.origin(entry)?;
        let name = origin.as_ref().unwrap_or(entry).attr_value(dw::DW_AT_name);
        let Some(name) = name else { return Ok(None) };
        let name = self.unit.attr_string(name)?;
        if name.slice() == VMCTX_NAME.as_bytes() {
            return Ok(Some(VMCTX));
        }
        let index = std::str::from_utf8(name.slice())
            .ok()
            .and_then(|name| name.strip_prefix(LOCAL_PREFIX)?.parse().ok());
        Ok(index)
    }

    /// Where a variable is, in the code of `scope`.
    fn places(
        &self,
        entry: &DebuggingInformationEntry<Reader<'d>>,
        scope: &[Range<u64>],
    ) -> gimli::Result<Vec<(Range<u64>, Place)>> {
        let Some(location) = entry.attr_value(dw::DW_AT_location) else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        if let Some(expression) = location.exprloc_value() {
            if let Some(place) = self.place(expression)? {
                places.extend(scope.iter().map(|range| (range.clone(), place.clone())));
            }
            return Ok(places);
        }
        let Some(mut entries) = self.unit.attr_locations(location)? else { return Ok(places) };
        while let Some(entry) = entries.next()? {
            if let Some(place) = self.place(entry.data)? {
                let range = entry.range.begin..entry.range.end;
                let inside = ranges::intersect(&[range], scope);
                places.extend(inside.into_iter().map(|range| (range, place.clone())));
            }
        }
        Ok(places)
    }

    /// The place that an expression tells, if it is of a kind that can be used.
    fn place(&self, expression: Expression<Reader<'d>>) -> gimli::Result<Option<Place>> {
        let bytes = expression.0.slice();
        let mut operations = Vec::new();
        let mut iter = expression.operations(self.unit.encoding());
        while let Some(operation) = iter.next()? {
            operations.push(operation);
        }
        Ok(match operations[..] {
            [Operation::FrameOffset { offset }] => {
                self.frame.map(|register| Place::Memory(register, offset))
            }
            [Operation::RegisterOffset { register, offset, base_type: UnitOffset(0) }] => {
                Some(Place::Memory(register.0, offset))
            }
            [Operation::Register { register }] => Some(Place::Register(register.0)),
            [ref computation @ .., Operation::StackValue] => {
                let plain = |operation: &Operation<_>| {
                    matches!(
                        operation,
                        Operation::UnsignedConstant { .. }
                            | Operation::SignedConstant { .. }
                            | Operation::RegisterOffset { base_type: UnitOffset(0), .. }
                            | Operation::PlusConstant { .. }
                            | Operation::Plus
                            | Operation::Minus
                            | Operation::Mul
                            | Operation::And
                            | Operation::Or
                            | Operation::Xor
                            | Operation::Shl
                            | Operation::Not
                            | Operation::Neg
                    )
                };
                computation
                    .iter()
                    .all(plain)
                    .then(|| Place::Value(bytes[..bytes.len() - 1].to_vec()))
            }
            _ => None,
        })
    }
}
