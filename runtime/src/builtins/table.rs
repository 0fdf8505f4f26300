//! Tables and element segments.

use super::{code, with_instance};
use crate::table::TableData;
use std::ffi::c_void;
use wasm2so_abi::{TrapCode, VmCtx};

/// # Safety
/// Called by compiled code, as all functions here: `vmctx` is the instance that
/// runs, and indices are the module's.
pub(super) unsafe extern "C" fn grow(
    vmctx: *mut VmCtx,
    table: u32,
    delta: u64,
    value: *mut c_void,
) -> u64 {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let table = store.table_mut(instance.tables[table as usize]);
            table.grow(delta, value).unwrap_or(u64::MAX)
        })
    }
}

pub(super) unsafe extern "C" fn fill(
    vmctx: *mut VmCtx,
    table: u32,
    dst: u64,
    value: *mut c_void,
    len: u64,
) -> u32 {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let table = store.table_mut(instance.tables[table as usize]);
            code(table.fill(dst, value, len))
        })
    }
}

pub(super) unsafe extern "C" fn copy(
    vmctx: *mut VmCtx,
    dst_table: u32,
    src_table: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> u32 {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let to = store.table(instance.tables[dst_table as usize]);
            let from = store.table(instance.tables[src_table as usize]);
            code(TableData::copy((to, dst), (from, src), len))
        })
    }
}

pub(super) unsafe extern "C" fn init(
    vmctx: *mut VmCtx,
    table: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u32 {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let start = src as usize;
            let source = instance.elems[segment as usize].get(start..start + len as usize);
            let table = store.table_mut(instance.tables[table as usize]);
            code(source.ok_or(TrapCode::TableOutOfBounds).and_then(|s| table.write(dst, s)))
        })
    }
}

pub(super) unsafe extern "C" fn elem_drop(vmctx: *mut VmCtx, segment: u32) {
    // SAFETY: called by compiled code.
    unsafe { with_instance(vmctx, |_, instance| instance.drop_elem(segment)) }
}
