//! Traps: why wasm code stopped, and where. Knows nothing of how code is
//! entered, or of how a trace is printed.

pub(crate) mod regions;
pub(crate) mod signals;

use std::fmt;
use std::sync::OnceLock;

use wasm2so_abi::{NO_DETAIL, TrapCode, VmCtx, VmLayout, VmMemory};

use crate::Value;
use crate::symbolize::{self, Frame, FrameValues, Machine};
use crate::unwind::code::Code;
use crate::unwind::record::Trace;

/// Why execution of wasm code stopped, with the stack at that point.
pub struct Trap(Box<Inner>);

/// Behind a pointer: errors travel through every result.
struct Inner {
    code: TrapCode,
    detail: TrapDetail,
    trace: Trace,
    frames: OnceLock<Vec<Frame>>,
}

/// What made a [`Trap`] occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrapDetail {
    /// Nothing beyond the code.
    None,
    /// An address in linear memory.
    Address {
        /// The first address outside.
        address: u64,
        /// The memory's size in bytes; unknown when a module has several.
        memory_size: Option<u64>,
    },
    /// An index into a table.
    Index(u64),
}

impl Trap {
    pub(crate) fn new(code: TrapCode, detail: TrapDetail, trace: Trace) -> Self {
        Trap(Box::new(Inner { code, detail, trace, frames: OnceLock::new() }))
    }

    /// Its kind.
    pub fn code(&self) -> TrapCode {
        self.0.code
    }

    /// The address or index that was outside.
    pub fn detail(&self) -> TrapDetail {
        self.0.detail
    }

    /// The message shown to users, without the `wasm trap: ` prefix; the same as
    /// `to_string`.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The stack, innermost frame first. Debug information is read at the first
    /// call.
    ///
    /// Of a very deep stack the middle is left out; a frame of kind
    /// [`Omitted`](crate::Frame::Omitted) stands for it.
    pub fn frames(&self) -> &[Frame] {
        self.0.frames.get_or_init(|| {
            let mut frames = symbolize::frames(&self.0.trace);
            if self.0.code == TrapCode::StackOverflow {
                place_overflow(&mut frames);
            }
            frames
        })
    }

    /// The values of the locals of each of [`Trap::frames`], parameters first, as far as
    /// they are numbers, the debug information tells where they are, and they still
    /// existed. Empty unless [`Config::keep_locals`](crate::Config::keep_locals) was set.
    pub fn locals(&self) -> Vec<Vec<Option<Value>>> {
        match self.0.trace.state() {
            Some(_) => self.values().into_iter().map(|values| values.variables.locals).collect(),
            None => Vec::new(),
        }
    }

    /// What each of [`Trap::frames`] holds, as far as that was kept.
    pub(crate) fn values(&self) -> Vec<FrameValues> {
        let state = self.0.trace.state();
        symbolize::values(&symbolize::placed_frames(&self.0.trace), |place| {
            let memory = state?;
            let (state, vectors) = memory.frame(place)?;
            Some(Machine { state, vectors, memory })
        })
    }

    /// Number of frames that [`Trap::frames`] leaves out.
    pub fn omitted_count(&self) -> u64 {
        self.0.trace.omitted()
    }
}

/// A stack overflows where a frame does not fit, at whichever machine instruction
/// touches it first. Where that belongs to no wasm instruction (a spill), the
/// overflow is at the start of the function whose frame it is.
fn place_overflow(frames: &mut [Frame]) {
    if let Some(Frame::Wasm(frame)) = frames.first_mut()
        && frame.module_offset.is_none()
        && let Some(function) = frame.func_index.and_then(|i| symbolize::function(&frame.module, i))
    {
        frame.module_offset = Some(function.body_start);
        frame.func_offset = Some(0);
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().message())?;
        match self.detail() {
            TrapDetail::None => Ok(()),
            TrapDetail::Index(index) => write!(f, " (index {index})"),
            TrapDetail::Address { address, memory_size: None } => {
                write!(f, " (address {address:#x})")
            }
            TrapDetail::Address { address, memory_size: Some(size) } => {
                write!(f, " (address {address:#x}, memory size {size:#x})")
            }
        }
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap")
            .field("code", &self.code())
            .field("detail", &self.detail())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Trap {}

/// What the number means that compiled code at `pc` passes to the `trap` builtin.
///
/// # Safety
/// `vmctx` must be the instance that runs at `pc`.
pub(crate) unsafe fn builtin_detail(
    code: TrapCode,
    detail: u64,
    pc: u64,
    vmctx: *const VmCtx,
) -> TrapDetail {
    match code {
        _ if detail == NO_DETAIL => TrapDetail::None,
        TrapCode::MemoryOutOfBounds => {
            // SAFETY: passed on to the caller.
            let memory_size = unsafe { only_memory_size(pc, vmctx) };
            TrapDetail::Address { address: detail, memory_size }
        }
        TrapCode::TableOutOfBounds
        | TrapCode::UndefinedElement
        | TrapCode::UninitializedElement => TrapDetail::Index(detail),
        _ => TrapDetail::None,
    }
}

/// Size of the instance's memory, if it has one and no more.
///
/// # Safety
/// `vmctx` must be the instance that runs at `pc`.
unsafe fn only_memory_size(pc: u64, vmctx: *const VmCtx) -> Option<u64> {
    let code = Code::find(pc.wrapping_sub(1))?;
    // SAFETY: registered while it runs.
    let counts = &unsafe { &*code }.descriptor().counts;
    let layout = VmLayout::new(counts);
    // SAFETY: where the instance's layout has its first memory.
    (counts.memories == 1).then(|| unsafe {
        let memory = vmctx.byte_add(layout.memory(0) as usize).cast::<VmMemory>();
        (*(*memory).state).byte_len
    })
}
