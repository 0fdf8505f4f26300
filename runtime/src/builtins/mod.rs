//! The bodies of what compiled code calls, one file per kind of thing.
//!
//! Every builtin runs on the native stack: wasm's may end at any point, and
//! what ran on it would be abandoned half-way.

mod memory;
mod table;

use crate::activation::{on_native_stack, trap_builtin};
use crate::instance::InstanceData;
use crate::store::StoreInner;
use wasm2so_abi::{Builtins, TrapCode, VmCtx};

/// The table that every instance points at.
pub(crate) static BUILTINS: Builtins = Builtins {
    trap: trap_builtin,
    bind_function: table::bind_function,
    table_get: table::get,
    memory_grow: memory::grow,
    memory_init: memory::init,
    data_drop: memory::data_drop,
    table_grow: table::grow,
    table_fill: table::fill,
    table_copy: table::copy,
    table_init: table::init,
    elem_drop: table::elem_drop,
};

/// Runs `f` with the instance that called a builtin, and its store.
///
/// # Safety
/// `vmctx` is the instance that runs. `f` does not look for the instance in the
/// store: it has it.
unsafe fn with_instance<R>(
    vmctx: *mut VmCtx,
    f: impl FnOnce(&mut StoreInner, &InstanceData) -> R,
) -> R {
    on_native_stack(|| {
        // SAFETY: `host` points to the instance, whose store is alive and
        // borrowed by the call that entered wasm; no reference into either is in
        // use while wasm runs.
        unsafe {
            let instance = &*(*vmctx).host.cast::<InstanceData>();
            f(&mut *instance.store.as_ptr(), instance)
        }
    })
}

/// What builtins return that can fail.
fn code(result: Result<(), TrapCode>) -> u32 {
    result.map_or_else(|code| code as u32, |()| 0)
}
