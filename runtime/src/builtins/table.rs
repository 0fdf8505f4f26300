//! Tables and element segments.

use super::{code, with_instance};
use std::ffi::c_void;
use wasm2so_abi::VmCtx;

/// # Safety
/// Called by compiled code, as all functions here: `vmctx` is the instance that
/// runs, and indices are the module's.
pub(super) unsafe extern "C" fn bind_function(vmctx: *mut VmCtx, place: u32) {
    // SAFETY: called by compiled code.
    unsafe { with_instance(vmctx, |_, instance| instance.funcref(place)) };
}

pub(super) unsafe extern "C" fn get(vmctx: *mut VmCtx, table: u32, index: u64) -> *mut c_void {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let element = store.table(instance.tables[table as usize]).get(index);
            element.expect("compiled code checks bounds")
        })
    }
}

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
            let to = (instance.tables[dst_table as usize], dst);
            let from = (instance.tables[src_table as usize], src);
            code(store.copy_table(to, from, len))
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
            let table = store.table_mut(instance.tables[table as usize]);
            code(instance.init_table(table, dst, segment, src, len))
        })
    }
}

pub(super) unsafe extern "C" fn elem_drop(vmctx: *mut VmCtx, segment: u32) {
    // SAFETY: called by compiled code.
    unsafe { with_instance(vmctx, |_, instance| instance.drop_elem(segment)) }
}
