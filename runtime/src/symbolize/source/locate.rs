//! Where a module's source positions are to be had, in this order:
//!
//! 1. what the compiler kept in the `.so` (or in the file split off it),
//! 2. the wasm file beside the `.so`, if it is the very same,
//! 3. the file that either names in `external_debug_info`, beside the `.so`, if
//!    its code is the same,
//! 4. the source map that either names, beside the `.so`.
//!
//! Names inside files are only ever looked up beside the `.so`.

use std::fs;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use object::{Object, ObjectSection};
use sha2::{Digest, Sha256};
use wasm2so_abi::{CODE_HASH, FILE_HASH};

use super::map::SourceMap;
use super::sections::Sections;
use super::{DebugFileError, Info};
use crate::symbolize::dwarf::DebugInfo;
use crate::symbolize::symbols;
use crate::unwind::code::Code;

/// Finds what there is without being told where.
pub(super) fn find(code: &Code) -> Option<Info> {
    search(code).unwrap_or_else(|error| {
        tracing::warn!("no source positions: {error}");
        None
    })
}

fn search(code: &Code) -> Result<Option<Info>, DebugFileError> {
    let compiled = Compiled::of(code);
    let Some(own) = compiled.file else { return Ok(None) };
    let kept = Links::of(Sections::of_elf(&own));
    if let Some(info) = dwarf(own, Sections::of_elf, code.path())? {
        return Ok(Some(info));
    }
    let (mut links, mut wasm_path) = (kept, code.real_path());
    for path in wasm_paths(code) {
        let Ok(bytes) = fs::read(&path) else { continue };
        let Some(sections) = Sections::of_wasm(&bytes) else { continue };
        let found = Links::of(Some(sections));
        if !found.any {
            continue;
        }
        if compiled.file_hash.as_deref() != Some(&Sha256::digest(&bytes)[..]) {
            let path = path.display();
            tracing::debug!(%path, "not used for source positions: it has changed");
            continue;
        }
        if let Some(info) = dwarf(bytes, Sections::of_wasm, &path)? {
            return Ok(Some(info));
        }
        (links, wasm_path) = (found, path);
        break;
    }
    if let Some(path) = beside(&wasm_path, links.external)
        && path.exists()
    {
        return read(code, &path).map(Some);
    }
    match beside(&wasm_path, links.map) {
        Some(path) if path.exists() => read(code, &path).map(Some),
        _ => Ok(None),
    }
}

/// Reads a file that is said to be of this module.
pub(super) fn read(code: &Code, path: &Path) -> Result<Info, DebugFileError> {
    let path = path.to_owned();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(DebugFileError::Read { path, source }),
    };
    let own_start = code.descriptor().code_section_start;
    let Some(sections) = Sections::of_wasm(&bytes) else {
        return source_map(&bytes, &path, own_start);
    };
    if !Compiled::of(code).matches(&sections) {
        return Err(DebugFileError::OtherModule { path, module: code.path().to_owned() });
    }
    let Sections::Wasm { code: section, .. } = &sections else { unreachable!("it is wasm") };
    let code_start = section.map_or(own_start, |(start, _)| start);
    let map = beside(&path, Links::of(Some(sections)).map);
    if let Some(info) = dwarf(bytes, Sections::of_wasm, &path)? {
        return Ok(info);
    }
    match map.and_then(|map| Some((fs::read(&map).ok()?, map))) {
        Some((bytes, map)) => source_map(&bytes, &map, code_start),
        None => Err(DebugFileError::Nothing { path }),
    }
}

/// The DWARF of a file, if it has any.
fn dwarf<T: AsRef<[u8]> + Send + 'static>(
    file: T,
    sections: fn(&'static [u8]) -> Option<Sections<'static>>,
    path: &Path,
) -> Result<Option<Info>, DebugFileError> {
    let parse = |bytes| sections(bytes).map(|sections| move |name: &str| sections.get(name));
    match DebugInfo::read(file, parse) {
        Ok(info) => Ok(info.map(Info::Dwarf)),
        Err(error) => Err(malformed(path, error.to_string())),
    }
}

fn source_map(json: &[u8], path: &Path, code_start: u64) -> Result<Info, DebugFileError> {
    if !json.contains(&b'{') || json.contains(&0) {
        return Err(DebugFileError::Kind { path: path.to_owned() });
    }
    let map = SourceMap::parse(json).map_err(|problem| malformed(path, problem))?;
    Ok(Info::Map { map, code_start })
}

fn malformed(path: &Path, problem: String) -> DebugFileError {
    DebugFileError::Malformed { path: path.to_owned(), problem }
}

/// What the compiler recorded of the wasm file, and the file where.
struct Compiled {
    file: Option<Mmap>,
    file_hash: Option<Vec<u8>>,
    code_hash: Option<Vec<u8>>,
    build_id: Option<Vec<u8>>,
}

impl Compiled {
    fn of(code: &Code) -> Self {
        let section = |file: &Mmap, name: &str| {
            let object = object::File::parse(&**file).ok()?;
            Some(object.section_by_name(name)?.data().ok()?.to_vec())
        };
        let file = symbols::files(code).into_iter().find(|file| section(file, FILE_HASH).is_some());
        let recorded = |name| section(file.as_ref()?, name);
        Compiled {
            file_hash: recorded(FILE_HASH),
            code_hash: recorded(CODE_HASH),
            build_id: recorded(".wasm.build_id"),
            file,
        }
    }

    /// Whether a wasm file's code is this module's, as far as can be told: that
    /// which was split off may have no code.
    fn matches(&self, wasm: &Sections<'_>) -> bool {
        let Sections::Wasm { code, .. } = wasm else { return false };
        match (code, &self.code_hash) {
            (Some((_, code)), Some(hash)) => Sha256::digest(code)[..] == hash[..],
            _ => match (&self.build_id, wasm.get("build_id")) {
                (Some(own), Some(other)) => own == other,
                _ => true,
            },
        }
    }
}

/// What a file says of where debug information is.
#[derive(Default)]
struct Links {
    /// There is some here, or a link.
    any: bool,
    external: Option<String>,
    map: Option<String>,
}

impl Links {
    fn of(sections: Option<Sections<'_>>) -> Self {
        let Some(sections) = sections else { return Links::default() };
        let link = |name| sections.text(name).map(str::to_owned);
        let (external, map) = (link("external_debug_info"), link("sourceMappingURL"));
        let any = external.is_some() || map.is_some() || sections.get(".debug_line").is_some();
        Links { any, external, map }
    }
}

/// Where the wasm file may be: beside the `.so`, by its own name or by that.
fn wasm_paths(code: &Code) -> Vec<PathBuf> {
    let recorded = code.wasm_file_name().to_owned();
    let path = code.real_path();
    let mut paths: Vec<_> = beside(&path, Some(recorded)).into_iter().collect();
    paths.push(path.with_extension("wasm"));
    paths.dedup();
    paths
}

/// The file in the directory of `path` whose name ends the path or URL `name`.
fn beside(path: &Path, name: Option<String>) -> Option<PathBuf> {
    let name = name?;
    let name = name.rsplit('/').next().filter(|name| !["", ".", ".."].contains(name))?;
    Some(path.with_file_name(name))
}
