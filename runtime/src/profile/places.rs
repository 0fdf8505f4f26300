//! What the program counters of a profile mean: functions, where in them, and in
//! which file. Knows nothing of samples.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::stacks::{DEEPER, Stacks};
use crate::symbolize::host::HostSymbols;
use crate::symbolize::{self, SourceFrame, WasmFrame};
use crate::trace::{self, readable};
use crate::unwind::code::Code;

/// A file that functions are from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Binary {
    /// Its name: of a compiled module that of the wasm file.
    pub(super) name: String,
    /// Where it is, or was when it was compiled, as far as that is known.
    pub(super) path: String,
    pub(super) is_wasm: bool,
}

/// A function at one place in it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) function: String,
    /// Place among [`Places::binaries`]; none if it is in no known file.
    pub(super) binary: Option<usize>,
    /// Offset in the wasm file, or address in the host's object.
    pub(super) address: Option<u64>,
    /// In how many functions it was inlined by the source's compiler.
    pub(super) inline_depth: u32,
    /// Of wasm only.
    pub(super) position: Option<Position>,
}

/// A place in a text.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) file: String,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
}

/// The frames at each program counter, innermost first: several where something
/// was inlined, none for glue.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) binaries: Vec<Binary>,
    by_pc: HashMap<u64, Vec<Frame>>,
}

impl Places {
    /// Finds what all in `stacks` mean.
    pub(super) fn of(stacks: &Stacks) -> Self {
        stacks.modules().iter().for_each(|module| symbolize::index(module));
        let mut places = Places::default();
        let mut host = HostSymbols::default();
        for stack in stacks.all() {
            if places.by_pc.contains_key(&stack.pc) {
                continue;
            }
            let frames = match stacks.module(stack.pc) {
                _ if stack.pc == DEEPER => vec![Frame::unknown("(deeper)".into())],
                Some(module) => places.wasm(module, stack.pc),
                None => vec![places.host(&mut host, stack.pc)],
            };
            places.by_pc.insert(stack.pc, frames);
        }
        places
    }

    /// The frames at a program counter of the stacks, innermost first.
    pub(super) fn at(&self, pc: u64) -> &[Frame] {
        &self.by_pc[&pc]
    }

    fn wasm(&mut self, module: &Arc<Code>, pc: u64) -> Vec<Frame> {
        let name = module.wasm_file_name().to_owned();
        let path = module.wasm_path().to_string_lossy().into_owned();
        let binary = self.binary(Binary { name, path, is_wasm: true });
        let functions = symbolize::functions_at_address(module, pc - module.bias());
        functions.iter().flat_map(|function| wasm_frames(function, binary)).collect()
    }

    fn host(&mut self, symbols: &mut HostSymbols, pc: u64) -> Frame {
        let Some(place) = symbols.at(pc) else { return Frame::unknown(format!("{pc:#x}")) };
        let file_name = place.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let function = match &place.symbol {
            Some(symbol) => readable(symbol).into_owned(),
            None => format!("{:#x}", place.address),
        };
        let path = place.file.to_string_lossy().into_owned();
        let binary = Some(self.binary(Binary { name: file_name, path, is_wasm: false }));
        Frame { binary, address: Some(place.address), ..Frame::unknown(function) }
    }

    fn binary(&mut self, binary: Binary) -> usize {
        let known = self.binaries.iter().position(|known| *known == binary);
        known.unwrap_or_else(|| {
            self.binaries.push(binary);
            self.binaries.len() - 1
        })
    }
}

/// A wasm function's frame, after those of what was inlined into it before it was
/// wasm.
fn wasm_frames(wasm: &WasmFrame, binary: usize) -> Vec<Frame> {
    let address = wasm.module_offset.or(wasm.near_offset);
    let function = trace::Frame::from(wasm).function_name().into_owned();
    let frame = |function: String, inline_depth, position| Frame {
        function,
        binary: Some(binary),
        address,
        inline_depth,
        position,
    };
    let source = wasm.source();
    let Some((own, inlined)) = source.split_last() else {
        let file = wasm.module.wasm_file_name().to_owned();
        let line = address.and_then(|offset| offset.try_into().ok());
        return vec![frame(function, 0, Some(Position { file, line, column: None }))];
    };
    let depth = inlined.len() as u32;
    let inlined = (1..=depth).rev().zip(inlined).map(|(depth, source)| {
        let name = source.function.as_deref().map_or("?".into(), |name| readable(name).into());
        frame(name, depth, position(source))
    });
    inlined.chain([frame(function, 0, position(own))]).collect()
}

fn position(source: &SourceFrame) -> Option<Position> {
    let file = source.path()?.to_string_lossy().into_owned();
    Some(Position { file, line: source.line, column: source.column })
}

impl Frame {
    fn unknown(function: String) -> Self {
        Frame { function, binary: None, address: None, inline_depth: 0, position: None }
    }

    /// Whether it is in wasm code, and where in which file.
    pub(super) fn wasm_offset(&self, binaries: &[Binary]) -> Option<u64> {
        self.address.filter(|_| self.binary.is_some_and(|binary| binaries[binary].is_wasm))
    }
}

impl Position {
    /// The file without its directory, and the line: `leaf.c:12`.
    pub(super) fn short(&self) -> String {
        let file = Path::new(&self.file).file_name().unwrap_or_default().to_string_lossy();
        match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.into_owned(),
        }
    }
}
