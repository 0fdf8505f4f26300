//! Looks at a file before the dynamic loader does, which crashes on one that
//! was cut off, and runs constructors of any. Reads no more than that needs.

use crate::error::{LoadError, Malformed};
use crate::files;
use object::elf::{self, Dyn64, FileHeader64, ProgramHeader64, SectionHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, pod};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use wasm2so_abi::{IMAGE_PAGE, ROOT_SYMBOL};

/// A file that `wasm2so` has written whole.
pub(super) struct Checked {
    file: File,
    head: Vec<u8>,
}

impl Checked {
    /// Its first page, or all of it.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Offset in the file of what is loaded at `address` when the object begins at
    /// 0; none if that cannot be mapped again.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let (endian, segments) = segments(&self.head)?;
        let offset = offset_of(endian, segments, address);
        offset.filter(|offset| offset.is_multiple_of(IMAGE_PAGE))
    }

    /// The file, open for reading.
    pub(super) fn into_file(self) -> File {
        self.file
    }
}

/// Refuses a file that `wasm2so` has not written whole.
///
/// # Errors
/// All but those that need the module loaded.
pub(super) fn check(path: &Path) -> Result<Checked, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let (file, len) = files::open(path).map_err(failed)?;
    let head = read(&file, 0, len.min(IMAGE_PAGE)).map_err(failed)?;
    if head.starts_with(b"\0asm") || path.extension().is_some_and(|extension| extension == "wat") {
        return Err(LoadError::NotCompiled { path: path.to_owned() });
    }
    if !head.starts_with(b"\x7fELF\x02") {
        return Err(LoadError::NotAModule { path: path.to_owned() });
    }
    let checked = Checked { file, head };
    match checked.may_have_root(len) {
        Some(true) => Ok(checked),
        Some(false) => Err(LoadError::NotAModule { path: path.to_owned() }),
        None => Err(LoadError::Malformed { path: path.to_owned(), what: Malformed::Truncated }),
    }
}

impl Checked {
    /// Whether the loader could find the root symbol; `None` if not all is there of
    /// what a file of `len` bytes speaks of.
    fn may_have_root(&self, len: u64) -> Option<bool> {
        let (endian, segments) = segments(&self.head)?;
        let header = FileHeader64::<Endianness>::parse(&self.head[..]).ok()?;
        let fits = |offset: u64, size| offset.checked_add(size).is_some_and(|end| end <= len);
        // The section headers are last.
        let sections =
            u64::from(header.e_shnum(endian)) * size_of::<SectionHeader64<Endianness>>() as u64;
        let whole = fits(header.e_shoff(endian), sections)
            && segments.iter().all(|s| fits(s.p_offset(endian), s.p_filesz(endian)));
        if !whole {
            return None;
        }
        // The loader has its own words for what is no shared object.
        if header.e_type(endian) != elf::ET_DYN {
            return Some(true);
        }
        Some(self.dynamic_names(endian, segments).is_some_and(|names| has_name(&names)))
    }

    /// The names of the dynamic symbols, and more.
    fn dynamic_names(
        &self,
        endian: Endianness,
        segments: &[ProgramHeader64<Endianness>],
    ) -> Option<Cow<'_, [u8]>> {
        let dynamic = segments.iter().find(|s| s.p_type(endian) == elf::PT_DYNAMIC)?;
        let entries = self.bytes(dynamic.p_offset(endian), dynamic.p_filesz(endian))?;
        let count = entries.len() / size_of::<Dyn64<Endianness>>();
        let (entries, _) = pod::slice_from_bytes::<Dyn64<Endianness>>(&entries, count).ok()?;
        let value = |tag: elf::DynamicTag| {
            let entry = entries.iter().find(|entry| entry.d_tag(endian) == tag)?;
            Some(entry.d_val(endian))
        };
        let start = offset_of(endian, segments, value(elf::DT_STRTAB)?)?;
        self.bytes(start, value(elf::DT_STRSZ)?)
    }

    /// A part of the file.
    fn bytes(&self, offset: u64, len: u64) -> Option<Cow<'_, [u8]>> {
        let end = offset.checked_add(len)?;
        match self.head.get(offset as usize..end as usize) {
            Some(bytes) => Some(bytes.into()),
            None => read(&self.file, offset, len).ok().map(Into::into),
        }
    }
}

/// The program headers of the file that begins with `head`, which holds them.
fn segments(head: &[u8]) -> Option<(Endianness, &[ProgramHeader64<Endianness>])> {
    let header = FileHeader64::<Endianness>::parse(head).ok()?;
    let endian = header.endian().ok()?;
    Some((endian, header.program_headers(endian, head).ok()?))
}

/// Offset in the file of what is loaded at `address` when the object begins at 0.
fn offset_of(
    endian: Endianness,
    segments: &[ProgramHeader64<Endianness>],
    address: u64,
) -> Option<u64> {
    segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(endian))?;
        let loaded = segment.p_type(endian) == elf::PT_LOAD;
        (loaded && within < segment.p_filesz(endian)).then(|| segment.p_offset(endian) + within)
    })
}

/// Whether the root symbol's name is in a string table.
fn has_name(strings: &[u8]) -> bool {
    strings.split(|&byte| byte == 0).any(|name| name == ROOT_SYMBOL.as_bytes())
}

fn read(file: &File, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}
