//! A compiled module: the loaded `.so`, checked, and a typed view of what it
//! says of itself. Knows nothing of stores and instances.

mod cpu;
mod elf;
mod image;
mod read;

use crate::error::LoadError;
use crate::image::Image;
use crate::imports::ExternType;
use crate::signature::{FuncType, TypeId};
use crate::symbolize::{self, DebugFileError, SourceFrame, Sources, WasmFrame};
use crate::unwind::code::{Code, CodeHandle, register_module};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use read::Contents;
pub(crate) use read::{Elements, SegmentMode};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use wasm2so_abi::{
    EntryThunk, ExternKind, Function, ModuleDescriptor, NULL_FUNCTION, ROOT_SYMBOL, VmLayout,
};

/// A compiled module, loaded. Cheap to clone; stays loaded as long as a clone,
/// an instance or a trace of it is in use.
#[derive(Clone)]
pub struct Module(Arc<Loaded>);

struct Loaded {
    images: Vec<Image>,
    contents: Contents,
    registration: Registration,
}

/// What a module needs from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportType {
    /// First name.
    pub module: String,
    /// Second name.
    pub name: String,
    /// What it must be.
    pub ty: ExternType,
}

/// What a module offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportType {
    /// Its name.
    pub name: String,
    /// What it is.
    pub ty: ExternType,
    pub(crate) kind: ExternKind,
    /// In the index space of that kind.
    pub(crate) index: u32,
}

impl Module {
    /// Loads a file that `wasm2so` wrote.
    ///
    /// This runs native code of the file; load only files that you trust.
    ///
    /// # Errors
    /// When the file cannot be loaded, was not made by a `wasm2so` that fits
    /// this runtime, or needs CPU features that this machine lacks.
    pub fn load(path: impl AsRef<Path>) -> Result<Module, LoadError> {
        let path = path.as_ref();
        let file = elf::check(path)?;
        // A bare file name would be looked up in the library path; and the current
        // directory may change.
        let path = std::path::absolute(path)
            .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        // SAFETY: the documented duty of the caller: the file is trusted.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|source| LoadError::Open { path: path.clone(), source })?;
        // SAFETY: the symbol, if there is one, is the descriptor of a module,
        // and `Preamble::check` below tells which.
        let symbol = unsafe { library.get::<*const ModuleDescriptor>(ROOT_SYMBOL.as_bytes()) };
        let root = symbol.map(|symbol| *symbol).unwrap_or(std::ptr::null());
        if root.is_null() {
            return Err(LoadError::NotAModule { path });
        }
        // SAFETY: the preamble is the same in every version.
        let preamble = unsafe { &(*root).preamble };
        if let Err(mismatch) = preamble.check() {
            return Err(LoadError::Mismatch { path, mismatch });
        }
        // SAFETY: the layouts agree. The reference does not leave `Loaded`,
        // whose registration keeps the library mapped.
        let descriptor: &'static ModuleDescriptor = unsafe { &*root };
        // SAFETY: checked, and mapped as long as `library`.
        let features = unsafe { descriptor.cpu_features.as_slice() }.iter();
        // SAFETY: as before.
        let missing = cpu::missing(features.map(|name| unsafe { name.as_str() }));
        if !missing.is_empty() {
            return Err(LoadError::CpuFeatures { path, missing });
        }
        // SAFETY: as before.
        let contents = match unsafe { Contents::read(descriptor) } {
            Ok(contents) => contents,
            Err(what) => return Err(LoadError::Malformed { path, what }),
        };
        let registration = Registration::new(descriptor, path.clone(), library)
            .map_err(|source| LoadError::Unwind { path, source })?;
        let code = registration.code().code();
        let images = image::find(contents.image, file, code.range(), code.bias());
        Ok(Module(Arc::new(Loaded { images, contents, registration })))
    }

    /// The module's name: from its name section, else its file's.
    pub fn name(&self) -> &str {
        self.code().name()
    }

    /// The file it was loaded from.
    pub fn path(&self) -> &Path {
        self.code().path()
    }

    /// What it needs, in order.
    pub fn imports(&self) -> &[ImportType] {
        &self.contents().imports
    }

    /// What it offers, in order.
    pub fn exports(&self) -> &[ExportType] {
        &self.contents().exports
    }

    /// The export with this name.
    pub fn export(&self, name: &str) -> Option<&ExportType> {
        self.contents().export(name)
    }

    /// The name of function `index` in the name section.
    pub fn function_name(&self, index: u32) -> Option<&str> {
        let names = self.contents().function_names;
        let at = names.binary_search_by_key(&index, |name| name.index).ok()?;
        // SAFETY: checked when loaded, and mapped as long as `self`.
        Some(unsafe { names[at].name.as_str() })
    }

    /// The function whose body contains this offset in the wasm file.
    pub fn function_at_offset(&self, offset: u64) -> Option<u32> {
        let functions = self.contents().functions;
        let at = functions.partition_point(|function| function.body_end <= offset);
        let found = functions.get(at)?;
        (found.body_start <= offset).then(|| self.num_imported_functions() + at as u32)
    }

    /// Where the body of function `index` is in the wasm file; `None` for an
    /// imported function or an index beyond the last.
    pub fn function_body(&self, index: u32) -> Option<Range<u64>> {
        self.function(index).map(|function| function.body_start..function.body_end)
    }

    /// The type of function `index`.
    pub fn function_type(&self, index: u32) -> Option<&FuncType> {
        Some(&self.contents().types[self.type_index(index)? as usize])
    }

    /// Number of functions that it imports: the index of the first of its own.
    pub fn num_imported_functions(&self) -> u32 {
        self.contents().descriptor.counts.imported_functions
    }

    /// Number of functions, imported ones included.
    pub fn num_functions(&self) -> u32 {
        self.num_imported_functions() + self.contents().functions.len() as u32
    }

    /// Where the payload of the Code section is in the wasm file.
    pub fn code_section_start(&self) -> u64 {
        self.contents().descriptor.code_section_start
    }

    /// The wasm functions at an address in the `.so` file, the innermost inlined
    /// one first: what `addr2line` finds, and more. Empty where there is no code
    /// of a wasm function.
    pub fn frames_at(&self, native_offset: u64) -> Vec<WasmFrame> {
        symbolize::functions_at_address(self.code(), native_offset)
    }

    /// The positions in the sources of the instruction at an offset in the wasm
    /// file; see [`WasmFrame::source`].
    pub fn source_at(&self, offset: u64) -> Arc<[SourceFrame]> {
        symbolize::sources_at(self.code(), offset)
    }

    /// Name of the wasm file that it was compiled from.
    pub fn wasm_file_name(&self) -> &str {
        self.code().wasm_file_name()
    }

    /// Takes source positions in traces from this file: the unstripped wasm, one
    /// with its DWARF split off, or a source map.
    ///
    /// # Errors
    /// The file is of another module, or has nothing that can be used.
    pub fn use_debug_file(&self, path: impl AsRef<Path>) -> Result<(), DebugFileError> {
        let code = self.code();
        let sources = Sources::read(code, path.as_ref())?;
        *code.sources.lock().unwrap_or_else(PoisonError::into_inner) = Some(sources);
        Ok(())
    }

    pub(crate) fn code(&self) -> &Arc<Code> {
        self.0.registration.code().code()
    }

    pub(crate) fn contents(&self) -> &Contents {
        &self.0.contents
    }

    /// First contents of memory `index`, if they are not all zero.
    pub(crate) fn image(&self, index: u32) -> Option<&Image> {
        self.0.images.iter().find(|image| image.memory == index)
    }

    /// A function that the module defines.
    pub(crate) fn function(&self, index: u32) -> Option<&Function> {
        let defined = index.checked_sub(self.num_imported_functions())?;
        self.contents().functions.get(defined as usize)
    }

    /// Index of the type of function `index`.
    pub(crate) fn type_index(&self, index: u32) -> Option<u32> {
        match self.contents().imported_function_types.get(index as usize) {
            Some(&ty) => Some(ty),
            None => self.function(index).map(|function| function.type_index),
        }
    }

    /// Identity of type `index`.
    pub(crate) fn type_id(&self, index: u32) -> TypeId {
        self.contents().type_ids[index as usize]
    }

    /// How the host calls functions of type `index`.
    pub(crate) fn entry_thunk(&self, index: u32) -> Option<EntryThunk> {
        // SAFETY: checked when loaded, and mapped as long as `self`.
        unsafe { self.contents().raw_types[index as usize].entry_thunk() }
    }

    /// Index of the start function.
    pub(crate) fn start(&self) -> Option<u32> {
        let start = self.contents().descriptor.start;
        (start != NULL_FUNCTION).then_some(start)
    }

    /// Functions that have a place in the instance's function references.
    pub(crate) fn referenced(&self) -> &[u32] {
        self.contents().referenced
    }

    /// Layout of an instance.
    pub(crate) fn layout(&self) -> VmLayout {
        VmLayout::new(&self.contents().descriptor.counts)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Module").field(&self.path()).finish()
    }
}

/// A share in a library's place in the code registry.
///
/// The dynamic loader maps a file once, however often it is opened, so the
/// modules that were loaded from one file share its place.
struct Registration {
    root: usize,
    code: Option<Arc<CodeHandle>>,
}

static REGISTERED: LazyLock<Mutex<HashMap<usize, Arc<CodeHandle>>>> = LazyLock::new(Mutex::default);

impl Registration {
    fn new(
        descriptor: &'static ModuleDescriptor,
        path: PathBuf,
        library: Library,
    ) -> io::Result<Registration> {
        let root = std::ptr::from_ref(descriptor).addr();
        let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
        let code = match registered.get(&root) {
            Some(code) => code.clone(),
            None => {
                let code = Arc::new(register_module(descriptor, path, Arc::new(library))?);
                registered.insert(root, code.clone());
                code
            }
        };
        Ok(Registration { root, code: Some(code) })
    }

    fn code(&self) -> &CodeHandle {
        self.code.as_ref().expect("present until dropped")
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
        self.code = None;
        if registered.get(&self.root).is_some_and(|code| Arc::strong_count(code) == 1) {
            registered.remove(&self.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Malformed;

    #[test]
    fn modules_are_shared_between_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Module>();
    }

    #[test]
    fn files_that_are_no_modules_are_refused() {
        let error = |path| Module::load(path).unwrap_err();
        assert!(matches!(error("/nonexistent.so"), LoadError::Read { .. }));
        assert!(matches!(error("/proc"), LoadError::Read { .. }));
        assert!(matches!(error("/proc/self/exe"), LoadError::NotAModule { .. }));
        let directory = std::env::temp_dir().join(format!("wasmrun-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("m.so");
        let error = |contents: &[u8]| {
            std::fs::write(&file, contents).unwrap();
            Module::load(&file).unwrap_err()
        };
        assert!(matches!(error(b""), LoadError::NotAModule { .. }));
        assert!(matches!(error(b"\0asm\x01\0\0\0"), LoadError::NotCompiled { .. }));
        let truncated = error(b"\x7fELF\x02\x01\x01");
        assert!(matches!(truncated, LoadError::Malformed { what: Malformed::Truncated, .. }));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
