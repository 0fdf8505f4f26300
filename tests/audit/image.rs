//! A finished `.so` as an auditor reads it: functions, audit labels, line table
//! and call targets, from the ELF file alone.

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};
use std::collections::HashMap;
use std::ops::Range;

pub struct Image<'a> {
    file: object::File<'a>,
    text: (u64, &'a [u8]),
    /// Those compiled from wasm, by address.
    pub functions: Vec<Function<'a>>,
    /// All symbols of functions, by address.
    names: HashMap<u64, &'a str>,
    /// Functions of other objects, by the address of their PLT entry.
    imported: HashMap<u64, &'a str>,
    /// What each audit label says, by address.
    pub labels: HashMap<u64, Vec<Label>>,
    /// By address, without gaps within a function.
    rows: Vec<Row>,
}

pub struct Function<'a> {
    pub name: &'a str,
    /// Index in the module, from the symbol `wasm[5]::name`.
    pub index: u32,
    pub range: Range<u64>,
}

/// What the compiler takes a machine instruction for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A site: a store or load that may trap, or that the host could see.
    Access,
    /// Any other that touches memory.
    Other,
}

/// A row of the line table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub address: u64,
    pub line: u32,
    end_of_sequence: bool,
}

impl<'a> Image<'a> {
    pub fn read(bytes: &'a [u8]) -> Self {
        let file = object::File::parse(bytes).expect("an ELF file");
        let section = file.section_by_name(".text").expect("code");
        let text = (section.address(), section.data().expect("code"));
        let mut image = Image {
            text,
            functions: Vec::new(),
            names: HashMap::new(),
            imported: imported(&file),
            labels: HashMap::new(),
            rows: rows(&file),
            file,
        };
        image.read_symbols();
        image
    }

    fn read_symbols(&mut self) {
        let symbols: Vec<_> = self.file.symbols().map(|s| (s.address(), s.size(), s.kind(), s.name_bytes().unwrap())).collect();
        drop(symbols);
    }

    /// Machine code.
    pub fn text(&self) -> &'a [u8] {
        self.text.1
    }

    pub fn code(&self, range: &Range<u64>) -> &'a [u8] {
        let start = (range.start - self.text.0) as usize;
        &self.text.1[start..][..(range.end - range.start) as usize]
    }

    /// The row that covers `address`.
    pub fn row(&self, address: u64) -> Option<Row> {
        let place = self.rows.partition_point(|row| row.address <= address);
        self.rows.get(place.checked_sub(1)?).copied().filter(|row| !row.end_of_sequence)
    }
}
