//! From offsets in the wasm file to positions in what it was compiled from, by
//! the wasm's own debug information: DWARF, else a source map. Everything here
//! is optional: whatever is missing or malformed costs positions, no more.

mod locate;
mod map;
mod sections;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{io, mem};

use super::dwarf::DebugInfo;
use crate::unwind::code::Code;
use map::SourceMap;

/// A position in the sources of a wasm module, and the function that it is in.
/// What is not known is `None`, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFrame {
    /// The function's linkage name, as [`WasmFrame::func_name`] is, or else its
    /// name in the source. Source maps do not tell functions.
    ///
    /// [`WasmFrame::func_name`]: crate::WasmFrame::func_name
    pub function: Option<String>,
    /// The file; if relative, to [`directory`](SourceFrame::directory).
    pub file: Option<String>,
    /// Where the compiler ran.
    pub directory: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl SourceFrame {
    /// The whole path of the file.
    pub fn path(&self) -> Option<PathBuf> {
        let directory = Path::new(self.directory.as_deref().unwrap_or_default());
        Some(directory.join(self.file.as_deref()?))
    }
}

/// Why a file cannot be used for source positions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebugFileError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is neither a wasm file nor a source map.
    #[error("`{}` is neither a wasm file nor a source map", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to other code.
    #[error("`{}` is not of the module that `{}` was compiled from", path.display(), module.display())]
    OtherModule {
        /// The file.
        path: PathBuf,
        /// The compiled module.
        module: PathBuf,
    },
    /// It has no debug information, nor leads to any that is there.
    #[error("`{}` has no debug information", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
    },
    /// Its debug information cannot be understood.
    #[error("the debug information of `{}` is malformed: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// What is known of a module's sources.
pub(crate) struct Sources {
    info: Option<Info>,
    /// By offset in the wasm file.
    known: HashMap<u64, Arc<[SourceFrame]>>,
    warned: bool,
}

/// Debug information of either kind.
enum Info {
    Dwarf(DebugInfo),
    Map {
        map: SourceMap,
        /// Offset of the Code section's payload in the file that it maps.
        code_start: u64,
    },
}

impl Sources {
    /// What can be found without being told.
    pub(super) fn find(code: &Code) -> Self {
        Sources::new(locate::find(code))
    }

    /// What is in this file.
    pub(crate) fn read(code: &Code, path: &Path) -> Result<Self, DebugFileError> {
        Ok(Sources::new(Some(locate::read(code, path)?)))
    }

    fn new(info: Option<Info>) -> Self {
        Sources { info, known: HashMap::new(), warned: false }
    }

    /// The positions of the instruction at an offset in the wasm file: where it
    /// is, then where what it is in was inlined by the source's compiler.
    pub(super) fn at(&mut self, code: &Code, offset: u64) -> Arc<[SourceFrame]> {
        let Some(info) = &self.info else { return Arc::default() };
        if let Some(frames) = self.known.get(&offset) {
            return frames.clone();
        }
        let (frames, problem) = info.at(code, offset);
        if let Some(problem) = problem
            && !mem::replace(&mut self.warned, true)
        {
            let module = code.path().display();
            tracing::warn!(%module, "the wasm's debug information is malformed: {problem}");
        }
        let frames: Arc<[SourceFrame]> = frames.into();
        self.known.insert(offset, frames.clone());
        frames
    }
}

impl Info {
    /// The positions, and what went wrong.
    fn at(&self, code: &Code, offset: u64) -> (Vec<SourceFrame>, Option<gimli::Error>) {
        let Some(address) = code_offset(code, offset) else { return (Vec::new(), None) };
        match self {
            Info::Dwarf(info) => {
                let mut frames = Vec::new();
                let directory = info.directory(address);
                let result = info.visit(address, |frame| frames.push(position(&frame, &directory)));
                (frames, result.err())
            }
            Info::Map { map, code_start } => {
                let function = super::function_at_offset(code, offset);
                let first = function.map_or(offset, |(_, function)| function.body_start);
                let first = code_start + (address - (offset - first));
                (map.at(first, code_start + address).into_iter().collect(), None)
            }
        }
    }
}

/// An offset in the wasm file as its debug information counts: from the start
/// of the Code section's payload. The only place where one becomes the other.
fn code_offset(code: &Code, offset: u64) -> Option<u64> {
    offset.checked_sub(code.descriptor().code_section_start)
}

fn position<R: gimli::Reader>(
    frame: &addr2line::Frame<'_, R>,
    directory: &Option<String>,
) -> SourceFrame {
    let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
    let mut position =
        SourceFrame { function: name.map(|name| name.into_owned()), ..SourceFrame::default() };
    let Some(location) = &frame.location else { return position };
    if let Some(path) = location.file {
        let inside = directory.as_deref().and_then(|d| path.strip_prefix(d)?.strip_prefix('/'));
        position.directory = inside.and(directory.clone());
        position.file = Some(inside.unwrap_or(path).to_owned());
    }
    let number = |number: Option<u32>| number.filter(|&number| number != 0);
    position.line = number(location.line);
    position.column = position.line.and(number(location.column));
    position
}
