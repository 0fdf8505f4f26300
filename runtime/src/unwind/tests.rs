//! Unwinding checked against the C++ runtime's unwinder on this program's own
//! stack, and rule by rule on functions whose tables are written by hand.

use std::arch::{global_asm, naked_asm};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};

use gimli::{Register, X86_64};

use super::arch::{Registers, SavedRegisters};
use super::code::Object;
use super::cursor::{Caller, Cursor, StepError};

/// Program counter and stack pointer of each frame, innermost first.
type Frames = Vec<(u64, u64)>;

#[unsafe(naked)]
extern "C" fn with_registers(f: extern "C" fn(&SavedRegisters, *mut c_void), data: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rax, rdi",
        "mov rdi, rsp",
        "sub rsp, 8",
        "call rax",
        "leave",
        "ret",
        ".cfi_endproc",
    )
}

/// This stack by our own unwinder, from the caller of `with_registers` on.
extern "C" fn ours(saved: &SavedRegisters, frames: *mut c_void) {
    // SAFETY: passed by `both` below.
    let frames = unsafe { &mut *frames.cast::<[Frames; 2]>() };
    let mut cursor = Cursor::new();
    let mut registers = Registers::saved(saved);
    for _ in 0..100 {
        frames[0].push((registers.pc(), registers.sp()));
        let pc = registers.pc() - 1;
        let Some(object) = Object::around(pc) else { break };
        // SAFETY: the tables are right, so it is the stack that is read.
        let read = |address| Some(unsafe { *(address as *const u64) });
        match cursor.step(&object.cfi, &registers, pc, read) {
            Ok(caller) => registers = caller.registers,
            Err(error) => {
                assert_eq!(error, StepError::Outermost);
                break;
            }
        }
    }
    // SAFETY: a callback of the right type.
    unsafe { _Unwind_Backtrace(theirs, (&raw mut frames[1]).cast()) };
}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        visit: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

unsafe extern "C" fn theirs(context: *mut c_void, frames: *mut c_void) -> c_int {
    // SAFETY: passed by `_Unwind_Backtrace`.
    unsafe {
        let frame = (_Unwind_GetIP(context) as u64, _Unwind_GetCFA(context) as u64);
        (*frames.cast::<Frames>()).push(frame);
    }
    0
}

#[inline(never)]
fn both(depth: u32, frames: &mut [Frames; 2]) -> u32 {
    if depth > 0 {
        let next: fn(u32, &mut [Frames; 2]) -> u32 = both;
        return std::hint::black_box(next)(depth - 1, frames) + 1;
    }
    with_registers(ours, (&raw mut *frames).cast());
    1
}

#[test]
fn frames_are_those_of_another_unwinder() {
    let mut frames = [Vec::new(), Vec::new()];
    // Through the standard library and the C library, too.
    std::thread::scope(|scope| {
        scope.spawn(|| both(10, &mut frames));
    });
    let [ours, theirs] = frames;
    let start = theirs.iter().position(|frame| frame.0 == ours[0].0).unwrap();
    let theirs = &theirs[start..];
    assert!(ours.len() > 13, "{} frames", ours.len());
    // libgcc ends with a frame at address 0.
    let theirs: Frames = theirs.iter().copied().filter(|frame| frame.0 != 0).collect();
    assert_eq!(ours, theirs);
}

global_asm!(
    ".pushsection .text",
    "wasmrun_test_rules:",
    ".cfi_startproc",
    ".cfi_def_cfa rsp, 32",
    ".cfi_offset rbx, -16",
    ".cfi_register r12, rdx",
    ".cfi_same_value r13",
    ".cfi_undefined r14",
    ".cfi_val_offset r15, -24",
    "nop",
    // 1: CFA = *(rbp + 8) + 16; rbx at *(CFA - 40); r12 = CFA + 3.
    ".cfi_escape 0x0f, 5, 0x76, 0x08, 0x06, 0x23, 0x10",
    ".cfi_escape 0x10, 3, 3, 0x11, 0x58, 0x22",
    ".cfi_escape 0x16, 12, 2, 0x23, 0x03",
    "nop",
    // 2: as at the start.
    ".cfi_def_cfa rsp, 32",
    ".cfi_offset rbx, -16",
    ".cfi_register r12, rdx",
    "nop",
    // 3: an outermost frame.
    ".cfi_undefined rip",
    "nop",
    // 4: a rule without end.
    ".cfi_escape 0x0f, 3, 0x2f, 0xfd, 0xff",
    "nop",
    ".cfi_endproc",
    "wasmrun_test_no_rules:",
    "nop",
    ".popsection",
);

unsafe extern "C" {
    static wasmrun_test_rules: u8;
    static wasmrun_test_no_rules: u8;
}

/// One step from `place` of the function above, with stack words `stack`.
fn step(place: u64, stack: &[(u64, u64)]) -> Result<Caller, StepError> {
    let mut registers = Registers::default();
    for (register, value) in [
        (X86_64::RSP, 0x1000),
        (X86_64::RBP, 0x2000),
        (X86_64::RBX, 3),
        (X86_64::RDX, 1),
        (X86_64::R12, 12),
        (X86_64::R13, 13),
        (X86_64::R14, 14),
        (X86_64::R15, 15),
    ] {
        registers.set(register, value);
    }
    let pc = &raw const wasmrun_test_rules as u64 + place;
    let stack: HashMap<u64, u64> = stack.iter().copied().collect();
    let object = Object::around(pc).unwrap();
    let read = |address| stack.get(&address).copied();
    Cursor::new().step(&object.cfi, &registers, pc, read)
}

fn values(result: Result<Caller, StepError>) -> [Option<u64>; 8] {
    const REGISTERS: [Register; 8] = [
        X86_64::RA,
        X86_64::RSP,
        X86_64::RBP,
        X86_64::RBX,
        X86_64::R12,
        X86_64::R13,
        X86_64::R14,
        X86_64::R15,
    ];
    let caller = result.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(caller.callee, &raw const wasmrun_test_rules as u64);
    assert!(caller.after_call);
    assert_eq!(caller.registers.get(X86_64::RDX), None);
    REGISTERS.map(|register| caller.registers.get(register))
}

#[test]
fn every_rule() {
    let expected = [
        Some(77),
        Some(0x1020),
        Some(0x2000),
        Some(33),
        Some(1),
        Some(13),
        None,
        Some(0x1020 - 24),
    ];
    for place in [0, 2] {
        assert_eq!(values(step(place, &[(0x1018, 77), (0x1010, 33)])), expected);
    }
    let stack = [(0x2008, 0x3000), (0x3008, 77), (0x3010 - 40, 44)];
    let expected = [
        Some(77),
        Some(0x3010),
        Some(0x2000),
        Some(44),
        Some(0x3013),
        Some(13),
        None,
        Some(0x3010 - 24),
    ];
    assert_eq!(values(step(1, &stack)), expected);
}

#[test]
fn walks_end_without_harm() {
    assert_eq!(step(0, &[]).err(), Some(StepError::OutsideStack(0x1010)));
    assert_eq!(step(0, &[(0x1010, 1), (0x1018, 0)]).err(), Some(StepError::Outermost));
    assert_eq!(step(3, &[(0x1010, 1), (0x1018, 77)]).err(), Some(StepError::Outermost));
    assert!(matches!(step(4, &[]).err(), Some(StepError::Cfi(gimli::Error::TooManyIterations))));
    let place = &raw const wasmrun_test_no_rules as u64 - &raw const wasmrun_test_rules as u64;
    assert!(matches!(step(place, &[]).err(), Some(StepError::Cfi(_))));
    assert!(Object::around(8).is_none());
}
