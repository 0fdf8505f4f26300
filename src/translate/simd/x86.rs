//! What LLVM offers only as instructions of x86 (SSSE3 here): all that
//! another target would have to bring its own version of.

use super::FuncTranslator;
use crate::llvm::intrinsics::Intrinsic;
use inkwell::IntPredicate;
use inkwell::values::{InstructionOpcode, VectorValue};

impl<'ctx> FuncTranslator<'ctx, '_> {
    /// The bytes of `a` that `indices` choose, 0 for an index beyond them.
    pub(super) fn byte_shuffle(
        &self,
        a: VectorValue<'ctx>,
        indices: VectorValue<'ctx>,
    ) -> VectorValue<'ctx> {
        // `pshufb` gives 0 for an index with bit 7, and looks at no other bit
        // above the low four: 15 becomes 0x7f, 16 becomes 0x80.
        let bias = self.splat_const(self.cx.types.i8x16, 0x70);
        let indices = self.vector_intrinsic(Intrinsic::SaturatingAddUnsigned, &[indices, bias]);
        let args = [a.into(), indices.into()];
        self.intrinsic(Intrinsic::X86ByteShuffle, &[], &args).into_vector_value()
    }

    /// `(a * b + 0x4000) >> 15`, saturating.
    pub(super) fn q15_mul(&self, a: VectorValue<'ctx>, b: VectorValue<'ctx>) -> VectorValue<'ctx> {
        let args = [a.into(), b.into()];
        let product =
            self.intrinsic(Intrinsic::X86RoundedMultiplyHigh, &[], &args).into_vector_value();
        // `pmulhrsw` wraps around for one product, (-1) * (-1), and gives the
        // least integer for no other: its complement is the greatest.
        let least = self.splat_const(product.get_type(), i16::MIN.into());
        let wrapped = self.ir.icmp(IntPredicate::EQ, product, least);
        let wrapped = self.vector_cast_value(InstructionOpcode::SExt, wrapped, product.get_type());
        self.ir.xor(product, wrapped)
    }
}
