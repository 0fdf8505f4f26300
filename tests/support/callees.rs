//! Which functions the code may call by name at an operator.

use wasm2so::module::{Elem, ElemItems, SegmentMode, WasmModule};
use wasm2so_abi::ConstOpcode;
use wasmparser::Operator;

pub struct Callees<'a>(pub &'a WasmModule<'a>);

impl Callees<'_> {
    /// Whether `operator` may call function `callee` by name: it does so itself, or no
    /// other of that type gets into its table.
    pub fn has(&self, operator: &Operator<'_>, callee: u32) -> bool {
        match *operator {
            Operator::Call { function_index } => function_index == callee,
            Operator::CallIndirect { type_index, table_index } => {
                let ty = &self.0.types[type_index as usize];
                let of_type = |&function: &u32| self.0.signature(function) == ty;
                let elems = self.0.elems.iter();
                let all: Vec<u32> =
                    elems.flat_map(|elem| functions(elem, table_index)).filter(of_type).collect();
                all == [callee]
            }
            _ => false,
        }
    }
}

/// The functions that `elem` puts into `table` when an instance is made.
fn functions(elem: &Elem, table: u32) -> Vec<u32> {
    match (&elem.mode, &elem.items) {
        (SegmentMode::Active { target, .. }, _) if *target != table => Vec::new(),
        (SegmentMode::Active { .. }, ElemItems::Functions(functions)) => functions.clone(),
        (SegmentMode::Active { .. }, ElemItems::Expressions(expressions)) => {
            let steps = expressions.iter().flatten();
            steps.filter(|s| s.opcode == ConstOpcode::RefFunc).map(|s| s.index).collect()
        }
        _ => Vec::new(),
    }
}
