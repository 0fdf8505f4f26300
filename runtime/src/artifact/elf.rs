//! Looks at a file before the dynamic loader does, which crashes on one that
//! was cut off, and runs constructors of any.

use crate::error::{LoadError, Malformed};
use crate::files;
use memmap2::Mmap;
use object::Endianness;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Object, ObjectSymbol, elf};
use std::fs::File;
use std::path::Path;
use wasm2so_abi::{IMAGE_PAGE, ROOT_SYMBOL};

/// A file that `wasm2so` has written whole.
pub(super) struct Checked {
    file: File,
    bytes: Mmap,
}

impl Checked {
    /// Its contents.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Offset in the file of what is loaded at `address` when the object begins at
    /// 0; none if that cannot be mapped again.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let object = ElfFile64::<Endianness>::parse(&self.bytes[..]).ok()?;
        let endian = object.endian();
        let offset = object.elf_program_headers().iter().find_map(|segment| {
            let within = address.checked_sub(segment.p_vaddr(endian))?;
            let loaded = segment.p_type(endian) == elf::PT_LOAD;
            (loaded && within < segment.p_filesz(endian)).then(|| segment.p_offset(endian) + within)
        });
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
    let opened = files::open(path);
    let (opened, file) =
        opened.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    if file.starts_with(b"\0asm") || path.extension().is_some_and(|extension| extension == "wat") {
        return Err(LoadError::NotCompiled { path: path.to_owned() });
    }
    if !file.starts_with(b"\x7fELF\x02") {
        return Err(LoadError::NotAModule { path: path.to_owned() });
    }
    let Some(object) = whole(&file) else {
        return Err(LoadError::Malformed { path: path.to_owned(), what: Malformed::Truncated });
    };
    if !may_have_root(&object) {
        return Err(LoadError::NotAModule { path: path.to_owned() });
    }
    Ok(Checked { file: opened, bytes: file })
}

/// The file, if all that it speaks of is there.
fn whole(file: &[u8]) -> Option<ElfFile64<'_>> {
    // Reads the section headers, which are last.
    let object = ElfFile64::<Endianness>::parse(file).ok()?;
    let endian = object.endian();
    let fits =
        |offset: u64, size| offset.checked_add(size).is_some_and(|end| end <= file.len() as u64);
    let mut segments = object.elf_program_headers().iter();
    segments.all(|s| fits(s.p_offset(endian), s.p_filesz(endian))).then_some(object)
}

/// Whether the loader could find the root symbol.
fn may_have_root(object: &ElfFile64<'_>) -> bool {
    let header = object.elf_header();
    // The loader has its own words for what is no shared object.
    header.e_type(object.endian()) != elf::ET_DYN
        || header.e_shoff(object.endian()) == 0
        || object.dynamic_symbols().any(|symbol| symbol.name() == Ok(ROOT_SYMBOL))
}
