//! The ELF sections that a compiled module is known by. All but the image carry
//! what is of the wasm file beside code and data: they are never loaded, so that
//! they cost nothing to have.

/// Name of the section with the memories' image; see
/// [`ImageRun`](crate::ImageRun). Nothing that is kept has a name like this.
pub const IMAGE_SECTION: &str = ".wasm2so.image";

/// Name of the section with the SHA-256 of the whole wasm file.
pub const FILE_HASH: &str = ".wasm.sha256";

/// Name of the section with the SHA-256 of the Code section's payload: what a
/// wasm file keeps when its custom sections are stripped or split off.
pub const CODE_HASH: &str = ".wasm.code_sha256";

/// A custom section that is kept unmodified is named this and its own name
/// without a leading dot: `name` is in `.wasm.name`, `.debug_info` in
/// `.wasm.debug_info`.
pub const KEPT_PREFIX: &str = ".wasm.";

/// Before the names of the sections with the debug information in which lines
/// are offsets, where those names are taken by that of the sources:
/// `.debug_line` is in `.wasm2so.debug_line`.
pub const OFFSETS_PREFIX: &str = ".wasm2so";
