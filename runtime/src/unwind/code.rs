//! Which loaded object a program counter belongs to: any object's unwind
//! tables (asked of the dynamic loader), and the compiled modules among them.
//! Lookups are safe in a signal handler. Knows nothing of frames.

use std::any::Any;
use std::ffi::{CStr, OsStr, c_char, c_int, c_ulonglong, c_void};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::{fmt, io};

use wasm2so_abi::ModuleDescriptor;

use super::cursor::Cfi;
use super::ranges::{RangeHandle, RangeTable};
use crate::symbolize::{Sources, Symbols};

/// The compiled modules; the words are `*const Code`.
static MODULES: RangeTable = RangeTable::new();

/// The machine code of a compiled module, as loaded.
///
/// Keeps it loaded, so that a trace can be read after the module is gone.
pub struct Code {
    descriptor: &'static ModuleDescriptor,
    path: PathBuf,
    object: Object,
    pub(crate) symbols: OnceLock<Symbols>,
    pub(crate) sources: Mutex<Option<Sources>>,
    _library: Arc<dyn Any + Send + Sync>,
}

/// A module in the registry; dropping it takes the module out.
pub(crate) struct CodeHandle {
    // Before the code that it names.
    _range: RangeHandle,
    code: Arc<Code>,
}

/// Makes a loaded module's code known, so that faults in it are its traps and
/// frames name it. `library` keeps the object mapped that contains
/// `descriptor`; `path` is the file it was loaded from.
///
/// # Errors
/// The object is not one that the dynamic loader has loaded, or it has no
/// `.eh_frame_hdr`.
pub(crate) fn register_module(
    descriptor: &'static ModuleDescriptor,
    path: PathBuf,
    library: Arc<dyn Any + Send + Sync>,
) -> io::Result<CodeHandle> {
    let object = Object::around((&raw const *descriptor) as u64)
        .ok_or_else(|| io::Error::other("the module has no unwind tables"))?;
    let Range { start, end } = object.range.clone();
    let (symbols, sources) = (OnceLock::new(), Mutex::default());
    let code = Arc::new(Code { descriptor, path, object, symbols, sources, _library: library });
    let range = MODULES.insert(start as usize, end as usize, Arc::as_ptr(&code) as usize);
    Ok(CodeHandle { _range: range, code })
}

impl CodeHandle {
    /// The code.
    pub(crate) fn code(&self) -> &Arc<Code> {
        &self.code
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Code {
    /// The module's name: from its name section, else its file's.
    pub fn name(&self) -> &str {
        // SAFETY: the descriptor was checked when it was loaded.
        unsafe { self.descriptor.name.as_str() }
    }

    /// The `.so` file it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// That file without symbolic links, to look for others beside it.
    pub(crate) fn real_path(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone())
    }

    /// Name of the wasm file that it was compiled from.
    pub fn wasm_file_name(&self) -> &str {
        // SAFETY: the descriptor was checked when it was loaded.
        unsafe { self.descriptor.file_name.as_str() }
    }

    /// Where that wasm file is, if it still lies beside the `.so`; else its name.
    pub(crate) fn wasm_path(&self) -> PathBuf {
        let beside = self.path.with_file_name(self.wasm_file_name());
        if beside.exists() { beside } else { self.wasm_file_name().into() }
    }

    /// The module's constant data.
    pub(crate) fn descriptor(&self) -> &ModuleDescriptor {
        self.descriptor
    }

    /// What to subtract from an address in this process to get that in the file.
    pub(crate) fn bias(&self) -> u64 {
        self.object.bias
    }

    /// Unwind tables.
    pub(crate) fn cfi(&self) -> &Cfi<'static> {
        &self.object.cfi
    }

    /// The address range of the whole object.
    pub(crate) fn range(&self) -> &Range<u64> {
        &self.object.range
    }

    /// The module around `pc`. Safe to call in a signal handler.
    pub(crate) fn find(pc: u64) -> Option<*const Code> {
        MODULES.find(pc as usize).map(|found| found.value as *const Code)
    }

    /// Shares what [`Code::find`] found.
    ///
    /// # Safety
    /// The module must still be registered, or retained.
    pub(crate) unsafe fn share(found: *const Code) -> Arc<Code> {
        // SAFETY: `found` comes from `Arc::as_ptr`, and there is a count left.
        unsafe {
            Arc::increment_strong_count(found);
            Arc::from_raw(found)
        }
    }
}

/// A loaded object of whatever kind, for unwinding.
#[derive(Clone)]
pub(crate) struct Object {
    /// Its addresses.
    pub(crate) range: Range<u64>,
    /// Its unwind tables.
    pub(crate) cfi: Cfi<'static>,
    bias: u64,
}

impl Object {
    /// The loaded object around `address`, if it has unwind tables. Safe to call
    /// in a signal handler. The object must stay loaded while the result is used.
    pub(crate) fn around(address: u64) -> Option<Self> {
        let found = DlFindObject::around(address)?;
        let range = found.map_start as u64..found.map_end as u64;
        let header = found.eh_frame_hdr as u64;
        if !range.contains(&header) {
            return None;
        }
        // SAFETY: the loader mapped the object; the tables lie in it and are
        // read only as far as their own lengths say.
        let bytes = |start: u64| unsafe {
            std::slice::from_raw_parts(start as *const u8, (range.end - start) as usize)
        };
        let cfi = Cfi::new(bytes(header), header, bytes(range.start), range.start).ok()?;
        Some(Object { range, cfi, bias: found.bias() })
    }
}

/// The file that a loaded object is from.
pub(crate) struct LoadedFile {
    /// Its path; without a directory if there is no file.
    pub(crate) path: PathBuf,
    /// What to subtract from an address in this process to get that in the file.
    pub(crate) bias: u64,
}

impl LoadedFile {
    /// The file of the object around `address`.
    pub(crate) fn around(address: u64) -> Option<Self> {
        let found = DlFindObject::around(address)?;
        // SAFETY: a link map's second field is the object's name, which lives as
        // long as it is loaded; callers ask for what runs.
        let name = unsafe { CStr::from_ptr(*found.link_map.cast::<*const c_char>().add(1)) };
        let path = match name.to_bytes() {
            b"" => std::env::current_exe().ok()?,
            name => OsStr::from_bytes(name).into(),
        };
        Some(LoadedFile { path, bias: found.bias() })
    }
}

/// `struct dl_find_object`, glibc 2.35 or later, on x86-64.
#[repr(C)]
struct DlFindObject {
    flags: c_ulonglong,
    map_start: *mut c_void,
    map_end: *mut c_void,
    link_map: *mut c_void,
    eh_frame_hdr: *mut c_void,
    reserved: [c_ulonglong; 7],
}

impl DlFindObject {
    /// What the dynamic loader knows of the object around `address`. Safe to call
    /// in a signal handler.
    fn around(address: u64) -> Option<Self> {
        let mut found = MaybeUninit::uninit();
        // SAFETY: the function accepts any address and fills `found` if it
        // returns 0; glibc documents it as async-signal-safe.
        unsafe {
            let error = _dl_find_object(address as *mut c_void, found.as_mut_ptr());
            (error == 0).then(|| found.assume_init())
        }
    }

    fn bias(&self) -> u64 {
        // SAFETY: a link map begins with the object's load bias.
        unsafe { *self.link_map.cast::<u64>() }
    }
}

unsafe extern "C" {
    fn _dl_find_object(address: *mut c_void, result: *mut DlFindObject) -> c_int;
}
