//! What a stack held: each frame's registers, and memory, for whoever looks for
//! values in them. It is kept of a trap only if that was asked for. Knows nothing of
//! variables.

use super::arch::{INSTANCE, Registers, Vectors};
use super::record::{RawFrame, Trace};
use super::{Context, Walker};
use crate::activation::Activation;
use crate::native_stack;
use std::iter;
use std::ops::Range;

/// Below the stack pointer, functions that call no others have memory in use, too.
const RED_ZONE: u64 = 128;

/// Where a trap was: what is lost when its activation is left.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// Where it occurred.
    pub(crate) context: Context,
    /// The vector registers there, if all of them are as the code left them.
    pub(crate) vectors: Option<Vectors>,
}

/// The state of a frame of compiled code.
#[derive(Clone, Copy, Default)]
pub(crate) struct FrameState {
    /// Those that are known to be as they were, and are of use to this frame.
    pub(crate) registers: Registers,
    /// The instance that the function was called with.
    pub(crate) vmctx: Option<u64>,
}

impl FrameState {
    /// That of a frame, if `caller` are its caller's registers.
    pub(crate) fn new(registers: Registers, caller: Option<&Registers>) -> Self {
        FrameState { registers, vmctx: caller.and_then(|caller| caller.get(INSTANCE)) }
    }
}

/// Memory of a process, perhaps of one that is no more.
pub(crate) trait ReadMemory {
    /// `size` bytes, if all of them are known.
    fn read(&self, address: u64, size: u64) -> Option<&[u8]>;
}

/// The state of the frames of a [`Trace`].
pub(crate) struct StackState {
    frames: Vec<FrameState>,
    vectors: Option<Vectors>,
    /// The stacks in use, by their first addresses.
    stacks: Vec<(u64, Vec<u8>)>,
}

impl StackState {
    /// That of the stack of which `trace` was recorded, from `origin` on. `activation`
    /// has been left, those around it have not.
    ///
    /// # Safety
    /// Nothing on their stacks was overwritten since, and the modules are registered.
    pub(super) unsafe fn of(
        walker: &mut Walker,
        trace: &Trace,
        origin: &Origin,
        activation: &Activation,
    ) -> Self {
        let host_callers = host_callers(walker, activation);
        let host_caller = |activation: &Activation| {
            let known = activation.host_caller()?;
            let is_it = |caller: &&Registers| caller.sp() == known.sp();
            Some(host_callers.iter().find(is_it).copied().unwrap_or(known))
        };
        let mut frames = Vec::new();
        let mut place = 0;
        let mut vectors = None;
        walker.walk_from(origin.context, activation, host_caller, |frame: RawFrame, state| {
            if trace.keeps(place) {
                frames.push(*state);
            }
            // Later frames have had others' values in them.
            if place == 0 && !frame.after_call {
                vectors = origin.vectors;
            }
            place += 1;
        });
        let stack = |start: u64, usable: Range<u64>| {
            let start = start.saturating_sub(RED_ZONE).max(usable.start);
            let len = usable.end.saturating_sub(start) as usize;
            // SAFETY: memory of a stack, readable, which nothing uses meanwhile.
            let bytes = unsafe { std::slice::from_raw_parts(start as *const u8, len) };
            (start, bytes.to_vec())
        };
        let innermost = stack(origin.context.registers.sp(), activation.stack().usable());
        let outer = iter::successors(activation.outer(), |activation| activation.outer());
        let outer = outer.filter_map(|activation| {
            Some(stack(activation.host_caller()?.sp(), activation.stack().usable()))
        });
        StackState { frames, vectors, stacks: iter::once(innermost).chain(outer).collect() }
    }

    /// The state of a frame, by its place among those of the trace, with the vector
    /// registers if they are known.
    pub(crate) fn frame(&self, place: usize) -> Option<(&FrameState, Option<&Vectors>)> {
        let vectors = self.vectors.as_ref().filter(|_| place == 0);
        Some((self.frames.get(place)?, vectors))
    }
}

/// The registers of the wasm functions that called host functions in the activations
/// around `inner`, as far as the host's frames can be followed: each function on the way
/// has saved those that it uses.
fn host_callers(walker: &mut Walker, inner: &Activation) -> Vec<Registers> {
    let outer = iter::successors(inner.outer(), |activation| activation.outer());
    let mut wanted = outer.filter_map(Activation::host_caller).peekable();
    let mut found = Vec::new();
    if wanted.peek().is_none() {
        return found;
    }
    let here = Registers::here();
    let native = here.sp()..native_stack::bounds().end as u64;
    walker.walk_with_host(here, native, |_, registers| {
        if wanted.next_if(|caller| caller.sp() == registers.sp()).is_some() {
            found.push(*registers);
        }
        wanted.peek().is_some()
    });
    found
}

/// The stacks.
impl ReadMemory for StackState {
    fn read(&self, address: u64, size: u64) -> Option<&[u8]> {
        self.stacks.iter().find_map(|(start, bytes)| {
            let start = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
        })
    }
}
