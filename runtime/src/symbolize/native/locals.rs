//! The values of wasm locals and operands: where the debug information has them, and
//! what is there. A local's line, counted from its function's, is its index. Operands
//! are each in a scope inside that of the operand below.
//!
//! What cannot be told for sure is `None`. That includes parameters that are only as
//! they were at a function's entry (`DW_OP_entry_value`): the caller does not tell.

use gimli::{
    Attribute, AttributeValue, DebuggingInformationEntry, EvaluationResult, Expression, Location,
    UnitOffset, UnitRef, Value as StackValue, constants as dw,
};

use super::{NativeInfo, covers};
use crate::symbolize::Variables;
use crate::symbolize::dwarf::Reader;
use crate::unwind::arch::Vectors;
use crate::unwind::state::{FrameState, ReadMemory};
use crate::{ValType, Value};

type Entry = DebuggingInformationEntry<Reader>;

/// What values of a frame are found in.
#[derive(Clone, Copy)]
pub(crate) struct Machine<'a> {
    pub(crate) state: &'a FrameState,
    /// Vector registers, if they are known.
    pub(crate) vectors: Option<&'a Vectors>,
    pub(crate) memory: &'a dyn ReadMemory,
}

impl NativeInfo {
    /// The variables of the functions at an address in the file, innermost first, which
    /// a frame in the state `machine` is at. Nothing of those that have none or are
    /// not described.
    ///
    /// # Errors
    /// What there is of this place is malformed.
    pub(crate) fn variables(
        &self,
        address: u64,
        machine: Machine<'_>,
    ) -> gimli::Result<Vec<Variables>> {
        let Some((unit, _)) = self.unit(address) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        let mut frame = Frame { unit, address, machine, base: None };
        let mut next = frame.covering(None, dw::DW_TAG_subprogram)?;
        while let Some(function) = next {
            let entry = unit.entry(function)?;
            if let Some(base) = entry.attr_value(dw::DW_AT_frame_base) {
                frame.base = base.exprloc_value();
            }
            let (locals, operands) = (frame.locals(&entry)?, frame.operands(function)?);
            all.push(Variables { locals, operands });
            next = frame.covering(Some(function), dw::DW_TAG_inlined_subroutine)?;
        }
        all.reverse();
        Ok(all)
    }
}

/// A frame of machine code: what its functions have in common.
struct Frame<'a> {
    unit: UnitRef<'a, Reader>,
    address: u64,
    machine: Machine<'a>,
    /// What offsets of variables are from.
    base: Option<Expression<Reader>>,
}

impl Frame<'_> {
    /// Of what is directly in an entry (or in the unit), the function of this kind
    /// that is at the address.
    fn covering(
        &self,
        inside: Option<UnitOffset>,
        kind: gimli::DwTag,
    ) -> gimli::Result<Option<UnitOffset>> {
        let mut tree = self.unit.entries_tree(inside)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag() == kind && covers(self.unit, entry, self.address)? {
                return Ok(Some(entry.offset()));
            }
        }
        Ok(None)
    }

    /// The locals of a function, inlined or not.
    fn locals(&self, function: &Entry) -> gimli::Result<Vec<Option<Value>>> {
        let original = self.original(function)?;
        let original = original.as_ref().unwrap_or(function);
        let mut locals = Vec::new();
        let Some(line) = original.attr_value(dw::DW_AT_decl_line).and_then(|a| a.udata_value())
        else {
            return Ok(locals);
        };
        // An instance has only those that are somewhere.
        let mut functions = vec![original.offset()];
        if original.offset() != function.offset() {
            functions.push(function.offset());
        }
        for function in functions {
            let mut tree = self.unit.entries_tree(Some(function))?;
            let mut children = tree.root()?.children();
            while let Some(child) = children.next()? {
                if let Some((index, value)) = self.local(child.entry(), line)? {
                    if locals.len() <= index {
                        locals.resize(index + 1, None);
                    }
                    locals[index] = value.or(locals[index]);
                }
            }
        }
        Ok(locals)
    }

    /// The operands of a function, lowest first.
    fn operands(&self, function: UnitOffset) -> gimli::Result<Vec<Option<Value>>> {
        let mut operands = Vec::new();
        let mut scope = function;
        while let Some(inner) = self.covering(Some(scope), dw::DW_TAG_lexical_block)? {
            let mut tree = self.unit.entries_tree(Some(inner))?;
            let mut children = tree.root()?.children();
            while let Some(child) = children.next()? {
                if child.entry().tag() == dw::DW_TAG_variable {
                    operands.push(self.value(child.entry(), child.entry())?);
                }
            }
            scope = inner;
        }
        Ok(operands)
    }

    /// The local that an entry is, of a function that begins at `line`: its index and
    /// value.
    fn local(&self, entry: &Entry, line: u64) -> gimli::Result<Option<(usize, Option<Value>)>> {
        if !matches!(entry.tag(), dw::DW_TAG_formal_parameter | dw::DW_TAG_variable) {
            return Ok(None);
        }
        let original = self.original(entry)?;
        let original = original.as_ref().unwrap_or(entry);
        let own_line = original.attr_value(dw::DW_AT_decl_line).and_then(|a| a.udata_value());
        // The instance pointer has none.
        let Some(index) = own_line.and_then(|own| usize::try_from(own.checked_sub(line)?).ok())
        else {
            return Ok(None);
        };
        Ok(Some((index, self.value(entry, original)?)))
    }

    /// The value of a variable, an instance of `original`.
    fn value(&self, variable: &Entry, original: &Entry) -> gimli::Result<Option<Value>> {
        let Some((ty, size)) = self.value_type(original)? else { return Ok(None) };
        Ok(self.bytes(variable, size)?.and_then(|bytes| value(ty, &bytes)))
    }

    /// What an entry is an instance of.
    fn original(&self, entry: &Entry) -> gimli::Result<Option<Entry>> {
        match entry.attr_value(dw::DW_AT_abstract_origin) {
            Some(AttributeValue::UnitRef(origin)) => self.unit.entry(origin).map(Some),
            _ => Ok(None),
        }
    }

    /// The type of a variable and its size in bytes, if it is a number.
    fn value_type(&self, variable: &Entry) -> gimli::Result<Option<(ValType, u64)>> {
        let Some(AttributeValue::UnitRef(ty)) = variable.attr_value(dw::DW_AT_type) else {
            return Ok(None);
        };
        let entry = self.unit.entry(ty)?;
        let size = entry.attr_value(dw::DW_AT_byte_size).and_then(|size| size.udata_value());
        let encoding = match entry.attr_value(dw::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => encoding,
            _ => return Ok(None),
        };
        let ty = match (encoding, size) {
            (dw::DW_ATE_signed, Some(4)) => ValType::I32,
            (dw::DW_ATE_signed, Some(8)) => ValType::I64,
            (dw::DW_ATE_float, Some(4)) => ValType::F32,
            (dw::DW_ATE_float, Some(8)) => ValType::F64,
            _ => return Ok(None),
        };
        Ok(size.map(|size| (ty, size)))
    }

    /// The `size` bytes of a variable, and what may follow them.
    fn bytes(&self, variable: &Entry, size: u64) -> gimli::Result<Option<Vec<u8>>> {
        if let Some(constant) = variable.attr(dw::DW_AT_const_value) {
            return Ok(constant_bytes(constant));
        }
        let Some(location) = variable.attr_value(dw::DW_AT_location) else { return Ok(None) };
        if let Some(expression) = location.exprloc_value() {
            return self.evaluate(expression, size);
        }
        let Some(mut list) = self.unit.attr_locations(location)? else { return Ok(None) };
        while let Some(entry) = list.next()? {
            if (entry.range.begin..entry.range.end).contains(&self.address) {
                return self.evaluate(entry.data, size);
            }
        }
        Ok(None)
    }

    fn evaluate(
        &self,
        expression: Expression<Reader>,
        size: u64,
    ) -> gimli::Result<Option<Vec<u8>>> {
        let mut evaluation = expression.evaluation(self.unit.encoding());
        evaluation.set_max_iterations(1000);
        let mut state = evaluation.evaluate()?;
        loop {
            let untyped = UnitOffset(0);
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, base_type }
                    if base_type == untyped =>
                {
                    let Some(value) = self.machine.state.registers.get(register) else {
                        return Ok(None);
                    };
                    evaluation.resume_with_register(StackValue::Generic(value))?
                }
                EvaluationResult::RequiresMemory { address, size, space: None, base_type }
                    if base_type == untyped =>
                {
                    let Some(bytes) = self.machine.memory.read(address, size.into()) else {
                        return Ok(None);
                    };
                    evaluation.resume_with_memory(StackValue::Generic(number(bytes)))?
                }
                EvaluationResult::RequiresFrameBase => {
                    let Some(base) = self.frame_base()? else { return Ok(None) };
                    evaluation.resume_with_frame_base(base)?
                }
                _ => return Ok(None),
            };
        }
        let mut bytes = Vec::new();
        let pieces = evaluation.result();
        for piece in &pieces {
            let size = match piece.size_in_bits {
                None => size,
                Some(bits) if bits.is_multiple_of(8) && piece.bit_offset.unwrap_or(0) == 0 => {
                    bits / 8
                }
                Some(_) => return Ok(None),
            };
            let Some(part) = self.contents(&piece.location, size) else { return Ok(None) };
            bytes.extend_from_slice(&part);
        }
        Ok(Some(bytes))
    }

    /// The first `size` bytes of what is at a location.
    fn contents(&self, location: &Location<Reader>, size: u64) -> Option<Vec<u8>> {
        let Machine { state, vectors, memory } = self.machine;
        let bytes = match *location {
            Location::Register { register } => match state.registers.get(register) {
                Some(value) => value.to_le_bytes().to_vec(),
                None => vectors?.get(register)?.to_le_bytes().to_vec(),
            },
            Location::Address { address } => memory.read(address, size)?.to_vec(),
            Location::Value { value: StackValue::Generic(value) } => value.to_le_bytes().to_vec(),
            Location::Bytes { value } => value.slice().to_vec(),
            _ => return None,
        };
        Some(bytes.get(..usize::try_from(size).ok()?)?.to_vec())
    }

    fn frame_base(&self) -> gimli::Result<Option<u64>> {
        let Some(expression) = self.base else { return Ok(None) };
        let mut operations = expression.operations(self.unit.encoding());
        Ok(match operations.next()? {
            Some(gimli::Operation::Register { register }) => {
                self.machine.state.registers.get(register)
            }
            _ => None,
        })
    }
}

/// The value of type `ty` that begins with these bytes.
fn value(ty: ValType, bytes: &[u8]) -> Option<Value> {
    let four = || bytes.first_chunk().copied().map(u32::from_le_bytes);
    let eight = || bytes.first_chunk().copied().map(u64::from_le_bytes);
    Some(match ty {
        ValType::I32 => Value::I32(four()?.cast_signed()),
        ValType::I64 => Value::I64(eight()?.cast_signed()),
        ValType::F32 => Value::F32(four()?),
        ValType::F64 => Value::F64(eight()?),
        ValType::V128 | ValType::FuncRef | ValType::ExternRef => return None,
    })
}

fn constant_bytes(constant: &Attribute<Reader>) -> Option<Vec<u8>> {
    if let AttributeValue::Block(bytes) = constant.value() {
        return Some(bytes.slice().to_vec());
    }
    let number = constant.sdata_value().or_else(|| constant.udata_value().map(|n| n as i64))?;
    Some(number.to_le_bytes().to_vec())
}

/// Little-endian bytes, 8 at most.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
