//! Faults that are traps: the signal handler, and the stack it runs on. All
//! other faults go to the handler that was there before. Knows nothing of
//! frames.

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::sync::OnceLock;
use std::{io, ptr};

use libc::{sigaction, siginfo_t, stack_t, ucontext_t};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use wasm2so_abi::TrapCode;

use super::{TrapDetail, regions};
use crate::activation::{Activation, Left};
use crate::signals::{action, change_action, default_action, forward, is_fault};
use crate::unwind::Context;
use crate::unwind::arch::{Registers, Vectors};

/// The signals of memory faults. Compiled code raises no others.
const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The handlers that were there before ours, in the order of [`SIGNALS`].
static PREVIOUS: OnceLock<[sigaction; 2]> = OnceLock::new();

/// Installs the handler, once for the process.
fn install_handler() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            // NODEFER: a fault in here is a bug; it then goes to the previous
            // handler, as that thread is not on a wasm stack.
            let ours = action(handle, libc::SA_NODEFER);
            let mut previous = [default_action(); 2];
            for (previous, signal) in previous.iter_mut().zip(SIGNALS) {
                change_action(signal, None, Some(previous))?;
            }
            // Before the first signal can arrive.
            PREVIOUS.get_or_init(|| previous);
            SIGNALS.iter().try_for_each(|&signal| change_action(signal, Some(&ours), None))
        })
        .map_err(io::Error::from_raw_os_error)
}

unsafe extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes valid pointers, not used by others meanwhile.
    let handled = unsafe { trap(signal, &*info, &mut *context.cast()) };
    if !handled {
        let place = SIGNALS.iter().position(|s| *s == signal).unwrap_or(0);
        let previous = PREVIOUS.get().map_or_else(default_action, |previous| previous[place]);
        // SAFETY: the handler's own arguments.
        unsafe { forward(&previous, signal, info, context) };
    }
}

/// If the signal is a wasm trap, leaves wasm and returns true.
///
/// # Safety
/// The arguments must be those of a signal handler of this thread.
unsafe fn trap(signal: c_int, info: &siginfo_t, context: &mut ucontext_t) -> bool {
    let Some(activation) = Activation::innermost() else { return false };
    let registers = Registers::interrupted(context);
    let stack = activation.stack();
    if !is_fault(info) || !stack.contains(registers.sp()) {
        return false;
    }
    // SAFETY: these signals come with an address.
    let address = unsafe { info.si_addr() } as u64;
    let left = if stack.guard().contains(&address) {
        Left::Trap(TrapCode::StackOverflow, TrapDetail::None)
    } else if let Some(memory) = regions::find(address) {
        if signal == libc::SIGBUS && memory.offset < memory.size {
            // In bounds: the file behind the page is gone.
            return false;
        }
        let memory_size = Some(memory.size);
        let detail = TrapDetail::Address { address: memory.offset, memory_size };
        Left::Trap(TrapCode::MemoryOutOfBounds, detail)
    } else {
        return false;
    };
    let interrupted = Context { registers, after_call: false };
    if !activation.record(interrupted, || Vectors::interrupted(context)) {
        return false;
    }
    // SAFETY: the code is on the activation's stack, and is wasm or called by it;
    // whatever the runtime does there itself has no destructors.
    unsafe { activation.leave_interrupted(left, context) };
    true
}

/// A thread's alternate signal stack, for its faults on a full one; freed when
/// dropped, which must be on the same thread.
pub(crate) struct SignalStack {
    mapping: *mut c_void,
}

impl SignalStack {
    /// Enough for the handler, and for those it forwards to.
    const SIZE: usize = 128 << 10;
    /// An existing stack of this size is left alone.
    const ENOUGH: usize = 64 << 10;
    const GUARD: usize = 64 << 10;

    /// Prepares this thread and the process for traps by signals. `None` if the
    /// thread has a good stack already.
    pub(crate) fn install() -> io::Result<Option<Self>> {
        install_handler()?;
        let existing = change_stack(None)?;
        if existing.ss_flags & libc::SS_DISABLE == 0 && existing.ss_size >= Self::ENOUGH {
            return Ok(None);
        }
        // SAFETY: a new mapping, of which a part is made accessible.
        let stack = unsafe {
            let mapping = mmap_anonymous(
                ptr::null_mut(),
                Self::GUARD + Self::SIZE,
                ProtFlags::empty(),
                MapFlags::PRIVATE,
            )?;
            // From here on dropped in case of an error.
            let stack = SignalStack { mapping };
            let access = MprotectFlags::READ | MprotectFlags::WRITE;
            mprotect(stack.start(), Self::SIZE, access)?;
            stack
        };
        change_stack(Some(&stack_t { ss_sp: stack.start(), ss_flags: 0, ss_size: Self::SIZE }))?;
        Ok(Some(stack))
    }

    fn start(&self) -> *mut c_void {
        self.mapping.wrapping_byte_add(Self::GUARD)
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        if change_stack(None).is_ok_and(|current| current.ss_sp == self.start()) {
            // What was there before may be gone by now.
            let none =
                stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: Self::SIZE };
            let _ = change_stack(Some(&none));
        }
        // SAFETY: our mapping, no longer in use.
        let _ = unsafe { munmap(self.mapping, Self::GUARD + Self::SIZE) };
    }
}

/// `sigaltstack(2)`: the stack until now.
fn change_stack(new: Option<&stack_t>) -> io::Result<stack_t> {
    // SAFETY: all zeroes is a valid `stack_t`.
    let mut old = unsafe { zeroed() };
    // SAFETY: valid or null pointers; callers keep the new stack mapped.
    match unsafe { libc::sigaltstack(new.map_or(ptr::null(), ptr::from_ref), &mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}
