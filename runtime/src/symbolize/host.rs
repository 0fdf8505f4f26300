//! Names for the host's own code: of functions in the program and in the
//! libraries that it has loaded, from their symbol tables. Used outside of signal
//! handlers only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::{Object, ObjectSymbol, ObjectSymbolTable, SymbolIndex, SymbolKind};

use crate::files;
use crate::unwind::code::LoadedFile;

/// A place in the host's code.
pub(crate) struct HostPlace {
    /// The object's file; without a directory if it is none (`linux-vdso.so.1`).
    pub(crate) file: PathBuf,
    /// Address in it.
    pub(crate) address: u64,
    /// The function's symbol, if the place lies in one.
    pub(crate) symbol: Option<String>,
}

/// The symbols of the objects that were asked for.
#[derive(Default)]
pub(crate) struct HostSymbols {
    files: HashMap<PathBuf, Option<Symbols>>,
}

/// An object, and where its functions are. A program has tens of thousands of them, of
/// which few are asked for: names stay in the file.
struct Symbols {
    file: Mmap,
    /// By address.
    functions: Vec<Function>,
}

struct Function {
    start: u64,
    end: u64,
    is_dynamic: bool,
    index: SymbolIndex,
}

impl HostSymbols {
    /// What is at an address in this process; `None` if no object is.
    pub(crate) fn at(&mut self, pc: u64) -> Option<HostPlace> {
        let LoadedFile { path: file, bias } = LoadedFile::around(pc)?;
        let address = pc.wrapping_sub(bias);
        if !self.files.contains_key(&file) {
            self.files.insert(file.clone(), Symbols::read(&file));
        }
        let symbol = self.files[&file].as_ref().and_then(|symbols| symbols.name(address));
        Some(HostPlace { file, address, symbol })
    }
}

impl Symbols {
    fn read(path: &Path) -> Option<Self> {
        let file = files::map(path).ok()?;
        let object = object::File::parse(&*file).ok()?;
        let tables = [(false, object.symbol_table()), (true, object.dynamic_symbol_table())];
        let symbols = tables
            .iter()
            .flat_map(|(is_dynamic, table)| table.iter().map(move |table| (*is_dynamic, table)))
            .flat_map(|(is_dynamic, table)| table.symbols().map(move |s| (is_dynamic, s)));
        let functions = symbols.filter(|(_, s)| s.kind() == SymbolKind::Text && s.is_definition());
        let mut functions: Vec<Function> = functions
            .map(|(is_dynamic, s)| {
                let (start, end) = (s.address(), s.address() + s.size());
                Function { start, end, is_dynamic, index: s.index() }
            })
            .collect();
        functions.sort_unstable_by_key(|f| (f.start, f.end, f.is_dynamic, f.index.0));
        functions.dedup_by_key(|f| f.start);
        Some(Symbols { file, functions })
    }

    /// Of the function around an address.
    fn name(&self, address: u64) -> Option<String> {
        let place = self.functions.partition_point(|function| function.start <= address);
        let function = &self.functions[place.checked_sub(1)?];
        let object = object::File::parse(&*self.file).ok().filter(|_| address < function.end)?;
        let table = match function.is_dynamic {
            true => object.dynamic_symbol_table(),
            false => object.symbol_table(),
        };
        Some(table?.symbol_by_index(function.index).ok()?.name().ok()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_program_and_library_have_names() {
        let mut symbols = HostSymbols::default();
        let here = functions_of_program_and_library_have_names as *const () as u64;
        let place = symbols.at(here).unwrap();
        assert!(place.symbol.unwrap().contains("functions_of_program_and_library_have_names"));
        assert_eq!(place.file, std::env::current_exe().unwrap());
        let place = symbols.at(libc::getpid as *const () as u64 + 1).unwrap();
        assert!(place.symbol.unwrap().contains("getpid"));
        assert!(place.file.is_absolute() && place.address < 1 << 32);
        assert!(symbols.at(1).is_none());
    }
}
