//! The whole contract between a compiled module (`.so`) and the runtime.
//!
//! The compiler writes these layouts, the runtime reads them; neither may
//! know an offset, a builtin's signature or a trap code from anywhere else.
//! The crate depends on nothing and contains no behaviour beyond arithmetic
//! on its own layouts.
//!
//! # Calling conventions
//! * **wasm convention**: the C convention with parameters `(vmctx, wasm
//!   params…)`, the first of them in the register of LLVM's `swiftself` (R13 on
//!   x86-64), which functions preserve. See [`ReturnStyle`] for results.
//! * **tail convention**: the same parameters under LLVM's `tailcc`, in which
//!   any function can tail-call any other. It costs every call a little, so only
//!   modules that make tail calls have entry points of this kind, beside
//!   ordinary ones.
//! * **entry thunk** ([`EntryThunk`], C convention): how the host calls wasm.
//!   One per signature, in the `.so`.
//!
//! Wasm calls host functions as it calls others: in the wasm convention. Their
//! code is the runtime's.
//!
//! # Debug information
//! A line is a byte offset in the wasm file. That of a local, counted from its
//! function's, is the local's index; variables of functions that have no line are no
//! locals.
//!
//! # Versioning
//! [`ABI_VERSION`] counts intended changes. [`layout_hash`] is computed from
//! every field offset, builtin signature and trap code, so that a forgotten
//! bump still refuses to load.

#![no_std]

mod builtins;
mod descriptor;
mod layout;
mod sections;
mod trap;
mod types;
mod vmctx;

pub use builtins::{Builtin, BuiltinType, Builtins};
pub use descriptor::*;
pub use layout::{Hash, layout_hash};
pub use sections::{CODE_HASH, FILE_HASH, IMAGE_SECTION, KEPT_PREFIX, OFFSETS_PREFIX};
pub use trap::{NO_DETAIL, TrapCode};
pub use types::{ReturnStyle, ValType};
pub use vmctx::*;

/// Counts intended changes of the contract; see also [`layout_hash`].
pub const ABI_VERSION: u32 = 6;

/// Name of the one symbol that a compiled module exports.
pub const ROOT_SYMBOL: &str = "wasm2so_module_v1";

/// First bytes of the [`ModuleDescriptor`] behind [`ROOT_SYMBOL`].
pub const MAGIC: [u8; 8] = *b"\0wasm2so";

/// Size in bytes of one page of wasm linear memory.
pub const WASM_PAGE_SIZE: u64 = 65536;

/// Address space reserved for each 32-bit linear memory: any 32-bit index plus
/// any 32-bit static offset, plus the widest access, stays inside, so compiled
/// code needs no bounds check; what lies beyond the current size is unmapped.
pub const MEMORY_RESERVATION: u64 = (8 << 30) + WASM_PAGE_SIZE;
