//! Of a machine instruction: the wasm functions that are inlined there, as
//! `addr2line` reads them, against what the wasm says of each offset.

use crate::support::callees::Callees;
use crate::support::truth::Truth;
use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian};
use object::{Object, ObjectSection};

pub struct Chains<'a> {
    context: Context<EndianSlice<'a, LittleEndian>>,
    truth: &'a Truth<'a>,
    callees: &'a Callees<'a>,
}

impl<'a> Chains<'a> {
    pub fn new(file: &object::File<'a>, truth: &'a Truth<'a>, callees: &'a Callees<'a>) -> Self {
        let section = |id: gimli::SectionId| {
            let data = file.section_by_name(id.name()).and_then(|section| section.data().ok());
            Ok::<_, gimli::Error>(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
        };
        let dwarf = Dwarf::load(section).expect("DWARF");
        Chains { context: Context::from_dwarf(dwarf).expect("DWARF"), truth, callees }
    }

    /// Checks the chain at `address` in function `outermost`, whose row says
    /// `line`. Returns its length.
    pub fn check(&self, address: u64, outermost: u32, line: u64) -> Result<usize, String> {
        let frames = self.context.find_frames(address).skip_all_loads();
        let mut frames = frames.map_err(|e| e.to_string())?;
        // The function that was called at the next frame's offset.
        let mut callee = None;
        let mut length = 0;
        while let Some(frame) = frames.next().map_err(|e| e.to_string())? {
            let named = frame.function.ok_or("no function")?;
            let name = named.raw_name().map_err(|e| e.to_string())?;
            let offset = frame.location.and_then(|location| location.line).ok_or("no line")?;
            let offset = u64::from(offset);
            let (function, operator) =
                self.truth.at(offset).ok_or_else(|| format!("no operator at {offset:#x}"))?;
            let index = function.index;
            if name != function.name.map_or_else(|| format!("$f{index}"), str::to_owned) {
                return Err(format!("{offset:#x} is not in `{name}`"));
            }
            match callee {
                None if offset == line => {}
                Some(callee) if self.callees.has(operator, callee) => {}
                _ => return Err(format!("{offset:#x} does not call function {callee:?}")),
            }
            callee = Some(index);
            length += 1;
        }
        if callee != Some(outermost) {
            return Err(format!("outermost is function {callee:?}, not {outermost}"));
        }
        Ok(length)
    }
}
