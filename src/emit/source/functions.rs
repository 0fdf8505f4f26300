//! Functions, once for each place where their machine code is: scopes, inlined
//! functions, variables. What our own optimiser inlined appears as what clang
//! inlined does.

use super::input::{Id, Reader};
use super::location::{self, Frame, List};
use super::native::{Call, Instance};
use super::ranges::{self, Ranges};
use super::translation::{Translation, exprloc, is_function};
use super::types;
use super::values::Values;
use crate::module::WasmModule;
use gimli::write::{
    Address, AttributeValue, Expression, Location, LocationList, Range as WriteRange, RangeList,
    UnitEntryId,
};
use gimli::{Operation, constants as dw};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use wasm2so_abi::ValType;

/// Entries that are made for copies of functions, at most: more than this for
/// each entry of the input come of inlining without measure.
const MAX_COPIES: usize = 32;

/// Adds the functions to a translation.
pub struct Functions<'a, 'b> {
    translation: &'b mut Translation<'a>,
    module: &'b WasmModule<'b>,
    /// The entry of the function with a body, by where that starts.
    entries: HashMap<u64, Id>,
    /// Bodies of functions of which there is another copy than the first.
    copied: HashSet<u64>,
    /// The functions whose entry has its code already.
    placed: HashSet<u64>,
    /// The values of locals, by where the function's body starts.
    values: HashMap<u64, Rc<Values>>,
    /// By unit.
    code: Vec<Vec<Range<u64>>>,
    /// Whether the code is optimised.
    optimised: bool,
    /// Entries that may still be made.
    left: usize,
}

/// A copy of a function's code, in the making.
struct Copy<'a, 'n> {
    /// The unit in the output.
    unit: usize,
    native: &'n Instance,
    /// Its rows, ascending by position.
    by_position: Vec<(u64, Range<u64>)>,
    locals: Vec<ValType>,
    values: Rc<Values>,
    /// See [`Frame`].
    in_order: Option<Ranges>,
    repeated: bool,
    base: Option<Vec<Operation<Reader<'a>>>>,
}

/// Adds `natives`, functions of `module` whose `bodies` are at these positions, and
/// whose code is `optimised` or not.
pub fn add(
    translation: &mut Translation<'_>,
    module: &WasmModule<'_>,
    bodies: &[Range<u64>],
    natives: &[Instance],
    optimised: bool,
) {
    let input = translation.input;
    let mut entries = HashMap::new();
    for (unit, read) in input.units.iter().enumerate() {
        for (entry, _) in read.entries.iter().enumerate().filter(|(_, e)| is_function(e)) {
            let id = Id { unit, entry };
            let ranges = input.ranges(id, translation.dropped);
            let Some(start) = ranges.first().map(|range| range.start) else { continue };
            let place = bodies.partition_point(|body| body.end <= start);
            if let Some(body) = bodies.get(place).filter(|body| body.contains(&start)) {
                entries.entry(body.start).or_insert(id);
            }
        }
    }
    let mut copied = HashSet::new();
    let mut seen = HashSet::new();
    for native in natives {
        if !seen.insert(native.body) {
            copied.insert(native.body);
        }
        collect_inlined(native, &mut copied);
    }
    let count: usize = input.units.iter().map(|unit| unit.entries.len()).sum();
    let units = input.units.len();
    let mut functions = Functions {
        translation,
        module,
        entries,
        copied,
        placed: HashSet::new(),
        values: HashMap::new(),
        code: vec![Vec::new(); units],
        optimised,
        left: count.saturating_mul(MAX_COPIES),
    };
    for native in natives {
        functions.function(native);
    }
    functions.finish();
}

fn collect_inlined(native: &Instance, bodies: &mut HashSet<u64>) {
    for inlined in &native.inlined {
        bodies.insert(inlined.body);
        collect_inlined(inlined, bodies);
    }
}

impl<'a> Functions<'a, '_> {
    /// A function that is not inlined.
    fn function(&mut self, native: &Instance) {
        let Some((unit, id, output)) = self.subprogram(native) else { return };
        self.set_ranges(unit, output, &native.ranges);
        self.code[unit].extend(native.ranges.iter().cloned());
        let copy = self.copy(id, unit, native, false);
        let base = copy.frame(self.translation).frame_base();
        self.set_location(unit, output, dw::DW_AT_frame_base, base, &native.ranges);
        let calls = native.outermost(&|body| self.entries.contains_key(&body));
        match id {
            Some(id) => self.scope(&copy, id, output, calls),
            None => calls.into_iter().for_each(|call| self.call(&copy, unit, output, call)),
        }
        let find = |body| self.entries.get(&body).copied();
        let Translation { output, units, files, input, .. } = &mut *self.translation;
        let program = &mut output.units.get_mut(units[unit]).line_program;
        super::lines::add(program, &mut files[unit], input, native, &find);
    }

    /// The unit, the entry in the input and that in the output of a function; nothing
    /// if there is nothing to be said of it. Without an entry in the input it is only
    /// what others are inlined into.
    fn subprogram(&mut self, native: &Instance) -> Option<(usize, Option<Id>, UnitEntryId)> {
        let root = |this: &Self, unit| {
            let root = this.translation.id(Id { unit, entry: 0 });
            root.expect("units have a root")
        };
        let Some(&id) = self.entries.get(&native.body) else {
            let inlined = native.outermost(&|body| self.entries.contains_key(&body));
            let unit = self.entries[&inlined.first()?.callee.body].unit;
            let root = root(self, unit);
            let output = self.translation.add(unit, root, dw::DW_TAG_subprogram);
            if let Some(index) = self.index(native.body) {
                let name = self.module.names.function(index).into_owned();
                self.translation.set_name(unit, output, &name);
            }
            return Some((unit, None, output));
        };
        let unit = id.unit;
        self.placed.insert(native.body);
        if !self.copied.contains(&native.body) {
            let own = self.translation.id(id).expect("functions are there once");
            return Some((unit, Some(id), own));
        }
        let root = root(self, unit);
        let copy = self.translation.add(unit, root, dw::DW_TAG_subprogram);
        let origin = self.origin(id, unit);
        self.translation.set(unit, copy, dw::DW_AT_abstract_origin, origin);
        Some((unit, Some(id), copy))
    }

    /// What copies of a function, named from `unit`, are copies of.
    fn origin(&self, id: Id, unit: usize) -> AttributeValue {
        let input = self.translation.input;
        let inlined = input.reference(id, dw::DW_AT_abstract_origin);
        let reference = |id| self.translation.reference(id, unit);
        inlined.and_then(reference).or_else(|| reference(id)).expect("functions are there once")
    }

    fn copy<'n>(
        &mut self,
        id: Option<Id>,
        unit: usize,
        native: &'n Instance,
        repeated: bool,
    ) -> Copy<'a, 'n> {
        let input = self.translation.input;
        let base = id.and_then(|id| {
            let base = input.entry(id).value(dw::DW_AT_frame_base)?.exprloc_value()?;
            location::parse(base, input.unit(id.unit))
        });
        let at = |row: &super::native::Row| Some((row.at?, row.range.clone()));
        let mut by_position: Vec<_> = native.rows.iter().filter_map(at).collect();
        by_position.sort_by_key(|(at, range)| (*at, range.start));
        let locals = self.locals(native.body);
        let values = self.values(native.body);
        let leads_to = |at, site| values.leads_to(at, site);
        let in_order = self.optimised.then(|| ranges::in_order(&native.rows, leads_to));
        Copy { unit, native, by_position, locals, values, in_order, repeated, base }
    }

    /// The index of the function with a body.
    fn index(&self, body: u64) -> Option<u32> {
        let start = body + self.module.code_section_start;
        let place = self.module.bodies.binary_search_by_key(&start, |body| body.range.start);
        Some(self.module.imported_functions + place.ok()? as u32)
    }

    /// Types of the locals of the function with a body.
    fn locals(&self, body: u64) -> Vec<ValType> {
        let Some(index) = self.index(body) else { return Vec::new() };
        let mut types = self.module.signature(index).params.clone();
        let body = self.module.body(index).expect("it has a body");
        let groups = body.reader.get_locals_reader().into_iter().flatten();
        for (count, ty) in groups.flatten() {
            let Ok(ty) = crate::module::value_type(ty) else { break };
            types.extend(std::iter::repeat_n(ty, count as usize));
        }
        types
    }

    /// The values of the locals of the function with a body.
    fn values(&mut self, body: u64) -> Rc<Values> {
        if let Some(values) = self.values.get(&body) {
            return values.clone();
        }
        let values = self.index(body).map_or_else(Values::default, |index| {
            let params = self.module.signature(index).params.len() as u32;
            let body = self.module.body(index).expect("it has a body");
            Values::of(&body.reader, params, self.module.code_section_start)
        });
        let values = Rc::new(values);
        self.values.insert(body, values.clone());
        values
    }

    /// Adds what is in `id` to `output`; also `calls`, those of the functions that
    /// are inlined into the copy that happen there.
    fn scope(
        &mut self,
        copy: &Copy<'a, '_>,
        id: Id,
        output: UnitEntryId,
        mut calls: Vec<Call<'_>>,
    ) {
        let input = self.translation.input;
        for &entry in &input.entry(id).children {
            let child = Id { entry, ..id };
            if !self.translation.is_code(child) {
                continue;
            }
            match input.entry(child).tag {
                dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => {
                    self.variable(copy, child, output);
                }
                tag @ (dw::DW_TAG_lexical_block | dw::DW_TAG_inlined_subroutine) => {
                    let wasm = input.ranges(child, self.translation.dropped);
                    let ranges = copy.native_ranges(&wasm);
                    if ranges.is_empty() || !self.may_add() {
                        continue;
                    }
                    let added = self.translation.add(copy.unit, output, tag);
                    self.translation.copy(child, copy.unit, added);
                    if tag == dw::DW_TAG_inlined_subroutine {
                        self.translation.name_in(copy.unit, child, added);
                    }
                    self.set_ranges(copy.unit, added, &ranges);
                    let inside = |call: &Call<'_>| {
                        call.at.is_some_and(|at| wasm.iter().any(|range| range.contains(&at)))
                    };
                    let (inner, outer) = calls.into_iter().partition(inside);
                    calls = outer;
                    self.scope(copy, child, added, inner);
                }
                _ => {}
            }
        }
        for call in calls {
            self.call(copy, id.unit, output, call);
        }
    }

    /// Adds a function that our optimiser inlined into one of the unit `caller`.
    fn call(&mut self, copy: &Copy<'a, '_>, caller: usize, output: UnitEntryId, call: Call<'_>) {
        let Call { at, callee: native } = call;
        let Some(&id) = self.entries.get(&native.body) else { return };
        if !self.may_add() {
            return;
        }
        let unit = copy.unit;
        let added = self.translation.add(unit, output, dw::DW_TAG_inlined_subroutine);
        let origin = self.origin(id, unit);
        self.translation.set(unit, added, dw::DW_AT_abstract_origin, origin);
        self.translation.name_in(unit, id, added);
        self.set_ranges(unit, added, &native.ranges);
        let input = self.translation.input;
        if let Some(row) = at.and_then(|at| input.row(caller, at)) {
            let row = &input.units[caller].rows[row];
            if let Some(file) = self.translation.file(caller, row.file, unit) {
                self.translation.set(unit, added, dw::DW_AT_call_file, file);
            }
            for (name, number) in
                [(dw::DW_AT_call_line, row.line), (dw::DW_AT_call_column, row.column)]
            {
                self.translation.set(unit, added, name, AttributeValue::Udata(number));
            }
        }
        let once = at.is_some_and(|at| !copy.values.is_repeated(at)) && at == native.call;
        let repeated = copy.repeated || !once;
        let inlined = self.copy(Some(id), unit, native, repeated);
        let calls = native.outermost(&|body| self.entries.contains_key(&body));
        self.scope(&inlined, id, added, calls);
    }

    fn variable(&mut self, copy: &Copy<'a, '_>, id: Id, output: UnitEntryId) {
        if !self.may_add() {
            return;
        }
        let input = self.translation.input;
        let entry = input.entry(id);
        let added = self.translation.add(copy.unit, output, entry.tag);
        self.translation.copy(id, copy.unit, added);
        let location = entry.value(dw::DW_AT_location);
        let Some(value) = location else { return };
        let read = input.unit(id.unit);
        let bytes = input.variable_type(id).and_then(|ty| types::size(input, ty));
        let mut parts = Vec::new();
        if let Some(expression) = value.exprloc_value() {
            parts.push((None, expression));
        } else if let Ok(Some(mut entries)) = read.attr_locations(value) {
            while let Ok(Some(entry)) = entries.next()
                && self.translation.dropped.may_read()
            {
                parts.push((Some(entry.range.begin..entry.range.end), entry.data));
            }
        }
        let several = parts.iter().any(|(_, expression)| expression.0 != parts[0].1.0);
        let frame = copy.frame(self.translation);
        let mut list = Vec::new();
        let (mut malformed, mut understood) = (false, true);
        for (range, expression) in parts {
            let Some(operations) = location::parse(expression, read) else {
                malformed = true;
                continue;
            };
            let scope = match frame.meant(&operations, range.as_ref(), several) {
                Some(meant) => copy.native_ranges(&meant),
                None => copy.native.ranges.clone(),
            };
            let (places, is_understood) = frame.variable(&operations, &scope, bytes);
            list.extend(places);
            understood &= is_understood;
        }
        if malformed {
            self.translation.dropped.location();
        } else if !understood {
            self.translation.dropped.involved_location();
        }
        let list = location::join(list);
        let ranges = &copy.native.ranges;
        self.set_location(copy.unit, added, dw::DW_AT_location, list, ranges);
    }

    fn set_ranges(&mut self, unit: usize, id: UnitEntryId, ranges: &[Range<u64>]) {
        if let [range] = ranges {
            let low = AttributeValue::Address(Address::Constant(range.start));
            self.translation.set(unit, id, dw::DW_AT_low_pc, low);
            let size = AttributeValue::Udata(range.end - range.start);
            self.translation.set(unit, id, dw::DW_AT_high_pc, size);
            return;
        }
        let list = ranges.iter().map(|range| WriteRange::StartEnd {
            begin: Address::Constant(range.start),
            end: Address::Constant(range.end),
        });
        let list = RangeList(list.collect());
        let output = self.translation.output.units.get_mut(self.translation.units[unit]);
        let list = output.ranges.add(list);
        output.get_mut(id).set(dw::DW_AT_ranges, AttributeValue::RangeListRef(list));
    }

    /// Sets a location in the code `scope`.
    fn set_location(
        &mut self,
        unit: usize,
        id: UnitEntryId,
        name: gimli::DwAt,
        list: List,
        scope: &[Range<u64>],
    ) {
        let Some((_, first)) = list.first() else { return };
        let everywhere = list.iter().all(|(_, code)| code == first)
            && list.iter().map(|(range, _)| range).eq(scope);
        if everywhere {
            self.translation.set(unit, id, name, exprloc(first.clone()));
            return;
        }
        let list = list.into_iter().map(|(range, code)| Location::StartEnd {
            begin: Address::Constant(range.start),
            end: Address::Constant(range.end),
            data: Expression::raw(code.0),
        });
        let list = LocationList(list.collect());
        let output = self.translation.output.units.get_mut(self.translation.units[unit]);
        let list = output.locations.add(list);
        output.get_mut(id).set(name, AttributeValue::LocationListRef(list));
    }

    /// Whether another entry may be made.
    fn may_add(&mut self) -> bool {
        if self.left == 0 {
            self.translation.dropped.copy();
            return false;
        }
        self.left -= 1;
        true
    }

    /// Says what code units have, and which functions are only ever copied.
    fn finish(mut self) {
        for unit in 0..self.code.len() {
            let root = self.translation.id(Id { unit, entry: 0 }).expect("units have a root");
            let ranges = ranges::normal(std::mem::take(&mut self.code[unit]));
            let list = ranges.iter().map(|range| WriteRange::StartEnd {
                begin: Address::Constant(range.start),
                end: Address::Constant(range.end),
            });
            let list = RangeList(list.collect());
            let output = self.translation.output.units.get_mut(self.translation.units[unit]);
            if !list.0.is_empty() {
                let list = output.ranges.add(list);
                output.get_mut(root).set(dw::DW_AT_ranges, AttributeValue::RangeListRef(list));
            }
        }
        for (body, id) in &self.entries {
            let input = self.translation.input;
            if self.copied.contains(body) && !input.entry(*id).has(dw::DW_AT_abstract_origin) {
                let own = self.translation.id(*id).expect("functions are there once");
                let inline = AttributeValue::Inline(dw::DW_INL_inlined);
                self.translation.set(id.unit, own, dw::DW_AT_inline, inline);
            }
        }
    }
}

impl<'a> Copy<'a, '_> {
    /// The machine code of a part of the wasm, as far as it is of this copy.
    fn native_ranges(&self, wasm: &[Range<u64>]) -> Ranges {
        let mut found = Vec::new();
        for range in wasm {
            let first = self.by_position.partition_point(|(at, _)| *at < range.start);
            let inside = self.by_position[first..].iter().take_while(|(at, _)| *at < range.end);
            found.extend(inside.map(|(_, range)| range.clone()));
        }
        ranges::normal(found)
    }

    fn frame<'f>(&'f self, translation: &'f Translation<'a>) -> Frame<'f>
    where
        'a: 'f,
    {
        Frame {
            native: self.native,
            instance: translation.instance,
            locals: &self.locals,
            values: &self.values,
            in_order: self.in_order.as_ref(),
            repeated: self.repeated,
            base: self.base.as_deref(),
        }
    }
}
