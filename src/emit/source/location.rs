//! From where the wasm's DWARF says that a variable is to where the machine code
//! has it. What cannot be told for sure is left out.

use super::code::{self, Code};
use super::input::Reader;
use super::native::{self, Place, VMCTX};
use super::ranges::{self, Ranges};
use super::values::Values;
use gimli::{Expression, Operation, UnitOffset, UnitRef, constants as dw};
use std::collections::BTreeSet;
use std::ops::Range;
use wasm2so_abi::ValType;

/// Parts of the machine code, ascending, and what is so in each.
pub type List = Vec<(Range<u64>, Code)>;

/// A function's variables are translated with this.
pub struct Frame<'a> {
    /// The machine code.
    pub native: &'a native::Instance,
    /// Where instances have what.
    pub instance: &'a code::Instance,
    /// Types of the wasm locals.
    pub locals: &'a [ValType],
    /// Their values.
    pub values: &'a Values,
    /// In optimised code: where memory is as the wasm has it there.
    pub in_order: Option<&'a Ranges>,
    /// The function runs several times while the one does that it is inlined into.
    pub repeated: bool,
    /// What offsets from the frame are from, in the wasm.
    pub base: Option<&'a [Operation<Reader<'a>>]>,
}

/// The operations of an expression of `unit`; `None` if it is malformed.
pub fn parse<'a>(
    expression: Expression<Reader<'a>>,
    unit: UnitRef<'_, Reader<'a>>,
) -> Option<Vec<Operation<Reader<'a>>>> {
    let mut operations = Vec::new();
    let mut iter = expression.operations(unit.encoding());
    while let Some(operation) = iter.next().ok()? {
        operations.push(match operation {
            Operation::AddressIndex { index } => {
                Operation::Address { address: unit.address(index).ok()? }
            }
            other => other,
        });
    }
    Some(operations)
}

/// Places of locals, by index.
type Known<'p> = Vec<(u32, &'p Place)>;

/// Which places an expression depends on.
#[derive(Default)]
struct Needs {
    locals: BTreeSet<u32>,
}

impl Frame<'_> {
    /// Where in the wasm a variable is at `expression`, as is said of `range` and of
    /// `several` ranges, or else of all of the function; `None` if it is everywhere.
    pub fn meant(
        &self,
        expression: &[Operation<Reader<'_>>],
        range: Option<&Range<u64>>,
        several: bool,
    ) -> Option<Ranges> {
        let said = range.map(|range| vec![self.values.settled(range, several)]);
        let own = locals(expression).map(|local| match range {
            Some(range) => self.values.same(local, range),
            None => self.values.only(local),
        });
        let is_frame =
            |operation: &Operation<_>| matches!(operation, Operation::FrameOffset { .. });
        let base = self.base.filter(|_| expression.iter().any(is_frame)).unwrap_or_default();
        let base = locals(base).map(|local| self.values.only(local));
        said.into_iter().chain(own).chain(base).reduce(|a, b| ranges::intersect(&a, &b))
    }

    /// The part of `scope` where it is sure that `expression` finds what it would find
    /// in the wasm.
    ///
    /// Optimised code does what the wasm does in another order. A debugger sees the
    /// values that locals had somewhere around, which is as good if they have no
    /// others, and memory as it is.
    fn sure(&self, expression: &[Operation<Reader<'_>>], scope: &[Range<u64>]) -> Ranges {
        let Some(in_order) = self.in_order else { return scope.to_vec() };
        let is_frame =
            |operation: &Operation<_>| matches!(operation, Operation::FrameOffset { .. });
        let base = self.base.filter(|_| expression.iter().any(is_frame)).unwrap_or_default();
        let steady = |local| self.values.is_steady(local) && !self.repeated;
        if !locals(expression).chain(locals(base)).all(steady) {
            return Vec::new();
        }
        match reads_memory(expression) || reads_memory(base) {
            true => ranges::intersect(scope, in_order),
            false => scope.to_vec(),
        }
    }

    /// Where a variable of so many `bytes` is in `scope` that is at `expression` there,
    /// and whether all of it could be translated.
    pub fn variable(
        &self,
        expression: &[Operation<Reader<'_>>],
        scope: &[Range<u64>],
        bytes: Option<u64>,
    ) -> (List, bool) {
        let mut needs = Needs::default();
        self.add_needs(&mut needs, expression, true);
        let scope = self.sure(expression, scope);
        let mut parts: Vec<(Range<u64>, Known<'_>)> =
            scope.into_iter().map(|range| (range, Vec::new())).collect();
        for local in needs.locals {
            let places = self.native.locals.get(&local).map_or(&[][..], Vec::as_slice);
            let mut narrower = Vec::new();
            for (range, known) in &parts {
                let first = places.partition_point(|(part, _)| part.end <= range.start);
                for (part, place) in &places[first..] {
                    let both = range.start.max(part.start)..range.end.min(part.end);
                    if both.start >= both.end {
                        break;
                    }
                    // That may be what it has before it is set.
                    let is_early = place.is_constant() && !self.values.is_parameter(local);
                    if self.in_order.is_some() && local != VMCTX && is_early {
                        continue;
                    }
                    let mut known = known.clone();
                    known.push((local, place));
                    narrower.push((both, known));
                }
            }
            parts = narrower;
        }
        let count = parts.len();
        let translate = |(range, places): (Range<u64>, Known<'_>)| {
            Some((range, self.translate(expression, &places, bytes)?))
        };
        let list: List = parts.into_iter().filter_map(translate).collect();
        let understood = list.len() == count;
        (join(list), understood)
    }

    /// The frame base: where there is an instance pointer.
    pub fn frame_base(&self) -> List {
        let places = self.native.locals.get(&VMCTX).into_iter().flatten();
        let place =
            |(range, place): &(Range<u64>, Place)| Some((range.clone(), Code::frame_base(place)?));
        join(places.filter_map(place).collect())
    }

    fn add_needs(&self, needs: &mut Needs, expression: &[Operation<Reader<'_>>], frame: bool) {
        let mut is_value = false;
        for operation in expression {
            match operation {
                Operation::WasmLocal { index } => _ = needs.locals.insert(*index),
                Operation::FrameOffset { .. } if frame => {
                    if let Some(base) = self.base {
                        self.add_needs(needs, base, false);
                    }
                    needs.locals.insert(VMCTX);
                }
                Operation::StackValue | Operation::ImplicitValue { .. } => is_value = true,
                Operation::WasmGlobal { .. } | Operation::Deref { .. } => {
                    needs.locals.insert(VMCTX);
                }
                _ => {}
            }
        }
        if frame && !is_value {
            needs.locals.insert(VMCTX);
        }
    }

    /// `expression` where locals are in `places`.
    fn translate(
        &self,
        expression: &[Operation<Reader<'_>>],
        places: &[(u32, &Place)],
        bytes: Option<u64>,
    ) -> Option<Code> {
        let mut code = Code::default();
        let mut rest = expression;
        let mut described = 0u64;
        loop {
            let is_piece = |operation: &Operation<_>| matches!(operation, Operation::Piece { .. });
            let end = rest.iter().position(is_piece).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if !part.is_empty() {
                self.part(&mut code, part, places)?;
            }
            match after.split_first() {
                Some((Operation::Piece { size_in_bits, bit_offset: None }, after))
                    if size_in_bits % 8 == 0 =>
                {
                    code.piece(size_in_bits / 8);
                    described = described.checked_add(size_in_bits / 8)?;
                    rest = after;
                    if rest.is_empty() {
                        // LLVM does not mention what is not there at the end; gdb takes
                        // it for there.
                        code.piece(bytes?.checked_sub(described)?);
                        return Some(code);
                    }
                }
                Some(_) => return None,
                None => return (!part.is_empty()).then_some(code),
            }
        }
    }

    /// An expression without pieces.
    fn part(
        &self,
        code: &mut Code,
        part: &[Operation<Reader<'_>>],
        places: &[(u32, &Place)],
    ) -> Option<()> {
        match part {
            [Operation::WasmLocal { index }, Operation::StackValue] => {
                code.place(find(places, *index)?);
            }
            [Operation::ImplicitValue { data }] => code.implicit(data.slice()),
            [value @ .., Operation::StackValue] => {
                self.push(code, value, places)?;
                code.op(dw::DW_OP_stack_value);
            }
            address => {
                self.push(code, address, places)?;
                code.linear(self.instance)?;
            }
        }
        Some(())
    }

    /// Pushes what `operations` compute, of which the low 32 bits may be used.
    fn push(
        &self,
        code: &mut Code,
        operations: &[Operation<Reader<'_>>],
        places: &[(u32, &Place)],
    ) -> Option<()> {
        for operation in operations {
            match *operation {
                Operation::WasmLocal { index } => {
                    let ty = *self.locals.get(index as usize)?;
                    code.value(find(places, index)?, ty)?;
                }
                Operation::WasmGlobal { index } => code.global(self.instance, index)?,
                Operation::FrameOffset { offset } => {
                    let base = match self.base? {
                        [base @ .., Operation::StackValue] | base => base,
                    };
                    if base.iter().any(|op| matches!(op, Operation::FrameOffset { .. })) {
                        return None;
                    }
                    self.push(code, base, places)?;
                    code.signed_constant(offset);
                    code.op(dw::DW_OP_plus);
                }
                Operation::Deref { base_type: UnitOffset(0), size, space: false } => {
                    code.load_linear(self.instance, size)?;
                }
                _ => plain(code, operation)?,
            }
        }
        Some(())
    }
}

/// Whether what an expression says depends on what is in memory.
fn reads_memory(expression: &[Operation<Reader<'_>>]) -> bool {
    let mut is_value = false;
    for operation in expression {
        match operation {
            Operation::Deref { .. } | Operation::WasmGlobal { .. } => return true,
            Operation::StackValue | Operation::ImplicitValue { .. } => is_value = true,
            Operation::Piece { .. } if !is_value => return true,
            Operation::Piece { .. } => is_value = false,
            _ => {}
        }
    }
    !is_value && !matches!(expression.last(), None | Some(Operation::Piece { .. }))
}

/// The locals in an expression.
fn locals(expression: &[Operation<Reader<'_>>]) -> impl Iterator<Item = u32> {
    expression.iter().filter_map(|operation| match operation {
        Operation::WasmLocal { index } => Some(*index),
        _ => None,
    })
}

fn find<'a>(places: &[(u32, &'a Place)], index: u32) -> Option<&'a Place> {
    places.iter().find(|(local, _)| *local == index).map(|(_, place)| *place)
}

/// Where what has no function is: a global variable.
pub fn fixed(expression: &[Operation<Reader<'_>>], instance: &code::Instance) -> Option<Code> {
    let mut code = Code::default();
    let value = match expression {
        [value @ .., Operation::StackValue] => value,
        [Operation::ImplicitValue { data }] => {
            code.implicit(data.slice());
            return Some(code);
        }
        address => address,
    };
    value.iter().try_for_each(|operation| plain(&mut code, operation))?;
    if value.len() < expression.len() {
        code.op(dw::DW_OP_stack_value);
    } else {
        code.checked_linear(instance)?;
    }
    Some(code)
}

/// An expression that is given an object's address, native or not.
pub fn of_object(expression: &[Operation<Reader<'_>>], instance: &code::Instance) -> Option<Code> {
    let mut code = Code::default();
    for operation in expression {
        match *operation {
            Operation::Deref { base_type: UnitOffset(0), size, space: false } => {
                code.load_either(instance, size)?;
            }
            Operation::PushObjectAddress => code.op(dw::DW_OP_push_object_address),
            _ => plain(&mut code, operation)?,
        }
    }
    Some(code)
}

/// An operation whose low 32 bits only depend on those of its operands.
fn plain(code: &mut Code, operation: &Operation<Reader<'_>>) -> Option<()> {
    match *operation {
        Operation::Address { address } => code.constant(address),
        Operation::UnsignedConstant { value } => code.constant(value),
        Operation::SignedConstant { value } => code.signed_constant(value),
        Operation::PlusConstant { value } => code.add(value),
        Operation::Pick { index: 0 } => code.op(dw::DW_OP_dup),
        Operation::Pick { index: 1 } => code.op(dw::DW_OP_over),
        Operation::Drop => code.op(dw::DW_OP_drop),
        Operation::Swap => code.op(dw::DW_OP_swap),
        Operation::Rot => code.op(dw::DW_OP_rot),
        Operation::And => code.op(dw::DW_OP_and),
        Operation::Or => code.op(dw::DW_OP_or),
        Operation::Xor => code.op(dw::DW_OP_xor),
        Operation::Plus => code.op(dw::DW_OP_plus),
        Operation::Minus => code.op(dw::DW_OP_minus),
        Operation::Mul => code.op(dw::DW_OP_mul),
        Operation::Shl => code.op(dw::DW_OP_shl),
        Operation::Not => code.op(dw::DW_OP_not),
        Operation::Neg => code.op(dw::DW_OP_neg),
        Operation::Nop => {}
        _ => return None,
    }
    Some(())
}

/// Ascending, with neighbours that say the same as one; of what overlaps, the
/// first counts.
pub fn join(mut list: List) -> List {
    list.sort_by_key(|(range, _)| range.start);
    let mut joined: List = Vec::with_capacity(list.len());
    for (mut range, code) in list {
        match joined.last_mut() {
            Some((last, same)) if range.start <= last.end && *same == code => {
                last.end = last.end.max(range.end);
                continue;
            }
            Some((last, _)) => range.start = range.start.max(last.end),
            None => {}
        }
        if range.start < range.end {
            joined.push((range, code));
        }
    }
    joined
}
