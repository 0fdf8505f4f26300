//! A trace as browsers write it, by the conventions of the WebAssembly Web API:
//! a location is `FILE:wasm-function[INDEX]:0xOFFSET`. May not read anything
//! but the [`Trace`].

use super::{Entry, Frame, Trace, names};
use std::fmt::{self, Display, Formatter};

/// A trace as an `Error`'s `stack`, complete.
pub(super) struct Web<'a>(pub(super) &'a Trace<'a>);

impl Display for Web<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let kind = if self.0.code.is_some() { "RuntimeError" } else { "Error" };
        writeln!(f, "{kind}: {}", self.0.message)?;
        self.0.entries.iter().try_for_each(|entry| match entry {
            Entry::Wasm(frame) => match &frame.name {
                Some(name) => {
                    writeln!(f, "    at {} ({})", names::readable(name, false), Location(frame))
                }
                None => writeln!(f, "    at {}", Location(frame)),
            },
            Entry::Host => writeln!(f, "    at <anonymous>"),
            Entry::Omitted(count) => writeln!(f, "    ... {count} more"),
        })
    }
}

/// What is not known is `?`.
struct Location<'a>(&'a Frame<'a>);

impl Display for Location<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Frame { wasm_file, function, offset, .. } = self.0;
        write!(f, "{}:wasm-function[", names::escape_controls(wasm_file))?;
        match function {
            Some(function) => write!(f, "{function}]")?,
            None => f.write_str("?]")?,
        }
        match offset {
            Some(offset) => write!(f, ":{offset:#x}"),
            None => f.write_str(":?"),
        }
    }
}
