//! What compiled code passes to a host function, and gets back: the registers and
//! the stack of the wasm convention on x86-64 (System V). Knows no types.

use super::switch::CALL_FRAME;

/// Number of registers for integers.
pub(crate) const INTEGERS: usize = 6;

/// Number of registers for vectors and floats.
pub(crate) const VECTORS: usize = 8;

/// The registers and the stack, as [`call_host`](super::switch::call_host) leaves
/// them and takes results from them.
#[repr(C, align(16))]
pub(crate) struct Passed {
    /// XMM0 to XMM7; on return the first two.
    pub(crate) vectors: [[u8; 16]; VECTORS],
    /// RDI, RSI, RDX, RCX, R8, R9; on return RAX and RDX.
    pub(crate) integers: [u64; INTEGERS],
    /// What `call_host` keeps; its caller's stack is behind.
    frame: [u64; CALL_FRAME],
}

impl Passed {
    /// The arguments that are in no register.
    ///
    /// # Safety
    /// A call is under way.
    pub(crate) unsafe fn stack(passed: *const Passed) -> *const u8 {
        // SAFETY: they lie there.
        unsafe { passed.add(1).cast() }
    }
}

/// How many registers of each kind a host function needs: those of its arguments,
/// and one for vectors at least if it returns one.
#[derive(Clone, Copy)]
pub(crate) struct RegisterCounts {
    /// At most [`INTEGERS`].
    pub(crate) integers: usize,
    /// At most [`VECTORS`].
    pub(crate) vectors: usize,
}

impl RegisterCounts {
    /// For every function.
    pub(crate) const ALL: Self = RegisterCounts { integers: INTEGERS, vectors: VECTORS };
}
