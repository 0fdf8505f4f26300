//! Which place a line of text names, by how it looks. Knows the names of the
//! module's files, and nothing else of it.

/// How the lines start that tell a frame's place in the sources.
pub const SOURCE: &str = "        at ";

use std::path::Path;

/// What a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The place.
    pub place: Place,
    /// Whether the line is a frame of a trace, which more lines may follow.
    pub is_frame: bool,
}

/// A place in a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address in the shared object.
    Native(u64),
    /// An offset in the wasm file.
    Wasm {
        /// The offset.
        offset: u64,
        /// The function that it is said to be in.
        function: Option<u32>,
    },
}

/// The place that `line` names of the module in the file `so`, compiled from
/// `wasm`.
pub fn find(line: &str, so: &str, wasm: &str) -> Option<Shape> {
    let wasm_at = |offset| Place::Wasm { offset, function: None };
    let native = |rest: &str| hexadecimal(rest).map(Place::Native);
    let offset = |rest: &str| hexadecimal(rest).map(wasm_at);
    let line_number = |rest: &str| {
        // Not a directory, nor `wasm-function[…`.
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok().map(wasm_at)
    };
    let plain = |place| Shape { place, is_frame: false };
    // As the compiler calls it by default.
    let listing = Path::new(wasm).with_extension("wasm.wat");
    let listing = listing.to_string_lossy();
    after(line, "wasm-function[", |rest| {
        let (function, rest) = rest.split_once("]:")?;
        let (function, offset) = (function.parse().ok()?, hexadecimal(rest)?);
        Some(Place::Wasm { offset, function: Some(function) })
    })
    .or_else(|| after_name(line, so, "+", native))
    .or_else(|| after_name(line, wasm, ":", line_number))
    .or_else(|| after_name(line, &listing, ":", line_number))
    .or_else(|| after_name(line, wasm, "+", offset))
    .map(plain)
    .or_else(|| {
        let (number, rest) = line.trim_start().strip_prefix('#')?.split_once(": ")?;
        number.parse::<u64>().ok()?;
        let rest = rest.strip_prefix('~').unwrap_or(rest);
        Some(Shape { place: offset(rest)?, is_frame: true })
    })
    .or_else(|| {
        let word = line.trim();
        let is_number = word.get(2..)?.bytes().all(|b| b.is_ascii_hexdigit());
        native(word).filter(|_| is_number).map(plain)
    })
}

/// What `read` makes of what follows `mark`, where it first makes something.
fn after<T>(line: &str, mark: &str, mut read: impl FnMut(&str) -> Option<T>) -> Option<T> {
    line.match_indices(mark).find_map(|(place, _)| read(&line[place + mark.len()..]))
}

/// The same for a file's name and `mark`; the name must be all of it.
fn after_name<T>(
    line: &str,
    name: &str,
    mark: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    if name.is_empty() {
        return None;
    }
    line.match_indices(name).find_map(|(place, _)| {
        let before = line[..place].chars().next_back();
        let starts = before.is_none_or(|c| c.is_whitespace() || "/([<'\"`=,;".contains(c));
        read(line[place + name.len()..].strip_prefix(mark)?).filter(|_| starts)
    })
}

/// The number that `text` starts with.
fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    let count = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    u64::from_str_radix(&digits[..count], 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<Place>) {
        let found = find(line, "app.so", "app.wasm");
        assert_eq!(found.map(|shape| shape.place), expected, "{line}");
        let is_frame = line.trim_start().starts_with('#') && line.contains("0x");
        assert_eq!(found.is_some_and(|shape| shape.is_frame), expected.is_some() && is_frame);
    }

    #[test]
    fn shapes() {
        let native = |address| Some(Place::Native(address));
        let wasm = |offset| Some(Place::Wasm { offset, function: None });
        let function = |index, offset| Some(Place::Wasm { offset, function: Some(index) });
        check("    at f (http://x/app.wasm:wasm-function[5]:0x238)", function(5, 0x238));
        check("wasm-function[5]:0x238", function(5, 0x238));
        check("wasm-function[5] wasm-function[6]:0x1", function(6, 1));
        check("     app, function 3+0x38, app.so+0x1c38", native(0x1c38));
        check("7d63 f+0x1 (/lib/app.so+0x7d63)", native(0x7d63));
        check("#0  f () at ./app.wasm:645", wasm(645));
        check("f at app.wasm:645:0 (inlined by)", wasm(645));
        check("f at app.wasm.wat:645", wasm(645));
        check("app.wasm+0x20", wasm(0x20));
        check("#03: 0x0238 - leaf (inlined)", wasm(0x238));
        check("  #12345: 0x0238", wasm(0x238));
        check("#00: ~0x0238 - leaf", wasm(0x238));
        check(" 0x1C38 ", native(0x1c38));
    }

    #[test]
    fn no_shapes() {
        for line in [
            "",
            "0x",
            "0x12 and more",
            "1c38",
            "0x11112222333344445",
            "#03: 0x????",
            "#03 0x0238 in f ()",
            "other.so+0x10",
            "myapp.so+0x10",
            "app.so+10",
            "app.wasm:",
            "wasm-function[x]:0x1",
            "wasm-function[1]:5",
            "é #: 0x",
        ] {
            check(line, None);
        }
    }
}
