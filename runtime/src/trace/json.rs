//! A trace for programs: one JSON object on one line, complete. May not read
//! anything but the [`Trace`].

use super::{Entry, Frame, Trace, names};
use crate::{SourceFrame, TrapDetail};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// A trace as JSON. Offsets are numbers; what is not known is left out.
pub(super) struct Json<'a>(pub(super) &'a Trace<'a>);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Trace { code, running, detail, message, entries } = self.0;
        f.write_str("{")?;
        if let Some(code) = code {
            write!(f, "\"trap\":\"{code:?}\",")?;
        }
        if *running {
            f.write_str("\"running\":true,")?;
        }
        write!(f, "\"message\":{}", Text(message))?;
        match *detail {
            TrapDetail::None => {}
            TrapDetail::Index(index) => write_number(f, "index", Some(index))?,
            TrapDetail::Address { address, memory_size } => {
                write_number(f, "address", Some(address))?;
                write_number(f, "memory_size", memory_size)?;
            }
        }
        f.write_str(",\"frames\":[")?;
        let mut number = 0;
        for (i, entry) in entries.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match entry {
                Entry::Wasm(frame) => write_frame(f, number, frame)?,
                Entry::Host => f.write_str("{\"host\":true}")?,
                Entry::Omitted(count) => write!(f, "{{\"omitted\":{count}}}")?,
            }
            number += entry.count();
        }
        f.write_str("]}\n")
    }
}

fn write_frame(f: &mut Formatter, number: u64, frame: &Frame) -> fmt::Result {
    write!(f, "{{\"index\":{number},\"module\":{}", Text(&frame.module))?;
    if let Some(name) = &frame.name {
        write!(f, ",\"name\":{}", Text(name))?;
    }
    write_number(f, "function", frame.function.map(u64::from))?;
    write_number(f, "offset", frame.offset)?;
    write_number(f, "function_offset", frame.function_offset)?;
    write_number(f, "near_offset", frame.near_offset)?;
    write!(f, ",\"file\":{}", Text(&frame.file))?;
    write_number(f, "native_offset", frame.native_offset)?;
    write!(f, ",\"inlined\":{}", frame.inlined)?;
    if !frame.source.is_empty() {
        f.write_str(",\"source\":[")?;
        for (i, source) in frame.source.iter().enumerate() {
            f.write_str(if i > 0 { "," } else { "" })?;
            write_source(f, source)?;
        }
        f.write_str("]")?;
    }
    f.write_str("}")
}

fn write_source(f: &mut Formatter, source: &SourceFrame) -> fmt::Result {
    let function = source.function.as_deref().map(names::demangled);
    let file = source.path().map(|path| path.to_string_lossy().into_owned());
    let texts = [("function", function), ("file", file.map(Cow::Owned))];
    let mut separator = "{";
    for (key, text) in texts {
        if let Some(text) = text {
            write!(f, "{separator}\"{key}\":{}", Text(&text))?;
            separator = ",";
        }
    }
    for (key, number) in [("line", source.line), ("column", source.column)] {
        if let Some(number) = number {
            write!(f, "{separator}\"{key}\":{number}")?;
            separator = ",";
        }
    }
    f.write_str(if separator == "{" { "{}" } else { "}" })
}

/// A further key, if there is a number to it.
fn write_number(f: &mut Formatter, key: &str, number: Option<u64>) -> fmt::Result {
    number.map_or(Ok(()), |number| write!(f, ",\"{key}\":{number}"))
}

/// A JSON string.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str("\"")?;
        let mut rest = self.0;
        while let Some(at) = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
            let (plain, special) = rest.split_at(at);
            f.write_str(plain)?;
            match special.as_bytes()[0] {
                quoted @ (b'"' | b'\\') => write!(f, "\\{}", char::from(quoted))?,
                control => write!(f, "\\u{control:04x}")?,
            }
            rest = &special[1..];
        }
        write!(f, "{rest}\"")
    }
}
