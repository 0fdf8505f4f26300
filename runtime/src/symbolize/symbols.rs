//! A module's file on disk: its debug information, or that of the file that was
//! split off it; without any, its symbols. Knows nothing of wasm functions.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Mutex, PoisonError};

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, NativeEndian};
use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSymbol};

use crate::unwind::code::Code;

/// What a module's file tells of addresses in it.
#[derive(Default)]
pub(crate) struct Symbols {
    debug: Option<Mutex<DebugInfo>>,
    /// Of functions, by address; read only if there is no debug information.
    names: HashMap<u64, String>,
}

/// An inlined or outermost function at an address.
pub(super) struct Location {
    pub(super) name: Option<String>,
    /// The line.
    pub(super) offset: Option<u64>,
}

impl Symbols {
    /// Those of the file that `code` was loaded from. Whatever cannot be read is
    /// as if it were not there.
    pub(super) fn load(code: &Code) -> Self {
        Self::try_load(code).unwrap_or_default()
    }

    fn try_load(code: &Code) -> Option<Self> {
        let path = code.path();
        let file = map(path)?;
        let object = object::File::parse(&*file).ok()?;
        if !is_loaded_file(code, &object) {
            tracing::warn!(path = %path.display(), "the file was replaced since it was loaded");
            return None;
        }
        let build_id = object.build_id().ok()?;
        let paths = [path.to_owned()].into_iter().chain(split_files(path, &object));
        let debug = paths.filter_map(|path| map(&path)).find_map(|f| DebugInfo::open(f, build_id));
        let names = match debug {
            Some(_) => HashMap::new(),
            None => names(&object),
        };
        Some(Symbols { debug: debug.map(Mutex::new), names })
    }

    /// Whether functions without location are not wasm's.
    pub(super) fn has_debug_info(&self) -> bool {
        self.debug.is_some()
    }

    /// The functions at an address in the file, innermost first.
    pub(super) fn locations(&self, address: u64) -> Vec<Location> {
        match &self.debug {
            Some(debug) => debug.lock().unwrap_or_else(PoisonError::into_inner).locations(address),
            None => Vec::new(),
        }
    }

    /// The symbol of the function that starts at `address`.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        self.names.get(&address).cloned()
    }
}

fn names(object: &object::File<'_>) -> HashMap<u64, String> {
    let functions = object.symbols().filter(|symbol| symbol.kind() == object::SymbolKind::Text);
    functions.filter_map(|f| Some((f.address(), f.name().ok()?.to_owned()))).collect()
}

/// The `.debug_*` sections of a file.
struct DebugInfo {
    // Before the file that it borrows from.
    context: Context<EndianSlice<'static, NativeEndian>>,
    _file: Mmap,
}

impl DebugInfo {
    /// Those of `file`, if it has any and its build ID is `build_id`.
    fn open(file: Mmap, build_id: Option<&[u8]>) -> Option<Self> {
        // SAFETY: the mapping lives, and does not move, as long as what borrows
        // from it: both are fields of the result.
        let bytes: &'static [u8] = unsafe { slice::from_raw_parts(file.as_ptr(), file.len()) };
        let object = object::File::parse(bytes).ok()?;
        object.section_by_name(".debug_line")?;
        if object.build_id().ok()? != build_id {
            return None;
        }
        let section = |id: gimli::SectionId| {
            let section = object.section_by_name(id.name());
            let data = section.and_then(|section| section.data().ok()).unwrap_or(&[]);
            Ok::<_, gimli::Error>(EndianSlice::new(data, NativeEndian))
        };
        let context = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
        Some(DebugInfo { context, _file: file })
    }

    /// The functions at an address in the file, innermost first.
    fn locations(&self, address: u64) -> Vec<Location> {
        let mut locations = Vec::new();
        let Ok(mut frames) = self.context.find_frames(address).skip_all_loads() else {
            return locations;
        };
        while let Ok(Some(frame)) = frames.next() {
            let Some(function) = frame.function else { continue };
            let name = function.raw_name().ok().map(|name| name.into_owned());
            let line = frame.location.and_then(|location| location.line);
            locations.push(Location { name, offset: line.map(u64::from) });
        }
        locations
    }
}

fn map(path: &Path) -> Option<Mmap> {
    let file = File::open(path).ok()?;
    // SAFETY: as for every mapped file, others must not truncate it meanwhile;
    // the loader makes the same assumption about the same file.
    unsafe { Mmap::map(&file) }.ok()
}

/// Whether the file is still the one that was loaded, by its build ID.
fn is_loaded_file(code: &Code, file: &object::File<'_>) -> bool {
    let Some(note) = file.section_by_name(".note.gnu.build-id") else { return true };
    let Ok(data) = note.data() else { return false };
    let start = note.address().wrapping_add(code.bias());
    let end = start.wrapping_add(data.len() as u64);
    let range = code.range();
    if start < range.start || end > range.end || start > end {
        return false;
    }
    // SAFETY: inside the loaded object; the section is one that is loaded.
    let loaded = unsafe { slice::from_raw_parts(start as *const u8, data.len()) };
    loaded == data
}

/// Where debuggers, too, look for the debug information that was split off.
fn split_files(path: &Path, file: &object::File<'_>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Ok(Some((name, _))) = file.gnu_debuglink() {
        let name = String::from_utf8_lossy(name);
        let directory = path.parent().unwrap_or(Path::new("."));
        paths.extend([directory.join(&*name), directory.join(".debug").join(&*name)]);
    }
    if let Ok(Some([first, rest @ ..])) = file.build_id() {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        paths.push(format!("/usr/lib/debug/.build-id/{first:02x}/{rest}.debug").into());
    }
    paths
}
