//! Where the native stack is, and how much of it is left.
//!
//! Wasm overflows its own stack into a guard. But wasm and the host may call
//! each other without end, and the host's frames are on the native stack, whose
//! overflow would end the process: calls into wasm ask here first.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Bytes that host functions and the runtime itself may need.
const MARGIN: usize = 256 << 10;

/// Whether the native stack is nearly used up.
pub(crate) fn is_low() -> bool {
    thread_local! {
        static LOW: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    }
    let (start, end) = LOW.get().unwrap_or_else(|| {
        let Range { start, end } = bounds();
        // A small stack is no reason to refuse everything.
        let low = (start, start + MARGIN.min((end - start) / 4));
        LOW.set(Some(low));
        low
    });
    let here = 0u8;
    (start..end).contains(&(&raw const here).addr())
}

/// Addresses of this thread's native stack; empty if unknown.
pub(crate) fn bounds() -> Range<usize> {
    let mut attributes = MaybeUninit::uninit();
    let mut start = std::ptr::null_mut();
    let mut len = 0;
    // SAFETY: the functions fill what they are given; the attributes are read
    // only if they were filled, and then destroyed.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return 0..0;
        }
        let mut attributes = attributes.assume_init();
        if libc::pthread_attr_getstack(&attributes, &mut start, &mut len) != 0 {
            len = 0;
        }
        libc::pthread_attr_destroy(&mut attributes);
    }
    start.addr()..start.addr() + len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_stack_is_seen() {
        fn descend(depth: usize) -> usize {
            let frame = std::hint::black_box([0u8; 4096]);
            if is_low() { depth } else { descend(depth + 1) + usize::from(frame[0]) }
        }
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let depth = thread.spawn(|| descend(0)).unwrap().join().unwrap();
        assert!((100..450).contains(&depth), "{depth} frames of 4 KiB in 2 MiB");
    }
}
