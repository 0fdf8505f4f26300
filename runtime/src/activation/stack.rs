//! Stacks for wasm code, and what else a thread needs to run it: kept for
//! reuse, so that entering wasm costs no system call. Knows nothing of traps.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::{io, ptr};

use corosensei::stack::valgrind::ValgrindStackRegistration;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::gs;
use crate::trap::signals::SignalStack;
use crate::unwind::record::Recorder;

/// Bytes below each stack that fault: more than any function skips without
/// touching (they probe each page), and than a signal frame needs.
const GUARD: usize = 256 << 10;

/// The least stack: enough to switch away from it.
const MIN_SIZE: usize = 64 << 10;

/// Stacks kept by each thread; more are in use only while wasm and host
/// functions call each other that deep.
const MAX_KEPT: usize = 8;

/// Addresses of a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackBounds {
    guard: usize,
    low: usize,
    high: usize,
}

impl StackBounds {
    /// The memory that may be read and written.
    pub(crate) fn usable(&self) -> Range<u64> {
        self.low as u64..self.high as u64
    }

    /// Where it ends: its first frame is below; page-aligned.
    pub(super) fn top(&self) -> usize {
        self.high
    }

    /// The guard below it.
    pub(crate) fn guard(&self) -> Range<u64> {
        self.guard as u64..self.low as u64
    }

    /// Whether a stack pointer belongs to the stack, overflowed or not.
    pub(crate) fn contains(&self, sp: u64) -> bool {
        self.guard as u64 <= sp && sp <= self.high as u64
    }
}

/// A stack: a guard, then the memory in use.
pub(crate) struct WasmStack(Box<Mapping>);

struct Mapping {
    bounds: StackBounds,
    valgrind: ManuallyDrop<ValgrindStackRegistration>,
}

impl WasmStack {
    fn new(size: usize) -> io::Result<Self> {
        let len = GUARD + size;
        // SAFETY: new mappings, at an address of the kernel's choice; the part
        // that is made accessible lies inside.
        let (guard, low) = unsafe {
            let guard =
                mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE)?;
            let low = guard.byte_add(GUARD);
            if let Err(error) = mprotect(low, size, MprotectFlags::READ | MprotectFlags::WRITE) {
                let _ = munmap(guard, len);
                return Err(error.into());
            }
            (guard, low)
        };
        let valgrind = ManuallyDrop::new(ValgrindStackRegistration::new(low.cast(), size));
        let (guard, low) = (guard as usize, low as usize);
        let bounds = StackBounds { guard, low, high: low + size };
        Ok(WasmStack(Box::new(Mapping { bounds, valgrind })))
    }

    fn size(&self) -> usize {
        self.0.bounds.high - self.0.bounds.low
    }

    /// Its addresses.
    pub(crate) fn bounds(&self) -> StackBounds {
        self.0.bounds
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let StackBounds { guard, high, .. } = self.bounds;
        // SAFETY: unregistered once, then unmapped once; nothing runs on it.
        unsafe {
            ManuallyDrop::drop(&mut self.valgrind);
            let _ = munmap(guard as *mut c_void, high - guard);
        }
    }
}

/// What a thread that runs wasm keeps.
pub(crate) struct ThreadResources {
    /// The stack that was given back last.
    last: Cell<Option<WasmStack>>,
    /// Others.
    stacks: RefCell<Vec<WasmStack>>,
    recorder: UnsafeCell<Recorder>,
    gs_is_in_use: bool,
    _signal_stack: Option<SignalStack>,
}

impl ThreadResources {
    /// Those of this thread; made at its first call.
    pub(crate) fn current() -> io::Result<&'static ThreadResources> {
        thread_local! {
            // Without destructor, so that it costs a plain load.
            static CURRENT: Cell<*const ThreadResources> = const { Cell::new(ptr::null()) };
        }

        /// Frees them at the thread's end.
        struct Owner;
        impl Drop for Owner {
            fn drop(&mut self) {
                let resources = CURRENT.replace(ptr::null()).cast_mut();
                if !resources.is_null() {
                    // SAFETY: made by `Box::leak` below; no wasm runs while the
                    // thread's locals are destroyed.
                    drop(unsafe { Box::from_raw(resources) });
                }
            }
        }

        #[cold]
        fn create() -> io::Result<*const ThreadResources> {
            thread_local! {
                static OWNER: Owner = const { Owner };
            }
            let resources = Box::leak(Box::new(ThreadResources {
                last: Cell::new(None),
                stacks: RefCell::new(Vec::new()),
                recorder: UnsafeCell::new(Recorder::new()),
                gs_is_in_use: gs::is_in_use(),
                _signal_stack: SignalStack::install()?,
            }));
            CURRENT.set(resources);
            // A thread that first runs wasm in a destructor of its locals may be
            // too late for this one; then the resources leak.
            let _ = OWNER.try_with(|_| ());
            Ok(resources)
        }

        let mut current = CURRENT.get();
        if current.is_null() {
            current = create()?;
        }
        // SAFETY: made above; freed at the thread's end.
        Ok(unsafe { &*current })
    }

    /// A stack of at least `size` bytes.
    pub(crate) fn take_stack(&self, size: usize) -> io::Result<WasmStack> {
        let size = size.max(MIN_SIZE).next_multiple_of(MIN_SIZE);
        match self.last.take() {
            Some(stack) if stack.size() == size => Ok(stack),
            other => self.take_another(other, size),
        }
    }

    #[cold]
    fn take_another(&self, unfit: Option<WasmStack>, size: usize) -> io::Result<WasmStack> {
        let mut stacks = self.stacks.borrow_mut();
        let fit = stacks.iter().rposition(|stack| stack.size() == size);
        let fit = fit.map(|place| stacks.swap_remove(place));
        stacks.extend(unfit);
        fit.map_or_else(|| WasmStack::new(size), Ok)
    }

    /// Keeps `stack` for the next call.
    pub(crate) fn give_back(&self, stack: WasmStack) {
        if let Some(other) = self.last.replace(Some(stack)) {
            self.keep(other);
        }
    }

    #[cold]
    fn keep(&self, stack: WasmStack) {
        let mut stacks = self.stacks.borrow_mut();
        if stacks.len() < MAX_KEPT {
            stacks.push(stack);
        }
    }

    /// Whether the host uses the base of GS.
    pub(super) fn gs_is_in_use(&self) -> bool {
        self.gs_is_in_use
    }

    /// What records a trap's frames. Used by one trap at a time: between the trap
    /// and the moment its activation is left.
    pub(crate) fn recorder(&self) -> *mut Recorder {
        self.recorder.get()
    }
}
