//! What a debugger sees of the function being translated: where each
//! instruction is, its variables and, with `-Og`, its operands.

use super::{FuncTranslator, Local};
use crate::llvm::sys::Held;
use inkwell::basic_block::BasicBlock;
use inkwell::debug_info::{AsDIScope, DIScope, DISubprogram};
use inkwell::values::{BasicValueEnum, PointerValue};
use std::collections::HashMap;
use wasm2so_abi::ValType;

/// Operands further up than this are not shown: people do not write them, and each
/// instruction takes time for each.
const MOST_OPERANDS: usize = 100;

/// Scopes and slots of one function.
pub(super) struct View<'ctx> {
    /// Of the function; `None` without debug information.
    function: Option<DISubprogram<'ctx>>,
    /// Of the instruction being translated: the function's, or that of
    /// [`Operands`].
    scope: Option<DIScope<'ctx>>,
    /// With `-Og`.
    operands: Option<Operands<'ctx>>,
}

/// The operand stack in memory, for debuggers only: each operand is stored where
/// its depth and type say, and has a name in a scope of its own, inside that of
/// the operand below. An instruction's scope so has those operands, and only
/// those, that are on the stack before it.
#[derive(Default)]
struct Operands<'ctx> {
    slots: HashMap<(usize, ValType), PointerValue<'ctx>>,
    /// By the place of the scope below among these, and the operand's type.
    inner: HashMap<(usize, ValType), usize>,
    /// The first is the function's.
    scopes: Vec<DIScope<'ctx>>,
    /// What is in the slots.
    stored: Vec<BasicValueEnum<'ctx>>,
    /// Where that is so.
    block: Option<BasicBlock<'ctx>>,
}

impl<'ctx> View<'ctx> {
    pub(super) fn new(function: Option<DISubprogram<'ctx>>, stepwise: bool) -> Self {
        let scope = function.map(|function| function.as_debug_info_scope());
        let operands = stepwise
            .then(|| Operands { scopes: scope.into_iter().collect(), ..Operands::default() });
        View { function, scope, operands }
    }
}

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// From here on, instructions belong to the wasm instruction at `offset`.
    pub(super) fn set_location(&self, offset: u64) {
        if let Some(scope) = self.view.scope {
            self.ir.set_location(scope, offset as u32);
            // Slots that stay in memory have it too.
            if !self.cx.opt_level.is_optimised() {
                self.ir.locate();
            }
        }
    }

    /// Describes the parameters and locals, and vmctx. Builds at the end of the
    /// prologue.
    pub(super) fn declare_variables(&self, index: u32, start: u64, params: usize) {
        let (Some(debug), Some(scope)) = (&self.cx.debug, self.view.function) else { return };
        if !debug.variables {
            return;
        }
        let block = self.ir.block();
        let location = debug.location(scope.as_debug_info_scope(), start);
        let types: Vec<_> = self.locals.iter().map(|local| local.ty).collect();
        let variables = debug.locals(scope, index, start, params, &types);
        for (variable, Local { slot, .. }) in variables.into_iter().zip(&self.locals) {
            debug.describe(variable, Held::In(*slot), location, block);
        }
        let vmctx = debug.vmctx(scope);
        if self.view.operands.is_some() {
            let slot = self.ir.alloca(self.cx.types.ptr);
            self.ir.store(slot, self.vmctx);
            debug.describe(vmctx, Held::In(slot), location, block);
        } else {
            debug.describe(vmctx, Held::As(self.vmctx.into()), location, block);
        }
    }

    /// Before the instruction at `offset`: with `-Og`, somewhere to stop.
    pub(super) fn begin_instruction(&mut self, offset: u64) {
        self.set_location(offset);
        if self.view.operands.is_some() {
            self.ir.nop();
        }
    }

    /// After the instruction at `offset`: with `-Og`, stores the operands that it
    /// left.
    pub(super) fn end_instruction(&mut self, offset: u64) {
        let Some(mut view) = self.view.operands.take() else { return };
        let block = self.ir.block();
        if view.block.replace(block) != Some(block) {
            // Others come here too. Below the frame's own operands all have stored
            // the same.
            view.stored.truncate(self.frame_height());
        }
        view.stored.truncate(self.operands.len());
        let mut place = 0;
        for depth in 0..self.operands.len().min(MOST_OPERANDS) {
            let value = self.operands[depth];
            let ty = self.operand_type(value);
            let slot = *view
                .slots
                .entry((depth, ty))
                .or_insert_with(|| self.in_prologue(|t| t.ir.alloca(t.cx.types.value(ty))));
            if view.stored.get(depth) != Some(&value) {
                view.stored.truncate(depth);
                view.stored.push(value);
                self.ir.store(slot, value);
            }
            place = self.operand_scope(&mut view, place, depth, ty, slot, offset);
        }
        self.view.scope = view.scopes.get(place).copied();
        self.view.operands = Some(view);
    }

    /// The place of the scope inside that at `outer` which has an operand more.
    fn operand_scope(
        &self,
        view: &mut Operands<'ctx>,
        outer: usize,
        depth: usize,
        ty: ValType,
        slot: PointerValue<'ctx>,
        offset: u64,
    ) -> usize {
        let Some(debug) = self.cx.debug.as_ref().filter(|debug| debug.variables) else {
            return outer;
        };
        *view.inner.entry((outer, ty)).or_insert_with(|| {
            let (scope, variable) = debug.operand(view.scopes[outer], depth, ty, offset);
            debug.describe(variable, Held::In(slot), debug.location(scope, offset), self.prologue);
            view.scopes.push(scope);
            view.scopes.len() - 1
        })
    }

    /// The type of an operand. References to functions and others are alike here.
    fn operand_type(&self, value: BasicValueEnum<'ctx>) -> ValType {
        match value {
            BasicValueEnum::IntValue(int) if int.get_type() == self.cx.types.i32 => ValType::I32,
            BasicValueEnum::IntValue(_) => ValType::I64,
            BasicValueEnum::FloatValue(float) if float.get_type() == self.cx.types.f32 => {
                ValType::F32
            }
            BasicValueEnum::FloatValue(_) => ValType::F64,
            BasicValueEnum::PointerValue(_) => ValType::ExternRef,
            _ => ValType::V128,
        }
    }
}
