//! The table of scalar operators: one line sends each to its family.
//!
//! `VisitOperator` has no defaults, and [`unsupported`] covers only proposals
//! that it names, so an operator that is missing here does not compile.

use super::convert::Sign::{Signed, Unsigned};
use super::{FuncTranslator, Result};
use crate::error::Error;
use crate::llvm::intrinsics::Intrinsic;
use crate::llvm::ir::Ir;
use inkwell::values::InstructionOpcode as Cast;
use inkwell::{FloatPredicate as Float, IntPredicate as Int};
use wasmparser::{BlockType, BrTable, MemArg, VisitOperator, VisitSimdOperator};

/// `fn visit_x(args) => family_method(t, …);` where `t` names the translator.
macro_rules! visit {
    ($($visit:ident($($arg:ident: $ty:ty),*) => |$t:ident| $body:expr;)*) => {
        $(fn $visit(&mut self $(, $arg: $ty)*) -> Result {
            let $t = self;
            $body
        })*
    };
}
pub(super) use visit;

/// Refuses the operators of proposals that are not compiled. Validation did so
/// already; this keeps the trait complete.
macro_rules! unsupported {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(unsupported!(@$proposal $visit($($($arg: $argty),*)?));)*
    };
    (@mvp $($rest:tt)*) => {};
    (@sign_extension $($rest:tt)*) => {};
    (@saturating_float_to_int $($rest:tt)*) => {};
    (@bulk_memory $($rest:tt)*) => {};
    (@reference_types $($rest:tt)*) => {};
    (@tail_call $($rest:tt)*) => {};
    (@simd $($rest:tt)*) => {};
    (@$proposal:ident $visit:ident($($arg:ident: $argty:ty),*)) => {
        fn $visit(&mut self, $(_: $argty),*) -> Result {
            Err(Error::Unsupported { offset: 0, what: stringify!($proposal).to_owned() })
        }
    };
}
pub(super) use unsupported;

impl<'a> VisitOperator<'a> for FuncTranslator<'_, '_> {
    type Output = Result;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Result>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(unsupported);

    visit! {
        // Control.
        visit_unreachable() => |t| t.unreachable();
        visit_nop() => |t| t.nop();
        visit_block(ty: BlockType) => |t| t.block(ty);
        visit_loop(ty: BlockType) => |t| t.loop_(ty);
        visit_if(ty: BlockType) => |t| t.if_(ty);
        visit_else() => |t| t.else_();
        visit_end() => |t| t.end();
        visit_br(depth: u32) => |t| t.br(depth);
        visit_br_if(depth: u32) => |t| t.br_if(depth);
        visit_br_table(table: BrTable<'a>) => |t| t.br_table(table);
        visit_return() => |t| t.return_();
        visit_call(index: u32) => |t| t.call(index);
        visit_call_indirect(ty: u32, table: u32) => |t| t.call_indirect(ty, table);
        visit_return_call(index: u32) => |t| t.return_call(index);
        visit_return_call_indirect(ty: u32, table: u32) => |t| t.return_call_indirect(ty, table);

        // Variables and operands.
        visit_drop() => |t| t.drop_operand();
        visit_select() => |t| t.select();
        visit_typed_select(_ty: wasmparser::ValType) => |t| t.select();
        visit_typed_select_multi(_ty: Vec<wasmparser::ValType>) => |t| t.select();
        visit_local_get(index: u32) => |t| t.local_get(index);
        visit_local_set(index: u32) => |t| t.local_set(index);
        visit_local_tee(index: u32) => |t| t.local_tee(index);
        visit_global_get(index: u32) => |t| t.global_get(index);
        visit_global_set(index: u32) => |t| t.global_set(index);

        // References and tables.
        visit_ref_null(_ty: wasmparser::HeapType) => |t| t.ref_null();
        visit_ref_is_null() => |t| t.ref_is_null();
        visit_ref_func(index: u32) => |t| t.ref_func(index);
        visit_table_get(table: u32) => |t| t.table_get(table);
        visit_table_set(table: u32) => |t| t.table_set(table);
        visit_table_size(table: u32) => |t| t.table_size(table);
        visit_table_grow(table: u32) => |t| t.table_grow(table);
        visit_table_fill(table: u32) => |t| t.table_fill(table);
        visit_table_copy(dst: u32, src: u32) => |t| t.table_copy(dst, src);
        visit_table_init(segment: u32, table: u32) => |t| t.table_init(segment, table);
        visit_elem_drop(segment: u32) => |t| t.elem_drop(segment);

        // Memory.
        visit_memory_size(memory: u32) => |t| t.memory_size(memory);
        visit_memory_grow(memory: u32) => |t| t.memory_grow(memory);
        visit_memory_copy(dst: u32, src: u32) => |t| t.memory_copy(dst, src);
        visit_memory_fill(memory: u32) => |t| t.memory_fill(memory);
        visit_memory_init(segment: u32, memory: u32) => |t| t.memory_init(segment, memory);
        visit_data_drop(segment: u32) => |t| t.data_drop(segment);
        visit_i32_load(m: MemArg) => |t| t.load(m, t.cx.types.i32.into());
        visit_i64_load(m: MemArg) => |t| t.load(m, t.cx.types.i64.into());
        visit_f32_load(m: MemArg) => |t| t.load(m, t.cx.types.f32.into());
        visit_f64_load(m: MemArg) => |t| t.load(m, t.cx.types.f64.into());
        visit_i32_load8_s(m: MemArg) => |t| t.load_extended(m, t.cx.types.i8.into(), t.cx.types.i32.into(), Cast::SExt);
        visit_i32_load8_u(m: MemArg) => |t| t.load_extended(m, t.cx.types.i8.into(), t.cx.types.i32.into(), Cast::ZExt);
        visit_i32_load16_s(m: MemArg) => |t| t.load_extended(m, t.cx.types.i16.into(), t.cx.types.i32.into(), Cast::SExt);
        visit_i32_load16_u(m: MemArg) => |t| t.load_extended(m, t.cx.types.i16.into(), t.cx.types.i32.into(), Cast::ZExt);
        visit_i64_load8_s(m: MemArg) => |t| t.load_extended(m, t.cx.types.i8.into(), t.cx.types.i64.into(), Cast::SExt);
        visit_i64_load8_u(m: MemArg) => |t| t.load_extended(m, t.cx.types.i8.into(), t.cx.types.i64.into(), Cast::ZExt);
        visit_i64_load16_s(m: MemArg) => |t| t.load_extended(m, t.cx.types.i16.into(), t.cx.types.i64.into(), Cast::SExt);
        visit_i64_load16_u(m: MemArg) => |t| t.load_extended(m, t.cx.types.i16.into(), t.cx.types.i64.into(), Cast::ZExt);
        visit_i64_load32_s(m: MemArg) => |t| t.load_extended(m, t.cx.types.i32.into(), t.cx.types.i64.into(), Cast::SExt);
        visit_i64_load32_u(m: MemArg) => |t| t.load_extended(m, t.cx.types.i32.into(), t.cx.types.i64.into(), Cast::ZExt);
        visit_i32_store(m: MemArg) => |t| t.store(m);
        visit_i64_store(m: MemArg) => |t| t.store(m);
        visit_f32_store(m: MemArg) => |t| t.store(m);
        visit_f64_store(m: MemArg) => |t| t.store(m);
        visit_i32_store8(m: MemArg) => |t| t.store_narrow(m, t.cx.types.i8.into());
        visit_i32_store16(m: MemArg) => |t| t.store_narrow(m, t.cx.types.i16.into());
        visit_i64_store8(m: MemArg) => |t| t.store_narrow(m, t.cx.types.i8.into());
        visit_i64_store16(m: MemArg) => |t| t.store_narrow(m, t.cx.types.i16.into());
        visit_i64_store32(m: MemArg) => |t| t.store_narrow(m, t.cx.types.i32.into());

        // Integers.
        visit_i32_const(value: i32) => |t| t.int_const(t.cx.types.i32, u64::from(value as u32));
        visit_i64_const(value: i64) => |t| t.int_const(t.cx.types.i64, value as u64);
        visit_i32_eqz() => |t| t.int_eqz();
        visit_i64_eqz() => |t| t.int_eqz();
        visit_i32_eq() => |t| t.int_compare(Int::EQ);
        visit_i64_eq() => |t| t.int_compare(Int::EQ);
        visit_i32_ne() => |t| t.int_compare(Int::NE);
        visit_i64_ne() => |t| t.int_compare(Int::NE);
        visit_i32_lt_s() => |t| t.int_compare(Int::SLT);
        visit_i64_lt_s() => |t| t.int_compare(Int::SLT);
        visit_i32_lt_u() => |t| t.int_compare(Int::ULT);
        visit_i64_lt_u() => |t| t.int_compare(Int::ULT);
        visit_i32_gt_s() => |t| t.int_compare(Int::SGT);
        visit_i64_gt_s() => |t| t.int_compare(Int::SGT);
        visit_i32_gt_u() => |t| t.int_compare(Int::UGT);
        visit_i64_gt_u() => |t| t.int_compare(Int::UGT);
        visit_i32_le_s() => |t| t.int_compare(Int::SLE);
        visit_i64_le_s() => |t| t.int_compare(Int::SLE);
        visit_i32_le_u() => |t| t.int_compare(Int::ULE);
        visit_i64_le_u() => |t| t.int_compare(Int::ULE);
        visit_i32_ge_s() => |t| t.int_compare(Int::SGE);
        visit_i64_ge_s() => |t| t.int_compare(Int::SGE);
        visit_i32_ge_u() => |t| t.int_compare(Int::UGE);
        visit_i64_ge_u() => |t| t.int_compare(Int::UGE);
        visit_i32_clz() => |t| t.int_count_zeros(Intrinsic::CountLeadingZeros);
        visit_i64_clz() => |t| t.int_count_zeros(Intrinsic::CountLeadingZeros);
        visit_i32_ctz() => |t| t.int_count_zeros(Intrinsic::CountTrailingZeros);
        visit_i64_ctz() => |t| t.int_count_zeros(Intrinsic::CountTrailingZeros);
        visit_i32_popcnt() => |t| t.int_popcnt();
        visit_i64_popcnt() => |t| t.int_popcnt();
        visit_i32_add() => |t| t.int_binary(Ir::add);
        visit_i64_add() => |t| t.int_binary(Ir::add);
        visit_i32_sub() => |t| t.int_binary(Ir::sub);
        visit_i64_sub() => |t| t.int_binary(Ir::sub);
        visit_i32_mul() => |t| t.int_binary(Ir::mul);
        visit_i64_mul() => |t| t.int_binary(Ir::mul);
        visit_i32_div_s() => |t| t.int_div_signed();
        visit_i64_div_s() => |t| t.int_div_signed();
        visit_i32_div_u() => |t| t.int_div_unsigned();
        visit_i64_div_u() => |t| t.int_div_unsigned();
        visit_i32_rem_s() => |t| t.int_rem_signed();
        visit_i64_rem_s() => |t| t.int_rem_signed();
        visit_i32_rem_u() => |t| t.int_rem_unsigned();
        visit_i64_rem_u() => |t| t.int_rem_unsigned();
        visit_i32_and() => |t| t.int_binary(Ir::and);
        visit_i64_and() => |t| t.int_binary(Ir::and);
        visit_i32_or() => |t| t.int_binary(Ir::or);
        visit_i64_or() => |t| t.int_binary(Ir::or);
        visit_i32_xor() => |t| t.int_binary(Ir::xor);
        visit_i64_xor() => |t| t.int_binary(Ir::xor);
        visit_i32_shl() => |t| t.int_shift(Ir::shl);
        visit_i64_shl() => |t| t.int_shift(Ir::shl);
        visit_i32_shr_s() => |t| t.int_shift(Ir::ashr);
        visit_i64_shr_s() => |t| t.int_shift(Ir::ashr);
        visit_i32_shr_u() => |t| t.int_shift(Ir::lshr);
        visit_i64_shr_u() => |t| t.int_shift(Ir::lshr);
        visit_i32_rotl() => |t| t.int_rotate(Intrinsic::FunnelShiftLeft);
        visit_i64_rotl() => |t| t.int_rotate(Intrinsic::FunnelShiftLeft);
        visit_i32_rotr() => |t| t.int_rotate(Intrinsic::FunnelShiftRight);
        visit_i64_rotr() => |t| t.int_rotate(Intrinsic::FunnelShiftRight);
        visit_i32_extend8_s() => |t| t.int_extend_low(t.cx.types.i8);
        visit_i32_extend16_s() => |t| t.int_extend_low(t.cx.types.i16);
        visit_i64_extend8_s() => |t| t.int_extend_low(t.cx.types.i8);
        visit_i64_extend16_s() => |t| t.int_extend_low(t.cx.types.i16);
        visit_i64_extend32_s() => |t| t.int_extend_low(t.cx.types.i32);

        // Floats.
        visit_f32_const(value: wasmparser::Ieee32) => |t| t.float_const(t.const_i32(value.bits()).into(), t.cx.types.f32);
        visit_f64_const(value: wasmparser::Ieee64) => |t| t.float_const(t.const_i64(value.bits()).into(), t.cx.types.f64);
        visit_f32_eq() => |t| t.float_compare(Float::OEQ);
        visit_f64_eq() => |t| t.float_compare(Float::OEQ);
        visit_f32_ne() => |t| t.float_compare(Float::UNE);
        visit_f64_ne() => |t| t.float_compare(Float::UNE);
        visit_f32_lt() => |t| t.float_compare(Float::OLT);
        visit_f64_lt() => |t| t.float_compare(Float::OLT);
        visit_f32_gt() => |t| t.float_compare(Float::OGT);
        visit_f64_gt() => |t| t.float_compare(Float::OGT);
        visit_f32_le() => |t| t.float_compare(Float::OLE);
        visit_f64_le() => |t| t.float_compare(Float::OLE);
        visit_f32_ge() => |t| t.float_compare(Float::OGE);
        visit_f64_ge() => |t| t.float_compare(Float::OGE);
        visit_f32_abs() => |t| t.float_unary(Intrinsic::Fabs);
        visit_f64_abs() => |t| t.float_unary(Intrinsic::Fabs);
        visit_f32_neg() => |t| t.float_neg();
        visit_f64_neg() => |t| t.float_neg();
        visit_f32_ceil() => |t| t.float_unary(Intrinsic::Ceil);
        visit_f64_ceil() => |t| t.float_unary(Intrinsic::Ceil);
        visit_f32_floor() => |t| t.float_unary(Intrinsic::Floor);
        visit_f64_floor() => |t| t.float_unary(Intrinsic::Floor);
        visit_f32_trunc() => |t| t.float_unary(Intrinsic::Truncate);
        visit_f64_trunc() => |t| t.float_unary(Intrinsic::Truncate);
        visit_f32_nearest() => |t| t.float_unary(Intrinsic::RoundEven);
        visit_f64_nearest() => |t| t.float_unary(Intrinsic::RoundEven);
        visit_f32_sqrt() => |t| t.float_unary(Intrinsic::SquareRoot);
        visit_f64_sqrt() => |t| t.float_unary(Intrinsic::SquareRoot);
        visit_f32_add() => |t| t.float_binary(Ir::fadd);
        visit_f64_add() => |t| t.float_binary(Ir::fadd);
        visit_f32_sub() => |t| t.float_binary(Ir::fsub);
        visit_f64_sub() => |t| t.float_binary(Ir::fsub);
        visit_f32_mul() => |t| t.float_binary(Ir::fmul);
        visit_f64_mul() => |t| t.float_binary(Ir::fmul);
        visit_f32_div() => |t| t.float_binary(Ir::fdiv);
        visit_f64_div() => |t| t.float_binary(Ir::fdiv);
        visit_f32_min() => |t| t.float_min_max(Float::OLT, Ir::or);
        visit_f64_min() => |t| t.float_min_max(Float::OLT, Ir::or);
        visit_f32_max() => |t| t.float_min_max(Float::OGT, Ir::and);
        visit_f64_max() => |t| t.float_min_max(Float::OGT, Ir::and);
        visit_f32_copysign() => |t| t.float_copysign();
        visit_f64_copysign() => |t| t.float_copysign();

        // Conversions.
        visit_i32_wrap_i64() => |t| t.convert(Cast::Trunc, t.cx.types.i32.into());
        visit_i64_extend_i32_s() => |t| t.convert(Cast::SExt, t.cx.types.i64.into());
        visit_i64_extend_i32_u() => |t| t.convert(Cast::ZExt, t.cx.types.i64.into());
        visit_f32_convert_i32_s() => |t| t.convert(Cast::SIToFP, t.cx.types.f32.into());
        visit_f32_convert_i32_u() => |t| t.convert(Cast::UIToFP, t.cx.types.f32.into());
        visit_f32_convert_i64_s() => |t| t.convert(Cast::SIToFP, t.cx.types.f32.into());
        visit_f32_convert_i64_u() => |t| t.convert(Cast::UIToFP, t.cx.types.f32.into());
        visit_f64_convert_i32_s() => |t| t.convert(Cast::SIToFP, t.cx.types.f64.into());
        visit_f64_convert_i32_u() => |t| t.convert(Cast::UIToFP, t.cx.types.f64.into());
        visit_f64_convert_i64_s() => |t| t.convert(Cast::SIToFP, t.cx.types.f64.into());
        visit_f64_convert_i64_u() => |t| t.convert(Cast::UIToFP, t.cx.types.f64.into());
        visit_f32_demote_f64() => |t| t.float_demote();
        visit_f64_promote_f32() => |t| t.convert(Cast::FPExt, t.cx.types.f64.into());
        visit_i32_reinterpret_f32() => |t| t.convert(Cast::BitCast, t.cx.types.i32.into());
        visit_i64_reinterpret_f64() => |t| t.convert(Cast::BitCast, t.cx.types.i64.into());
        visit_f32_reinterpret_i32() => |t| t.convert(Cast::BitCast, t.cx.types.f32.into());
        visit_f64_reinterpret_i64() => |t| t.convert(Cast::BitCast, t.cx.types.f64.into());
        visit_i32_trunc_f32_s() => |t| t.float_to_int(Signed, t.cx.types.i32);
        visit_i32_trunc_f32_u() => |t| t.float_to_int(Unsigned, t.cx.types.i32);
        visit_i32_trunc_f64_s() => |t| t.float_to_int(Signed, t.cx.types.i32);
        visit_i32_trunc_f64_u() => |t| t.float_to_int(Unsigned, t.cx.types.i32);
        visit_i64_trunc_f32_s() => |t| t.float_to_int(Signed, t.cx.types.i64);
        visit_i64_trunc_f32_u() => |t| t.float_to_int(Unsigned, t.cx.types.i64);
        visit_i64_trunc_f64_s() => |t| t.float_to_int(Signed, t.cx.types.i64);
        visit_i64_trunc_f64_u() => |t| t.float_to_int(Unsigned, t.cx.types.i64);
        visit_i32_trunc_sat_f32_s() => |t| t.float_to_int_saturating(Signed, t.cx.types.i32);
        visit_i32_trunc_sat_f32_u() => |t| t.float_to_int_saturating(Unsigned, t.cx.types.i32);
        visit_i32_trunc_sat_f64_s() => |t| t.float_to_int_saturating(Signed, t.cx.types.i32);
        visit_i32_trunc_sat_f64_u() => |t| t.float_to_int_saturating(Unsigned, t.cx.types.i32);
        visit_i64_trunc_sat_f32_s() => |t| t.float_to_int_saturating(Signed, t.cx.types.i64);
        visit_i64_trunc_sat_f32_u() => |t| t.float_to_int_saturating(Unsigned, t.cx.types.i64);
        visit_i64_trunc_sat_f64_s() => |t| t.float_to_int_saturating(Signed, t.cx.types.i64);
        visit_i64_trunc_sat_f64_u() => |t| t.float_to_int_saturating(Unsigned, t.cx.types.i64);
    }
}

/// Visits code that cannot be reached: keeps track of frames, nothing else.
pub(super) struct DeadCode<'t, 'ctx, 'a>(pub &'t mut FuncTranslator<'ctx, 'a>);

macro_rules! dead {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(dead!($visit($($($arg: $argty),*)?));)*
    };
    (visit_block($($args:tt)*)) => {
        fn visit_block(&mut self, _: BlockType) -> Result { self.0.open_dead(false) }
    };
    (visit_loop($($args:tt)*)) => {
        fn visit_loop(&mut self, _: BlockType) -> Result { self.0.open_dead(false) }
    };
    (visit_if($($args:tt)*)) => {
        fn visit_if(&mut self, _: BlockType) -> Result { self.0.open_dead(true) }
    };
    (visit_else($($args:tt)*)) => {
        fn visit_else(&mut self) -> Result { self.0.else_() }
    };
    (visit_end($($args:tt)*)) => {
        fn visit_end(&mut self) -> Result { self.0.end() }
    };
    ($visit:ident($($arg:ident: $argty:ty),*)) => {
        fn $visit(&mut self, $(_: $argty),*) -> Result { Ok(()) }
    };
}

impl<'a> VisitOperator<'a> for DeadCode<'_, '_, '_> {
    type Output = Result;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Result>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(dead);
}

impl VisitSimdOperator<'_> for DeadCode<'_, '_, '_> {
    wasmparser::for_each_visit_simd_operator!(dead);
}
