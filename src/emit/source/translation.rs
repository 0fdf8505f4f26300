//! From units of the wasm's DWARF to native ones: everything but what is in
//! functions, which `functions` adds, once for each place that a function's code
//! is at.

use super::Dropped;
use super::code::{self, Code};
use super::input::{Entry, Id, Input, Reader};
use super::lines::Files;
use super::location;
use super::types::Types;
use crate::options::Debugger;
use gimli::write::{
    Address, AttributeValue, DebugInfoRef, Dwarf, Expression, LineProgram, LineString, Unit,
    UnitEntryId, UnitId,
};
use gimli::{DwAt, Encoding, Format, LineEncoding, constants as dw};
use std::collections::HashMap;

/// What GNU tools, too, read with ease.
pub const ENCODING: Encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };

/// What is needed all over the translation.
pub struct Translation<'a> {
    /// What is translated.
    pub input: &'a Input<'a>,
    /// Where instances have what.
    pub instance: &'a code::Instance,
    /// Whom the result is for.
    pub debugger: Debugger,
    /// The result.
    pub output: Dwarf,
    /// Of each input unit, the output's.
    pub units: Vec<UnitId>,
    /// Of each input unit, where its program's files are in the output.
    pub files: Vec<Files>,
    /// Where entries are in the output, in the unit of their unit.
    ids: HashMap<Id, UnitEntryId>,
    /// What is made for pointers.
    pub types: Types,
    /// What could not be translated.
    pub dropped: &'a mut Dropped,
}

impl<'a> Translation<'a> {
    /// Translates all that is not in functions.
    pub fn new(
        input: &'a Input<'a>,
        instance: &'a code::Instance,
        debugger: Debugger,
        dropped: &'a mut Dropped,
    ) -> Self {
        let mut this = Translation {
            input,
            instance,
            debugger,
            output: Dwarf::new(),
            units: Vec::new(),
            files: Vec::new(),
            ids: HashMap::new(),
            types: Types::default(),
            dropped,
        };
        for unit in 0..input.units.len() {
            this.add_unit(unit);
        }
        match debugger {
            Debugger::Gdb => this.add_byte(),
            Debugger::Lldb => this.add_memory(),
        }
        for unit in 0..input.units.len() {
            for entry in 0..input.units[unit].entries.len() {
                let id = Id { unit, entry };
                if this.ids.contains_key(&id) {
                    this.fill(id);
                }
            }
        }
        this
    }

    /// Adds a unit, and its entries without attributes.
    fn add_unit(&mut self, unit: usize) {
        let read = self.input.unit(unit);
        let text = |text: Option<Reader<'_>>| {
            let text: Vec<u8> = text?.slice().iter().copied().filter(|b| *b != 0).collect();
            (!text.is_empty()).then_some(text)
        };
        let directory = text(read.comp_dir).unwrap_or(b".".to_vec());
        let name = text(read.name).unwrap_or(b"?".to_vec());
        let program = LineProgram::new(
            ENCODING,
            LineEncoding::default(),
            LineString::String(directory),
            None,
            LineString::String(name),
            None,
        );
        let mut output = Unit::new(ENCODING, program);
        let entries = &self.input.units[unit].entries;
        self.ids.insert(Id { unit, entry: 0 }, output.root());
        for (place, entry) in entries.iter().enumerate().skip(1) {
            let id = Id { unit, entry: place };
            let Some(parent) = self.outer(Id { unit, entry: entry.parent }) else { continue };
            if self.is_code(id) || is_unknown(entry) {
                continue;
            }
            let added = output.add(self.ids[&parent], tag(entry, self.debugger));
            self.ids.insert(id, added);
        }
        self.units.push(self.output.units.add(output));
        self.files.push(Files::default());
    }

    /// The innermost entry around, with itself, that is there once; `None` if it
    /// was left out with all that is in it.
    pub fn outer(&self, mut id: Id) -> Option<Id> {
        while !self.ids.contains_key(&id) {
            if !self.is_code(id) {
                return None;
            }
            id.entry = self.input.entry(id).parent;
        }
        Some(id)
    }

    /// Whether an entry is there once for each copy of a function's code.
    pub fn is_code(&self, id: Id) -> bool {
        let entry = self.input.entry(id);
        let parent = Id { entry: entry.parent, ..id };
        is_code_tag(entry.tag) && (is_function(self.input.entry(parent)) || self.is_code(parent))
    }

    /// Where in the output an entry is that is there once.
    pub fn id(&self, id: Id) -> Option<UnitEntryId> {
        self.ids.get(&id).copied()
    }

    /// How an entry is named from `unit`.
    pub fn reference(&self, id: Id, unit: usize) -> Option<AttributeValue> {
        Some(self.reference_to(id.unit, self.id(id)?, unit))
    }

    /// How an entry of the output that is in a unit is named from another.
    pub fn reference_to(&self, owner: usize, id: UnitEntryId, unit: usize) -> AttributeValue {
        if owner == unit {
            AttributeValue::UnitRef(id)
        } else {
            AttributeValue::DebugInfoRef(DebugInfoRef::Entry(self.units[owner], id))
        }
    }

    /// Sets an attribute in the output.
    pub fn set(&mut self, unit: usize, id: UnitEntryId, name: DwAt, value: AttributeValue) {
        self.output.units.get_mut(self.units[unit]).get_mut(id).set(name, value);
    }

    /// Adds an entry to the output.
    pub fn add(&mut self, unit: usize, parent: UnitEntryId, tag: gimli::DwTag) -> UnitEntryId {
        self.output.units.get_mut(self.units[unit]).add(parent, tag)
    }

    /// Translates the attributes of an entry that is there once.
    fn fill(&mut self, id: Id) {
        let output = self.ids[&id];
        self.copy(id, id.unit, output);
        let input = self.input;
        let entry = input.entry(id);
        if id.entry == 0 {
            self.set(id.unit, output, dw::DW_AT_low_pc, AttributeValue::Address(ZERO));
        }
        if entry.tag == dw::DW_TAG_variable
            && let Some(value) = entry.value(dw::DW_AT_location)
            && let Some(expression) = value.exprloc_value()
        {
            match location::parse(expression, input.unit(id.unit)) {
                None => self.dropped.location(),
                Some(operations) => match location::fixed(&operations, self.instance) {
                    Some(code) => self.set(id.unit, output, dw::DW_AT_location, exprloc(code)),
                    None => self.dropped.involved_location(),
                },
            }
        }
        self.adapt(id, output);
    }

    /// Copies the attributes of `id` that are not about code to an entry of the
    /// output's `unit`.
    pub fn copy(&mut self, id: Id, unit: usize, output: UnitEntryId) {
        let input = self.input;
        for attribute in &input.entry(id).attributes {
            let name = attribute.name();
            if is_about_code(name) {
                continue;
            }
            match self.value(id, unit, name, attribute.value()) {
                Ok(Some(value)) => self.set(unit, output, name, value),
                Ok(None) => {}
                Err(()) => self.dropped.attribute(name),
            }
        }
    }

    /// The value of an attribute in the output's `unit`; nothing if it is of no
    /// use there.
    fn value(
        &mut self,
        id: Id,
        unit: usize,
        name: DwAt,
        value: gimli::AttributeValue<Reader<'a>>,
    ) -> Result<Option<AttributeValue>, ()> {
        use gimli::AttributeValue as V;
        Ok(Some(match value {
            V::Block(block) => AttributeValue::Block(block.slice().to_vec()),
            V::Data1(data) => AttributeValue::Data1(data),
            V::Data2(data) => AttributeValue::Data2(data),
            V::Data4(data) => AttributeValue::Data4(data),
            V::Data8(data) => AttributeValue::Data8(data),
            V::Data16(data) => AttributeValue::Block(data.to_le_bytes().to_vec()),
            V::Sdata(data) => AttributeValue::Sdata(data),
            V::Udata(data) => AttributeValue::Udata(data),
            V::Flag(flag) => AttributeValue::Flag(flag),
            V::Exprloc(expression) => {
                let operations = location::parse(expression, self.input.unit(id.unit));
                let code = operations.and_then(|o| location::of_object(&o, self.instance));
                exprloc(code.ok_or(())?)
            }
            V::UnitRef(_) | V::DebugInfoRef(_) => {
                let target = self.input.target(id.unit, &value).ok_or(())?;
                let is_type = name == dw::DW_AT_type;
                match self.debugger {
                    Debugger::Gdb if is_type && self.is_text(id) => {
                        return Ok(self.text_pointer(target, unit));
                    }
                    Debugger::Gdb if is_type && is_pointer(self.input.entry(id)) => {
                        return self.pointee(target, unit).map(Some).ok_or(());
                    }
                    Debugger::Lldb if is_type && is_pointer(self.input.entry(id)) => {
                        return Ok(None);
                    }
                    _ => {}
                }
                match self.reference(target, unit) {
                    Some(reference) => reference,
                    // A function's variable tells the length of an array, or which
                    // of its parameters is `this`.
                    None if self.is_code(target) => return Ok(None),
                    None => return Err(()),
                }
            }
            V::String(_)
            | V::DebugStrRef(_)
            | V::DebugLineStrRef(_)
            | V::DebugStrOffsetsIndex(_) => {
                let text = self.input.unit(id.unit).attr_string(value).map_err(|_| ())?;
                let text: Vec<u8> = text.slice().to_vec();
                AttributeValue::StringRef(self.output.strings.add(text))
            }
            V::Encoding(value) => AttributeValue::Encoding(value),
            V::DecimalSign(value) => AttributeValue::DecimalSign(value),
            V::Endianity(value) => AttributeValue::Endianity(value),
            V::Accessibility(value) => AttributeValue::Accessibility(value),
            V::Visibility(value) => AttributeValue::Visibility(value),
            V::Virtuality(value) => AttributeValue::Virtuality(value),
            V::Language(value) => AttributeValue::Language(value),
            V::AddressClass(_) => return Ok(None),
            V::IdentifierCase(value) => AttributeValue::IdentifierCase(value),
            V::CallingConvention(value) => AttributeValue::CallingConvention(value),
            V::Inline(value) => AttributeValue::Inline(value),
            V::Ordering(value) => AttributeValue::Ordering(value),
            V::FileIndex(index) => return Ok(self.file(id.unit, index, unit)),
            // Split DWARF, macros and types that are elsewhere.
            _ => return Err(()),
        }))
    }

    /// File `index` of the input's unit `of`, in the output's `unit`.
    pub fn file(&mut self, of: usize, index: u64, unit: usize) -> Option<AttributeValue> {
        let program = &mut self.output.units.get_mut(self.units[unit]).line_program;
        let id = self.files[unit].id(self.input, of, index, program)?;
        Some(AttributeValue::FileIndex(Some(id)))
    }
}

/// Where locations that are relative to their unit are relative to.
pub const ZERO: Address = Address::Constant(0);

/// As an attribute.
pub fn exprloc(code: Code) -> AttributeValue {
    AttributeValue::Exprloc(Expression::raw(code.0))
}

/// What an entry is in the output.
fn tag(entry: &Entry<'_>, debugger: Debugger) -> gimli::DwTag {
    match entry.tag {
        _ if is_pointer(entry) && debugger == Debugger::Lldb => dw::DW_TAG_structure_type,
        // gdb takes them for as large as those of the host.
        dw::DW_TAG_ptr_to_member_type => dw::DW_TAG_base_type,
        tag => tag,
    }
}

/// Whether an entry is a function's with code.
pub fn is_function(entry: &Entry<'_>) -> bool {
    entry.tag == dw::DW_TAG_subprogram
        && (entry.has(dw::DW_AT_low_pc) || entry.has(dw::DW_AT_ranges))
}

/// Whether an entry is a pointer or a reference.
pub fn is_pointer(entry: &Entry<'_>) -> bool {
    matches!(
        entry.tag,
        dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type
    )
}

/// What there is of a function once per copy of its code.
fn is_code_tag(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_formal_parameter
            | dw::DW_TAG_variable
            | dw::DW_TAG_lexical_block
            | dw::DW_TAG_inlined_subroutine
            | dw::DW_TAG_label
            | dw::DW_TAG_call_site
            | dw::DW_TAG_call_site_parameter
            | dw::DW_TAG_GNU_call_site
            | dw::DW_TAG_GNU_call_site_parameter
    )
}

/// Whether an entry tells of wasm code in a way that has no counterpart.
fn is_unknown(entry: &Entry<'_>) -> bool {
    matches!(entry.tag, dw::DW_TAG_skeleton_unit | dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site)
}

/// Whether an attribute tells where code or variables are, or only how the input
/// is laid out.
fn is_about_code(name: DwAt) -> bool {
    matches!(
        name,
        dw::DW_AT_low_pc
            | dw::DW_AT_high_pc
            | dw::DW_AT_ranges
            | dw::DW_AT_entry_pc
            | dw::DW_AT_location
            | dw::DW_AT_frame_base
            | dw::DW_AT_stmt_list
            | dw::DW_AT_sibling
            | dw::DW_AT_addr_base
            | dw::DW_AT_str_offsets_base
            | dw::DW_AT_rnglists_base
            | dw::DW_AT_loclists_base
            | dw::DW_AT_call_all_calls
            | dw::DW_AT_call_all_source_calls
            | dw::DW_AT_call_all_tail_calls
            | dw::DW_AT_GNU_all_call_sites
            | dw::DW_AT_GNU_all_tail_call_sites
            | dw::DW_AT_GNU_pubnames
            | dw::DW_AT_macros
            | dw::DW_AT_macro_info
    )
}
