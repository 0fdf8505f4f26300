//! Traces as text: what a trap was and where, for people and for programs.
//!
//! Formatting is a pure function of a [`Trace`], a plain view of the frames;
//! how they were found is not known here.
//!
//! ```text
//! wasm trap: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
//! #00: 0x0238 - leaf
//! #01: 0x02ab - mid
//! #02: 0x02e1 - main
//! ```

mod collapse;
mod json;
mod names;
#[cfg(test)]
mod tests;
mod text;

use crate::symbolize;
use crate::{Trap, TrapCode, TrapDetail};
use std::borrow::Cow;
use std::fmt::{self, Display};

/// How a [`Trace`] is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line per frame: number, offset in the module, function.
    Short,
    /// Two lines per frame: also module, function index, offset in the
    /// function, and native address.
    Full,
    /// All that is known, as one JSON object on one line.
    Json,
    /// What happened, not where.
    Off,
}

/// A trap, or a host function's error, and the stack where it occurred.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// The kind of trap; none for a host function's error.
    pub code: Option<TrapCode>,
    /// What was outside of what.
    pub detail: TrapDetail,
    /// All of it in words.
    pub message: Cow<'a, str>,
    /// From the innermost outwards.
    pub entries: Vec<Entry<'a>>,
}

/// One entry of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A wasm function's frame.
    Wasm(Frame<'a>),
    /// The host ran here: one or several native frames.
    Host,
    /// So many frames were not recorded.
    Omitted(u64),
}

/// A frame of wasm code, inlined or not. Nothing is made up: what is not known
/// is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The module's name.
    pub module: Cow<'a, str>,
    /// Path of the shared object.
    pub file: Cow<'a, str>,
    /// Index of the function in the module.
    pub function: Option<u32>,
    /// Name of the function as the module gives it.
    pub name: Option<Cow<'a, str>>,
    /// Offset of the instruction in the module.
    pub offset: Option<u64>,
    /// Offset of the instruction in the function's body.
    pub function_offset: Option<u64>,
    /// Whether the function was inlined into that of the next frame.
    pub inlined: bool,
    /// Address of the machine instruction in the shared object, as `addr2line`
    /// wants it.
    pub native_offset: Option<u64>,
}

impl<'a> Trace<'a> {
    /// Of a host function's error; `stack` is where that was called, see
    /// [`current_stack`](crate::current_stack).
    pub fn of_error(message: impl Into<Cow<'a, str>>, stack: &'a [symbolize::Frame]) -> Self {
        Trace {
            code: None,
            detail: TrapDetail::None,
            message: message.into(),
            entries: stack.iter().map(Entry::from).collect(),
        }
    }

    /// The trace in `format`, ending in a newline; the texts for people with
    /// ANSI colours if `colour`. Those show at most some 64 lines, and hide the
    /// rounds of a recursion first.
    pub fn display(&self, format: Format, colour: bool) -> impl Display {
        fmt::from_fn(move |f| match format {
            Format::Json => json::Json(self).fmt(f),
            Format::Short | Format::Full | Format::Off => {
                text::Text::new(self, format, colour).fmt(f)
            }
        })
    }
}

impl<'a> From<&'a Trap> for Trace<'a> {
    fn from(trap: &'a Trap) -> Self {
        Trace {
            code: Some(trap.code()),
            detail: trap.detail(),
            message: trap.to_string().into(),
            entries: trap.frames().iter().map(Entry::from).collect(),
        }
    }
}

impl<'a> From<&'a symbolize::Frame> for Entry<'a> {
    fn from(frame: &'a symbolize::Frame) -> Self {
        match frame {
            symbolize::Frame::Host => Entry::Host,
            symbolize::Frame::Omitted(count) => Entry::Omitted(*count),
            symbolize::Frame::Wasm(frame) => Entry::Wasm(Frame {
                module: frame.module.name().into(),
                file: frame.module.path().to_string_lossy(),
                function: frame.func_index,
                name: frame.func_name.as_deref().map(Cow::Borrowed),
                offset: frame.module_offset,
                function_offset: frame.func_offset,
                inlined: frame.inlined,
                native_offset: Some(frame.native_offset),
            }),
        }
    }
}

impl Entry<'_> {
    /// How many frames this stands for. Host frames are not counted, nor is
    /// what was inlined into frames that were not recorded.
    fn count(&self) -> u64 {
        match self {
            Entry::Wasm(_) => 1,
            Entry::Host => 0,
            Entry::Omitted(count) => *count,
        }
    }
}
