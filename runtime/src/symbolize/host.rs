//! Names for the host's own code: of functions in the program and in the
//! libraries that it has loaded, from their symbol tables. Used outside of signal
//! handlers only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::{Object, ObjectSymbol, SymbolKind};

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
    files: HashMap<PathBuf, Functions>,
}

/// Functions of an object by address, with their ends and names.
type Functions = Vec<(u64, u64, String)>;

impl HostSymbols {
    /// What is at an address in this process; `None` if no object is.
    pub(crate) fn at(&mut self, pc: u64) -> Option<HostPlace> {
        let LoadedFile { path: file, bias } = LoadedFile::around(pc)?;
        let address = pc.wrapping_sub(bias);
        if !self.files.contains_key(&file) {
            self.files.insert(file.clone(), functions(&file).unwrap_or_default());
        }
        let functions = &self.files[&file];
        let place = functions.partition_point(|(start, ..)| *start <= address);
        let around = place.checked_sub(1).map(|place| &functions[place]);
        let around = around.filter(|(_, end, _)| address < *end);
        let symbol = around.map(|(.., name)| name.clone());
        Some(HostPlace { file, address, symbol })
    }
}

fn functions(path: &Path) -> Option<Functions> {
    let file: Mmap = files::map(path).ok()?;
    let object = object::File::parse(&*file).ok()?;
    let symbols = object.symbols().chain(object.dynamic_symbols());
    let functions = symbols.filter(|s| s.kind() == SymbolKind::Text && s.is_definition());
    let mut functions: Functions = functions
        .filter_map(|s| Some((s.address(), s.address() + s.size(), s.name().ok()?.to_owned())))
        .collect();
    functions.sort();
    functions.dedup_by_key(|(start, ..)| *start);
    Some(functions)
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
