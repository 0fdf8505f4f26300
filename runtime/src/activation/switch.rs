//! Changing between the native stack and one for wasm, on x86-64 (System V).
//! Knows nothing of what runs on them.
//!
//! The frame pointers of both stacks are one chain, and the unwind tables here
//! follow it: debuggers see wasm and the host that called it as one stack.

use std::arch::naked_asm;
use std::cell::Cell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use wasm2so_abi::{EntryThunk, Slot};

/// What [`enter`]'s frame keeps: the native stack pointer while wasm runs, else 0.
#[repr(transparent)]
pub(super) struct NativeStack(Cell<usize>);

/// From the frame pointer of [`enter`] down to the word that holds the address of
/// its [`NativeStack`]: where the native stack ends while wasm runs.
const NATIVE_STACK: u64 = 48;

impl NativeStack {
    /// Wasm does not run yet.
    pub(super) fn new() -> Self {
        NativeStack(Cell::new(0))
    }

    /// The native stack pointer while wasm runs, else 0.
    pub(super) fn get(&self) -> usize {
        self.0.get()
    }

    /// The same; from now on wasm does not run.
    pub(super) fn take(&self) -> usize {
        self.0.replace(0)
    }
}

/// Calls `thunk(code, vmctx, slots)` on the stack that ends at `stack`. Returns
/// 0 when that returns, 1 when it was left by [`leave`].
///
/// # Safety
/// The call must be in order, and `stack` aligned to 16 bytes and unused.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter(
    thunk: EntryThunk,
    code: *const c_void,
    vmctx: *mut c_void,
    slots: *mut Slot,
    stack: usize,
    native: &NativeStack,
) -> usize {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_offset r15, -56",
        "push r9",
        // What `leave` needs.
        "mov [r9], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov rsp, r8",
        "call rax",
        "lea rsp, [rbp - {native_stack}]",
        "xor eax, eax",
        "pop rcx",
        "mov qword ptr [rcx], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        native_stack = const NATIVE_STACK,
    )
}

/// Lets the [`enter`] return that `native`, the contents of its
/// [`NativeStack`], is of.
///
/// # Safety
/// It has not returned, and nothing on its stack has a destructor.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn leave(native: usize) -> ! {
    naked_asm!(
        // Nobody returns from here, so no table says how.
        "mov rsp, rdi",
        "mov eax, 1",
        "pop rcx",
        "mov qword ptr [rcx], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Runs `f` on the native stack, below the frame of [`enter`].
///
/// # Safety
/// `native` is the contents of the innermost [`NativeStack`], and wasm runs on
/// its stack; `f` does not unwind.
#[inline]
pub(super) unsafe fn on_native_stack<R, F: FnOnce() -> R>(native: usize, f: F) -> R {
    union Work<F, R> {
        f: ManuallyDrop<F>,
        result: ManuallyDrop<R>,
    }

    unsafe extern "C" fn run<F: FnOnce() -> R, R>(work: *mut c_void, _: *mut c_void) -> usize {
        let work = work.cast::<Work<F, R>>();
        // SAFETY: it holds the function now, and the result from then on.
        unsafe {
            let f = ManuallyDrop::take(&mut (*work).f);
            (*work).result = ManuallyDrop::new(f());
        }
        0
    }

    let mut work = Work { f: ManuallyDrop::new(f) };
    // SAFETY: the native stack is unused below that frame; the caller's promise.
    // Then the result is there.
    unsafe {
        call_on(native, run::<F, R>, (&raw mut work).cast(), std::ptr::null_mut());
        ManuallyDrop::take(&mut work.result)
    }
}

/// Returns what `f(a, b)` does on the native stack.
///
/// # Safety
/// As for [`on_native_stack`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call_on(
    native: usize,
    f: unsafe extern "C" fn(*mut c_void, *mut c_void) -> usize,
    a: *mut c_void,
    b: *mut c_void,
) -> usize {
    naked_asm!(
        ".cfi_startproc",
        // gdb takes frames that are further in than the one before for a broken
        // stack, but not beyond such a frame.
        ".cfi_signal_frame",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "mov rax, rsi",
        "mov rsi, rcx",
        "call rax",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}
