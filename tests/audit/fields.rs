//! What compiled code may read besides linear memory, its stack and constants:
//! the fields of its instance and of what that points at. Known from the ABI.

use std::mem::offset_of;
use std::ops::Range;
use wasm2so::module::{ExternType, WasmModule};
use wasm2so_abi::{
    ReturnStyle, ValType, VmFuncRef, VmImportedFunction, VmMemory, VmMemoryState, VmTable,
    VmTableState,
};

/// Of the state of a memory.
const MEMORY_SIZE: Range<u64> = {
    let start = offset_of!(VmMemoryState, byte_len) as u64;
    start..start + size_of::<u64>() as u64
};

/// Offsets of fields in whatever they are fields of.
#[derive(Default)]
pub struct Fields {
    /// Needed for operators that say nothing of an instance: memory bases, and
    /// globals, which LLVM folds into the operators that use them.
    operands: Vec<Range<u64>>,
    /// All others.
    others: Vec<Range<u64>>,
    /// Whether functions may write results through a pointer.
    pub results_in_memory: bool,
}

impl Fields {
    pub fn of(module: &WasmModule<'_>) -> Self {
        let layout = module.vm_layout();
        let counts = module.counts();
        let mut fields = Fields::default();
        let at = |start: usize, size: usize| start as u64..(start + size) as u64;
        for memory in 0..counts.memories {
            let start = layout.memory(memory) as usize;
            fields.operands.push(at(start + offset_of!(VmMemory, base), 8));
            fields.others.push(at(start + offset_of!(VmMemory, state), 8));
        }
        for table in 0..counts.tables {
            let start = layout.table(table) as usize;
            fields.others.push(at(start + offset_of!(VmTable, base), 8));
            fields.others.push(at(start + offset_of!(VmTable, state), 8));
        }
        for (index, global) in module.globals.iter().enumerate() {
            let size = match global.ty {
                ValType::I32 | ValType::F32 => 4,
                ValType::V128 => 16,
                _ => 8,
            };
            match (index as u32).checked_sub(counts.imported_globals) {
                Some(defined) => {
                    fields.operands.push(at(layout.defined_global(defined) as usize, size));
                }
                None => {
                    fields.operands.push(at(0, size));
                    fields.others.push(at(layout.imported_global(index as u32) as usize, 8));
                }
            }
        }
        for ty in 0..counts.types {
            fields.others.push(at(layout.type_id(ty) as usize, 4));
        }
        let imported = module.imports.iter().filter(|i| matches!(i.ty, ExternType::Function(_)));
        for (function, _) in imported.enumerate() {
            let start = layout.imported_function(function as u32) as usize;
            for field in [
                offset_of!(VmImportedFunction, code),
                offset_of!(VmImportedFunction, tail_code),
                offset_of!(VmImportedFunction, vmctx),
            ] {
                fields.others.push(at(start + field, 8));
            }
        }
        for place in 0..counts.referenced {
            fields.others.push(at(layout.bound(place).0 as usize, 1));
        }
        fields.others.extend([
            MEMORY_SIZE,
            at(offset_of!(VmTableState, len), 8),
            at(offset_of!(VmFuncRef, code), 8),
            at(offset_of!(VmFuncRef, local_code), 8),
            at(offset_of!(VmFuncRef, tail_code), 8),
            at(offset_of!(VmFuncRef, vmctx), 8),
            at(offset_of!(VmFuncRef, type_id), 4),
        ]);
        fields.results_in_memory =
            module.types.iter().any(|ty| ReturnStyle::of(&ty.results) == ReturnStyle::Memory);
        fields
    }

    /// Whether reading `size` bytes at `offset` is reading one of the fields that
    /// any operator may need.
    pub fn is_operand(&self, offset: u64, size: usize) -> bool {
        is_within(&self.operands, offset, size)
    }

    /// Whether it is reading the size of a memory.
    pub fn is_memory_size(&self, offset: u64, size: usize) -> bool {
        MEMORY_SIZE == (offset..offset + size as u64)
    }

    /// Whether it is reading any field.
    pub fn is_any(&self, offset: u64, size: usize) -> bool {
        self.is_operand(offset, size) || is_within(&self.others, offset, size)
    }
}

fn is_within(fields: &[Range<u64>], offset: u64, size: usize) -> bool {
    fields.iter().any(|field| field.start <= offset && offset + size as u64 <= field.end)
}
