//! The runtime functions that compiled code calls, declared once.
//!
//! Compiled code finds them through the table that [`VmCtx`](crate::VmCtx)
//! points at; a `.so` has no undefined symbol for them. All use the C
//! convention and take vmctx first.

use core::ffi::c_void;

/// Type of a builtin's parameter or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinType {
    /// 32-bit integer.
    U32,
    /// 64-bit integer.
    U64,
    /// A pointer; also every wasm reference.
    Ptr,
    /// Does not return.
    Never,
    /// Returns nothing.
    Void,
}

/// Maps the types used in [`for_each_builtin`] to [`BuiltinType`].
macro_rules! builtin_type {
    (u32) => {
        BuiltinType::U32
    };
    (u64) => {
        BuiltinType::U64
    };
    (ptr) => {
        BuiltinType::Ptr
    };
    (never) => {
        BuiltinType::Never
    };
    (void) => {
        BuiltinType::Void
    };
}

/// Maps the types used in [`for_each_builtin`] to Rust types.
macro_rules! rust_type {
    (u32) => { u32 };
    (u64) => { u64 };
    (ptr) => { *mut c_void };
    (never) => { ! };
    (void) => { () };
}

macro_rules! declare {
    ($($(#[$meta:meta])* fn $name:ident($($param:ident: $ty:tt),*) -> $ret:tt;)*) => {
        /// Names one builtin; the number is its place in [`Builtins`].
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Builtin {
            $($(#[$meta])* $name,)*
        }

        impl Builtin {
            /// Every builtin, in table order.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name),*];

            /// The name, for symbols and messages.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => stringify!($name),)* }
            }

            /// Parameter types after vmctx.
            pub const fn params(self) -> &'static [BuiltinType] {
                match self { $(Builtin::$name => &[$(builtin_type!($ty)),*],)* }
            }

            /// Result type.
            pub const fn result(self) -> BuiltinType {
                match self { $(Builtin::$name => builtin_type!($ret),)* }
            }

            /// Offset in bytes of the function pointer in [`Builtins`].
            pub const fn offset(self) -> usize {
                self as usize * size_of::<*const c_void>()
            }
        }

        /// The table of function pointers that the runtime provides.
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct Builtins {
            $($(#[$meta])*
            pub $name: unsafe extern "C" fn(*mut crate::VmCtx, $($param: rust_type!($ty)),*) -> rust_type!($ret),)*
        }

        pub(crate) const fn hash_layout(hash: crate::Hash) -> crate::Hash {
            let hash = hash.text("Builtins");
            $(let hash = hash.text(stringify!($name)) $(.text(stringify!($ty)))* .text(stringify!($ret));)*
            hash
        }
    };
}

// Builtins that can fail return a `TrapCode` as `u32`, or 0: compiled code
// raises the trap itself, so that it has one way to do so.
declare! {
    /// Leaves wasm with trap `code` at the caller's site. `detail` is the
    /// first address outside memory, or the index outside the table; else
    /// [`NO_DETAIL`](crate::NO_DETAIL).
    fn trap(code: u32, detail: u64) -> never;
    /// `memory.grow`: the old size in pages, or -1.
    fn memory_grow(memory: u32, delta: u64) -> u64;
    /// `memory.init` from passive segment `segment`.
    fn memory_init(memory: u32, segment: u32, dst: u64, src: u32, len: u32) -> u32;
    /// `data.drop`.
    fn data_drop(segment: u32) -> void;
    /// Fills the [`VmFuncRef`](crate::VmFuncRef) at `place`, if it is not yet.
    fn bind_function(place: u32) -> void;
    /// Element `index`, in bounds, of a table of functions, where compiled code
    /// found null.
    fn table_get(table: u32, index: u64) -> ptr;
    /// `table.grow`: the old size in elements, or -1.
    fn table_grow(table: u32, delta: u64, value: ptr) -> u64;
    /// `table.fill`.
    fn table_fill(table: u32, dst: u64, value: ptr, len: u64) -> u32;
    /// `table.copy`.
    fn table_copy(dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) -> u32;
    /// `table.init` from element segment `segment`.
    fn table_init(table: u32, segment: u32, dst: u64, src: u32, len: u32) -> u32;
    /// `elem.drop`.
    fn elem_drop(segment: u32) -> void;
}
