//! Which instructions are sites, and what lies on the stack before them.

use wasmparser::{Operator, ValType};

/// An instruction at which execution can stop, or that stays on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// `unreachable`.
    Unreachable,
    /// A load or store: the address, and above it this operand, if any.
    Access(Option<ValType>),
    /// A division or remainder of operands of this type; the divisor is on top.
    Divide(ValType),
    /// A conversion to an integer of a number of this type.
    Truncate(ValType),
    /// A bulk operation; the length (i32) is on top.
    Bulk,
    /// `table.get`; the index is on top.
    TableGet,
    /// `table.set` of this table; the index is below the reference.
    TableSet(u32),
    /// `call`.
    Call,
    /// `call_indirect`; the index is on top.
    CallIndirect,
    /// `return_call`.
    TailCall,
    /// `return_call_indirect`; the index is on top.
    TailCallIndirect,
}

/// What kind of site `operator` is, if it is one.
pub fn site(operator: &Operator<'_>) -> Option<Site> {
    use Operator as O;
    use ValType::{F32, F64, I32, I64, V128};
    Some(match operator {
        O::Unreachable => Site::Unreachable,
        O::Call { .. } => Site::Call,
        O::CallIndirect { .. } => Site::CallIndirect,
        O::ReturnCall { .. } => Site::TailCall,
        O::ReturnCallIndirect { .. } => Site::TailCallIndirect,

        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => Site::Divide(I32),
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => Site::Divide(I64),
        O::I32TruncF32S | O::I32TruncF32U | O::I64TruncF32S | O::I64TruncF32U => {
            Site::Truncate(F32)
        }
        O::I32TruncF64S | O::I32TruncF64U | O::I64TruncF64S | O::I64TruncF64U => {
            Site::Truncate(F64)
        }

        O::MemoryCopy { .. } | O::MemoryFill { .. } | O::MemoryInit { .. } => Site::Bulk,
        O::TableCopy { .. } | O::TableFill { .. } | O::TableInit { .. } => Site::Bulk,
        O::TableGet { .. } => Site::TableGet,
        O::TableSet { table } => Site::TableSet(*table),

        O::I32Load { .. }
        | O::I64Load { .. }
        | O::F32Load { .. }
        | O::F64Load { .. }
        | O::I32Load8S { .. }
        | O::I32Load8U { .. }
        | O::I32Load16S { .. }
        | O::I32Load16U { .. }
        | O::I64Load8S { .. }
        | O::I64Load8U { .. }
        | O::I64Load16S { .. }
        | O::I64Load16U { .. }
        | O::I64Load32S { .. }
        | O::I64Load32U { .. }
        | O::V128Load { .. }
        | O::V128Load8x8S { .. }
        | O::V128Load8x8U { .. }
        | O::V128Load16x4S { .. }
        | O::V128Load16x4U { .. }
        | O::V128Load32x2S { .. }
        | O::V128Load32x2U { .. }
        | O::V128Load8Splat { .. }
        | O::V128Load16Splat { .. }
        | O::V128Load32Splat { .. }
        | O::V128Load64Splat { .. }
        | O::V128Load32Zero { .. }
        | O::V128Load64Zero { .. } => Site::Access(None),

        O::I32Store { .. } | O::I32Store8 { .. } | O::I32Store16 { .. } => Site::Access(Some(I32)),
        O::I64Store { .. } | O::I64Store8 { .. } | O::I64Store16 { .. } | O::I64Store32 { .. } => {
            Site::Access(Some(I64))
        }
        O::F32Store { .. } => Site::Access(Some(F32)),
        O::F64Store { .. } => Site::Access(Some(F64)),
        O::V128Store { .. }
        | O::V128Load8Lane { .. }
        | O::V128Load16Lane { .. }
        | O::V128Load32Lane { .. }
        | O::V128Load64Lane { .. }
        | O::V128Store8Lane { .. }
        | O::V128Store16Lane { .. }
        | O::V128Store32Lane { .. }
        | O::V128Store64Lane { .. } => Site::Access(Some(V128)),
        _ => return None,
    })
}
