//! Linear memories and data segments.

use super::{code, with_instance};
use wasm2so_abi::{TrapCode, VmCtx};

/// # Safety
/// Called by compiled code, as all functions here: `vmctx` is the instance that
/// runs, and indices are the module's.
pub(super) unsafe extern "C" fn grow(vmctx: *mut VmCtx, memory: u32, delta: u64) -> u64 {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let memory = instance.memories[memory as usize];
            store.grow_memory(memory, delta).unwrap_or(u64::MAX)
        })
    }
}

pub(super) unsafe extern "C" fn init(
    vmctx: *mut VmCtx,
    memory: u32,
    segment: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u32 {
    // SAFETY: called by compiled code.
    unsafe {
        with_instance(vmctx, |store, instance| {
            let start = src as usize;
            let source = instance.data_segment(segment).get(start..start + len as usize);
            let memory = store.memory_mut(instance.memories[memory as usize]);
            code(source.ok_or(TrapCode::MemoryOutOfBounds).and_then(|s| memory.write(dst, s)))
        })
    }
}

pub(super) unsafe extern "C" fn data_drop(vmctx: *mut VmCtx, segment: u32) {
    // SAFETY: called by compiled code.
    unsafe { with_instance(vmctx, |_, instance| instance.drop_data(segment)) }
}
