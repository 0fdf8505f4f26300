//! Where the wasm convention has the arguments of a host function, and its results:
//! from and to slots. What decides that is LLVM's C convention.

use crate::activation::{INTEGERS, Passed, RegisterCounts, VECTORS};
use wasm2so_abi::{ReturnStyle, Slot, ValType};

/// What a function of this type needs.
pub(super) const fn registers(params: &[ValType], results: &[ValType]) -> RegisterCounts {
    let all = count(results);
    let mut counts = count(params);
    counts.integers += matches!(ReturnStyle::of(results), ReturnStyle::Memory) as usize;
    if all.vectors > 0 && counts.vectors == 0 {
        counts.vectors = 1;
    }
    if counts.integers > INTEGERS {
        counts.integers = INTEGERS;
    }
    if counts.vectors > VECTORS {
        counts.vectors = VECTORS;
    }
    counts
}

const fn count(types: &[ValType]) -> RegisterCounts {
    let mut counts = RegisterCounts { integers: 0, vectors: 0 };
    let mut index = 0;
    while index < types.len() {
        if types[index].in_vector_register() {
            counts.vectors += 1;
        } else {
            counts.integers += 1;
        }
        index += 1;
    }
    counts
}

/// Puts the arguments into slots.
///
/// # Safety
/// What was passed is of these types, and there is room.
#[inline(always)]
pub(super) unsafe fn arguments(
    passed: *const Passed,
    params: &[ValType],
    results: &[ValType],
    slots: *mut Slot,
) {
    let mut integers = usize::from(ReturnStyle::of(results) == ReturnStyle::Memory);
    let mut vectors = 0;
    let mut stack = 0;
    for (index, &ty) in params.iter().enumerate() {
        // SAFETY: the caller's promise; each is read where the caller put it.
        unsafe {
            let slot = if ty.in_vector_register() && vectors < VECTORS {
                vectors += 1;
                (*passed).vectors[vectors - 1]
            } else if !ty.in_vector_register() && integers < INTEGERS {
                integers += 1;
                widen((*passed).integers[integers - 1])
            } else if ty == ValType::V128 {
                stack = usize::next_multiple_of(stack, 16) + 16;
                Passed::stack(passed).add(stack - 16).cast::<[u8; 16]>().read()
            } else {
                stack += 8;
                widen(Passed::stack(passed).add(stack - 8).cast::<u64>().read())
            };
            slots.add(index).write(Slot(slot));
        }
    }
}

/// Hands back the results in slots.
///
/// # Safety
/// As for [`arguments`].
#[inline(always)]
pub(super) unsafe fn results(passed: *mut Passed, results: &[ValType], slots: *const Slot) {
    // SAFETY: the caller's promise; a pointer for the results was passed first.
    unsafe {
        if ReturnStyle::of(results) == ReturnStyle::Memory {
            let to = (*passed).integers[0] as *mut Slot;
            return to.copy_from_nonoverlapping(slots, results.len());
        }
        let (mut integers, mut vectors) = (0, 0);
        for (index, ty) in results.iter().enumerate() {
            let Slot(bytes) = *slots.add(index);
            if ty.in_vector_register() {
                (*passed).vectors[vectors] = bytes;
                vectors += 1;
            } else {
                (*passed).integers[integers] = u128::from_le_bytes(bytes) as u64;
                integers += 1;
            }
        }
    }
}

fn widen(word: u64) -> [u8; 16] {
    u128::from(word).to_le_bytes()
}
