//! Types, so that gdb follows pointers in linear memory, which are 4 bytes and
//! count from where that starts.
//!
//! A type may say where its objects' data is (`DW_AT_data_location`). gdb asks
//! it, as the language Fortran needs it, of structures, unions and arrays, and
//! of types with another name, if the type that they name changes at run time.
//! So a pointer to a scalar points to another name for a scalar that is said to
//! be allocated at run time. What gdb 13 makes of all that, as far as it differs
//! from what it makes of other types:
//!
//! * It computes how large a structure is from its members, without the padding
//!   that ends it; so there is a member without members as large as all of it.
//! * Where it converts such a scalar to the very type it has, it forgets where
//!   the data is. So the type has a name that ends in a space, which no other has.
//! * It asks of which variant a Rust enumeration is before it asks where that is, and
//!   fails; but what is in arrays is looked at only when it is known where. So the
//!   pointer points to an array with the enumeration's name. It is an array without
//!   elements, whose first can be had all the same: gdb 13 dies of printing arrays of
//!   enumerations, but prints the address of such an array.

use super::code::Code;
use super::input::{Entry, Id, Input};
use super::translation::{Translation, exprloc, is_pointer};
use crate::options::Debugger;
use gimli::write::{AttributeValue, UnitEntryId};
use gimli::{DwTag, constants as dw};
use std::collections::HashMap;

/// Types that refer to types are followed so far; one that goes in circles ends.
const MAX_CHAIN: usize = 64;

/// Structures in structures are looked at so far.
const MAX_NESTED: usize = 8;

/// The type of bytes in linear memory.
const LINEAR_BYTE: &str = "wasm2so_byte";

/// Bytes of a pointer in wasm.
pub const POINTER: u64 = 4;

/// What was made for pointers.
#[derive(Default)]
pub struct Types {
    /// Names for scalars that pointers point to.
    names: HashMap<Id, UnitEntryId>,
    /// Scalars that are allocated at run time, in the unit of the original.
    allocated: HashMap<Id, UnitEntryId>,
    /// Structures, unions and arrays that are wherever pointers point.
    located: HashMap<Id, UnitEntryId>,
    /// Arrays of what has variants, wherever pointers point, and others.
    deferred: HashMap<(Id, bool), UnitEntryId>,
}

impl Translation<'_> {
    /// Changes an entry of the output in what does not hold on this machine.
    pub fn adapt(&mut self, id: Id, output: UnitEntryId) {
        let entry = self.input.entry(id);
        let unit = id.unit;
        match entry.tag {
            _ if is_pointer(entry) => {
                self.set(unit, output, dw::DW_AT_byte_size, AttributeValue::Udata(POINTER));
                if self.debugger == Debugger::Lldb {
                    self.make_pointer(id, output);
                }
            }
            dw::DW_TAG_ptr_to_member_type => {
                let size = size(self.input, id).unwrap_or(POINTER);
                let unsigned = AttributeValue::Encoding(dw::DW_ATE_unsigned);
                self.delete(unit, output, dw::DW_AT_type);
                self.delete(unit, output, dw::DW_AT_containing_type);
                self.set_name(unit, output, "member pointer");
                self.set(unit, output, dw::DW_AT_byte_size, AttributeValue::Udata(size));
                self.set(unit, output, dw::DW_AT_encoding, unsigned);
            }
            // gdb knows formats by names; with its usual one, this is the host's.
            dw::DW_TAG_base_type
                if number(entry, dw::DW_AT_byte_size) == Some(16)
                    && entry.value(dw::DW_AT_encoding)
                        == Some(gimli::AttributeValue::Encoding(dw::DW_ATE_float)) =>
            {
                self.set_name(unit, output, "_Float128");
            }
            _ => {}
        }
    }

    /// Adds the type of bytes in linear memory, by which the commands for gdb find it.
    pub fn add_byte(&mut self) {
        let Some(location) = Code::data_location(self.instance) else { return };
        let root = self.id(Id { unit: 0, entry: 0 }).expect("units have a root");
        let byte = self.add(0, root, dw::DW_TAG_base_type);
        self.set_name(0, byte, "byte");
        self.set(0, byte, dw::DW_AT_byte_size, AttributeValue::Udata(1));
        let unsigned = AttributeValue::Encoding(dw::DW_ATE_unsigned);
        self.set(0, byte, dw::DW_AT_encoding, unsigned);
        self.set(0, byte, dw::DW_AT_allocated, AttributeValue::Udata(1));
        let name = self.add(0, root, dw::DW_TAG_typedef);
        self.set_name(0, name, LINEAR_BYTE);
        self.set(0, name, dw::DW_AT_type, AttributeValue::UnitRef(byte));
        self.set(0, name, dw::DW_AT_data_location, exprloc(location));
    }

    /// Whether an entry is the pointer in Rust's `&str`.
    pub fn is_text(&self, id: Id) -> bool {
        let entry = self.input.entry(id);
        let outer = Id { entry: entry.parent, ..id };
        entry.tag == dw::DW_TAG_member
            && self.input.text(id, dw::DW_AT_name) == Some(b"data_ptr")
            && self.input.text(outer, dw::DW_AT_name) == Some(b"&str")
    }

    /// The pointer in `&str`, in the output's `unit`: gdb divides by the size of what
    /// it points to, and other names for types have none, but ranges do.
    pub fn text_pointer(&mut self, pointer: Id, unit: usize) -> Option<AttributeValue> {
        let root = self.id(Id { unit, entry: 0 })?;
        let byte = self.input.reference(pointer, dw::DW_AT_type)?;
        let base = self.reference(byte, unit)?;
        let location = Code::data_location(self.instance)?;
        let range = self.add(unit, root, dw::DW_TAG_subrange_type);
        self.set_name(unit, range, &spelling(self.input, byte, 0));
        self.set(unit, range, dw::DW_AT_type, base);
        for (name, number) in [
            (dw::DW_AT_byte_size, size(self.input, byte)?),
            (dw::DW_AT_lower_bound, 0),
            (dw::DW_AT_upper_bound, u8::MAX.into()),
        ] {
            self.set(unit, range, name, AttributeValue::Udata(number));
        }
        self.set(unit, range, dw::DW_AT_data_location, exprloc(location));
        let text = self.add(unit, root, dw::DW_TAG_pointer_type);
        self.set(unit, text, dw::DW_AT_type, AttributeValue::UnitRef(range));
        self.set(unit, text, dw::DW_AT_byte_size, AttributeValue::Udata(POINTER));
        Some(AttributeValue::UnitRef(text))
    }

    /// What a pointer in the output's `unit` points to that points to `target` in
    /// the input.
    pub fn pointee(&mut self, target: Id, unit: usize) -> Option<AttributeValue> {
        let input = self.input;
        let name = match last(input, target) {
            Some(id) => match input.entry(id).tag {
                dw::DW_TAG_base_type
                | dw::DW_TAG_pointer_type
                | dw::DW_TAG_reference_type
                | dw::DW_TAG_rvalue_reference_type
                | dw::DW_TAG_ptr_to_member_type
                | dw::DW_TAG_enumeration_type => {
                    let allocated = self.allocated(id)?;
                    Some(self.name_for(target, id.unit, allocated, true)?)
                }
                tag if (is_structure(tag) || tag == dw::DW_TAG_array_type)
                    && !input.entry(id).has(dw::DW_AT_declaration) =>
                {
                    let located = match is_enumeration(input, id) {
                        true => self.deferred(id, true)?,
                        false => self.located(id)?,
                    };
                    if id == target {
                        return Some(self.reference_to(id.unit, located, unit));
                    }
                    Some(self.name_for(target, id.unit, located, false)?)
                }
                _ => None,
            },
            None => None,
        };
        match name {
            Some(name) => Some(self.reference_to(target.unit, name, unit)),
            None => self.reference(target, unit),
        }
    }

    /// Another name for a type of the output, which is in unit `owner`; with a data
    /// location, if it is a scalar.
    fn name_for(
        &mut self,
        target: Id,
        owner: usize,
        ty: UnitEntryId,
        is_scalar: bool,
    ) -> Option<UnitEntryId> {
        if let Some(&name) = self.types.names.get(&target) {
            return Some(name);
        }
        let location = Code::data_location(self.instance)?;
        let root = self.id(Id { entry: 0, ..target })?;
        let name = self.add(target.unit, root, dw::DW_TAG_typedef);
        self.set_name(target.unit, name, &spelling(self.input, target, 0));
        let reference = self.reference_to(owner, ty, target.unit);
        self.set(target.unit, name, dw::DW_AT_type, reference);
        if is_scalar {
            self.set(target.unit, name, dw::DW_AT_data_location, exprloc(location));
        }
        self.types.names.insert(target, name);
        Some(name)
    }

    /// A scalar that is said to be allocated at run time.
    fn allocated(&mut self, scalar: Id) -> Option<UnitEntryId> {
        if let Some(&allocated) = self.types.allocated.get(&scalar) {
            return Some(allocated);
        }
        let unit = scalar.unit;
        let mut output = self.id(scalar)?;
        if self.input.entry(scalar).tag == dw::DW_TAG_base_type {
            let root = self.id(Id { entry: 0, ..scalar })?;
            output = self.add(unit, root, dw::DW_TAG_base_type);
            self.copy(scalar, unit, output);
            self.adapt(scalar, output);
            let name = spelling(self.input, scalar, 0);
            let is_quad = number(self.input.entry(scalar), dw::DW_AT_byte_size) == Some(16)
                && name.contains("double");
            if !is_quad {
                self.set_name(unit, output, &(name + " "));
            }
        }
        self.set(unit, output, dw::DW_AT_allocated, AttributeValue::Udata(1));
        self.types.allocated.insert(scalar, output);
        Some(output)
    }

    /// A copy of a structure, union or array, with a data location. What is in it
    /// has none: gdb trips over that in what is not in memory.
    fn located(&mut self, id: Id) -> Option<UnitEntryId> {
        if let Some(&located) = self.types.located.get(&id) {
            return Some(located);
        }
        let location = Code::data_location(self.instance)?;
        let input = self.input;
        let (unit, entry) = (id.unit, input.entry(id));
        let outer = self.outer(Id { entry: entry.parent, ..id })?;
        let parent = self.id(outer)?;
        let located = self.add(unit, parent, entry.tag);
        self.types.located.insert(id, located);
        self.copy(id, unit, located);
        self.set(unit, located, dw::DW_AT_data_location, exprloc(location));
        for &child in &entry.children {
            let child = Id { entry: child, ..id };
            let tag = input.entry(child).tag;
            if matches!(
                tag,
                dw::DW_TAG_member
                    | dw::DW_TAG_inheritance
                    | dw::DW_TAG_subrange_type
                    | dw::DW_TAG_template_type_parameter
                    | dw::DW_TAG_template_value_parameter
            ) {
                let copy = self.add(unit, located, tag);
                self.copy(child, unit, copy);
                if tag == dw::DW_TAG_member
                    && let Some(ty) = input.reference(child, dw::DW_AT_type)
                    && let Some(inner) = last(input, ty)
                    && input.entry(inner).tag != dw::DW_TAG_array_type
                    && has_variants(input, inner, 0)
                {
                    let deferred = self.deferred(inner, false)?;
                    let deferred = self.reference_to(inner.unit, deferred, unit);
                    self.set(unit, copy, dw::DW_AT_type, deferred);
                }
            }
        }
        if is_structure(entry.tag) {
            self.pad(id, located);
        }
        Some(located)
    }

    /// An array of a structure that has variants inside, or is an enumeration.
    fn deferred(&mut self, id: Id, is_located: bool) -> Option<UnitEntryId> {
        if let Some(&deferred) = self.types.deferred.get(&(id, is_located)) {
            return Some(deferred);
        }
        let location = Code::data_location(self.instance)?;
        let unit = id.unit;
        let (outer, element) = (self.outer(id)?, self.reference(id, unit)?);
        let parent = self.id(Id { entry: self.input.entry(outer).parent, ..id })?;
        let deferred = self.add(unit, parent, dw::DW_TAG_array_type);
        let name = self.qualified(id);
        self.set_name(unit, deferred, &name);
        self.set(unit, deferred, dw::DW_AT_type, element);
        if is_located {
            self.set(unit, deferred, dw::DW_AT_data_location, exprloc(location));
        }
        let range = self.add(unit, deferred, dw::DW_TAG_subrange_type);
        self.set(unit, range, dw::DW_AT_count, AttributeValue::Udata(0));
        self.types.deferred.insert((id, is_located), deferred);
        Some(deferred)
    }

    /// Gives a structure that ends in padding a member as large as all of it, which
    /// has no members.
    fn pad(&mut self, id: Id, output: UnitEntryId) {
        // Rust's tuples are known by the names of their members, all of them.
        let root = self.input.entry(Id { entry: 0, ..id });
        let rust = gimli::AttributeValue::Language(dw::DW_LANG_Rust);
        let Some(size) = number(self.input.entry(id), dw::DW_AT_byte_size) else { return };
        if root.value(dw::DW_AT_language) == Some(rust) || end(self.input, id) == Some(size) {
            return;
        }
        let unit = id.unit;
        let Some(top) = self.id(Id { entry: 0, ..id }) else { return };
        let all = self.add(unit, top, dw::DW_TAG_structure_type);
        self.set(unit, all, dw::DW_AT_byte_size, AttributeValue::Udata(size));
        let member = self.add(unit, output, dw::DW_TAG_member);
        self.set(unit, member, dw::DW_AT_type, AttributeValue::UnitRef(all));
        self.set(unit, member, dw::DW_AT_data_member_location, AttributeValue::Udata(0));
    }

    /// Names `output` in the output's `unit`, where `function` is inlined, if that is
    /// of another language: there, gdb neither decodes names for linkers nor makes
    /// names of its own.
    pub fn name_in(&mut self, unit: usize, function: Id, output: UnitEntryId) {
        let language = |unit| self.input.entry(Id { unit, entry: 0 }).value(dw::DW_AT_language);
        if language(unit) == language(function.unit) {
            return;
        }
        let mut declared = function;
        for _ in 0..MAX_CHAIN {
            if let Some(own) = self.id(declared) {
                self.delete(declared.unit, own, dw::DW_AT_linkage_name);
            }
            let further = [dw::DW_AT_abstract_origin, dw::DW_AT_specification];
            let next = further.into_iter().find_map(|name| self.input.reference(declared, name));
            let Some(next) = next else { break };
            declared = next;
        }
        let name = self.qualified(declared);
        self.set_name(unit, output, &name);
    }

    /// An entry's name, with those of the scopes that it is in.
    fn qualified(&self, mut id: Id) -> String {
        let mut names = Vec::new();
        while id.entry > 0 {
            let name = self.input.text(id, dw::DW_AT_name).unwrap_or(b"{...}");
            names.push(String::from_utf8_lossy(name).into_owned());
            id.entry = self.input.entry(id).parent;
        }
        names.reverse();
        names.join("::")
    }

    /// Names an entry of the output.
    pub fn set_name(&mut self, unit: usize, output: UnitEntryId, name: &str) {
        let name = AttributeValue::StringRef(self.output.strings.add(name.replace('\0', "")));
        self.set(unit, output, dw::DW_AT_name, name);
    }

    fn delete(&mut self, unit: usize, output: UnitEntryId, name: gimli::DwAt) {
        self.output.units.get_mut(self.units[unit]).get_mut(output).delete(name);
    }
}

fn is_structure(tag: DwTag) -> bool {
    matches!(tag, dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type)
}

/// Whether a type is another by another name, or with restrictions.
fn is_alias(tag: DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_typedef
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
    )
}

fn number(entry: &Entry<'_>, name: gimli::DwAt) -> Option<u64> {
    entry.value(name)?.udata_value()
}

/// The type that a type is, behind its names.
fn last(input: &Input<'_>, mut id: Id) -> Option<Id> {
    for _ in 0..MAX_CHAIN {
        if !is_alias(input.entry(id).tag) {
            return Some(id);
        }
        id = input.reference(id, dw::DW_AT_type)?;
    }
    None
}

/// Bytes of an object of a type.
pub fn size(input: &Input<'_>, id: Id) -> Option<u64> {
    size_at(input, id, 0)
}

fn size_at(input: &Input<'_>, id: Id, depth: usize) -> Option<u64> {
    let id = last(input, id)?;
    let entry = input.entry(id);
    let of_type = |id| size_at(input, input.reference(id, dw::DW_AT_type)?, depth + 1);
    if depth > MAX_CHAIN {
        return None;
    }
    match entry.tag {
        _ if entry.has(dw::DW_AT_byte_size) => number(entry, dw::DW_AT_byte_size),
        _ if is_pointer(entry) => Some(POINTER),
        dw::DW_TAG_ptr_to_member_type => {
            let target = last(input, input.reference(id, dw::DW_AT_type)?)?;
            // With what is to be added to `this`.
            let is_function = input.entry(target).tag == dw::DW_TAG_subroutine_type;
            Some(if is_function { 2 * POINTER } else { POINTER })
        }
        dw::DW_TAG_enumeration_type => of_type(id),
        dw::DW_TAG_array_type => {
            let mut total = of_type(id)?;
            for &child in &entry.children {
                let range = &input.units[id.unit].entries[child];
                if range.tag != dw::DW_TAG_subrange_type {
                    continue;
                }
                let count = match number(range, dw::DW_AT_count) {
                    Some(count) => count,
                    None => number(range, dw::DW_AT_upper_bound)?.checked_add(1)?,
                };
                total = total.checked_mul(count)?;
            }
            Some(total)
        }
        _ => None,
    }
}

/// Whether objects of a type are Rust enumerations.
fn is_enumeration(input: &Input<'_>, id: Id) -> bool {
    let mut children = input.entry(id).children.iter();
    children.any(|&entry| input.entry(Id { entry, ..id }).tag == dw::DW_TAG_variant_part)
}

/// Whether objects of a type are Rust enumerations, or have such inside.
fn has_variants(input: &Input<'_>, id: Id, depth: usize) -> bool {
    let Some(id) = last(input, id) else { return false };
    let of_type = |id| {
        let ty = input.reference(id, dw::DW_AT_type);
        ty.is_some_and(|ty| has_variants(input, ty, depth + 1))
    };
    match input.entry(id).tag {
        _ if depth > MAX_NESTED => true,
        dw::DW_TAG_array_type => of_type(id),
        tag if is_structure(tag) => {
            is_enumeration(input, id)
                || input.entry(id).children.iter().any(|&entry| {
                    let child = Id { entry, ..id };
                    input.entry(child).tag == dw::DW_TAG_member && of_type(child)
                })
        }
        _ => false,
    }
}

/// Where the last byte of a structure ends that is a member's.
fn end(input: &Input<'_>, id: Id) -> Option<u64> {
    let mut end = 0;
    for &entry in &input.entry(id).children {
        let child = Id { entry, ..id };
        let entry = input.entry(child);
        let is_static = entry.has(dw::DW_AT_external) || entry.has(dw::DW_AT_declaration);
        if !matches!(entry.tag, dw::DW_TAG_member | dw::DW_TAG_inheritance) || is_static {
            continue;
        }
        let bits = number(entry, dw::DW_AT_data_bit_offset).zip(number(entry, dw::DW_AT_bit_size));
        let after = if let Some((start, size)) = bits {
            start.checked_add(size)?.div_ceil(8)
        } else {
            let start = match entry.value(dw::DW_AT_data_member_location) {
                Some(value) => value.udata_value()?,
                None => 0,
            };
            let size = size(input, input.reference(child, dw::DW_AT_type)?)?;
            start.checked_add(size)?
        };
        end = end.max(after);
    }
    Some(end)
}

/// A type as C and C++ write it.
pub fn spelling(input: &Input<'_>, id: Id, depth: usize) -> String {
    if depth > MAX_CHAIN {
        return "?".to_owned();
    }
    let entry = input.entry(id);
    let inner = || match input.reference(id, dw::DW_AT_type) {
        Some(id) => spelling(input, id, depth + 1),
        None => "void".to_owned(),
    };
    let after = |inner: String, mark: &str| {
        let space = if inner.ends_with(['*', '&']) { "" } else { " " };
        format!("{inner}{space}{mark}")
    };
    if let Some(name) = input.text(id, dw::DW_AT_name) {
        let name = String::from_utf8_lossy(name);
        let root = input.entry(Id { entry: 0, ..id });
        let is_c = matches!(
            root.value(dw::DW_AT_language),
            Some(gimli::AttributeValue::Language(
                dw::DW_LANG_C
                    | dw::DW_LANG_C89
                    | dw::DW_LANG_C99
                    | dw::DW_LANG_C11
                    | dw::DW_LANG_C17
            ))
        );
        return match entry.tag {
            dw::DW_TAG_structure_type if is_c => format!("struct {name}"),
            dw::DW_TAG_union_type if is_c => format!("union {name}"),
            dw::DW_TAG_enumeration_type if is_c => format!("enum {name}"),
            _ => name.into_owned(),
        };
    }
    match entry.tag {
        dw::DW_TAG_pointer_type => after(inner(), "*"),
        dw::DW_TAG_reference_type => after(inner(), "&"),
        dw::DW_TAG_rvalue_reference_type => after(inner(), "&&"),
        dw::DW_TAG_const_type => match inner() {
            pointer if pointer.ends_with(['*', '&']) => pointer + " const",
            other => format!("const {other}"),
        },
        dw::DW_TAG_volatile_type => format!("volatile {}", inner()),
        dw::DW_TAG_typedef | dw::DW_TAG_restrict_type | dw::DW_TAG_atomic_type => inner(),
        dw::DW_TAG_subroutine_type => format!("{} (...)", inner()),
        dw::DW_TAG_array_type => format!("{} []", inner()),
        _ => "{...}".to_owned(),
    }
}
