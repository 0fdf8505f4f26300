//! The name section, and the native symbols made from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use wasmparser::{KnownCustom, Name, NameSectionReader};

/// What the name section says. A malformed one is ignored from where it breaks,
/// as the specification asks for custom sections.
#[derive(Debug, Default)]
pub struct Names<'a> {
    /// Of the module.
    pub module: Option<&'a str>,
    /// Of functions, by index.
    pub functions: BTreeMap<u32, &'a str>,
}

impl<'a> Names<'a> {
    /// Reads the name section.
    pub fn read(section: &wasmparser::CustomSectionReader<'a>) -> Option<Self> {
        match section.as_known() {
            KnownCustom::Name(reader) => {
                let mut names = Names::default();
                if let Err(error) = names.read_all(reader) {
                    tracing::warn!("the name section is malformed: {error}");
                }
                Some(names)
            }
            _ => None,
        }
    }

    fn read_all(&mut self, reader: NameSectionReader<'a>) -> wasmparser::Result<()> {
        for subsection in reader {
            match subsection? {
                Name::Module { name, .. } => self.module = Some(name),
                Name::Function(map) => {
                    for naming in map {
                        let naming = naming?;
                        self.functions.insert(naming.index, naming.name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The name shown for function `index`: as written, or `$f5`.
    pub fn function(&self, index: u32) -> Cow<'a, str> {
        match self.functions.get(&index) {
            Some(name) if !name.is_empty() => Cow::Borrowed(name),
            _ => Cow::Owned(format!("$f{index}")),
        }
    }

    /// The ELF symbol of function `index`: unique, readable, and never the name
    /// of a C library function, which code generation could mistake it for.
    pub fn symbol(&self, index: u32) -> String {
        // A linker takes what follows an `@` for a version.
        let name = self.function(index).replace('\0', "\\0").replace('@', "＠");
        format!("wasm[{index}]::{name}")
    }
}
