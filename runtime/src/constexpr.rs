//! Constant expressions: first values of globals, places of segments, elements.

use std::ffi::c_void;
use wasm2so_abi::{ConstOp, ConstOpcode, Slot};

/// What a constant expression can refer to. Indices were checked when the
/// module was loaded.
pub(crate) trait Scope {
    /// The value of a global.
    fn global(&self, index: u32) -> Slot;
    /// A reference to a function.
    fn function(&self, index: u32) -> *mut c_void;
}

/// The value of a checked expression.
pub(crate) fn evaluate(steps: &[ConstOp], scope: &impl Scope) -> Slot {
    let value = match steps {
        // Nearly all: they need no stack.
        [step] => operand(step, opcode(step), scope),
        _ => calculate(steps, scope),
    };
    Slot(value.to_le_bytes())
}

fn calculate(steps: &[ConstOp], scope: &impl Scope) -> u128 {
    let mut stack: Vec<u128> = Vec::new();
    for step in steps {
        let value = match opcode(step) {
            leaf @ (ConstOpcode::Value | ConstOpcode::GlobalGet | ConstOpcode::RefFunc) => {
                operand(step, leaf, scope)
            }
            operator => {
                let mut pop = || stack.pop().expect("validated by the compiler") as u64;
                let (right, left) = (pop(), pop());
                arithmetic(operator, left, right).into()
            }
        };
        stack.push(value);
    }
    stack.pop().expect("validated by the compiler")
}

fn opcode(step: &ConstOp) -> ConstOpcode {
    ConstOpcode::from_u32(step.opcode).expect("checked when loaded")
}

fn operand(step: &ConstOp, opcode: ConstOpcode, scope: &impl Scope) -> u128 {
    match opcode {
        ConstOpcode::Value => u128::from(step.bits[0]) | u128::from(step.bits[1]) << 64,
        ConstOpcode::GlobalGet => u128::from_le_bytes(scope.global(step.index).0),
        ConstOpcode::RefFunc => scope.function(step.index).expose_provenance() as u128,
        _ => unreachable!("an operator has operands before it"),
    }
}

fn arithmetic(operator: ConstOpcode, left: u64, right: u64) -> u64 {
    let (left32, right32) = (left as u32, right as u32);
    match operator {
        ConstOpcode::I32Add => left32.wrapping_add(right32).into(),
        ConstOpcode::I32Sub => left32.wrapping_sub(right32).into(),
        ConstOpcode::I32Mul => left32.wrapping_mul(right32).into(),
        ConstOpcode::I64Add => left.wrapping_add(right),
        ConstOpcode::I64Sub => left.wrapping_sub(right),
        ConstOpcode::I64Mul => left.wrapping_mul(right),
        ConstOpcode::Value | ConstOpcode::GlobalGet | ConstOpcode::RefFunc => {
            unreachable!("no operator")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Scope for Fake {
        fn global(&self, index: u32) -> Slot {
            // What lies above an i32 in a slot is unspecified.
            Slot((u128::MAX << 32 | u128::from(index)).to_le_bytes())
        }

        fn function(&self, index: u32) -> *mut c_void {
            std::ptr::without_provenance_mut(0x1000 + index as usize)
        }
    }

    fn step(opcode: ConstOpcode, index: u32, value: u64) -> ConstOp {
        ConstOp { opcode: opcode as u32, index, bits: [value, 0] }
    }

    fn bits(steps: &[ConstOp]) -> u128 {
        u128::from_le_bytes(evaluate(steps, &Fake).0)
    }

    #[test]
    fn arithmetic_wraps_in_its_width() {
        use ConstOpcode::*;
        let steps = [step(GlobalGet, 3, 0), step(Value, 0, 5), step(I32Sub, 0, 0)];
        assert_eq!(bits(&steps), u128::from(-2_i32 as u32));
        let steps = [step(Value, 0, 1 << 63), step(Value, 0, 3), step(I64Mul, 0, 0)];
        assert_eq!(bits(&steps), 1 << 63);
    }

    #[test]
    fn values_have_128_bits_and_functions_an_address() {
        let vector = ConstOp { opcode: ConstOpcode::Value as u32, index: 0, bits: [1, 2] };
        assert_eq!(bits(&[vector]), 2 << 64 | 1);
        assert_eq!(bits(&[step(ConstOpcode::RefFunc, 7, 0)]), 0x1007);
    }
}
