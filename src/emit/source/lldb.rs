//! Pointers in linear memory for lldb, which takes all pointers for the host's. So they
//! are structures: an address, and an array without elements whose type tells what is
//! at the address. The commands for lldb follow them, from the variable that is where
//! linear memory starts.

use super::code::Code;
use super::input::Id;
use super::translation::{Translation, exprloc};
use super::types::{POINTER, spelling};
use gimli::constants as dw;
use gimli::write::{AttributeValue, UnitEntryId};

/// The variable at the start of linear memory.
const MEMORY: &str = "wasm2so_memory";

/// Names of the members of a pointer.
const ADDRESS: &str = "wasm2so_address";
const TARGET: &str = "wasm2so_target";

impl Translation<'_> {
    /// Adds the variable that is where linear memory starts, to each unit: lldb looks
    /// for it in that of a frame.
    pub fn add_memory(&mut self) {
        let mut location = Code::default();
        location.constant(0);
        if location.linear(self.instance).is_none() {
            return;
        }
        for unit in 0..self.input.units.len() {
            let root = self.id(Id { unit, entry: 0 }).expect("units have a root");
            let byte = self.add_unsigned(unit, root, 1);
            let memory = self.add(unit, root, dw::DW_TAG_variable);
            self.set_name(unit, memory, MEMORY);
            self.set(unit, memory, dw::DW_AT_type, AttributeValue::UnitRef(byte));
            self.set(unit, memory, dw::DW_AT_artificial, AttributeValue::Flag(true));
            self.set(unit, memory, dw::DW_AT_location, exprloc(location.clone()));
        }
    }

    /// Makes a structure of the output the pointer `id` of the input.
    pub fn make_pointer(&mut self, id: Id, output: UnitEntryId) {
        let unit = id.unit;
        let Some(root) = self.id(Id { entry: 0, ..id }) else { return };
        self.set_name(unit, output, &spelling(self.input, id, 0));
        let address = self.add_unsigned(unit, root, POINTER);
        let pointer = self.add(unit, root, dw::DW_TAG_pointer_type);
        let target = self.input.reference(id, dw::DW_AT_type);
        if let Some(target) = target.and_then(|target| self.reference(target, unit)) {
            self.set(unit, pointer, dw::DW_AT_type, target);
        }
        let none = self.add(unit, root, dw::DW_TAG_array_type);
        self.set(unit, none, dw::DW_AT_type, AttributeValue::UnitRef(pointer));
        let range = self.add(unit, none, dw::DW_TAG_subrange_type);
        self.set(unit, range, dw::DW_AT_count, AttributeValue::Udata(0));
        for (name, ty) in [(ADDRESS, address), (TARGET, none)] {
            let member = self.add(unit, output, dw::DW_TAG_member);
            self.set_name(unit, member, name);
            self.set(unit, member, dw::DW_AT_type, AttributeValue::UnitRef(ty));
            self.set(unit, member, dw::DW_AT_data_member_location, AttributeValue::Udata(0));
        }
    }

    fn add_unsigned(&mut self, unit: usize, root: UnitEntryId, bytes: u64) -> UnitEntryId {
        let base = self.add(unit, root, dw::DW_TAG_base_type);
        self.set_name(unit, base, "unsigned int");
        self.set(unit, base, dw::DW_AT_byte_size, AttributeValue::Udata(bytes));
        let unsigned = AttributeValue::Encoding(dw::DW_ATE_unsigned);
        self.set(unit, base, dw::DW_AT_encoding, unsigned);
        base
    }
}
