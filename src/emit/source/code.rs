//! DWARF expressions, as bytes: of machine code's places and of linear memory.
//!
//! The frame base of every function that we describe is the instance pointer,
//! so that expressions of types, too, find linear memory: that of the selected
//! frame's instance.

use super::native::Place;
use crate::module::WasmModule;
use gimli::constants as dw;
use std::mem::offset_of;
use wasm2so_abi::{ValType, VmMemory, VmMemoryState};

/// Addresses from here on are not of linear memory.
const END_OF_LINEAR: u64 = 1 << 32;

/// An expression in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code(pub Vec<u8>);

/// Where an instance has its memory and its globals.
pub struct Instance {
    /// Offset in the instance of memory 0's entry.
    memory: Option<u64>,
    /// By index: offset, whether a pointer to it is there instead, type.
    globals: Vec<(u64, bool, ValType)>,
}

impl Instance {
    /// Instances of `module`.
    pub fn of(module: &WasmModule<'_>) -> Self {
        let layout = module.vm_layout();
        let global = |(index, global): (usize, &crate::module::Global)| {
            let index = index as u32;
            match index.checked_sub(module.imported_globals) {
                Some(own) => (layout.defined_global(own).into(), false, global.ty),
                None => (layout.imported_global(index).into(), true, global.ty),
            }
        };
        Instance {
            memory: (!module.memories.is_empty()).then(|| layout.memory(0).into()),
            globals: module.globals.iter().enumerate().map(global).collect(),
        }
    }
}

impl Code {
    /// Appends an operation without operands.
    pub fn op(&mut self, op: gimli::DwOp) {
        self.0.push(op.0);
    }

    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn signed(&mut self, mut value: i64) {
        while !(-0x40..0x40).contains(&value) {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8 & 0x7f);
    }

    /// Pushes a number.
    pub fn constant(&mut self, value: u64) {
        self.op(dw::DW_OP_constu);
        self.unsigned(value);
    }

    /// Pushes a number.
    pub fn signed_constant(&mut self, value: i64) {
        self.op(dw::DW_OP_consts);
        self.signed(value);
    }

    /// Adds a number.
    pub fn add(&mut self, value: u64) {
        self.op(dw::DW_OP_plus_uconst);
        self.unsigned(value);
    }

    /// Ends a part of so many bytes, if there are any.
    pub fn piece(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.op(dw::DW_OP_piece);
        self.unsigned(bytes);
    }

    /// The value is these bytes.
    pub fn implicit(&mut self, bytes: &[u8]) {
        self.op(dw::DW_OP_implicit_value);
        self.unsigned(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn register_plus(&mut self, register: u16, offset: i64) {
        if register < 32 {
            self.0.push(dw::DW_OP_breg0.0 + register as u8);
        } else {
            self.op(dw::DW_OP_bregx);
            self.unsigned(register.into());
        }
        self.signed(offset);
    }

    fn frame_plus(&mut self, offset: u64) {
        self.op(dw::DW_OP_fbreg);
        self.signed(offset as i64);
    }

    /// Takes an address, pushes what is there.
    fn load(&mut self, bytes: u8) {
        self.op(dw::DW_OP_deref_size);
        self.0.push(bytes);
    }

    /// Takes all but the low 32 bits off.
    fn low(&mut self) {
        self.constant(u32::MAX.into());
        self.op(dw::DW_OP_and);
    }

    /// Pushes the integer of type `ty` in `place`; `None` if it is none.
    pub fn value(&mut self, place: &Place, ty: ValType) -> Option<()> {
        let size = integer_size(ty)?;
        match place {
            Place::Memory(register, offset) => {
                self.register_plus(*register, *offset);
                self.load(size);
                return Some(());
            }
            // Of the general ones only.
            Place::Register(register) if *register < 16 => self.register_plus(*register, 0),
            Place::Register(_) => return None,
            Place::Value(code) => self.0.extend_from_slice(code),
        }
        if size == 4 {
            self.low();
        }
        Some(())
    }

    /// What is described is what is in `place`.
    pub fn place(&mut self, place: &Place) {
        match place {
            Place::Memory(register, offset) => self.register_plus(*register, *offset),
            Place::Register(register) if *register < 32 => {
                self.0.push(dw::DW_OP_reg0.0 + *register as u8);
            }
            Place::Register(register) => {
                self.op(dw::DW_OP_regx);
                self.unsigned((*register).into());
            }
            Place::Value(code) => {
                self.0.extend_from_slice(code);
                self.op(dw::DW_OP_stack_value);
            }
        }
    }

    /// The frame base, which is the instance pointer in `place`.
    pub fn frame_base(place: &Place) -> Option<Self> {
        let mut code = Code::default();
        code.value(place, ValType::I64)?;
        Some(code)
    }

    /// Pushes the value of a global.
    pub fn global(&mut self, instance: &Instance, index: u32) -> Option<()> {
        let &(offset, is_pointer, ty) = instance.globals.get(index as usize)?;
        let size = integer_size(ty)?;
        self.frame_plus(offset);
        if is_pointer {
            self.op(dw::DW_OP_deref);
        }
        self.load(size);
        Some(())
    }

    /// Takes an address in linear memory, pushes where that is. To be used in
    /// functions of the instance only.
    pub fn linear(&mut self, instance: &Instance) -> Option<()> {
        self.low();
        self.frame_plus(instance.memory? + offset_of!(VmMemory, base) as u64);
        self.op(dw::DW_OP_deref);
        self.op(dw::DW_OP_plus);
        Some(())
    }

    /// The same, wherever it is used: with a frame base of others, what is pushed
    /// is no address that can be read.
    pub fn checked_linear(&mut self, instance: &Instance) -> Option<()> {
        let memory = instance.memory?;
        self.low();
        // Both the entry and the state that it points to tell the base.
        self.frame_plus(memory + offset_of!(VmMemory, base) as u64);
        self.op(dw::DW_OP_deref);
        self.frame_plus(memory + offset_of!(VmMemory, state) as u64);
        self.op(dw::DW_OP_deref);
        self.add(offset_of!(VmMemoryState, base) as u64);
        self.op(dw::DW_OP_deref);
        self.op(dw::DW_OP_over);
        self.op(dw::DW_OP_eq);
        self.op(dw::DW_OP_mul);
        self.op(dw::DW_OP_plus);
        Some(())
    }

    /// Takes an address, of linear memory if it is low; pushes where that is.
    pub fn either(&mut self, instance: &Instance) -> Option<()> {
        let mut linear = Code::default();
        linear.checked_linear(instance)?;
        self.op(dw::DW_OP_dup);
        self.constant(END_OF_LINEAR);
        self.op(dw::DW_OP_ge);
        self.op(dw::DW_OP_bra);
        self.0.extend(u16::try_from(linear.0.len()).expect("it is short").to_le_bytes());
        self.0.extend(linear.0);
        Some(())
    }

    /// Takes an address as [`either`](Self::either), pushes what is there.
    pub fn load_either(&mut self, instance: &Instance, bytes: u8) -> Option<()> {
        self.either(instance)?;
        self.load(bytes);
        Some(())
    }

    /// Takes an address in linear memory, pushes what is there; as
    /// [`linear`](Self::linear).
    pub fn load_linear(&mut self, instance: &Instance, bytes: u8) -> Option<()> {
        self.linear(instance)?;
        self.load(bytes);
        Some(())
    }

    /// Where the object is whose address a pointer in linear memory may have been.
    pub fn data_location(instance: &Instance) -> Option<Self> {
        let mut code = Code::default();
        code.op(dw::DW_OP_push_object_address);
        code.either(instance)?;
        Some(code)
    }
}

fn integer_size(ty: ValType) -> Option<u8> {
    match ty {
        ValType::I32 => Some(4),
        ValType::I64 => Some(8),
        _ => None,
    }
}
