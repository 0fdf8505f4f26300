//! What the file keeps for debugging in sections that are not loaded: the wasm
//! file's hash, its name section and, on request, the way to its sources; and
//! commands for gdb.

use crate::debuggers;
use crate::module::WasmModule;
use crate::options::{DebugLevel, Options};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;
use wasm2so_abi as abi;

/// A section: its name and what is in it.
pub struct Kept<'a> {
    /// Name in the ELF file.
    pub name: String,
    /// Contents.
    pub bytes: Cow<'a, [u8]>,
}

/// The sections to keep of `module`, which was read from `wasm`.
pub fn sections<'a>(module: &WasmModule<'a>, wasm: &[u8], options: &Options) -> Vec<Kept<'a>> {
    let hash = |name: &str, bytes| Kept {
        name: name.to_owned(),
        bytes: Cow::Owned(Sha256::digest(bytes).to_vec()),
    };
    let custom = |(name, bytes): (&str, &'a [u8])| Kept {
        name: format!("{}{}", abi::KEPT_PREFIX, name.trim_start_matches('.')),
        bytes: Cow::Borrowed(bytes),
    };
    let mut kept = vec![hash(abi::FILE_HASH, wasm), hash(abi::CODE_HASH, module.code_section)];
    kept.extend(module.names_section.map(|names| custom(("name", names))));
    if options.keep_dwarf {
        // The linker would join sections of one name; of such, the first counts.
        let mut seen = HashSet::new();
        let first = module.source_sections.iter().filter(|(name, _)| seen.insert(*name));
        kept.extend(first.copied().map(custom));
    }
    if options.debug == DebugLevel::Full {
        let bytes = Cow::Owned(debuggers::gdb_section());
        kept.push(Kept { name: debuggers::GDB_SECTION.to_owned(), bytes });
    }
    kept
}
