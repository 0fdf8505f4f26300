//! The `wasm2so` program: options in, a file out, an exit code.

mod cli;

use std::ffi::c_char;
use std::process::ExitCode;
use std::sync::atomic::AtomicPtr;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc is to do differently: each shard needs what the one before it has freed,
/// so nothing goes back to the system, and a thread seldom looks through what it has free
/// (after so many bytes); and pages are huge, since LLVM goes all over its memory.
// SAFETY: jemalloc declares a pointer of this name, to a C string that it only reads.
#[unsafe(export_name = "malloc_conf")]
static OPTIONS: AtomicPtr<c_char> = AtomicPtr::new(
    c"dirty_decay_ms:-1,tcache_gc_incr_bytes:16777216,thp:always,metadata_thp:always"
        .as_ptr()
        .cast_mut(),
);

fn main() -> ExitCode {
    cli::main()
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_char};
    use std::ptr;

    /// An option of jemalloc's, as it holds it.
    ///
    /// # Safety
    /// It must be of type `T`.
    unsafe fn option<T>(name: &CStr, mut value: T) -> T {
        let mut size = size_of::<T>();
        let place = (&raw mut value).cast();
        // SAFETY: there is room for a `T`; nothing is written to the option.
        let wrong = unsafe {
            tikv_jemalloc_sys::mallctl(name.as_ptr(), place, &mut size, ptr::null_mut(), 0)
        };
        assert_eq!((wrong, size), (0, size_of::<T>()), "{name:?}");
        value
    }

    #[test]
    fn the_allocator_has_its_options() {
        // SAFETY: numbers of milliseconds are signed.
        assert_eq!(unsafe { option(c"opt.dirty_decay_ms", 0_isize) }, -1);
        // SAFETY: a number of bytes.
        assert_eq!(unsafe { option(c"opt.tcache_gc_incr_bytes", 0_usize) }, 16 << 20);
        // SAFETY: a C string, which jemalloc keeps.
        let huge = unsafe { CStr::from_ptr(option(c"opt.metadata_thp", ptr::null::<c_char>())) };
        assert_eq!(huge, c"always");
    }
}
