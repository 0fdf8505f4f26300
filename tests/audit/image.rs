//! A finished `.so` as an auditor reads it: functions, audit labels, line table
//! and call targets, from the ELF file alone.

use gimli::{EndianSlice, LittleEndian};
use iced_x86::{Decoder, DecoderOptions};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};
use std::collections::HashMap;
use std::ops::Range;

pub struct Image<'a> {
    text: (u64, &'a [u8]),
    /// Those compiled from wasm, by address.
    pub functions: Vec<Function<'a>>,
    /// All of the file's functions, by address.
    names: HashMap<u64, &'a str>,
    /// Functions of other files, by the address of their PLT entry.
    imported: HashMap<u64, String>,
    /// What each audit label says, by address.
    pub labels: HashMap<u64, Vec<Label>>,
    /// By address.
    pub rows: Vec<Row>,
}

pub struct Function<'a> {
    pub name: &'a str,
    /// Index in the module.
    pub index: u32,
    pub range: Range<u64>,
}

/// What the compiler takes a machine instruction for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A load or store that may trap, or a store that the host could see.
    Access,
    /// A load or store of linear memory that cannot trap: a check before the loop
    /// that it is in has proved it in bounds.
    Proved,
    /// Any other instruction that touches memory.
    Other,
}

/// A row of the line table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub address: u64,
    pub line: u64,
    ends: bool,
}

/// What an audit label with this name says.
fn label(symbol: &str) -> Option<Label> {
    match symbol.strip_prefix("wasm2so.")?.split_once('.')?.0 {
        "access" => Some(Label::Access),
        "proved" => Some(Label::Proved),
        "other" => Some(Label::Other),
        _ => None,
    }
}

/// The index in a symbol `wasm[5]::name`.
pub fn function_index(symbol: &str) -> Option<u32> {
    symbol.strip_prefix("wasm[")?.split_once("]::")?.0.parse().ok()
}

impl<'a> Image<'a> {
    pub fn read(file: &object::File<'a>) -> Self {
        let text = file.section_by_name(".text").expect("code");
        let text = (text.address(), text.data().expect("code"));
        let mut image = Image {
            text,
            functions: Vec::new(),
            names: HashMap::new(),
            imported: imported(file),
            labels: HashMap::new(),
            rows: rows(file),
        };
        for symbol in file.symbols() {
            let (address, size) = (symbol.address(), symbol.size());
            let name = symbol.name().expect("symbols are UTF-8");
            if let Some(label) = label(name) {
                image.labels.entry(address).or_default().push(label);
            } else if symbol.kind() == object::SymbolKind::Text {
                image.names.insert(address, name);
                if let Some(index) = function_index(name) {
                    let range = address..address + size;
                    image.functions.push(Function { name, index, range });
                }
            }
        }
        image.functions.sort_by_key(|function| function.range.start);
        image
    }

    /// Machine code.
    pub fn code(&self, range: &Range<u64>) -> &'a [u8] {
        let start = (range.start - self.text.0) as usize;
        &self.text.1[start..][..(range.end - range.start) as usize]
    }

    /// What is called at `address`.
    pub fn target(&self, address: u64) -> Option<&str> {
        let own = self.names.get(&address).copied();
        own.or_else(|| self.imported.get(&address).map(String::as_str))
    }

    /// The line of the row that covers `address`; 0 when none does.
    pub fn line(&self, address: u64) -> u64 {
        let place = self.rows.partition_point(|row| row.address <= address);
        let row = place.checked_sub(1).map(|place| self.rows[place]);
        row.filter(|row| !row.ends).map_or(0, |row| row.line)
    }
}

/// Functions that the loader binds, by the address of the PLT entry that jumps
/// to them.
fn imported(file: &object::File<'_>) -> HashMap<u64, String> {
    let dynamic = file.dynamic_symbol_table().expect("a shared object");
    let slots: HashMap<u64, String> = (file.dynamic_relocations().expect("a shared object"))
        .filter_map(|(address, relocation)| match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbol = object::ObjectSymbolTable::symbol_by_index(&dynamic, index).ok()?;
                Some((address, symbol.name().ok()?.to_owned()))
            }
            _ => None,
        })
        .collect();
    let Some(plt) = file.section_by_name(".plt") else { return HashMap::new() };
    let code = plt.data().expect("code");
    let decoder = Decoder::with_ip(64, code, plt.address(), DecoderOptions::NONE);
    (decoder.into_iter())
        .filter(|i| i.is_jmp_near_indirect() && i.is_ip_rel_memory_operand())
        .filter_map(|i| Some((i.ip(), slots.get(&i.ip_rel_memory_address())?.clone())))
        .collect()
}

/// The whole line table.
fn rows(file: &object::File<'_>) -> Vec<Row> {
    let section = |id: gimli::SectionId| {
        let data = file.section_by_name(id.name()).and_then(|section| section.data().ok());
        Ok::<_, gimli::Error>(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(section).expect("DWARF");
    let mut rows = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().expect("DWARF") {
        let unit = dwarf.unit(header).expect("DWARF");
        let Some(program) = unit.line_program.clone() else { continue };
        let mut program = program.rows();
        while let Some((_, row)) = program.next_row().expect("DWARF") {
            let (address, ends) = (row.address(), row.end_sequence());
            rows.push(Row { address, line: row.line().map_or(0, |l| l.get()), ends });
        }
    }
    // Stable: of rows at one address the last is in force, but a sequence that
    // ends makes way for one that begins.
    rows.sort_by_key(|row| (row.address, !row.ends));
    rows
}
