//! Changing between the native stack and one for wasm, on x86-64 (System V).
//! Knows nothing of what runs on them.
//!
//! The frame pointers of both stacks are one chain, and the unwind tables here
//! follow it: debuggers see wasm and the host that called it as one stack.

use std::arch::naked_asm;
use std::cell::Cell;
use std::ffi::c_void;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr;
use wasm2so_abi::{EntryThunk, Slot};

use super::passed::Passed;
use super::{HostCode, run_host};

/// What [`enter`]'s frame keeps.
#[repr(C)]
pub(crate) struct NativeStack {
    /// The native stack pointer while wasm runs, else 0.
    pointer: Cell<usize>,
    /// Not null while a host function runs: the frame of [`call_host`].
    host_frame: Cell<*const usize>,
    /// Where wasm's stack ends: the thunk's return address is below.
    other: usize,
}

/// The innermost of a store's stacks that run wasm, while one does.
pub(crate) struct Running(Cell<*const NativeStack>);

impl Running {
    /// No wasm runs.
    pub(crate) const fn new() -> Self {
        Running(Cell::new(ptr::null()))
    }

    /// Makes `native` the innermost one, or what [`Running::replace`] returned so
    /// again.
    #[inline]
    pub(super) fn replace(&self, native: *const NativeStack) -> *const NativeStack {
        self.0.replace(native)
    }
}

/// What wasm code that calls a host function passes as its instance begins with.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct HostEntry {
    code: *const c_void,
    running: *const Running,
}

impl HostEntry {
    /// For `H`, of the store that `running` is of.
    pub(crate) fn new<H: HostCode>(running: *const Running) -> Self {
        HostEntry { code: call_host::<H> as *const c_void, running }
    }

    /// What wasm calls, in the wasm convention.
    pub(crate) fn code(&self) -> *const c_void {
        self.code
    }
}

/// From the frame pointer of [`enter`] down to the word that holds the address of
/// its [`NativeStack`]: where the native stack ends while wasm runs.
const NATIVE_STACK: u64 = 48;

impl NativeStack {
    /// Wasm does not run yet: it will on the stack that ends at `other`, aligned to
    /// 16 bytes.
    pub(super) fn new(other: usize) -> Self {
        NativeStack { pointer: Cell::new(0), host_frame: Cell::new(ptr::null()), other }
    }

    /// The native stack pointer while wasm runs, else 0.
    pub(super) fn get(&self) -> usize {
        self.pointer.get()
    }

    /// The same; from now on wasm does not run.
    pub(super) fn take(&self) -> usize {
        self.pointer.replace(0)
    }

    /// While a host function runs: where its caller's frame pointer and the return
    /// address are; else null.
    pub(super) fn host_frame(&self) -> *const usize {
        self.host_frame.get()
    }
}

/// Calls `thunk(code, vmctx, slots)` on the stack that `native` names. Returns when
/// that returns, or was left by [`leave`].
///
/// # Safety
/// The call must be in order, and the stack unused.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter(
    thunk: EntryThunk,
    code: *const c_void,
    vmctx: *mut c_void,
    slots: *mut Slot,
    native: &NativeStack,
) {
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
        "push r8",
        "mov [r8 + {pointer}], rsp",
        "mov rsp, [r8 + {other}]",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "call rax",
        // All that `leave` sees to is the frame pointer.
        "lea rsp, [rbp - {native_stack}]",
        "pop rcx",
        "mov qword ptr [rcx + {pointer}], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        pointer = const offset_of!(NativeStack, pointer),
        other = const offset_of!(NativeStack, other),
        native_stack = const NATIVE_STACK,
    )
}

/// Goes on where the thunk returns to in the [`enter`] that `native`, the contents
/// of its [`NativeStack`], is of.
///
/// # Safety
/// It has not returned, and nothing on its stack has a destructor.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn leave(native: usize) -> ! {
    naked_asm!(
        // Nobody returns from here, so no table says how.
        "lea rbp, [rdi + {native_stack}]",
        "mov rax, [rdi]",
        "mov rsp, [rax + {other}]",
        "sub rsp, 8",
        "ret",
        native_stack = const NATIVE_STACK,
        other = const offset_of!(NativeStack, other),
    )
}

/// Words at the end of a [`Passed`]: padding, the address of the code that goes on,
/// the caller's frame pointer and the return address.
pub(super) const CALL_FRAME: usize = 4;

/// What wasm calls as `H`, in the wasm convention: runs it on the native stack. If
/// it fails or panics, wasm is left, and this does not return.
///
/// Unwinders see two frames. The inner one is as of a signal handler: gdb takes
/// frames that are further in than the one before for a broken stack, but not
/// beyond such a frame. From that, it would look at the very instruction that
/// follows the call; so the outer one is ordinary, and only that looks as if it
/// called the inner one.
///
/// # Safety
/// Called by compiled code only, with a [`HostEntry`] as its instance.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call_host<H: HostCode>() {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "lea rax, [rip + 2f]",
        "sub rsp, {below}",
        "mov [rbp - 8], rax",
        ".if {integers} > 0\n mov [rsp + {passed} + 0], rdi\n .endif",
        ".if {integers} > 1\n mov [rsp + {passed} + 8], rsi\n .endif",
        ".if {integers} > 2\n mov [rsp + {passed} + 16], rdx\n .endif",
        ".if {integers} > 3\n mov [rsp + {passed} + 24], rcx\n .endif",
        ".if {integers} > 4\n mov [rsp + {passed} + 32], r8\n .endif",
        ".if {integers} > 5\n mov [rsp + {passed} + 40], r9\n .endif",
        ".if {vectors} > 0\n movaps [rsp + 0], xmm0\n .endif",
        ".if {vectors} > 1\n movaps [rsp + 16], xmm1\n .endif",
        ".if {vectors} > 2\n movaps [rsp + 32], xmm2\n .endif",
        ".if {vectors} > 3\n movaps [rsp + 48], xmm3\n .endif",
        ".if {vectors} > 4\n movaps [rsp + 64], xmm4\n .endif",
        ".if {vectors} > 5\n movaps [rsp + 80], xmm5\n .endif",
        ".if {vectors} > 6\n movaps [rsp + 96], xmm6\n .endif",
        ".if {vectors} > 7\n movaps [rsp + 112], xmm7\n .endif",
        "mov rax, [r13 + {running}]",
        "mov rdi, r13",
        "mov rsi, rsp",
        "mov rax, [rax]",
        "mov [rax + {host_frame}], rbp",
        "mov rsp, [rax + {pointer}]",
        ".cfi_endproc",
        ".cfi_startproc",
        ".cfi_signal_frame",
        ".cfi_def_cfa rbp, 0",
        ".cfi_same_value rbp",
        "call {run}",
        // What `enter` pushed last.
        "mov rcx, [rsp]",
        ".cfi_endproc",
        ".cfi_startproc",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        "2:",
        "mov qword ptr [rcx + {host_frame}], 0",
        "mov rax, [rbp - {below} + {passed}]",
        "mov rdx, [rbp - {below} + {passed} + 8]",
        ".if {vectors} > 0\n movaps xmm0, [rbp - {below}]\n movaps xmm1, [rbp - {below} + 16]\n .endif",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        // From the frame pointer down to what is passed.
        below = const size_of::<Passed>() - 16,
        passed = const offset_of!(Passed, integers),
        integers = const H::REGISTERS.integers,
        vectors = const H::REGISTERS.vectors,
        running = const offset_of!(HostEntry, running),
        host_frame = const offset_of!(NativeStack, host_frame),
        pointer = const offset_of!(NativeStack, pointer),
        run = sym run_host::<H>,
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
