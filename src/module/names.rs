//! The name section, and the native symbols made from it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use wasmparser::{KnownCustom, Name, NameMap, NameSectionReader};

/// What the name section says. A malformed one is ignored from where it breaks,
/// as the specification asks for custom sections.
#[derive(Debug, Default)]
pub struct Names<'a> {
    /// Of the module.
    pub module: Option<&'a str>,
    /// Of functions, by index.
    pub functions: BTreeMap<u32, &'a str>,
    /// Of parameters and locals, by the function's index and their own.
    pub locals: BTreeMap<(u32, u32), &'a str>,
    /// Of globals, by index.
    pub globals: BTreeMap<u32, &'a str>,
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
                Name::Function(map) => read_map(map, &mut self.functions)?,
                Name::Local(map) => {
                    for function in map {
                        let function = function?;
                        for naming in function.names {
                            let naming = naming?;
                            self.locals.insert((function.index, naming.index), naming.name);
                        }
                    }
                }
                Name::Global(map) => read_map(map, &mut self.globals)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The name that debuggers know local `index` of a function by, parameters
    /// counted: what the module calls it, or `var5`.
    pub fn local(&self, function: u32, index: u32) -> String {
        let name = self.locals.get(&(function, index));
        name.and_then(|name| identifier(name)).unwrap_or_else(|| local_by_index(index))
    }

    /// The name that debuggers know global `index` by: what the module calls it,
    /// or `global5`.
    pub fn global(&self, index: u32) -> String {
        let name = self.globals.get(&index);
        name.and_then(|name| identifier(name)).unwrap_or_else(|| format!("global{index}"))
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

/// Before the index of a local that is named by it.
pub const LOCAL_PREFIX: &str = "var";

/// The name of a local that has no other.
pub fn local_by_index(index: u32) -> String {
    format!("{LOCAL_PREFIX}{index}")
}

fn read_map<'a>(map: NameMap<'a>, names: &mut BTreeMap<u32, &'a str>) -> wasmparser::Result<()> {
    for naming in map {
        let naming = naming?;
        names.insert(naming.index, naming.name);
    }
    Ok(())
}

/// `name` as a debugger's expressions can hold it: an identifier of C.
fn identifier(name: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    match name.bytes().next()? {
        b'0'..=b'9' => Some(format!("_{name}")),
        _ => Some(name),
    }
}
