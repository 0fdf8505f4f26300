//! Native core dumps of processes that ran wasm: what was on the stack of each
//! thread. Needs the core and the files that it names, on any machine that can
//! load the modules. Knows nothing of a running process.

mod image;
mod process;
mod wasm;

use crate::symbolize::Frame;
use crate::unwind::cursor::{Caller, Cfi, Cursor, StepError};
use crate::unwind::state::FrameState;
use crate::{LoadError, Module, WasmFrame};
use image::Image;
use process::Process;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

pub use process::CoreThread;

/// Why a core dump or a module of it cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The core dump.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is something else, or for another processor, or was cut off.
    #[error("{path} is no whole x86-64 core dump: {what}", path = .path.display())]
    NotACore {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The process had not loaded such a file.
    #[error(
        "{core} is of a process that had not loaded a file named `{name}`",
        core = .core.display()
    )]
    NotLoaded {
        /// The core dump.
        core: PathBuf,
        /// The module's file name.
        name: String,
    },
    /// The process had loaded another build of the module.
    #[error(
        "{module} is not the build that the process of {core} had loaded: their build IDs differ",
        module = .module.display(),
        core = .core.display()
    )]
    OtherBuild {
        /// The core dump.
        core: PathBuf,
        /// The module.
        module: PathBuf,
    },
}

/// A core dump.
pub struct CoreDump {
    path: PathBuf,
    process: Process,
    images: Vec<Image>,
    modules: HashMap<PathBuf, Module>,
}

impl CoreDump {
    /// Opens a core dump, as the kernel or gdb's `generate-core-file` wrote it.
    ///
    /// # Errors
    /// When it is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CoreError> {
        let path = path.as_ref().to_owned();
        let process = Process::open(&path)?;
        let paths: BTreeSet<&Path> = process.mappings.iter().map(|m| &*m.path).collect();
        let images = paths.iter().filter_map(|path| Image::open(&process, path, path)).collect();
        Ok(CoreDump { path, process, images, modules: HashMap::new() })
    }

    /// Its threads; the first is the one that made the process end.
    pub fn threads(&self) -> &[CoreThread] {
        &self.process.threads
    }

    /// Uses `module` for the file of that name which the process had loaded,
    /// wherever that was.
    ///
    /// # Errors
    /// There is none, or it was another build.
    pub fn add_module(&mut self, module: &Module) -> Result<(), CoreError> {
        let name = module.path().file_name();
        let same_name = |path: &Path| path.file_name().map(image::without_deleted) == name;
        let mut paths = self.process.mappings.iter().map(|mapping| &mapping.path);
        let Some(mapped) = paths.find(|path| same_name(path)) else {
            let name = name.map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
            return Err(CoreError::NotLoaded { core: self.path.clone(), name });
        };
        let image = Image::open(&self.process, mapped, module.path()).ok_or_else(|| {
            let (core, module) = (self.path.clone(), module.path().to_owned());
            CoreError::OtherBuild { core, module }
        })?;
        self.images.retain(|other| other.path != *mapped);
        self.modules.insert(mapped.clone(), module.clone());
        self.images.push(image);
        Ok(())
    }

    /// Loads the modules that the process had loaded from where they were then.
    /// What is no module, or no longer there, is left out.
    ///
    /// # Errors
    /// When one cannot be loaded here, though it is the same file.
    pub fn load_modules(&mut self) -> Result<(), LoadError> {
        for Image { path, .. } in &self.images {
            if self.modules.contains_key(path) {
                continue;
            }
            match Module::load(path) {
                Ok(module) => {
                    self.modules.insert(path.clone(), module);
                }
                // Any other object of the process.
                Err(LoadError::NotAModule { .. } | LoadError::Read { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The modules that are known by now.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.modules.values()
    }

    /// What was on the stack of `thread`, from the innermost outwards, without
    /// the host's frames outside of all wasm.
    pub fn stack(&self, thread: &CoreThread) -> Vec<Frame> {
        self.placed_stack(thread).0.into_iter().map(|(_, frame)| frame).collect()
    }

    /// The same, each frame with its place among all those of the machine code; and
    /// what state those are in.
    fn placed_stack(&self, thread: &CoreThread) -> (Vec<(usize, Frame)>, Vec<FrameState>) {
        let (mut frames, mut states) = (Vec::new(), Vec::new());
        let is_host = |(_, frame): &(usize, Frame)| *frame == Frame::Host;
        // Recursion repeats few program counters often.
        let mut known: HashMap<u64, Vec<WasmFrame>> = HashMap::new();
        let end = self.walk(thread, |pc, state| {
            let place = states.len();
            states.push(state);
            match self.module_around(pc) {
                Some((module, bias)) => {
                    let found = known.entry(pc).or_insert_with(|| module.frames_at(pc - bias));
                    let found = found.iter().cloned();
                    frames.extend(found.map(|frame| (place, Frame::Wasm(frame))));
                }
                None if frames.last().is_some_and(is_host) => {}
                None => frames.push((place, Frame::Host)),
            }
        });
        if end != Some(StepError::Outermost) {
            tracing::warn!(thread = thread.id, "the stack cannot be followed to its end");
        }
        frames.pop_if(|last| is_host(last));
        (frames, states)
    }

    /// The module around an address, and what its addresses differ by.
    fn module_around(&self, pc: u64) -> Option<(&Module, u64)> {
        let image = self.image_around(pc)?;
        Some((self.modules.get(&image.path)?, image.bias))
    }

    fn image_around(&self, pc: u64) -> Option<&Image> {
        self.images.iter().find(|image| image.range.contains(&pc))
    }

    /// Visits where each frame is, and its state, and tells why it ended; nothing if no
    /// image is there.
    fn walk(
        &self,
        thread: &CoreThread,
        mut visit: impl FnMut(u64, FrameState),
    ) -> Option<StepError> {
        let read = |address| self.process.read_word(address);
        let mut cursor = Cursor::new();
        cursor.start();
        let mut registers = thread.registers;
        let mut after_call = false;
        let mut innermost = true;
        loop {
            let pc = registers.pc().wrapping_sub(u64::from(after_call));
            let cfi: Option<Cfi<'_>> = self.image_around(pc).and_then(Image::cfi);
            let caller = cfi.map(|cfi| cursor.step(&cfi, &registers, pc, read));
            let outer = caller.as_ref().and_then(|caller| caller.as_ref().ok());
            visit(pc, FrameState::new(registers, outer.map(|caller| &caller.registers)));
            match caller {
                Some(Ok(Caller { registers: outer, after_call: after, .. }))
                    if outer.sp() != registers.sp() || outer.pc() != registers.pc() =>
                {
                    (registers, after_call) = (outer, after);
                }
                // A stub of the linker's, or a call to nowhere: nothing is
                // pushed but the return address.
                None | Some(Err(StepError::Cfi(_))) if innermost => {
                    registers = registers.caller_of_stub(read)?;
                    after_call = true;
                }
                Some(Ok(_)) | None => return None,
                Some(Err(error)) => return Some(error),
            }
            innermost = false;
        }
    }
}
