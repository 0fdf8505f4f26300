//! The sections that matter for debugging, of a wasm file or of an ELF file that
//! keeps some of one. Anything malformed ends what is seen.

use object::{Object, ObjectSection};
use wasm2so_abi::KEPT_PREFIX;

/// Custom sections, by name.
pub(super) enum Sections<'a> {
    /// Kept in a compiled module's file.
    Kept(Box<object::File<'a>>),
    /// Of a wasm file.
    Wasm {
        /// In order.
        custom: Vec<(&'a str, &'a [u8])>,
        /// Where the Code section's payload starts, and that.
        code: Option<(u64, &'a [u8])>,
    },
}

impl<'a> Sections<'a> {
    /// Those of an ELF file.
    pub(super) fn of_elf(bytes: &'a [u8]) -> Option<Self> {
        object::File::parse(bytes).ok().map(|file| Sections::Kept(Box::new(file)))
    }

    /// Those of a wasm file; `None` for any other.
    pub(super) fn of_wasm(bytes: &'a [u8]) -> Option<Self> {
        const CUSTOM: u8 = 0;
        const CODE: u8 = 10;
        let (mut custom, mut code) = (Vec::new(), None);
        let mut rest = bytes.strip_prefix(b"\0asm\x01\0\0\0")?;
        while let Some((&id, after)) = rest.split_first()
            && let Some((payload, after)) = prefixed(after)
        {
            rest = after;
            let start = (bytes.len() - rest.len() - payload.len()) as u64;
            match id {
                CUSTOM => custom.extend(named(payload)),
                CODE => code = code.or(Some((start, payload))),
                _ => {}
            }
        }
        Some(Sections::Wasm { custom, code })
    }

    /// The first section of this name in the wasm file.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Sections::Kept(file) => {
                let name = format!("{KEPT_PREFIX}{}", name.trim_start_matches('.'));
                file.section_by_name(&name)?.data().ok()
            }
            Sections::Wasm { custom, .. } => {
                custom.iter().find(|(own, _)| *own == name).map(|(_, payload)| *payload)
            }
        }
    }

    /// The text that a section consists of.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let (text, _) = prefixed(self.get(name)?)?;
        std::str::from_utf8(text).ok()
    }
}

/// The name and the contents of a custom section.
fn named(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (name, contents) = prefixed(payload)?;
    Some((std::str::from_utf8(name).ok()?, contents))
}

/// Bytes after their number, and what follows.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return bytes[place + 1..].split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] =
        b"\0asm\x01\0\0\0\0\x05\x02abXY\x0a\x81\x80\0\0\0\x06\x03.dbZ!\0\x04\x02ab?";

    #[test]
    fn of_wasm() {
        let sections = Sections::of_wasm(WASM).unwrap();
        assert_eq!(sections.get("ab"), Some(b"XY".as_slice()));
        assert_eq!(sections.get(".db"), Some(b"Z!".as_slice()));
        assert_eq!(sections.get("db"), None);
        let Sections::Wasm { code, .. } = sections else { panic!("it is wasm") };
        assert_eq!(code, Some((19, b"\0".as_slice())));
        assert!(Sections::of_wasm(b"\x7fELF").is_none());
    }

    #[test]
    fn what_is_cut_off_is_not_there() {
        for end in 0..WASM.len() {
            let sections = Sections::of_wasm(&WASM[..end]);
            assert_eq!(sections.is_some(), end >= 8);
            let found = sections.and_then(|sections| sections.get(".db"));
            assert_eq!(found.is_some(), end >= 28);
        }
    }
}
