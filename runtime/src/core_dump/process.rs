//! What a core dump holds of a process: memory, mapped files, threads.
//!
//! The format is that of `fs/binfmt_elf.c` of Linux and of `core(5)`.

use super::CoreError;
use crate::files;
use crate::unwind::arch::{Registers, THREAD_STATUS_REGISTERS, Vectors};
use crate::unwind::state::ReadMemory;
use memmap2::Mmap;
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader};
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

type Header = FileHeader64<Endianness>;

/// A process that is no more.
pub(super) struct Process {
    core: Mmap,
    /// By address.
    segments: Vec<Segment>,
    pub(super) mappings: Vec<Mapping>,
    pub(super) threads: Vec<CoreThread>,
}

/// Memory that was dumped.
struct Segment {
    start: u64,
    bytes: Range<usize>,
}

/// A part of a file that was mapped.
pub(super) struct Mapping {
    /// Where.
    pub(super) range: Range<u64>,
    /// From where in the file, in bytes.
    pub(super) offset: u64,
    /// Which.
    pub(super) path: PathBuf,
}

/// A thread of a process that is no more.
#[derive(Clone, Debug)]
pub struct CoreThread {
    /// Its number.
    pub id: u32,
    /// The signal that it got, if any.
    pub signal: Option<i32>,
    pub(super) registers: Registers,
    pub(super) vectors: Option<Vectors>,
}

impl Process {
    pub(super) fn open(path: &Path) -> Result<Self, CoreError> {
        let unreadable = |source| CoreError::Read { path: path.to_owned(), source };
        let core = files::map(path).map_err(unreadable)?;
        let not_a_core = |what| CoreError::NotACore { path: path.to_owned(), what };
        let mut process =
            Process { core, segments: Vec::new(), mappings: Vec::new(), threads: Vec::new() };
        process.parse().map_err(not_a_core)?;
        Ok(process)
    }

    fn parse(&mut self) -> Result<(), &'static str> {
        let core = &*self.core;
        let header = Header::parse(core).map_err(|_| "it is no 64-bit ELF file")?;
        let endian = header.endian().map_err(|_| "its byte order is unknown")?;
        if header.e_type(endian) != elf::ET_CORE {
            return Err("it is another kind of ELF file");
        }
        if header.e_machine(endian) != elf::EM_X86_64 {
            return Err("it is of another processor");
        }
        let headers = header.program_headers(endian, core).map_err(|_| "it was cut off")?;
        for segment in headers {
            let (start, size) = segment.file_range(endian);
            let bytes = start as usize..start.saturating_add(size) as usize;
            if core.len() < bytes.end {
                return Err("it was cut off");
            }
            match segment.p_type(endian) {
                elf::PT_LOAD => {
                    self.segments.push(Segment { start: segment.p_vaddr(endian), bytes });
                }
                elf::PT_NOTE => {
                    let notes = segment.notes(endian, core).ok().flatten();
                    let read = |notes| notes_of(notes, endian);
                    let (mappings, threads) =
                        notes.and_then(read).ok_or("its notes are damaged")?;
                    self.mappings.extend(mappings);
                    self.threads.extend(threads);
                }
                _ => {}
            }
        }
        self.segments.sort_by_key(|segment| segment.start);
        if self.threads.is_empty() { Err("it has no threads") } else { Ok(()) }
    }

    /// The parts of a range of memory that are in the dump, with their addresses, in
    /// order.
    pub(super) fn parts(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[u8])> {
        let first = self.segments.partition_point(|segment| segment.start <= range.start);
        let segments = self.segments[first.saturating_sub(1)..].iter();
        let segments = segments.take_while(move |segment| segment.start < range.end);
        segments.filter_map(move |segment| {
            let bytes = &self.core[segment.bytes.clone()];
            let start = range.start.max(segment.start);
            let end = range.end.min(segment.start + bytes.len() as u64);
            let place = |address| (address - segment.start) as usize;
            (start < end).then(|| (start, &bytes[place(start)..place(end)]))
        })
    }

    /// A word of memory.
    pub(super) fn read_word(&self, address: u64) -> Option<u64> {
        self.read(address, 8)?.try_into().ok().map(u64::from_le_bytes)
    }
}

/// What is in the dump.
impl ReadMemory for Process {
    fn read(&self, address: u64, size: u64) -> Option<&[u8]> {
        let place = self.segments.partition_point(|segment| segment.start <= address);
        let segment = &self.segments[place.checked_sub(1)?];
        let start = usize::try_from(address - segment.start).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.core[segment.bytes.clone()].get(start..end)
    }
}

fn notes_of(
    mut notes: NoteIterator<'_, Header>,
    endian: Endianness,
) -> Option<(Vec<Mapping>, Vec<CoreThread>)> {
    let (mut mappings, mut threads) = (Vec::new(), Vec::<CoreThread>::new());
    while let Some(note) = notes.next().ok()? {
        match note.n_type(endian) {
            elf::NT_PRSTATUS if note.name() == b"CORE" => threads.push(thread(note.desc())?),
            // Follows that of the thread.
            elf::NT_PRFPREG if note.name() == b"CORE" => {
                if let Some(thread) = threads.last_mut() {
                    thread.vectors = Vectors::of_thread_status(note.desc());
                }
            }
            elf::NT_FILE if note.name() == b"CORE" => mappings = files(note.desc())?,
            _ => {}
        }
    }
    Some((mappings, threads))
}

/// The note `NT_PRSTATUS`: `struct elf_prstatus` of x86-64.
fn thread(note: &[u8]) -> Option<CoreThread> {
    const SIGNAL: usize = 12;
    const ID: usize = 32;
    const REGISTERS: usize = 112;
    let signal = i16::from_le_bytes(note.get(SIGNAL..SIGNAL + 2)?.try_into().ok()?).into();
    let mut registers = [0; THREAD_STATUS_REGISTERS];
    for (place, register) in registers.iter_mut().enumerate() {
        *register = word(note, REGISTERS + place * 8)?;
    }
    Some(CoreThread {
        id: u32::from_le_bytes(note.get(ID..ID + 4)?.try_into().ok()?),
        signal: (signal != 0).then_some(signal),
        registers: Registers::of_thread_status(&registers),
        vectors: None,
    })
}

/// The note `NT_FILE`: number and unit, a triple for each mapping, their names.
fn files(note: &[u8]) -> Option<Vec<Mapping>> {
    let (count, unit) = (word(note, 0)?, word(note, 8)?);
    let size = usize::try_from(count.checked_mul(24)?).ok()?;
    let (triples, names) = note.get(16..)?.split_at_checked(size)?;
    let mut names = names.split(|&byte| byte == 0);
    let mappings = triples.chunks_exact(24).map(|triple| {
        Some(Mapping {
            range: word(triple, 0)?..word(triple, 8)?,
            offset: word(triple, 16)?.checked_mul(unit)?,
            path: OsStr::from_bytes(names.next()?).into(),
        })
    });
    mappings.collect()
}

fn word(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(place..place + 8)?.try_into().ok()?))
}
