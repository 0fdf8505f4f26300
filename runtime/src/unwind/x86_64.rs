//! What is particular to x86-64 (System V): registers in DWARF's numbering,
//! where they are found, and the entry point that saves them for a trap.
//! Knows nothing of frames or unwind tables.

use std::arch::{asm, naked_asm};
use std::mem::offset_of;

use gimli::{Register, X86_64};
use wasm2so_abi::VmCtx;

/// Number of registers that are tracked: DWARF's 0 (rax) to 16 (return
/// address, which stands for rip).
pub(crate) const REGISTERS: u16 = 17;

/// The stack pointer.
pub(crate) const STACK_POINTER: Register = X86_64::RSP;
/// Where functions get their instance, as the contract says: that of LLVM's
/// `swiftself`. They preserve it, so unwinding a function tells its instance.
pub(crate) const INSTANCE: Register = X86_64::R13;
/// The return address; in a frame's own registers its program counter.
pub(crate) const RETURN_ADDRESS: Register = X86_64::RA;

/// Number of words of `struct user_regs_struct`.
pub(crate) const THREAD_STATUS_REGISTERS: usize = 27;

/// A frame's registers, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    values: [u64; REGISTERS as usize],
    known: u32,
}

/// The vector registers xmm0 to xmm15: their low 128 bits. No call preserves any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors([u128; VECTORS]);

const VECTORS: usize = 16;

/// What [`trap_builtin`] leaves on the stack: the registers that the C
/// convention preserves, then the return address.
#[derive(Default)]
#[repr(C)]
pub(crate) struct SavedRegisters {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rbx: u64,
    rbp: u64,
    rip: u64,
}

impl Registers {
    /// The value of `register`, if it is known.
    pub(crate) fn get(&self, register: Register) -> Option<u64> {
        let known = register.0 < REGISTERS && self.known & (1 << register.0) != 0;
        known.then(|| self.values[usize::from(register.0)])
    }

    /// Makes the value of `register` known; others than the tracked are ignored.
    pub(crate) fn set(&mut self, register: Register, value: u64) {
        if register.0 < REGISTERS {
            self.values[usize::from(register.0)] = value;
            self.known |= 1 << register.0;
        }
    }

    /// The program counter.
    pub(crate) fn pc(&self) -> u64 {
        self.values[usize::from(RETURN_ADDRESS.0)]
    }

    /// The stack pointer.
    pub(crate) fn sp(&self) -> u64 {
        self.values[usize::from(STACK_POINTER.0)]
    }

    /// Whether a called function leaves `register` as it was, unless its unwind
    /// table says otherwise.
    pub(crate) fn is_preserved(register: Register) -> bool {
        const PRESERVED: [Register; 6] =
            [X86_64::RBX, X86_64::RBP, X86_64::R12, X86_64::R13, X86_64::R14, X86_64::R15];
        PRESERVED.contains(&register)
    }

    /// Those of the caller, which goes on: for walks outwards from it.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let mut saved = SavedRegisters::default();
        let sp: u64;
        // SAFETY: writes the registers to `saved`.
        unsafe {
            asm!(
                "lea {scratch}, [rip]",
                "mov [{saved} + {rip}], {scratch}",
                "mov [{saved} + {rbx}], rbx",
                "mov [{saved} + {rbp}], rbp",
                "mov [{saved} + {r12}], r12",
                "mov [{saved} + {r13}], r13",
                "mov [{saved} + {r14}], r14",
                "mov [{saved} + {r15}], r15",
                "mov {sp}, rsp",
                saved = in(reg) &raw mut saved,
                scratch = out(reg) _,
                sp = lateout(reg) sp,
                rip = const offset_of!(SavedRegisters, rip),
                rbx = const offset_of!(SavedRegisters, rbx),
                rbp = const offset_of!(SavedRegisters, rbp),
                r12 = const offset_of!(SavedRegisters, r12),
                r13 = const offset_of!(SavedRegisters, r13),
                r14 = const offset_of!(SavedRegisters, r14),
                r15 = const offset_of!(SavedRegisters, r15),
                options(nostack, preserves_flags),
            );
        }
        Registers::preserved(&saved, sp)
    }

    /// Those of the code that a signal interrupted.
    pub(crate) fn interrupted(context: &libc::ucontext_t) -> Self {
        const NUMBERS: [(Register, i32); REGISTERS as usize] = [
            (X86_64::RAX, libc::REG_RAX),
            (X86_64::RDX, libc::REG_RDX),
            (X86_64::RCX, libc::REG_RCX),
            (X86_64::RBX, libc::REG_RBX),
            (X86_64::RSI, libc::REG_RSI),
            (X86_64::RDI, libc::REG_RDI),
            (X86_64::RBP, libc::REG_RBP),
            (X86_64::RSP, libc::REG_RSP),
            (X86_64::R8, libc::REG_R8),
            (X86_64::R9, libc::REG_R9),
            (X86_64::R10, libc::REG_R10),
            (X86_64::R11, libc::REG_R11),
            (X86_64::R12, libc::REG_R12),
            (X86_64::R13, libc::REG_R13),
            (X86_64::R14, libc::REG_R14),
            (X86_64::R15, libc::REG_R15),
            (X86_64::RA, libc::REG_RIP),
        ];
        let mut registers = Registers::default();
        for (register, number) in NUMBERS {
            registers.set(register, context.uc_mcontext.gregs[number as usize].cast_unsigned());
        }
        registers
    }

    /// Those of a core dump's `struct user_regs_struct`.
    pub(crate) fn of_thread_status(status: &[u64; THREAD_STATUS_REGISTERS]) -> Self {
        const PLACES: [(Register, usize); REGISTERS as usize] = [
            (X86_64::R15, 0),
            (X86_64::R14, 1),
            (X86_64::R13, 2),
            (X86_64::R12, 3),
            (X86_64::RBP, 4),
            (X86_64::RBX, 5),
            (X86_64::R11, 6),
            (X86_64::R10, 7),
            (X86_64::R9, 8),
            (X86_64::R8, 9),
            (X86_64::RAX, 10),
            (X86_64::RCX, 11),
            (X86_64::RDX, 12),
            (X86_64::RSI, 13),
            (X86_64::RDI, 14),
            (X86_64::RA, 16),
            (X86_64::RSP, 19),
        ];
        let mut registers = Registers::default();
        PLACES.iter().for_each(|&(register, place)| registers.set(register, status[place]));
        registers
    }

    /// Those of the caller of [`trap_builtin`], after its return.
    pub(crate) fn saved(saved: &SavedRegisters) -> Self {
        Registers::preserved(saved, (&raw const *saved).wrapping_add(1) as u64)
    }

    fn preserved(saved: &SavedRegisters, sp: u64) -> Self {
        let mut registers = Registers::default();
        for (register, value) in [
            (X86_64::RBX, saved.rbx),
            (X86_64::RBP, saved.rbp),
            (X86_64::R12, saved.r12),
            (X86_64::R13, saved.r13),
            (X86_64::R14, saved.r14),
            (X86_64::R15, saved.r15),
            (X86_64::RSP, sp),
            (X86_64::RA, saved.rip),
        ] {
            registers.set(register, value);
        }
        registers
    }

    /// Those of the caller of a function whose frame address is `frame`, after
    /// its return, as far as the frame tells.
    ///
    /// # Safety
    /// `frame[0]` must be the caller's frame pointer, `frame[1]` the return
    /// address.
    pub(crate) unsafe fn caller_of(frame: *const usize) -> Self {
        let mut registers = Registers::default();
        // SAFETY: the caller promises both words.
        let (rbp, rip) = unsafe { (*frame, *frame.add(1)) };
        registers.set(X86_64::RBP, rbp as u64);
        registers.set(X86_64::RA, rip as u64);
        registers.set(X86_64::RSP, frame.wrapping_add(2) as u64);
        registers
    }

    /// Those of the caller of interrupted code that changed no register and left
    /// nothing on the stack.
    pub(crate) fn caller_of_stub(&self, read_stack: impl Fn(u64) -> Option<u64>) -> Option<Self> {
        let mut registers = *self;
        registers.set(X86_64::RA, read_stack(self.sp())?);
        registers.set(X86_64::RSP, self.sp() + 8);
        Some(registers)
    }
}

impl Vectors {
    /// Those of the code that a signal interrupted.
    pub(crate) fn interrupted(context: &libc::ucontext_t) -> Option<Self> {
        // SAFETY: the kernel passes null or a valid pointer.
        let state = unsafe { context.uc_mcontext.fpregs.as_ref() }?;
        let mut words = state._xmm.iter().map(|register| register.element);
        Some(Vectors(std::array::from_fn(|_| {
            let words = words.next().expect("as many as there are");
            words.iter().rev().fold(0, |bits, &word| bits << 32 | u128::from(word))
        })))
    }

    /// Those of a core dump's `struct user_fpregs_struct`, the memory of `fxsave`.
    pub(crate) fn of_thread_status(status: &[u8]) -> Option<Self> {
        const PLACE: usize = 160;
        let (registers, _) = status.get(PLACE..)?.as_chunks::<16>();
        let registers: &[_; VECTORS] = registers.get(..VECTORS)?.try_into().ok()?;
        Some(Vectors(registers.map(u128::from_le_bytes)))
    }

    /// The value of `register`, if it is one of these.
    pub(crate) fn get(&self, register: Register) -> Option<u128> {
        let place = register.0.checked_sub(X86_64::XMM0.0)?;
        self.0.get(usize::from(place)).copied()
    }
}

/// Lets the interrupted code continue with `target(argument)` instead, which
/// sets up a stack by itself.
pub(crate) fn redirect(
    context: &mut libc::ucontext_t,
    target: unsafe extern "C" fn(usize) -> !,
    argument: usize,
) {
    /// Direction flag: clear at every function's entry.
    const DF: i64 = 1 << 10;
    let registers = &mut context.uc_mcontext.gregs;
    registers[libc::REG_RIP as usize] = target as usize as i64;
    registers[libc::REG_RDI as usize] = argument as i64;
    registers[libc::REG_EFL as usize] &= !DF;
}

/// The `trap` builtin: saves what unwinding the caller needs, then goes on to
/// [`raise`](crate::activation::raise).
///
/// # Safety
/// Only compiled code may call it, below [`enter`](crate::activation::enter).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn trap_builtin(vmctx: *mut VmCtx, code: u32, detail: u64) -> ! {
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
        "mov rcx, rsp",
        "sub rsp, 8",
        "call {raise}",
        "ud2",
        ".cfi_endproc",
        raise = sym crate::activation::raise,
    )
}
