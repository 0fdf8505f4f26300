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
//!
//! Where the module's sources are known, they follow each frame:
//!
//! ```text
//! #00: 0x0238 - leaf
//!         at helper src/leaf.c:12:9 (inlined)
//!         at leaf src/leaf.c:30:3
//! ```

mod collapse;
mod json;
mod names;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod web;

use crate::symbolize::{self, SourceFrame};
use crate::{Trap, TrapCode, TrapDetail, WasmFrame};
use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;

/// How a [`Trace`] is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line per frame: number, offset in the module, function.
    Short,
    /// Two lines per frame: also module, function index, offset in the
    /// function, and native address.
    Full,
    /// As browsers write it, for tools that read that: a line
    /// `    at NAME (FILE:wasm-function[INDEX]:0xOFFSET)` per frame.
    Web,
    /// All that is known, as one JSON object on one line.
    Json,
    /// What happened, not where.
    Off,
}

/// A trap, a host function's error or a mere question, and the stack where it
/// occurred.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// The kind of trap; none for a host function's error.
    pub code: Option<TrapCode>,
    /// Whether nothing is wrong: the program was asked where it is.
    pub running: bool,
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
    /// Name of the wasm file that it was compiled from.
    pub wasm_file: Cow<'a, str>,
    /// Index of the function in the module.
    pub function: Option<u32>,
    /// Name of the function as the module gives it.
    pub name: Option<Cow<'a, str>>,
    /// Offset of the instruction in the module.
    pub offset: Option<u64>,
    /// Offset of the instruction in the function's body.
    pub function_offset: Option<u64>,
    /// Without an offset: one near it, see [`WasmFrame::near_offset`].
    pub near_offset: Option<u64>,
    /// Whether the function was inlined into that of the next frame.
    pub inlined: bool,
    /// Address of the machine instruction in the shared object, as `addr2line`
    /// wants it.
    pub native_offset: Option<u64>,
    /// Where that is in the sources, innermost first.
    pub source: Arc<[SourceFrame]>,
}

impl<'a> Trace<'a> {
    /// Of a host function's error; `stack` is where that was called, see
    /// [`current_stack`](crate::current_stack).
    pub fn of_error(message: impl Into<Cow<'a, str>>, stack: &'a [symbolize::Frame]) -> Self {
        Trace {
            code: None,
            running: false,
            detail: TrapDetail::None,
            message: message.into(),
            entries: stack.iter().map(Entry::from).collect(),
        }
    }

    /// Of a running thread; see [`ThreadHandle`](crate::ThreadHandle). The message
    /// says why it was asked.
    pub fn of_stack(message: impl Into<Cow<'a, str>>, stack: &'a [symbolize::Frame]) -> Self {
        Trace { running: true, ..Self::of_error(message, stack) }
    }

    /// The trace in `format`, ending in a newline; the texts for people with
    /// ANSI colours if `colour`. Those show at most some 64 lines, and hide the
    /// rounds of a recursion first.
    pub fn display(&self, format: Format, colour: bool) -> impl Display {
        fmt::from_fn(move |f| match format {
            Format::Json => json::Json(self).fmt(f),
            Format::Web => web::Web(self).fmt(f),
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
            running: false,
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
            symbolize::Frame::Wasm(frame) => Entry::Wasm(frame.into()),
        }
    }
}

impl<'a> From<&'a WasmFrame> for Frame<'a> {
    fn from(frame: &'a WasmFrame) -> Self {
        Frame {
            module: frame.module.name().into(),
            file: frame.module.path().to_string_lossy(),
            wasm_file: frame.module.wasm_file_name().into(),
            function: frame.func_index,
            name: frame.func_name.as_deref().map(Cow::Borrowed),
            offset: frame.module_offset,
            function_offset: frame.func_offset,
            near_offset: frame.near_offset,
            inlined: frame.inlined,
            native_offset: Some(frame.native_offset),
            source: frame.source(),
        }
    }
}

impl Frame<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Frame<'static> {
        let owned = |text: Cow<str>| Cow::Owned(text.into_owned());
        Frame {
            module: owned(self.module),
            file: owned(self.file),
            wasm_file: owned(self.wasm_file),
            name: self.name.map(owned),
            function: self.function,
            offset: self.offset,
            function_offset: self.function_offset,
            near_offset: self.near_offset,
            inlined: self.inlined,
            native_offset: self.native_offset,
            source: self.source,
        }
    }

    /// Offset and function, as in [`Format::Short`]: `0x0238 - leaf`.
    pub fn title(&self) -> String {
        text::title(self)
    }

    /// The function's name as people read it; if it has none, one made of its index.
    pub fn function_name(&self) -> Cow<'_, str> {
        text::name(self, false)
    }

    /// The lines of [`Format::Short`] that tell where it is in the sources.
    pub fn source_lines(&self) -> Vec<String> {
        source::lines(&self.source, false)
    }
}

/// A function's name as people read it, also in a terminal.
pub(crate) fn readable(name: &str) -> Cow<'_, str> {
    names::readable(name, false)
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
