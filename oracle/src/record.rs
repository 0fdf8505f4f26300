//! The rewrite that makes a module its own judge: before every site it notes
//! the site's original offset, and around calls it keeps a stack of them.
//!
//! Nothing is noted at the entry of a function: what calls is on the stack
//! (memory [`STACK`], [`DEPTH`] bytes of it) and what stops is in [`SITE`].
//! A tail call leaves nothing on the stack, which is just what it means.

use crate::layout::{Layout, without_start};
use crate::rewrite::{Edit, Output, rewrite};
use crate::sites::{Site, site};
use crate::trace::Frame;
use anyhow::{Result, bail};
use std::collections::HashSet;
use wasm_encoder::{Instruction, MemArg, MemArgTarget};
use wasmparser::Operator;

/// Exported global: offset of the last site.
pub const SITE: &str = "oracle.site";
/// Exported global: bytes of the stack in use.
pub const DEPTH: &str = "oracle.depth";
/// Exported memory: the stack of calls, then the counts.
pub const STACK: &str = "oracle.stack";
/// Exported function: the start function, which is not called by itself.
pub const START: &str = "oracle.start";
/// On the stack for a host function that calls wasm.
pub const HOST: u32 = u32::MAX;

/// Pages of the stack of calls; more calls than fit are more than the judge
/// allows.
const STACK_PAGES: u64 = 2;

/// A module that records.
pub struct Recording {
    /// The rewritten module.
    pub wasm: Vec<u8>,
    layout: Layout,
    /// Offsets of the calls that may trap themselves.
    indirect_calls: HashSet<u32>,
    /// Offsets of all sites, in order.
    pub sites: Vec<u32>,
}

impl Recording {
    /// Rewrites `wasm`; with `counts`, so that it counts, too, how often each
    /// site is executed.
    ///
    /// # Errors
    /// When `wasm` is not valid.
    pub fn new(wasm: &[u8], counts: bool) -> Result<Recording> {
        let layout = Layout::of(wasm)?;
        let mut edit = Record { counts, start: layout.start, ..Record::default() };
        if counts {
            // As many as there can be.
            let code: u64 = layout.bodies.iter().map(|body| body.end - body.start).sum();
            edit.count_pages = (code * 4).div_ceil(1 << 16);
        }
        let wasm = rewrite(&without_start(wasm)?, &layout, &mut edit)?;
        let Record { sites, indirect_calls, .. } = edit;
        Ok(Recording { wasm, layout, indirect_calls, sites })
    }

    /// Whether the module has a start function.
    pub fn has_start(&self) -> bool {
        self.layout.start.is_some()
    }

    /// Whether the site is a call through a table.
    pub fn is_indirect_call(&self, site: u32) -> bool {
        self.indirect_calls.contains(&site)
    }

    /// The frames at a trap at `site`, innermost first, from the stack.
    ///
    /// # Errors
    /// When the record makes no sense, which is a mistake of this crate.
    pub fn frames(&self, site: u32, stack: &[u8]) -> Result<Vec<Frame>> {
        let mut calls: Vec<u32> = stack
            .chunks_exact(4)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("4 bytes")))
            .collect();
        // A call that traps itself is already on the stack; tail calls never are.
        if calls.last() == Some(&site) && self.is_indirect_call(site) {
            calls.pop();
        }
        let innermost = std::iter::once(site);
        innermost.chain(calls.into_iter().rev()).map(|offset| self.frame(offset)).collect()
    }

    fn frame(&self, offset: u32) -> Result<Frame> {
        if offset == HOST {
            return Ok(Frame::Host);
        }
        match self.layout.function_at(offset) {
            Some(function) => Ok(Frame::Wasm { function: Some(function), offset: Some(offset) }),
            None => bail!("{offset:#x} was recorded, but is in no function"),
        }
    }

    /// Offset and count of each site.
    pub fn counts(&self, memory: &[u8]) -> Vec<(u32, u32)> {
        let counts = memory[(STACK_PAGES << 16) as usize..].chunks_exact(4);
        let counts = counts.map(|bytes| u32::from_le_bytes(bytes.try_into().expect("4 bytes")));
        self.sites.iter().copied().zip(counts).collect()
    }
}

#[derive(Default)]
struct Record {
    counts: bool,
    count_pages: u64,
    start: Option<u32>,
    sites: Vec<u32>,
    indirect_calls: HashSet<u32>,
}

impl Edit for Record {
    fn globals(&self) -> &'static [(&'static str, i32)] {
        &[(SITE, 0), (DEPTH, 0)]
    }

    fn memory(&self) -> Option<(&'static str, u64)> {
        Some((STACK, STACK_PAGES + self.count_pages))
    }

    fn functions(&self) -> Vec<(&'static str, u32)> {
        self.start.iter().map(|&index| (START, index)).collect()
    }

    fn operator(
        &mut self,
        operator: &Operator<'_>,
        offset: u32,
        instruction: &Instruction<'_>,
        out: &mut Output<'_>,
    ) {
        use Instruction::{GlobalGet, GlobalSet, I32Add, I32Const, I32Load, I32Store, I32Sub};
        let site = site(operator);
        let (last, depth) = (out.first_global, out.first_global + 1);
        let target = MemArgTarget::Memory(out.memory);
        let at = |offset| MemArg { offset, align: 2, target, ordering: None };
        let here = I32Const(offset as i32);
        if let Some(site) = site {
            let number = self.sites.len() as u64;
            self.sites.push(offset);
            if self.counts {
                let count = at((STACK_PAGES << 16) + 4 * number);
                let zero = I32Const(0);
                out.put(&[
                    zero.clone(),
                    zero,
                    I32Load(count),
                    I32Const(1),
                    I32Add,
                    I32Store(count),
                ]);
            }
            out.put(&[here.clone(), GlobalSet(last)]);
            if matches!(site, Site::CallIndirect | Site::TailCallIndirect) {
                self.indirect_calls.insert(offset);
            }
        }
        let is_call = matches!(site, Some(Site::Call | Site::CallIndirect));
        if is_call {
            out.put(&[GlobalGet(depth), here, I32Store(at(0))]);
            out.put(&[GlobalGet(depth), I32Const(4), I32Add, GlobalSet(depth)]);
        }
        match lane_store(instruction) {
            Some(instead) => out.put(&instead),
            None => out.put(std::slice::from_ref(instruction)),
        }
        if is_call {
            out.put(&[GlobalGet(depth), I32Const(4), I32Sub, GlobalSet(depth)]);
        }
    }
}

/// What does the same as an instruction that wasmi 2.0.0 cannot execute: it
/// panics when it decodes its own form of these.
fn lane_store<'a>(instruction: &Instruction<'a>) -> Option<[Instruction<'a>; 2]> {
    use Instruction::{I8x16ExtractLaneU, I16x8ExtractLaneU, I32Store8, I32Store16};
    match *instruction {
        Instruction::V128Store8Lane { memarg, lane } => {
            Some([I8x16ExtractLaneU(lane), I32Store8(memarg)])
        }
        Instruction::V128Store16Lane { memarg, lane } => {
            Some([I16x8ExtractLaneU(lane), I32Store16(memarg)])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_traps_itself_is_one_frame() {
        let wasm = wat::parse_str(
            "(module (table 1 funcref)
                (func $f (call_indirect (i32.const 0)))
                (func (call $f)))",
        )
        .unwrap();
        let recording = Recording::new(&wasm, false).unwrap();
        let [inner, outer] = recording.sites[..] else { panic!("{:x?}", recording.sites) };
        assert_eq!((wasm[inner as usize], wasm[outer as usize]), (0x11, 0x10));
        let stack: Vec<u8> = [outer, HOST, outer, inner].map(u32::to_le_bytes).concat();
        let frame =
            |function, offset| Frame::Wasm { function: Some(function), offset: Some(offset) };
        let frames = recording.frames(inner, &stack).unwrap();
        let expected = [frame(0, inner), frame(1, outer), Frame::Host, frame(1, outer)];
        assert_eq!(frames, expected);
    }
}
