//! The types of wasm values and of an instance, in DWARF.

use super::Distinct;
use crate::module::{Names, Signature, WasmModule};
use inkwell::AddressSpace;
use inkwell::debug_info::{
    AsDIScope, DIFile, DIFlags, DIFlagsConstants, DISubroutineType, DIType, DebugInfoBuilder,
};
use std::mem::offset_of;
use wasm2so_abi::{
    Slot, ValType, VmFuncRef, VmLayout, VmMemory, VmMemoryState, VmTable, VmTableState,
};

/// The encodings of base types, from the DWARF standard.
const FLOAT: u32 = 0x04;
const SIGNED: u32 = 0x05;
const UNSIGNED: u32 = 0x07;

/// The size of a native pointer, in bits.
const POINTER_BITS: u64 = 64;

/// The types of one LLVM module.
pub struct Types<'ctx> {
    i32: DIType<'ctx>,
    i64: DIType<'ctx>,
    f32: DIType<'ctx>,
    f64: DIType<'ctx>,
    v128: DIType<'ctx>,
    funcref: DIType<'ctx>,
    externref: DIType<'ctx>,
    /// Pointer to an instance.
    vmctx: DIType<'ctx>,
}

impl<'ctx> Types<'ctx> {
    /// Describes what the values of `module` and its instances are made of.
    pub fn new(
        builder: &DebugInfoBuilder<'ctx>,
        file: DIFile<'ctx>,
        module: &WasmModule<'_>,
    ) -> Self {
        let maker = Maker { builder, file };
        let code = maker.pointer(maker.structure("code", 0, &[]));
        let entry = |name: &str, at| (name.to_owned(), code, POINTER_BITS, at as u64);
        let entries = [
            entry("code", offset_of!(VmFuncRef, code)),
            entry("local_code", offset_of!(VmFuncRef, local_code)),
        ];
        let mut types = Types {
            i32: maker.base("i32", 32, SIGNED),
            i64: maker.base("i64", 64, SIGNED),
            f32: maker.base("f32", 32, FLOAT),
            f64: maker.base("f64", 64, FLOAT),
            v128: maker.v128(),
            funcref: maker.reference("funcref", size_of::<VmFuncRef>(), &entries),
            externref: maker.reference("externref", 0, &[]),
            vmctx: maker.base("u64", 64, UNSIGNED),
        };
        types.vmctx = maker.vmctx(&types, module);
        types
    }

    /// Of a wasm value.
    pub fn value(&self, ty: ValType) -> DIType<'ctx> {
        match ty {
            ValType::I32 => self.i32,
            ValType::I64 => self.i64,
            ValType::F32 => self.f32,
            ValType::F64 => self.f64,
            ValType::V128 => self.v128,
            ValType::FuncRef => self.funcref,
            ValType::ExternRef => self.externref,
        }
    }

    /// Of `count` numbers of 32 bits in a row.
    pub fn numbers(&self, builder: &DebugInfoBuilder<'ctx>, count: u64) -> DIType<'ctx> {
        let bounds = 0..i64::try_from(count).expect("tables are not that large");
        builder.create_array_type(self.i32, count * 32, 32, &[bounds]).as_type()
    }

    /// Of the instance pointer.
    pub fn vmctx(&self) -> DIType<'ctx> {
        self.vmctx
    }

    /// Of a function. DWARF knows of one result at most.
    pub fn function(
        &self,
        builder: &DebugInfoBuilder<'ctx>,
        file: DIFile<'ctx>,
        signature: &Signature,
    ) -> DISubroutineType<'ctx> {
        let params: Vec<_> = signature.params.iter().map(|&ty| self.value(ty)).collect();
        let result = match signature.results[..] {
            [ty] => Some(self.value(ty)),
            _ => None,
        };
        builder.create_subroutine_type(file, result, &params, DIFlags::ZERO)
    }
}

/// A member of a structure: name, type, size in bits, offset in bytes.
type Member<'ctx> = (String, DIType<'ctx>, u64, u64);

struct Maker<'ctx, 'b> {
    builder: &'b DebugInfoBuilder<'ctx>,
    file: DIFile<'ctx>,
}

impl<'ctx> Maker<'ctx, '_> {
    fn base(&self, name: &str, bits: u64, encoding: u32) -> DIType<'ctx> {
        let ty = self.builder.create_basic_type(name, bits, encoding, DIFlags::ZERO);
        ty.expect("the name is not empty").as_type()
    }

    fn pointer(&self, to: DIType<'ctx>) -> DIType<'ctx> {
        self.builder.create_pointer_type("", to, POINTER_BITS, 0, AddressSpace::default()).as_type()
    }

    /// A pointer to a structure, of which debuggers need not know more.
    fn reference(&self, name: &str, bytes: usize, members: &[Member<'ctx>]) -> DIType<'ctx> {
        let pointer = self.pointer(self.structure(name, bytes as u64, members));
        let scope = self.file.as_debug_info_scope();
        self.builder.create_typedef(pointer, name, self.file, 0, scope, 0).as_type()
    }

    fn members(&self, members: &[Member<'ctx>]) -> Vec<DIType<'ctx>> {
        let scope = self.file.as_debug_info_scope();
        let member = |(name, ty, bits, offset): &Member<'ctx>| {
            let (bits, offset) = (*bits, offset * 8);
            let flags = DIFlags::ZERO;
            self.builder
                .create_member_type(scope, name, self.file, 0, bits, 0, offset, flags, *ty)
                .as_type()
        };
        members.iter().map(member).collect()
    }

    fn structure(&self, name: &str, bytes: u64, members: &[Member<'ctx>]) -> DIType<'ctx> {
        let (scope, members) = (self.file.as_debug_info_scope(), self.members(members));
        let (file, flags) = (self.file, DIFlags::ZERO);
        self.builder
            .create_struct_type(
                scope,
                name,
                file,
                0,
                bytes * 8,
                0,
                flags,
                None,
                &members,
                0,
                None,
                "",
            )
            .as_type()
    }

    /// A union of its shapes, as debuggers show vector registers.
    fn v128(&self) -> DIType<'ctx> {
        let shapes = [
            ("i8x16", "i8", 8, SIGNED),
            ("i16x8", "i16", 16, SIGNED),
            ("i32x4", "i32", 32, SIGNED),
            ("i64x2", "i64", 64, SIGNED),
            ("f32x4", "f32", 32, FLOAT),
            ("f64x2", "f64", 64, FLOAT),
        ];
        let shapes = shapes.map(|(name, lane, bits, encoding)| {
            let (lane, lanes) = (self.base(lane, bits, encoding), 0..128 / bits as i64);
            let array = self.builder.create_array_type(lane, 128, 0, &[lanes]).as_type();
            (name.to_owned(), array, 128, 0)
        });
        let (scope, members) = (self.file.as_debug_info_scope(), self.members(&shapes));
        let (file, flags) = (self.file, DIFlags::ZERO);
        self.builder
            .create_union_type(scope, "v128", file, 0, 128, 0, flags, &members, 0, "")
            .as_type()
    }

    /// A pointer to an instance, whose members are what its code can name: the
    /// memories' bytes, the tables' elements, and by name the globals.
    fn vmctx(&self, types: &Types<'ctx>, module: &WasmModule<'_>) -> DIType<'ctx> {
        let layout = module.vm_layout();
        let mut members = self.memories(module, &layout);
        members.extend(self.tables(types, module, &layout));
        members.extend(self.globals(types, module, &layout));
        members.sort_by_key(|(_, _, _, offset)| *offset);
        let mut names = Distinct::default();
        for (place, (name, ..)) in members.iter_mut().enumerate() {
            *name = names.make(std::mem::take(name), place);
        }
        self.pointer(self.structure("vmctx", layout.size().into(), &members))
    }

    fn memories(&self, module: &WasmModule<'_>, layout: &VmLayout) -> Vec<Member<'ctx>> {
        let bytes = self.pointer(self.base("u8", 8, UNSIGNED));
        let length = (
            "byte_len".to_owned(),
            self.base("u64", 64, UNSIGNED),
            64,
            offset_of!(VmMemoryState, byte_len) as u64,
        );
        let state =
            self.pointer(self.structure("memory", size_of::<VmMemoryState>() as u64, &[length]));
        let members = (0..module.memories.len() as u32).flat_map(|index| {
            let at = u64::from(layout.memory(index));
            let base = at + offset_of!(VmMemory, base) as u64;
            let of_state = at + offset_of!(VmMemory, state) as u64;
            [
                (numbered("memory", index), bytes, POINTER_BITS, base),
                (numbered("memory_state", index), state, POINTER_BITS, of_state),
            ]
        });
        members.collect()
    }

    fn tables(
        &self,
        types: &Types<'ctx>,
        module: &WasmModule<'_>,
        layout: &VmLayout,
    ) -> Vec<Member<'ctx>> {
        let length = (
            "len".to_owned(),
            self.base("u64", 64, UNSIGNED),
            64,
            offset_of!(VmTableState, len) as u64,
        );
        let state =
            self.pointer(self.structure("table", size_of::<VmTableState>() as u64, &[length]));
        let tables = module.tables.iter().zip(0..).flat_map(|(table, index)| {
            let at = u64::from(layout.table(index));
            let base = at + offset_of!(VmTable, base) as u64;
            let of_state = at + offset_of!(VmTable, state) as u64;
            let elements = self.pointer(types.value(table.element));
            [
                (numbered("table", index), elements, POINTER_BITS, base),
                (numbered("table_state", index), state, POINTER_BITS, of_state),
            ]
        });
        tables.collect()
    }

    fn globals(
        &self,
        types: &Types<'ctx>,
        module: &WasmModule<'_>,
        layout: &VmLayout,
    ) -> Vec<Member<'ctx>> {
        let names: &Names<'_> = &module.names;
        let globals = module.globals.iter().zip(0..).map(|(global, index)| {
            let (name, ty) = (names.global(index), types.value(global.ty));
            match u32::checked_sub(index, module.imported_globals) {
                Some(defined) => {
                    let bits = size_of::<Slot>() as u64 * 8;
                    let bits = bits.min(value_bits(global.ty));
                    (name, ty, bits, layout.defined_global(defined).into())
                }
                // Where another instance or the host keeps it.
                None => {
                    let at = layout.imported_global(index).into();
                    (name, self.pointer(ty), POINTER_BITS, at)
                }
            }
        });
        globals.collect()
    }
}

/// `memory` for the first, `memory1` and so on for the others.
fn numbered(name: &str, index: u32) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}{index}") }
}

/// The size of a value, in bits.
fn value_bits(ty: ValType) -> u64 {
    match ty {
        ValType::I32 | ValType::F32 => 32,
        ValType::I64 | ValType::F64 => 64,
        ValType::V128 => 128,
        ValType::FuncRef | ValType::ExternRef => POINTER_BITS,
    }
}
