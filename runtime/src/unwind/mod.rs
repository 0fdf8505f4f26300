//! Walking wasm stacks: from any register context, through nested activations,
//! without allocation, lock or risk of a fault, so that a signal handler may do
//! it. Knows nothing of traps or of what a frame is called.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("only x86-64 Linux is supported");

#[path = "x86_64.rs"]
pub(crate) mod arch;
pub(crate) mod code;
pub(crate) mod cursor;
mod ranges;
pub(crate) mod record;
pub(crate) mod state;
#[cfg(test)]
mod tests;

pub(crate) use ranges::{RangeHandle, RangeTable};

use std::ops::Range;
use std::{iter, ptr};

use arch::Registers;
use code::{Code, Object};
use cursor::{Caller, Cursor, StepError};
use record::RawFrame;
use state::FrameState;

use crate::activation::Activation;

/// A frame from which a walk goes on outwards.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    /// Its registers.
    pub(crate) registers: Registers,
    /// Whether its pc follows a call (and not an interrupted instruction).
    pub(crate) after_call: bool,
}

/// Native functions that may lie between wasm and the point where it was left:
/// a C library function and what it calls, the runtime's own few, or a signal
/// handler.
const MAX_NATIVE_FRAMES: usize = 32;

/// Walks stacks; holds the working memory for that, to be reused.
pub(crate) struct Walker {
    cursor: Cursor,
}

impl Walker {
    /// A new one.
    pub(crate) fn new() -> Self {
        Walker { cursor: Cursor::new() }
    }

    /// Visits the wasm frames from `context` on, which runs on `activation`'s
    /// stack, then those of the activations around it; each with its state.
    ///
    /// Returns whether there was a wasm frame in `activation` itself.
    pub(crate) fn walk(
        &mut self,
        context: Context,
        activation: &Activation,
        visit: impl FnMut(RawFrame, &FrameState),
    ) -> bool {
        self.walk_from(context, activation, Activation::host_caller, visit)
    }

    /// The same, where `host_caller` knows the registers of the wasm functions that
    /// called the host functions in between.
    fn walk_from(
        &mut self,
        context: Context,
        activation: &Activation,
        host_caller: impl Fn(&Activation) -> Option<Registers>,
        mut visit: impl FnMut(RawFrame, &FrameState),
    ) -> bool {
        self.cursor.start();
        let found = self.walk_activation(context, activation, 0..0, &mut visit);
        self.walk_callers(activation.outer(), host_caller, &mut visit);
        found
    }

    /// Visits the wasm frames of this thread, which a signal interrupted
    /// anywhere. `native` is the memory in use of the stack that it was on, if
    /// that is not wasm's.
    pub(crate) fn walk_interrupted(
        &mut self,
        registers: Registers,
        native: Range<u64>,
        mut visit: impl FnMut(RawFrame),
    ) {
        let mut visit = |frame, _: &FrameState| visit(frame);
        self.cursor.start();
        let Some(activation) = Activation::innermost() else { return };
        if activation.host_caller().is_some() {
            // As exact as any walk through the host's frames, and surer.
            return self.walk_callers(Some(activation), Activation::host_caller, &mut visit);
        }
        if activation.is_running() {
            let context = Context { registers, after_call: false };
            self.walk_activation(context, activation, native, &mut visit);
        }
        self.walk_callers(activation.outer(), Activation::host_caller, &mut visit);
    }

    /// Visits the frames of this thread, which is anywhere, interrupted by a signal
    /// perhaps: also the host's, but for those outside of all wasm if there is any;
    /// each with its registers, until `visit` returns false. `native` is as for
    /// [`Walker::walk_interrupted`].
    ///
    /// Where a host function's frames cannot be followed, the wasm function that
    /// called it comes next.
    pub(crate) fn walk_with_host(
        &mut self,
        registers: Registers,
        native: Range<u64>,
        mut visit: impl FnMut(RawFrame, &Registers) -> bool,
    ) {
        self.cursor.start();
        let innermost = Activation::innermost();
        let read_stack = |address: u64| {
            let mut stacks = iter::successors(innermost, |activation| activation.outer());
            let inside = holds_word(&native, address)
                || stacks.any(|activation| holds_word(&activation.stack().usable(), address));
            // SAFETY: mapped, readable memory of this thread.
            inside.then(|| unsafe { (address as *const u64).read_unaligned() })
        };
        // The activations whose wasm frames are on the stack still to be walked.
        let mut next = innermost.filter(|activation| activation.is_running());
        next = next.or(innermost.and_then(Activation::outer));
        let mut context = Context { registers, after_call: false };
        let mut is_innermost = true;
        loop {
            let Context { registers, after_call } = context;
            let pc = registers.pc().wrapping_sub(u64::from(after_call));
            // SAFETY: a module of which a function is running is registered.
            let module = Code::find(pc).map(|code| unsafe { &*code });
            let caller = match module {
                Some(module) => Some(self.cursor.step(module.cfi(), &registers, pc, read_stack)),
                None => Object::around(pc)
                    .map(|object| self.cursor.step(&object.cfi, &registers, pc, read_stack)),
            };
            let entered = next.filter(|activation| {
                let callee = caller.as_ref().and_then(|caller| caller.as_ref().ok());
                callee.is_some_and(|caller| caller.callee == activation.thunk())
            });
            let code = module.map_or(ptr::null(), ptr::from_ref);
            if !visit(RawFrame { pc: registers.pc(), code, after_call }, &registers) {
                return;
            }
            if let Some(activation) = entered {
                next = activation.outer();
                if next.is_none() {
                    return;
                }
            }
            let in_host = module.is_none() || entered.is_some();
            context = match caller {
                Some(Ok(Caller { registers: outer, after_call, .. }))
                    if outer.sp() != registers.sp() || outer.pc() != registers.pc() =>
                {
                    Context { registers: outer, after_call }
                }
                // The linker's stubs have no tables, and push nothing.
                None | Some(Err(StepError::Cfi(_))) if is_innermost && module.is_some() => {
                    let Some(outer) = registers.caller_of_stub(read_stack) else { return };
                    Context { registers: outer, after_call: true }
                }
                _ => {
                    let Some(registers) =
                        next.filter(|_| in_host).and_then(Activation::host_caller)
                    else {
                        return;
                    };
                    Context { registers, after_call: true }
                }
            };
            is_innermost = false;
        }
    }

    /// Visits the wasm frames of `activation`, which is in a host function, and
    /// of those around it.
    pub(crate) fn walk_from_host(
        &mut self,
        activation: Option<&Activation>,
        mut visit: impl FnMut(RawFrame),
    ) {
        self.cursor.start();
        self.walk_callers(activation, Activation::host_caller, &mut |frame, _| visit(frame));
    }

    fn walk_callers(
        &mut self,
        mut next: Option<&Activation>,
        host_caller: impl Fn(&Activation) -> Option<Registers>,
        visit: &mut impl FnMut(RawFrame, &FrameState),
    ) {
        while let Some(activation) = next {
            visit(RawFrame::HOST, &FrameState::default());
            if let Some(registers) = host_caller(activation) {
                let context = Context { registers, after_call: true };
                self.walk_activation(context, activation, 0..0, visit);
            }
            next = activation.outer();
        }
    }

    /// Visits the wasm frames on one stack: after the native ones in which wasm
    /// was left, until the entry thunk. Native frames may also be in `native`.
    fn walk_activation(
        &mut self,
        mut context: Context,
        activation: &Activation,
        native: Range<u64>,
        visit: &mut impl FnMut(RawFrame, &FrameState),
    ) -> bool {
        let stack = activation.stack().usable();
        let read_stack = |address: u64| {
            // SAFETY: both are mapped, readable memory of this thread.
            (holds_word(&stack, address) || holds_word(&native, address))
                .then(|| unsafe { (address as *const u64).read_unaligned() })
        };
        let mut module: Option<&Code> = None;
        let mut native_frames = 0;
        let mut found = false;
        loop {
            let Context { registers, after_call } = context;
            let pc = registers.pc().wrapping_sub(u64::from(after_call));
            if !module.is_some_and(|module| module.range().contains(&pc)) {
                // SAFETY: a module of which a function is running is registered.
                module = Code::find(pc).map(|code| unsafe { &*code });
            }
            let caller = if let Some(module) = module {
                let caller = self.cursor.step(module.cfi(), &registers, pc, read_stack);
                if !found && !after_call && matches!(caller, Err(StepError::Cfi(_))) {
                    // The linker's stubs have no tables, and push nothing.
                    let Some(outer) = registers.caller_of_stub(read_stack) else { return false };
                    context = Context { registers: outer, after_call: true };
                    found = true;
                    continue;
                }
                if caller.as_ref().is_ok_and(|c| c.callee == activation.thunk()) {
                    return true;
                }
                let outer = caller.as_ref().ok().map(|caller| &caller.registers);
                let state = FrameState::new(registers, outer);
                visit(RawFrame { pc: registers.pc(), code: module, after_call }, &state);
                found = true;
                caller
            } else if !found && native_frames < MAX_NATIVE_FRAMES {
                native_frames += 1;
                let Some(object) = Object::around(pc) else { return false };
                self.cursor.step(&object.cfi, &registers, pc, read_stack)
            } else {
                return found;
            };
            match caller {
                // Each frame lies above the one it called, so this ends. Native
                // ones may be on another stack; they are counted.
                Ok(Caller { registers: outer, after_call, .. })
                    if outer.sp() > registers.sp() || !found =>
                {
                    context = Context { registers: outer, after_call };
                }
                _ => return found,
            }
        }
    }
}

/// Whether all of the word at `address` is in `memory`.
fn holds_word(memory: &Range<u64>, address: u64) -> bool {
    memory.start <= address && address <= memory.end.saturating_sub(8)
}
