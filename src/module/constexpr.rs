//! Constant expressions: from wasm to the ABI's steps.

use super::{ConstExpr, ConstOp};
use crate::error::Error;
use wasm2so_abi::ConstOpcode;
use wasmparser::Operator;

/// Reads a validated constant expression.
///
/// # Errors
/// [`Error::Unsupported`] for an operator of a later proposal.
pub fn read(expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, Error> {
    let value = |bits| ConstOp { opcode: ConstOpcode::Value, index: 0, bits };
    let plain = |opcode| ConstOp { opcode, index: 0, bits: 0 };
    let indexed = |opcode, index| ConstOp { opcode, index, bits: 0 };
    let mut steps = Vec::new();
    for step in expr.get_operators_reader().into_iter_with_offsets() {
        let (operator, offset) = step?;
        steps.push(match operator {
            Operator::I32Const { value: v } => value(u128::from(v as u32)),
            Operator::I64Const { value: v } => value(u128::from(v as u64)),
            Operator::F32Const { value: v } => value(u128::from(v.bits())),
            Operator::F64Const { value: v } => value(u128::from(v.bits())),
            Operator::V128Const { value: v } => value(v.i128() as u128),
            Operator::RefNull { .. } => value(0),
            Operator::GlobalGet { global_index } => indexed(ConstOpcode::GlobalGet, global_index),
            Operator::RefFunc { function_index } => indexed(ConstOpcode::RefFunc, function_index),
            Operator::I32Add => plain(ConstOpcode::I32Add),
            Operator::I32Sub => plain(ConstOpcode::I32Sub),
            Operator::I32Mul => plain(ConstOpcode::I32Mul),
            Operator::I64Add => plain(ConstOpcode::I64Add),
            Operator::I64Sub => plain(ConstOpcode::I64Sub),
            Operator::I64Mul => plain(ConstOpcode::I64Mul),
            Operator::End => break,
            other => {
                return Err(Error::Unsupported {
                    offset,
                    what: format!("{other:?} in a constant expression"),
                });
            }
        });
    }
    Ok(steps)
}
