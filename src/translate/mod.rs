//! From one function body to LLVM IR.
//!
//! One file per family of operators; `dispatch` is the table that sends each
//! operator to its family. A linear-memory address is formed only in
//! `address`, a trap raised only in `trap`, vmctx read only in `vmctx`.

mod address;
mod bulk;
mod call;
mod context;
mod control;
mod convert;
mod dispatch;
mod float;
mod integer;
mod reference;
mod simd;
mod stack;
mod table;
mod trap;
mod variable;
mod view;
mod vmctx;

pub use context::{Conventions, ShardCx, builtin_convention};

use crate::error::Error;
use crate::llvm::ir::Ir;
use crate::module::{Body, value_type};
use control::Control;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, FunctionValue, PointerValue};
use view::View;
use wasm2so_abi::{ReturnStyle, ValType};

/// What every operator's translation returns.
type Result = std::result::Result<(), Error>;

/// A parameter or local variable, in memory until LLVM promotes it.
struct Local<'ctx> {
    slot: PointerValue<'ctx>,
    ty: ValType,
}

/// Translates one function; see the module's description.
pub struct FuncTranslator<'ctx, 'a> {
    cx: &'a ShardCx<'ctx, 'a>,
    ir: Ir<'ctx>,
    function: FunctionValue<'ctx>,
    /// Holds the variables' slots and values needed all over the function; ends
    /// in a branch to the body.
    prologue: BasicBlock<'ctx>,
    vmctx: PointerValue<'ctx>,
    /// Where results go under [`ReturnStyle::Memory`].
    result_pointer: Option<PointerValue<'ctx>>,
    results: &'a [ValType],
    locals: Vec<Local<'ctx>>,
    operands: Vec<BasicValueEnum<'ctx>>,
    controls: Vec<Control<'ctx>>,
    /// Whether the operator being translated can be reached.
    reachable: bool,
    /// Base of each memory that was used, loaded in the prologue.
    memory_bases: Vec<Option<PointerValue<'ctx>>>,
    /// Room for results of callees under [`ReturnStyle::Memory`].
    result_buffer: Option<(usize, PointerValue<'ctx>)>,
    /// What debuggers see.
    view: View<'ctx>,
}

/// Translates the body of function `index` into its declaration.
///
/// # Errors
/// [`Error::Unsupported`] for an operator of a later proposal.
pub fn translate<'ctx>(cx: &ShardCx<'ctx, '_>, index: u32, body: &Body<'_>) -> Result {
    let function = cx.function(index);
    let ir = Ir::new(cx.types.context());
    let signature = cx.module.signature(index);
    let scope = cx.debug.as_ref().map(|debug| debug.function(index, signature, &body.range));
    if let Some(scope) = scope {
        function.set_subprogram(scope);
    }
    let prologue = ir.new_block(function);
    ir.position_at_end(prologue);
    let vmctx = function.get_nth_param(0).expect("vmctx comes first").into_pointer_value();
    let in_memory = ReturnStyle::of(&signature.results) == ReturnStyle::Memory;
    let mut translator = FuncTranslator {
        cx,
        ir,
        function,
        prologue,
        vmctx,
        result_pointer: in_memory.then(|| {
            function.get_nth_param(1).expect("the result pointer is next").into_pointer_value()
        }),
        results: &signature.results,
        locals: Vec::new(),
        operands: Vec::new(),
        controls: Vec::new(),
        reachable: true,
        memory_bases: vec![None; cx.module.memories.len()],
        result_buffer: None,
        view: View::new(scope, cx.opt_level.is_stepwise()),
    };
    translator.body(index, body, &signature.params)
}

impl<'ctx> FuncTranslator<'ctx, '_> {
    fn body(&mut self, index: u32, body: &Body<'_>, params: &[ValType]) -> Result {
        self.set_location(body.range.start);
        let first = 1 + u32::from(self.result_pointer.is_some());
        for (i, &ty) in params.iter().enumerate() {
            let value = self.function.get_nth_param(first + i as u32).expect("declared with it");
            self.add_local(ty, value);
        }
        for group in body.reader.get_locals_reader()? {
            let (count, ty) = group?;
            let ty = value_type(ty)?;
            let zero = self.cx.types.value(ty).const_zero();
            for _ in 0..count {
                self.add_local(ty, zero);
            }
        }
        self.declare_variables(index, body.range.start, params.len());
        let start = self.ir.new_block(self.function);
        self.ir.position_at_end(start);
        self.enter_function();

        let mut operators = body.reader.get_operators_reader()?;
        while !operators.eof() {
            let offset = operators.original_position();
            if self.reachable {
                self.begin_instruction(offset);
                operators.visit_operator(self)??;
            } else {
                operators.visit_operator(&mut dispatch::DeadCode(self))??;
            }
            if self.reachable && !operators.eof() {
                self.end_instruction(offset);
            }
        }

        self.ir.position_at_end(self.prologue);
        self.ir.clear_location();
        self.ir.br(start);
        Ok(())
    }

    fn add_local(&mut self, ty: ValType, value: BasicValueEnum<'ctx>) {
        let slot = self.ir.alloca(self.cx.types.value(ty));
        self.ir.store(slot, value);
        self.locals.push(Local { slot, ty });
    }

    /// Builds something in the prologue, which belongs to no wasm instruction.
    fn in_prologue<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let (block, location) = (self.ir.block(), self.ir.clear_location());
        self.ir.position_at_end(self.prologue);
        let built = build(self);
        self.ir.position_at_end(block);
        self.ir.restore_location(location);
        built
    }
}
