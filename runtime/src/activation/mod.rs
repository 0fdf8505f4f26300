//! Entering wasm on a stack of its own, calling back to the host on the native
//! stack, and leaving early. Knows nothing of types, instances or frames.
//!
//! An [`Activation`] is one entry. Those of a thread form a list, innermost
//! first; between two of them there is a host function. Only one of them runs:
//! wasm on the innermost one's stack, or the host on the native stack, below
//! the frame of that activation's [`enter`].
//!
//! Wasm is left early in three ways: a signal handler redirects the interrupted
//! code, the `trap` builtin is called, a host function fails. In each case the
//! reason is stored in the activation and its stack is abandoned; nothing on it
//! has a destructor.

pub(crate) mod gs;
mod passed;
mod stack;
pub(crate) mod switch;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::arch::asm;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{Ordering, compiler_fence};
use std::{io, process, ptr};

use libc::ucontext_t;
use wasm2so_abi::{EntryThunk, Slot, TrapCode, VmCtx};

use crate::error::{HostError, ResourceError};
use crate::trap::{self, Trap, TrapDetail};
use crate::unwind::Context;
pub(crate) use crate::unwind::arch::trap_builtin;
use crate::unwind::arch::{Registers, SavedRegisters, Vectors, redirect};
use crate::unwind::state::Origin;
use gs::GsBase;
pub(crate) use passed::{INTEGERS, Passed, RegisterCounts, VECTORS};
use stack::{StackBounds, ThreadResources};
use switch::NativeStack;
pub(crate) use switch::{HostEntry, Running};

thread_local! {
    /// The innermost activation. No destructor, no lazy initialisation: a signal
    /// handler reads it.
    static CURRENT: Cell<*const Activation> = const { Cell::new(ptr::null()) };
}

/// One entry into wasm; lives in the frame of [`enter`].
pub(crate) struct Activation {
    outer: *const Activation,
    thunk: EntryThunk,
    stack: StackBounds,
    resources: &'static ThreadResources,
    /// Its pointer is not 0 from before wasm begins to run until it has been left.
    native: NativeStack,
    left: Cell<Option<Left>>,
    /// Whether a trap keeps the state of the stack.
    keep_state: bool,
}

/// Why wasm is being left early.
pub(crate) enum Left {
    /// A trap; its frames are in the thread's recorder.
    Trap(TrapCode, TrapDetail),
    /// A host function returned an error.
    Host(HostError),
    /// A host function panicked.
    Panic(Box<dyn Any + Send>),
}

/// Why [`enter`] did not return normally.
pub(crate) enum Exit {
    /// A trap.
    Trap(Trap),
    /// A host function returned an error, or there is no memory for a stack.
    Host(HostError),
    /// A host function panicked.
    Panic(Box<dyn Any + Send>),
}

/// Gets what this thread needs to run wasm, and signal handlers to look at it.
pub(crate) fn prepare_thread() -> io::Result<()> {
    ThreadResources::current().map(drop)
}

/// Calls wasm: `thunk(code, vmctx, slots)` on a stack of its own of at least
/// `stack_size` bytes, of which a trap keeps the state if `keep_state`.
///
/// # Safety
/// The arguments must be right for each other, the module registered, and the
/// instance alive until this returns, as `running`, its store's.
pub(crate) unsafe fn enter(
    running: *const Running,
    stack_size: usize,
    keep_state: bool,
    thunk: EntryThunk,
    code: *const c_void,
    vmctx: *mut c_void,
    slots: *mut Slot,
) -> Result<(), Exit> {
    let no_memory = |source| {
        let what = "stack of wasm code";
        Exit::Host(ResourceError::Os { action: "get memory", what, source }.into())
    };
    let resources = ThreadResources::current().map_err(no_memory)?;
    let stack = resources.take_stack(stack_size).map_err(no_memory)?;
    let bounds = stack.bounds();
    let activation = Activation {
        outer: CURRENT.get(),
        thunk,
        stack: bounds,
        resources,
        native: NativeStack::new(bounds.top()),
        left: Cell::new(None),
        keep_state,
    };
    let gs_base = GsBase::save(!activation.outer.is_null() || resources.gs_is_in_use());
    // Signal handlers see the activation only when it is whole.
    compiler_fence(Ordering::SeqCst);
    CURRENT.set(&activation);
    // SAFETY: the caller's promise; the stack is whole and unused.
    unsafe {
        let outer = (*running).replace(&activation.native);
        switch::enter(thunk, code, vmctx, slots, &activation.native);
        (*running).replace(outer);
    }
    CURRENT.set(activation.outer);
    compiler_fence(Ordering::SeqCst);
    gs_base.restore();
    if let Some(left) = activation.left.take() {
        let is_used_up = matches!(left, Left::Trap(TrapCode::StackOverflow, _));
        // While all on the stack is still there.
        let exit = left.into_exit(&activation);
        // One that was used up holds more memory than others will need.
        if !is_used_up {
            resources.give_back(stack);
        }
        return Err(exit);
    }
    resources.give_back(stack);
    Ok(())
}

impl Left {
    #[cold]
    #[inline(never)]
    fn into_exit(self, activation: &Activation) -> Exit {
        match self {
            Left::Trap(code, detail) => {
                let recorder = activation.resources.recorder();
                // SAFETY: what was recorded last is this trap's, nothing ran on the
                // stacks since, and the modules that ran are alive by the promise made
                // to `enter`.
                let trace = unsafe { (*recorder).trace_with_state(activation) };
                Exit::Trap(Trap::new(code, detail, trace))
            }
            Left::Host(error) => Exit::Host(error),
            Left::Panic(payload) => Exit::Panic(payload),
        }
    }
}

/// What a host function does.
pub(crate) trait HostCode {
    /// The registers that it needs.
    const REGISTERS: RegisterCounts;

    /// Runs it, on the native stack.
    ///
    /// # Safety
    /// `binding`, whose first field is a [`HostEntry`] of this, and `passed` are what
    /// compiled code passed.
    unsafe fn run(binding: *mut c_void, passed: *mut Passed) -> Result<(), HostError>;
}

/// Runs a host function, on the native stack.
///
/// # Safety
/// As for [`HostCode::run`].
unsafe extern "C" fn run_host<H: HostCode>(binding: *mut c_void, passed: *mut Passed) {
    // SAFETY: passed on to the caller.
    let run = || unsafe { H::run(binding, passed) };
    let left = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => Left::Host(error),
        Err(payload) => Left::Panic(payload),
    };
    let activation = Activation::running();
    activation.left.set(Some(left));
    activation.leave()
}

/// Touches as much of wasm's stack as is needed to leave it: if that is too
/// much, the stack overflows now, and not after the host has done its work.
#[inline]
fn reserve_stack() {
    // SAFETY: a byte of the same stack that nothing uses, or of its guard.
    unsafe { asm!("mov byte ptr [rsp - 4000], 0", options(nostack, preserves_flags)) };
}

/// From a builtin: runs `f` on the native stack.
///
/// A builtin that takes locks or owns memory must do so in here: on wasm's stack
/// it could be abandoned at any point, when that stack is used up. `f` must
/// neither panic nor enter wasm.
pub(crate) fn on_native_stack<R>(f: impl FnOnce() -> R) -> R {
    reserve_stack();
    Activation::running().on_native_stack(f)
}

/// Where [`trap_builtin`] goes on.
///
/// # Safety
/// Called by [`trap_builtin`] only.
pub(crate) unsafe extern "C" fn raise(
    vmctx: *const VmCtx,
    code: u32,
    detail: u64,
    saved: *const SavedRegisters,
) -> ! {
    let activation = Activation::running();
    let left = activation.on_native_stack(|| {
        let code = TrapCode::from_u32(code).unwrap_or_else(|| process::abort());
        // SAFETY: `trap_builtin` passes what it saved.
        let registers = Registers::saved(unsafe { &*saved });
        // A call does not preserve vector registers.
        activation.record(Context { registers, after_call: true }, || None);
        // SAFETY: compiled code passes its own instance.
        Left::Trap(code, unsafe { trap::builtin_detail(code, detail, registers.pc(), vmctx) })
    });
    activation.left.set(Some(left));
    activation.leave()
}

impl Activation {
    /// This thread's innermost activation. Safe to call in a signal handler.
    #[inline]
    pub(crate) fn innermost<'a>() -> Option<&'a Activation> {
        // SAFETY: activations are taken off the list before they go away, and
        // callers keep the reference no longer than they run.
        unsafe { CURRENT.get().as_ref() }
    }

    /// The innermost activation, for code that wasm called.
    #[inline]
    fn running<'a>() -> &'a Activation {
        // Compiled code that runs outside `enter` cannot be left in order.
        Activation::innermost().unwrap_or_else(|| process::abort())
    }

    /// The activation around the host function that made this one.
    pub(crate) fn outer(&self) -> Option<&Activation> {
        // SAFETY: outer activations outlive inner ones.
        unsafe { self.outer.as_ref() }
    }

    /// Address of the entry thunk: the outermost function on the stack that
    /// belongs to a module.
    pub(crate) fn thunk(&self) -> u64 {
        self.thunk as usize as u64
    }

    /// Whether the stack holds wasm frames: not while it is being entered or
    /// left.
    pub(crate) fn is_running(&self) -> bool {
        self.native.get() != 0
    }

    /// Where the native stack ends while wasm runs, else 0.
    pub(crate) fn native_stack_pointer(&self) -> u64 {
        self.native.get() as u64
    }

    /// The stack's addresses.
    pub(crate) fn stack(&self) -> &StackBounds {
        &self.stack
    }

    /// Registers of the wasm function that called the host function that runs.
    pub(crate) fn host_caller(&self) -> Option<Registers> {
        let frame = self.native.host_frame();
        // SAFETY: a frame that has not returned.
        (!frame.is_null()).then(|| unsafe { Registers::caller_of(frame) })
    }

    /// Records the wasm frames from `context` on, where vector registers are as
    /// `vectors` says. Returns whether there is one in this activation. Safe to call
    /// in a signal handler.
    pub(crate) fn record(
        &self,
        context: Context,
        vectors: impl FnOnce() -> Option<Vectors>,
    ) -> bool {
        // SAFETY: only one trap at a time is between here and `into_exit`.
        let recorder = unsafe { &mut *self.resources.recorder() };
        let found = recorder.record(context, self);
        if found && self.keep_state {
            recorder.keep_origin(Origin { context, vectors: vectors() });
        }
        found
    }

    /// Leaves wasm from a signal handler: lets the interrupted code of `context`
    /// do so. Safe to call in a signal handler.
    ///
    /// # Safety
    /// The interrupted code must be on this activation's stack, wasm code or
    /// called by it and without destructors.
    pub(crate) unsafe fn leave_interrupted(&self, left: Left, context: &mut ucontext_t) {
        self.left.set(Some(left));
        redirect(context, switch::leave, self.native.take());
    }

    #[inline]
    fn on_native_stack<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: this is the innermost activation, which wasm runs in; callers
        // see to it that `f` does not unwind.
        unsafe { switch::on_native_stack(self.native.get(), f) }
    }

    /// Leaves wasm, for what is in `left`.
    fn leave(&self) -> ! {
        // SAFETY: it has not been left, and nothing on its stack has a destructor.
        unsafe { switch::leave(self.native.take()) }
    }
}
