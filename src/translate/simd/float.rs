//! Floating-point operations on lanes. NaNs are as for scalars: see the
//! scalar family's description.

use super::{FuncTranslator, Result, VectorBinary};
use inkwell::FloatPredicate;
use inkwell::types::VectorType;
use inkwell::values::VectorValue;

impl<'ctx> FuncTranslator<'ctx, '_> {
    pub(super) fn vector_float_binary(
        &mut self,
        shape: VectorType<'ctx>,
        build: VectorBinary<'ctx>,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let (a, b) = (self.fence_constant(a), self.fence_constant(b));
        let value = build(&self.ir, a, b);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_float_compare(
        &mut self,
        shape: VectorType<'ctx>,
        predicate: FloatPredicate,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let mask = self.ir.fcmp(predicate, a, b);
        self.push_mask(mask);
        Ok(())
    }

    pub(super) fn vector_float_neg(&mut self, shape: VectorType<'ctx>) -> Result {
        let a = self.pop_vector(shape);
        let value = self.ir.fneg(a);
        self.push_vector(value);
        Ok(())
    }

    pub(super) fn vector_float_min_max(
        &mut self,
        shape: VectorType<'ctx>,
        predicate: FloatPredicate,
        join: VectorBinary<'ctx>,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let value = self.min_max(predicate, join, self.cx.types.v128, a, b).into_vector_value();
        self.push_vector(value);
        Ok(())
    }

    /// `pmin`, `pmax`: the second operand where it compares so with the first,
    /// which no NaN does.
    pub(super) fn vector_float_pseudo_min_max(
        &mut self,
        shape: VectorType<'ctx>,
        predicate: FloatPredicate,
    ) -> Result {
        let (a, b) = self.pop_vectors(shape);
        let value = self.choose(predicate, b, a);
        self.push_vector(value);
        Ok(())
    }

    /// The lanes of `a` that compare so with those of `b`, otherwise `b`'s.
    fn choose(
        &self,
        predicate: FloatPredicate,
        a: VectorValue<'ctx>,
        b: VectorValue<'ctx>,
    ) -> VectorValue<'ctx> {
        self.ir.select(self.ir.fcmp(predicate, a, b), a, b).into_vector_value()
    }
}
