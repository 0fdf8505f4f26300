//! An instruction builder whose methods cannot fail.
//!
//! inkwell's builder reports misuse (no insertion point, operands of different
//! types) as an error at every call. For a translator of validated wasm each
//! of those is a bug of ours, so it is turned into a panic in this one place.

use super::sys;
use inkwell::basic_block::BasicBlock;
use inkwell::builder::{Builder, BuilderError};
use inkwell::context::ContextRef;
use inkwell::debug_info::{DILocation, DIScope};
use inkwell::types::{BasicType, IntType};
use inkwell::values::{
    AggregateValue, BasicMetadataValueEnum, BasicValue, BasicValueEnum, CallSiteValue,
    FloatMathValue, FunctionValue, InstructionValue, IntMathValue, IntValue, PhiValue,
    PointerValue, VectorValue,
};
use inkwell::{FloatPredicate, IntPredicate};
use std::cell::Cell;

/// The builder; see the module's description.
pub struct Ir<'ctx> {
    builder: Builder<'ctx>,
    context: ContextRef<'ctx>,
    /// Where what is built next is: made once something is, since most of wasm's
    /// instructions only move operands.
    next: Cell<Option<(DIScope<'ctx>, u32)>>,
}

#[track_caller]
fn built<T>(result: Result<T, BuilderError>) -> T {
    result.expect("translated wasm builds valid LLVM IR")
}

/// Forwards methods of one shape to inkwell's builder.
macro_rules! forward {
    ($($(#[$meta:meta])* fn $name:ident<$T:ident: $bound:ident>($($arg:ident),+) = $inner:ident;)*) => {
        $($(#[$meta])*
        #[track_caller]
        pub fn $name<$T: $bound<'ctx>>(&self, $($arg: $T),+) -> $T {
            built(self.builder().$inner($($arg),+, ""))
        })*
    };
}

impl<'ctx> Ir<'ctx> {
    /// A builder with no insertion point yet.
    pub fn new(context: ContextRef<'ctx>) -> Self {
        Ir { builder: context.create_builder(), context, next: Cell::new(None) }
    }

    /// Makes the location that was set last.
    pub fn locate(&self) {
        if let Some((scope, line)) = self.next.take() {
            sys::set_location(&self.builder, self.context, scope, line);
        }
    }

    /// The builder, at the location that was set last.
    fn builder(&self) -> &Builder<'ctx> {
        self.locate();
        &self.builder
    }

    /// The context everything is built in.
    pub fn context(&self) -> ContextRef<'ctx> {
        self.context
    }

    forward! {
        /// `add`
        fn add<T: IntMathValue>(a, b) = build_int_add;
        /// `sub`
        fn sub<T: IntMathValue>(a, b) = build_int_sub;
        /// `mul`
        fn mul<T: IntMathValue>(a, b) = build_int_mul;
        /// `udiv`; the divisor must be known not to be 0.
        fn udiv<T: IntMathValue>(a, b) = build_int_unsigned_div;
        /// `sdiv`; must be known not to trap.
        fn sdiv<T: IntMathValue>(a, b) = build_int_signed_div;
        /// `urem`; the divisor must be known not to be 0.
        fn urem<T: IntMathValue>(a, b) = build_int_unsigned_rem;
        /// `srem`; must be known not to trap.
        fn srem<T: IntMathValue>(a, b) = build_int_signed_rem;
        /// `and`
        fn and<T: IntMathValue>(a, b) = build_and;
        /// `or`
        fn or<T: IntMathValue>(a, b) = build_or;
        /// `xor`
        fn xor<T: IntMathValue>(a, b) = build_xor;
        /// `shl`; the amount must be less than the width.
        fn shl<T: IntMathValue>(a, b) = build_left_shift;
        /// Bitwise complement.
        fn not<T: IntMathValue>(a) = build_not;
        /// Two's complement negation.
        fn neg<T: IntMathValue>(a) = build_int_neg;
        /// `fadd`
        fn fadd<T: FloatMathValue>(a, b) = build_float_add;
        /// `fsub`
        fn fsub<T: FloatMathValue>(a, b) = build_float_sub;
        /// `fmul`
        fn fmul<T: FloatMathValue>(a, b) = build_float_mul;
        /// `fdiv`
        fn fdiv<T: FloatMathValue>(a, b) = build_float_div;
        /// `fneg`
        fn fneg<T: FloatMathValue>(a) = build_float_neg;
    }

    /// `lshr`; the amount must be less than the width.
    pub fn lshr<T: IntMathValue<'ctx>>(&self, a: T, b: T) -> T {
        built(self.builder().build_right_shift(a, b, false, ""))
    }

    /// `ashr`; the amount must be less than the width.
    pub fn ashr<T: IntMathValue<'ctx>>(&self, a: T, b: T) -> T {
        built(self.builder().build_right_shift(a, b, true, ""))
    }

    /// `icmp`: i1, or a vector of them.
    pub fn icmp<T: IntMathValue<'ctx>>(
        &self,
        predicate: IntPredicate,
        a: T,
        b: T,
    ) -> <T::BaseType as inkwell::types::IntMathType<'ctx>>::ValueType {
        built(self.builder().build_int_compare(predicate, a, b, ""))
    }

    /// `fcmp`: i1, or a vector of them.
    pub fn fcmp<T: FloatMathValue<'ctx>>(
        &self,
        predicate: FloatPredicate,
        a: T,
        b: T,
    ) -> <<T::BaseType as inkwell::types::FloatMathType<'ctx>>::MathConvType as inkwell::types::IntMathType<'ctx>>::ValueType{
        built(self.builder().build_float_compare(predicate, a, b, ""))
    }

    /// `zext`
    pub fn zext(&self, value: IntValue<'ctx>, to: IntType<'ctx>) -> IntValue<'ctx> {
        built(self.builder().build_int_z_extend(value, to, ""))
    }

    /// Any cast instruction, scalar or vector: `zext`, `fptosi`, `bitcast`, …
    pub fn cast<T: BasicType<'ctx>, V: BasicValue<'ctx>>(
        &self,
        opcode: inkwell::values::InstructionOpcode,
        value: V,
        to: T,
    ) -> BasicValueEnum<'ctx> {
        built(self.builder().build_cast(opcode, value, to, ""))
    }

    /// `bitcast`, or nothing when the type is already right.
    pub fn bitcast<T: BasicType<'ctx>, V: BasicValue<'ctx>>(
        &self,
        value: V,
        to: T,
    ) -> BasicValueEnum<'ctx> {
        let value = value.as_basic_value_enum();
        if value.get_type() == to.as_basic_type_enum() {
            return value;
        }
        built(self.builder().build_bit_cast(value, to, ""))
    }

    /// `select`
    pub fn select<V: BasicValue<'ctx>, C: IntMathValue<'ctx>>(
        &self,
        condition: C,
        then: V,
        otherwise: V,
    ) -> BasicValueEnum<'ctx> {
        built(self.builder().build_select(condition, then, otherwise, ""))
    }

    /// Whether a pointer is null, as i1.
    pub fn is_null(&self, pointer: PointerValue<'ctx>) -> IntValue<'ctx> {
        built(self.builder().build_is_null(pointer, ""))
    }

    /// `ptrtoint`
    pub fn ptr_to_int(&self, pointer: PointerValue<'ctx>, to: IntType<'ctx>) -> IntValue<'ctx> {
        built(self.builder().build_ptr_to_int(pointer, to, ""))
    }

    /// The address `offset` bytes after `base`, not assumed to be in bounds of
    /// any object.
    pub fn byte_offset(
        &self,
        base: PointerValue<'ctx>,
        offset: IntValue<'ctx>,
    ) -> PointerValue<'ctx> {
        self.element(self.context.i8_type(), base, offset)
    }

    /// The address of element `index` of the array of `ty` at `base`, not assumed to
    /// be in bounds of any object.
    pub fn element<T: BasicType<'ctx>>(
        &self,
        ty: T,
        base: PointerValue<'ctx>,
        index: IntValue<'ctx>,
    ) -> PointerValue<'ctx> {
        // SAFETY: a `getelementptr` without `inbounds` is defined for every
        // index; only a later access could be wrong.
        built(unsafe { self.builder().build_gep(ty, base, &[index], "") })
    }

    /// The address of the field at constant `offset` bytes inside the object
    /// that `base` points at.
    pub fn field(&self, base: PointerValue<'ctx>, offset: u64) -> PointerValue<'ctx> {
        let offset = self.context.i64_type().const_int(offset, false);
        // SAFETY: callers pass offsets of the ABI's structures, which `base`
        // points at the start of.
        built(unsafe {
            self.builder().build_in_bounds_gep(self.context.i8_type(), base, &[offset], "")
        })
    }

    /// `load`
    pub fn load<T: BasicType<'ctx>>(
        &self,
        ty: T,
        pointer: PointerValue<'ctx>,
    ) -> (BasicValueEnum<'ctx>, InstructionValue<'ctx>) {
        self.locate();
        self.load_slot(ty, pointer)
    }

    /// `load` of a slot that becomes a value, so that no location is made for it.
    pub fn load_slot<T: BasicType<'ctx>>(
        &self,
        ty: T,
        slot: PointerValue<'ctx>,
    ) -> (BasicValueEnum<'ctx>, InstructionValue<'ctx>) {
        let value = built(self.builder.build_load(ty, slot, ""));
        let instruction =
            value.as_instruction_value().expect("a load is an instruction, never folded");
        (value, instruction)
    }

    /// `store`
    pub fn store<V: BasicValue<'ctx>>(
        &self,
        pointer: PointerValue<'ctx>,
        value: V,
    ) -> InstructionValue<'ctx> {
        self.locate();
        self.store_slot(pointer, value)
    }

    /// `store` to a slot that becomes a value, so that no location is made for it.
    pub fn store_slot<V: BasicValue<'ctx>>(
        &self,
        slot: PointerValue<'ctx>,
        value: V,
    ) -> InstructionValue<'ctx> {
        built(self.builder.build_store(slot, value))
    }

    /// `alloca`
    pub fn alloca<T: BasicType<'ctx>>(&self, ty: T) -> PointerValue<'ctx> {
        built(self.builder().build_alloca(ty, ""))
    }

    /// `phi` without incoming values
    pub fn phi<T: BasicType<'ctx>>(&self, ty: T) -> PhiValue<'ctx> {
        built(self.builder().build_phi(ty, ""))
    }

    /// `br`
    pub fn br(&self, target: BasicBlock<'ctx>) {
        built(self.builder().build_unconditional_branch(target));
    }

    /// Conditional `br` on an i1
    pub fn br_if(
        &self,
        condition: IntValue<'ctx>,
        then: BasicBlock<'ctx>,
        otherwise: BasicBlock<'ctx>,
    ) {
        built(self.builder().build_conditional_branch(condition, then, otherwise));
    }

    /// Conditional `br` on an i1 that hardly ever holds.
    pub fn br_if_rarely(
        &self,
        condition: IntValue<'ctx>,
        then: BasicBlock<'ctx>,
        otherwise: BasicBlock<'ctx>,
    ) {
        let branch = built(self.builder().build_conditional_branch(condition, then, otherwise));
        let weight = |n| self.context.i32_type().const_int(n, false).into();
        let weights = [
            self.context.metadata_string("branch_weights").into(),
            weight(1),
            weight((1 << 20) - 1),
        ];
        branch
            .set_metadata(self.context.metadata_node(&weights), self.context.get_kind_id("prof"))
            .expect("a branch can carry metadata");
    }

    /// `switch`
    pub fn switch(
        &self,
        value: IntValue<'ctx>,
        default: BasicBlock<'ctx>,
        cases: &[(IntValue<'ctx>, BasicBlock<'ctx>)],
    ) {
        built(self.builder().build_switch(value, default, cases));
    }

    /// `ret`
    pub fn ret(&self, value: Option<BasicValueEnum<'ctx>>) {
        built(self.builder().build_return(value.as_ref().map(|v| v as &dyn BasicValue<'ctx>)));
    }

    /// `unreachable`
    pub fn unreachable(&self) {
        built(self.builder().build_unreachable());
    }

    /// `call` of a known function, with its calling convention
    pub fn call(
        &self,
        function: FunctionValue<'ctx>,
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        let call = built(self.builder().build_direct_call(function, args, ""));
        call.set_call_convention(function.get_call_conventions());
        call
    }

    /// `call` through a pointer
    pub fn call_indirect(
        &self,
        ty: inkwell::types::FunctionType<'ctx>,
        code: PointerValue<'ctx>,
        args: &[BasicMetadataValueEnum<'ctx>],
    ) -> CallSiteValue<'ctx> {
        built(self.builder().build_indirect_call(ty, code, args, ""))
    }

    /// `extractvalue`
    pub fn extract<A: AggregateValue<'ctx>>(
        &self,
        aggregate: A,
        index: u32,
    ) -> BasicValueEnum<'ctx> {
        built(self.builder().build_extract_value(aggregate, index, ""))
    }

    /// `insertvalue` into a structure
    pub fn insert<V: BasicValue<'ctx>>(
        &self,
        aggregate: inkwell::values::StructValue<'ctx>,
        value: V,
        index: u32,
    ) -> inkwell::values::StructValue<'ctx> {
        built(self.builder().build_insert_value(aggregate, value, index, "")).into_struct_value()
    }

    /// `extractelement` at a constant lane
    pub fn extract_lane(&self, vector: VectorValue<'ctx>, lane: u32) -> BasicValueEnum<'ctx> {
        let lane = self.context.i32_type().const_int(lane.into(), false);
        built(self.builder().build_extract_element(vector, lane, ""))
    }

    /// `insertelement` at a constant lane
    pub fn insert_lane<V: BasicValue<'ctx>>(
        &self,
        vector: VectorValue<'ctx>,
        value: V,
        lane: u32,
    ) -> VectorValue<'ctx> {
        let lane = self.context.i32_type().const_int(lane.into(), false);
        built(self.builder().build_insert_element(vector, value, lane, ""))
    }

    /// `shufflevector` with a constant mask
    pub fn shuffle(
        &self,
        a: VectorValue<'ctx>,
        b: VectorValue<'ctx>,
        mask: &[u32],
    ) -> VectorValue<'ctx> {
        let i32 = self.context.i32_type();
        let mask: Vec<_> = mask.iter().map(|&i| i32.const_int(i.into(), false)).collect();
        built(self.builder().build_shuffle_vector(
            a,
            b,
            inkwell::types::VectorType::const_vector(&mask),
            "",
        ))
    }

    /// A machine instruction that does nothing and stays where it is.
    pub fn nop(&self) {
        let ty = self.context.void_type().fn_type(&[], false);
        let nop = self.context.create_inline_asm(
            ty,
            "nop".to_owned(),
            String::new(),
            true,
            false,
            None,
            false,
        );
        built(self.builder().build_indirect_call(ty, nop, &[], ""));
    }

    /// Continues at the end of `block`.
    pub fn position_at_end(&self, block: BasicBlock<'ctx>) {
        self.builder.position_at_end(block);
    }

    /// The block being built.
    pub fn block(&self) -> BasicBlock<'ctx> {
        self.builder.get_insert_block().expect("the builder is positioned")
    }

    /// A new block at the end of the function being built.
    pub fn new_block(&self, function: FunctionValue<'ctx>) -> BasicBlock<'ctx> {
        self.context.append_basic_block(function, "")
    }

    /// From now on, instructions are at `line` of `scope`.
    pub fn set_location(&self, scope: DIScope<'ctx>, line: u32) {
        self.next.set(Some((scope, line)));
    }

    /// From now on, instructions have no location. Returns what they had.
    pub fn clear_location(&self) -> Option<DILocation<'ctx>> {
        let location = self.builder().get_current_debug_location();
        self.builder.unset_current_debug_location();
        location
    }

    /// Goes back to what [`Ir::clear_location`] returned.
    pub fn restore_location(&self, location: Option<DILocation<'ctx>>) {
        if let Some(location) = location {
            self.builder.set_current_debug_location(location);
        }
    }
}
