//! A file that the process had mapped: its unwind tables.

use super::process::{Mapping, Process};
use crate::files;
use crate::unwind::cursor::Cfi;
use crate::unwind::state::ReadMemory;
use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSegment};
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A mapped file.
pub(super) struct Image {
    /// Where the process had it from.
    pub(super) path: PathBuf,
    /// Its addresses in the process.
    pub(super) range: Range<u64>,
    /// What to subtract from an address in the process to get that in the file.
    pub(super) bias: u64,
    file: Mmap,
    header: Option<Section>,
    frames: Option<Section>,
}

/// A section's bytes in the file, and its address in the process.
struct Section {
    bytes: Range<usize>,
    address: u64,
}

impl Image {
    /// The file at `path` as `process` had it, from `mapped`; `None` if that was
    /// another file.
    pub(super) fn open(process: &Process, mapped: &Path, path: &Path) -> Option<Self> {
        let mappings = || process.mappings.iter().filter(|mapping| mapping.path == mapped);
        let file = files::map(path).ok()?;
        let object = object::File::parse(&*file).ok()?;
        // Parts of a module are also mapped as the first contents of memories.
        let biases = mappings().filter_map(|mapping| bias(&object, mapping));
        let is_loaded = |bias: &u64| object.segments().all(|s| is_mapped(&s, *bias, mappings()));
        let bias = biases.into_iter().find(is_loaded)?;
        let in_process = |address: u64| address.wrapping_add(bias);
        let start = object.segments().map(|s| in_process(s.address())).min()?;
        let end = object.segments().map(|s| in_process(s.address() + s.size())).max()?;
        if !is_same_build(&object, bias, process) {
            return None;
        }
        let section = |name| {
            let section = object.section_by_name(name)?;
            let (start, size) = section.file_range()?;
            let address = section.address().wrapping_add(bias);
            Some(Section { bytes: start as usize..(start + size) as usize, address })
        };
        let (header, frames) = (section(".eh_frame_hdr"), section(".eh_frame"));
        Some(Image { path: mapped.to_owned(), range: start..end, bias, file, header, frames })
    }

    /// Its unwind tables, if it has them.
    pub(super) fn cfi(&self) -> Option<Cfi<'_>> {
        let (header, frames) = (self.header.as_ref()?, self.frames.as_ref()?);
        let bytes = |section: &Section| self.file.get(section.bytes.clone());
        Cfi::new(bytes(header)?, header.address, bytes(frames)?, frames.address).ok()
    }
}

/// A file's name without what the kernel adds when it was deleted since.
pub(super) fn without_deleted(name: &OsStr) -> &OsStr {
    name.as_bytes().strip_suffix(b" (deleted)").map_or(name, OsStr::from_bytes)
}

fn bias(object: &object::File<'_>, mapping: &Mapping) -> Option<u64> {
    object.segments().find_map(|segment| {
        let (start, size) = segment.file_range();
        // Mappings begin at pages, segments need not.
        let place = mapping.offset.max(start);
        (place < start + size).then(|| {
            let address = segment.address() + (place - start);
            (mapping.range.start + (place - mapping.offset)).wrapping_sub(address)
        })
    })
}

/// Whether a segment is where it is when the file is loaded with `bias`.
fn is_mapped<'a>(
    segment: &object::Segment<'_, '_>,
    bias: u64,
    mut mappings: impl Iterator<Item = &'a Mapping>,
) -> bool {
    let address = segment.address().wrapping_add(bias);
    let (offset, size) = segment.file_range();
    size == 0
        || mappings.any(|mapping| {
            mapping.range.contains(&address)
                && mapping.offset + (address - mapping.range.start) == offset
        })
}

/// Whether the build ID is the one that the core has, if it has one: the first
/// page of a file usually is in it.
fn is_same_build(object: &object::File<'_>, bias: u64, process: &Process) -> bool {
    let Some(note) = object.section_by_name(".note.gnu.build-id") else { return true };
    let Ok(data) = note.data() else { return false };
    let start = note.address().wrapping_add(bias);
    process.read(start, data.len() as u64).is_none_or(|loaded| loaded == data)
}
