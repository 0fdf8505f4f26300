//! A module's file on disk: its debug information, or that of the file that was
//! split off it; without any, its symbols. Knows nothing of wasm functions.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::slice;

use gimli::SectionId;
use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSymbol};
use wasm2so_abi::OFFSETS_PREFIX;

use super::Variables;
use super::native::{Location, Machine, NativeInfo};
use crate::files;
use crate::unwind::code::Code;

/// What a module's file tells of addresses in it.
#[derive(Default)]
pub(crate) struct Symbols {
    debug: Option<NativeInfo>,
    /// Of functions, by address; read only if there is no debug information.
    names: HashMap<u64, String>,
}

impl Symbols {
    /// Those of the file that `code` was loaded from. Whatever cannot be read is
    /// as if it were not there.
    pub(super) fn load(code: &Code) -> Self {
        Self::try_load(code).unwrap_or_default()
    }

    fn try_load(code: &Code) -> Option<Self> {
        let debug = files(code).into_iter().find_map(|file| {
            NativeInfo::read(file, |bytes| {
                let object = object::File::parse(bytes).ok()?;
                let offsets = |name: &str| format!("{OFFSETS_PREFIX}{name}");
                // Beside debug information of the sources.
                let beside =
                    object.section_by_name(&offsets(SectionId::DebugLine.name())).is_some();
                Some(move |name: &str| {
                    let name = if beside { offsets(name) } else { name.to_owned() };
                    object.section_by_name(&name)?.data().ok()
                })
            })
        });
        Some(match debug {
            Some(debug) => Symbols { debug: Some(debug), names: HashMap::new() },
            None => Symbols { debug: None, names: names(files(code).first()?)? },
        })
    }

    /// Whether functions without location are not wasm's.
    pub(super) fn has_debug_info(&self) -> bool {
        self.debug.is_some()
    }

    /// Makes many of the questions below quick.
    pub(super) fn index(&self) {
        // What is malformed is as if it were not there.
        let _ = self.debug.as_ref().map(NativeInfo::index);
    }

    /// The functions at an address in the file, innermost first.
    pub(super) fn locations(&self, address: u64) -> Vec<Location> {
        // What is malformed is as if it were not there.
        let found = self.debug.as_ref().and_then(|debug| debug.locations(address).ok());
        found.unwrap_or_default()
    }

    /// The variables of [`Symbols::locations`], in the same order, of a frame in the state
    /// `machine`.
    pub(super) fn variables(&self, address: u64, machine: Machine<'_>) -> Vec<Variables> {
        // What is malformed is as if it were not there.
        let found = self.debug.as_ref().and_then(|debug| debug.variables(address, machine).ok());
        found.unwrap_or_default()
    }

    /// The last offset that machine code in `addresses` has.
    pub(super) fn last_offset(&self, addresses: Range<u64>) -> Option<u64> {
        self.debug.as_ref()?.last_line(addresses).ok()?
    }

    /// The symbol of the function that starts at `address`.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        self.names.get(&address).cloned()
    }
}

fn names(file: &[u8]) -> Option<HashMap<u64, String>> {
    let object = object::File::parse(file).ok()?;
    let functions = object.symbols().filter(|symbol| symbol.kind() == object::SymbolKind::Text);
    Some(functions.filter_map(|f| Some((f.address(), f.name().ok()?.to_owned()))).collect())
}

/// The file that `code` was loaded from, then those that debug information was
/// split off to; none if it was replaced since.
pub(super) fn files(code: &Code) -> Vec<Mmap> {
    let path = &code.real_path();
    let Ok(file) = files::map(path) else { return Vec::new() };
    let Ok(object) = object::File::parse(&*file) else { return Vec::new() };
    if !is_loaded_file(code, &object) {
        tracing::warn!(path = %path.display(), "the file was replaced since it was loaded");
        return Vec::new();
    }
    let split = split_files(path, &object).into_iter().filter_map(|path| {
        let file = files::map(&path).ok()?;
        let id = object::File::parse(&*file).ok()?.build_id().ok()?.map(<[u8]>::to_vec);
        (id.as_deref() == object.build_id().ok()?).then_some(file)
    });
    let split: Vec<Mmap> = split.collect();
    [file].into_iter().chain(split).collect()
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
