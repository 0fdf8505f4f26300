//! The input: read, named as debuggers will, and in the binary format.

use super::output::STANDARD;
use anyhow::{Context, Result, bail};
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use wasm2so::error::Error;

/// A module's bytes, and its file's name for debuggers.
pub struct Source {
    bytes: Vec<u8>,
    pub name: String,
}

impl Source {
    /// Reads a file or standard input.
    pub fn read(input: &Path) -> Result<Self> {
        if input == Path::new(STANDARD) {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
            return Ok(Source { bytes, name: "stdin.wasm".to_owned() });
        }
        let bytes =
            std::fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
        let name = input.file_name().unwrap_or(input.as_os_str()).to_string_lossy().into_owned();
        Ok(Source { bytes, name })
    }

    /// The binary format of what may be text.
    pub fn to_wasm(&self) -> Result<Cow<'_, [u8]>> {
        let bytes = &self.bytes;
        if bytes.is_empty() {
            bail!("it is empty");
        }
        if bytes.starts_with(b"\x7fELF") {
            bail!("it is an ELF file, so compiled already; run it with `wasmrun`");
        }
        let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        if !is_text && !bytes.starts_with(b"\0asm") {
            bail!("it is no WebAssembly: neither text nor a binary, which starts with `\\0asm`");
        }
        let wasm = wat::Parser::new().parse_bytes(Some(Path::new(&self.name)), bytes);
        Ok(wasm.map_err(|e| Error::Text(e.to_string()))?)
    }
}
