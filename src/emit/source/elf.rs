//! Other debug sections for a linked file. Those that it had get other names.
//! Knows nothing of what is in them.

use crate::debuggers::GDB_SECTION;
use object::elf::{
    FileHeader64, SHF_ALLOC, SHT_NOBITS, SHT_PROGBITS, SectionFlags, SectionHeader64,
};
use object::endian::{LittleEndian, U16, U32, U64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, pod};
use wasm2so_abi::OFFSETS_PREFIX;

type Header = FileHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;

/// `file` with `new` debug sections, of these names, and its own renamed.
///
/// `None` if it is not laid out as linkers do it.
pub fn with_debug_sections(file: &[u8], new: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(file).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, file).ok()?;
    // What is loaded stays where it is.
    let mut end = size_of::<Header>() as u64;
    for segment in header.program_headers(endian, file).ok()? {
        end = end.max(segment.p_offset(endian).checked_add(segment.p_filesz(endian))?);
    }
    let table = u64::from(header.e_phentsize(endian)) * u64::from(header.e_phnum(endian));
    end = end.max(header.e_phoff(endian).checked_add(table)?);
    let is_loaded = |s: &SectionHeader64<Endianness>| s.sh_flags(endian).contains(SHF_ALLOC);
    for section in sections.iter().filter(|s| is_loaded(s) && s.sh_type(endian) != SHT_NOBITS) {
        end = end.max(section.sh_offset(endian).checked_add(section.sh_size(endian))?);
    }
    let mut output = file.get(..usize::try_from(end).ok()?)?.to_vec();

    let names = usize::from(header.e_shstrndx(endian).0);
    let mut headers: Vec<Section> = Vec::new();
    let mut texts = vec![0];
    let mut name = |text: &[u8]| {
        let start = texts.len() as u32;
        texts.extend_from_slice(text);
        texts.push(0);
        U32::new(LittleEndian, start)
    };
    let mut contents: Vec<(usize, &[u8])> = Vec::new();
    for (place, section) in sections.iter().enumerate() {
        let old = sections.section_name(endian, section).ok()?;
        let text = match old.starts_with(b".debug_") && old != GDB_SECTION.as_bytes() {
            true => [OFFSETS_PREFIX.as_bytes(), old].concat(),
            false => old.to_vec(),
        };
        let copy = pod::bytes_of(section).to_vec();
        let mut copy: Section = *pod::from_bytes(&copy).ok()?.0;
        copy.sh_name = name(&text);
        headers.push(copy);
        if !is_loaded(section) && place != names && place > 0 {
            contents.push((place, section.data(endian, file).ok()?));
        }
    }
    for (text, bytes) in new {
        contents.push((headers.len(), bytes));
        headers.push(Section {
            sh_name: name(text.as_bytes()),
            sh_type: U32::new(LittleEndian, SHT_PROGBITS),
            sh_flags: U64::new(LittleEndian, SectionFlags(0)),
            sh_addr: U64::new(LittleEndian, 0),
            sh_offset: U64::new(LittleEndian, 0),
            sh_size: U64::new(LittleEndian, 0),
            sh_link: U32::new(LittleEndian, 0),
            sh_info: U32::new(LittleEndian, 0),
            sh_addralign: U64::new(LittleEndian, 1),
            sh_entsize: U64::new(LittleEndian, 0),
        });
    }
    contents.push((names, &texts));
    for (place, bytes) in contents {
        let header = &mut headers[place];
        let align = usize::try_from(header.sh_addralign.get(LittleEndian)).ok()?.max(1);
        output.resize(output.len().checked_next_multiple_of(align)?, 0);
        header.sh_offset = U64::new(LittleEndian, output.len() as u64);
        header.sh_size = U64::new(LittleEndian, bytes.len() as u64);
        output.extend_from_slice(bytes);
    }
    output.resize(output.len().next_multiple_of(align_of::<u64>()), 0);
    let start = output.len() as u64;
    for header in &headers {
        output.extend_from_slice(pod::bytes_of(header));
    }
    let (header, _) = pod::from_bytes_mut::<Header>(&mut output).ok()?;
    header.e_shoff = U64::new(LittleEndian, start);
    header.e_shnum = U16::new(LittleEndian, u16::try_from(headers.len()).ok()?);
    Some(output)
}
