//! Blocks, loops, branches.
//!
//! A label's block and phis are made by the first branch to it, so that code
//! which nothing reaches leaves nothing behind. After an unconditional branch
//! operators are skipped (`dispatch::DeadCode`) until the frame ends.

use super::{FuncTranslator, Result};
use crate::module::value_type;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, PhiValue};
use wasm2so_abi::{TrapCode, ValType};
use wasmparser::{BlockType, BrTable};

/// Where a branch goes: a block that starts with a phi per operand.
#[derive(Clone)]
struct Label<'ctx> {
    block: BasicBlock<'ctx>,
    phis: Vec<PhiValue<'ctx>>,
}

enum Kind<'ctx> {
    /// `block`, or the function's body.
    Block,
    /// Branches go to the header.
    Loop(Label<'ctx>),
    /// An `if` before its `else`: where that starts and with which operands;
    /// `None` when the `if` cannot be reached.
    If(Option<(BasicBlock<'ctx>, Vec<BasicValueEnum<'ctx>>)>),
}

/// An entry of the control stack.
pub(super) struct Control<'ctx> {
    kind: Kind<'ctx>,
    results: Vec<ValType>,
    /// Where the frame ends, once something goes there.
    end: Option<Label<'ctx>>,
    /// Operands below the frame's own.
    height: usize,
}

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn enter_function(&mut self) {
        let results = self.results.to_vec();
        self.controls.push(Control { kind: Kind::Block, results, end: None, height: 0 });
    }

    fn block_type(
        &self,
        ty: BlockType,
    ) -> std::result::Result<(usize, Vec<ValType>), crate::error::Error> {
        Ok(match ty {
            BlockType::Empty => (0, Vec::new()),
            BlockType::Type(ty) => (0, vec![value_type(ty)?]),
            BlockType::FuncType(index) => {
                let signature = &self.cx.module.types[index as usize];
                (signature.params.len(), signature.results.clone())
            }
        })
    }

    /// How many operands are below those of the innermost frame.
    pub(super) fn frame_height(&self) -> usize {
        self.controls.last().map_or(0, |control| control.height)
    }

    fn push_control(&mut self, kind: Kind<'ctx>, params: usize, results: Vec<ValType>) {
        let height = self.operands.len() - params;
        self.controls.push(Control { kind, results, end: None, height });
    }

    pub(super) fn block(&mut self, ty: BlockType) -> Result {
        let (params, results) = self.block_type(ty)?;
        self.push_control(Kind::Block, params, results);
        Ok(())
    }

    pub(super) fn loop_(&mut self, ty: BlockType) -> Result {
        let (params, results) = self.block_type(ty)?;
        let args = self.pop_many(params);
        let types: Vec<_> = args.iter().map(|a| a.get_type()).collect();
        let from = self.ir.block();
        let header = self.new_label(&types);
        self.jump(&header, &args, from);
        self.ir.br(header.block);
        self.ir.position_at_end(header.block);
        self.operands.extend(header.phis.iter().map(|p| p.as_basic_value()));
        self.push_control(Kind::Loop(header), params, results);
        Ok(())
    }

    pub(super) fn if_(&mut self, ty: BlockType) -> Result {
        let (params, results) = self.block_type(ty)?;
        let condition = self.pop_condition();
        let then = self.ir.new_block(self.function);
        let otherwise = self.ir.new_block(self.function);
        self.ir.br_if(condition, then, otherwise);
        self.ir.position_at_end(then);
        let args = self.operands[self.operands.len() - params..].to_vec();
        self.push_control(Kind::If(Some((otherwise, args))), params, results);
        Ok(())
    }

    /// A frame that opens in dead code: only its `end` matters.
    pub(super) fn open_dead(&mut self, is_if: bool) -> Result {
        let kind = if is_if { Kind::If(None) } else { Kind::Block };
        self.push_control(kind, 0, Vec::new());
        Ok(())
    }

    pub(super) fn else_(&mut self) -> Result {
        if self.reachable {
            self.branch_to_end();
        }
        let control = self.controls.last_mut().expect("validated: `else` is inside an `if`");
        let Kind::If(otherwise) = std::mem::replace(&mut control.kind, Kind::Block) else {
            unreachable!("validated: `else` ends an `if`")
        };
        self.operands.truncate(control.height);
        self.reachable = otherwise.is_some();
        if let Some((block, args)) = otherwise {
            self.ir.position_at_end(block);
            self.operands.extend(args);
        }
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result {
        // A missing `else` hands its operands on.
        if matches!(self.controls.last().expect("validated").kind, Kind::If(_)) {
            self.else_()?;
        }
        let is_loop = matches!(self.controls.last().expect("validated").kind, Kind::Loop(_));
        if self.reachable && !is_loop && self.controls.last().expect("validated").end.is_some() {
            self.branch_to_end();
        }
        let control = self.controls.pop().expect("validated: `end` closes a frame");
        if let Some(end) = control.end {
            self.ir.position_at_end(end.block);
            self.operands.truncate(control.height);
            self.operands.extend(end.phis.iter().map(|p| p.as_basic_value()));
            self.reachable = true;
        } else if !self.reachable {
            self.operands.truncate(control.height);
        }
        if self.controls.is_empty() && self.reachable {
            let values = self.pop_many(control.results.len());
            self.return_values(&values);
        }
        Ok(())
    }

    pub(super) fn br(&mut self, depth: u32) -> Result {
        let label = self.label(depth);
        let args = self.branch_operands(&label);
        self.jump(&label, &args, self.ir.block());
        self.ir.br(label.block);
        self.reachable = false;
        Ok(())
    }

    pub(super) fn br_if(&mut self, depth: u32) -> Result {
        let condition = self.pop_condition();
        let label = self.label(depth);
        let args = self.branch_operands(&label);
        self.jump(&label, &args, self.ir.block());
        let next = self.ir.new_block(self.function);
        self.ir.br_if(condition, label.block, next);
        self.ir.position_at_end(next);
        Ok(())
    }

    pub(super) fn br_table(&mut self, table: BrTable<'_>) -> Result {
        let index = self.pop_int();
        let from = self.ir.block();
        let default = self.label(table.default());
        let args = self.branch_operands(&default);
        // A phi has one entry per edge, so each target jumps on its own.
        self.jump(&default, &args, from);
        let mut cases = Vec::with_capacity(table.len() as usize);
        for (i, depth) in table.targets().enumerate() {
            let label = self.label(depth?);
            self.jump(&label, &args, from);
            cases.push((self.const_i32(i as u32), label.block));
        }
        self.ir.switch(index, default.block, &cases);
        self.reachable = false;
        Ok(())
    }

    pub(super) fn return_(&mut self) -> Result {
        let values = self.pop_many(self.results.len());
        self.return_values(&values);
        self.reachable = false;
        Ok(())
    }

    pub(super) fn unreachable(&mut self) -> Result {
        self.trap(TrapCode::Unreachable, None);
        self.reachable = false;
        Ok(())
    }

    pub(super) fn nop(&mut self) -> Result {
        Ok(())
    }

    /// The label that a branch of this depth goes to.
    fn label(&mut self, depth: u32) -> Label<'ctx> {
        let place = self.controls.len() - 1 - depth as usize;
        let control = &self.controls[place];
        if let Kind::Loop(header) = &control.kind {
            return header.clone();
        }
        if let Some(end) = &control.end {
            return end.clone();
        }
        let types: Vec<_> = control.results.iter().map(|&t| self.cx.types.value(t)).collect();
        let end = self.new_label(&types);
        self.controls[place].end = Some(end.clone());
        end
    }

    fn new_label(&self, types: &[inkwell::types::BasicTypeEnum<'ctx>]) -> Label<'ctx> {
        let from = self.ir.block();
        let block = self.ir.new_block(self.function);
        self.ir.position_at_end(block);
        let phis = types.iter().map(|&t| self.ir.phi(t)).collect();
        self.ir.position_at_end(from);
        Label { block, phis }
    }

    /// The operands that a branch to `label` takes; they stay on the stack.
    fn branch_operands(&self, label: &Label<'ctx>) -> Vec<BasicValueEnum<'ctx>> {
        self.operands[self.operands.len() - label.phis.len()..].to_vec()
    }

    /// Adds an edge from block `from` that carries `args`.
    fn jump(&self, label: &Label<'ctx>, args: &[BasicValueEnum<'ctx>], from: BasicBlock<'ctx>) {
        for (phi, arg) in label.phis.iter().zip(args) {
            phi.add_incoming(&[(arg, from)]);
        }
    }

    fn branch_to_end(&mut self) {
        let label = self.label(0);
        let args = self.branch_operands(&label);
        self.jump(&label, &args, self.ir.block());
        self.ir.br(label.block);
    }
}
