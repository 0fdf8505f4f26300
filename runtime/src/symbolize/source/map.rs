//! Source maps, version 3. The text that they map is the wasm file: one line,
//! whose columns are offsets in the file.

use super::SourceFrame;
use serde_json::Value;

/// Which parts of a wasm file come from where in the sources.
pub(super) struct SourceMap {
    sources: Vec<String>,
    /// By ascending offset, each up to the next.
    parts: Vec<Part>,
}

struct Part {
    offset: u64,
    /// None: it comes from no source.
    origin: Option<Origin>,
}

/// All from 0.
#[derive(Clone, Copy)]
struct Origin {
    source: usize,
    line: u32,
    column: u32,
}

impl SourceMap {
    /// Reads the JSON.
    ///
    /// # Errors
    /// It is malformed, or of another version.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        // Servers may put this before it.
        let json = json.strip_prefix(b")]}'").unwrap_or(json);
        let map: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if map["version"].as_u64() != Some(3) {
            return Err("it is no source map of version 3".into());
        }
        let sources = map["sources"].as_array().ok_or("it names no sources")?;
        let root = map["sourceRoot"].as_str().unwrap_or_default();
        let path = |source: &Value| format!("{root}{}", source.as_str().unwrap_or("?"));
        let mappings = map["mappings"].as_str().ok_or("it has no mappings")?;
        let parts = parts(mappings).ok_or("its mappings are malformed")?;
        Ok(SourceMap { sources: sources.iter().map(path).collect(), parts })
    }

    /// Where the byte at `offset` comes from, of a function that starts at
    /// `first`.
    pub(super) fn at(&self, first: u64, offset: u64) -> Option<SourceFrame> {
        let after = self.parts.partition_point(|part| part.offset <= offset);
        let part = &self.parts[after.checked_sub(1)?];
        let Origin { source, line, column } = part.origin.filter(|_| part.offset >= first)?;
        Some(SourceFrame {
            file: Some(self.sources.get(source)?.clone()),
            line: Some(line.checked_add(1)?),
            column: Some(column.checked_add(1)?),
            ..SourceFrame::default()
        })
    }
}

fn parts(mappings: &str) -> Option<Vec<Part>> {
    // There is but one line.
    let line = mappings.split(';').next().unwrap_or_default();
    let (mut offset, mut source, mut source_line, mut column) = (0_i64, 0_i64, 0_i64, 0_i64);
    let mut parts = Vec::new();
    for segment in line.split(',').filter(|segment| !segment.is_empty()) {
        let numbers = numbers(segment)?;
        let add = |number: &mut i64, place: usize| {
            *number = number.checked_add(numbers[place])?;
            u32::try_from(*number).ok()
        };
        let at = add(&mut offset, 0)?;
        let origin = match numbers.len() {
            1 => None,
            4 | 5 => Some(Origin {
                source: add(&mut source, 1)? as usize,
                line: add(&mut source_line, 2)?,
                column: add(&mut column, 3)?,
            }),
            _ => return None,
        };
        parts.push(Part { offset: at.into(), origin });
    }
    parts.sort_by_key(|part| part.offset);
    Some(parts)
}

/// The numbers of a segment: in base 64, least significant digit first, the
/// sign in the lowest bit.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut numbers, mut number, mut shift) = (Vec::new(), 0_i64, 0);
    for byte in segment.bytes() {
        let digit = DIGITS.iter().position(|&digit| digit == byte)? as i64;
        if shift > 30 {
            return None;
        }
        number |= (digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            numbers.push(if number & 1 == 0 { number >> 1 } else { -(number >> 1) });
            (number, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup() {
        let json = br#"{"version": 3, "sources": ["a.ts", "b.ts"], "sourceRoot": "src/",
            "names": [], "mappings": "gBAAA,EACC,KCAD,E"}"#;
        let map = SourceMap::parse(json).unwrap();
        let at = |offset| {
            let frame = map.at(0, offset)?;
            Some((frame.file.unwrap(), frame.line.unwrap(), frame.column.unwrap()))
        };
        let found = |file: &str, line, column| Some((file.to_owned(), line, column));
        assert_eq!(at(15), None);
        assert_eq!(at(16), found("src/a.ts", 1, 1));
        assert_eq!(at(17), found("src/a.ts", 1, 1));
        assert_eq!(at(18), found("src/a.ts", 2, 2));
        assert_eq!(at(23), found("src/b.ts", 2, 1));
        assert_eq!(at(25), None);
        assert_eq!(map.at(19, 20), None, "the part began in another function");
    }

    #[test]
    fn malformed() {
        for json in [
            "",
            "{}",
            r#"{"version": 2, "sources": [], "mappings": ""}"#,
            r#"{"version": 3, "mappings": ""}"#,
            r#"{"version": 3, "sources": []}"#,
            r#"{"version": 3, "sources": [], "mappings": "A!"}"#,
            r#"{"version": 3, "sources": [], "mappings": "AA"}"#,
            r#"{"version": 3, "sources": [], "mappings": "D"}"#,
            r#"{"version": 3, "sources": [], "mappings": "gggggggggggggggA"}"#,
        ] {
            assert!(SourceMap::parse(json.as_bytes()).is_err(), "{json}");
        }
        let empty = br#"{"version": 3, "sources": [], "mappings": "AAAA"}"#;
        assert_eq!(SourceMap::parse(empty).unwrap().at(0, 0), None);
    }
}
