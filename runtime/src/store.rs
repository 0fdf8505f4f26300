//! The store: owner of everything that exists at run time.
//!
//! Compiled code holds raw pointers into what the store owns, and wasm may
//! call the host, which may use the store again, while an outer call still
//! holds `&mut Store`. Two things keep that sound:
//!
//! * What the store owns lies behind a raw pointer. A [`StoreContext`] only
//!   holds that pointer, and no reference to what is behind it lives on while
//!   wasm runs; a host function gets a `StoreContext` of its own.
//! * `StoreContext` is unsized, so a host function cannot swap the running
//!   store for another and free it.

use crate::activation::Running;
use crate::error::ResourceError;
use crate::func::HostFunc;
use crate::global::GlobalData;
use crate::instance::InstanceData;
use crate::memory::MemoryData;
use crate::table::TableData;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Limits of a [`Store`], and what it does beside running code.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes of stack for wasm code in each call from the host.
    pub max_stack: usize,
    /// Greatest number of bytes in all memories of the store together.
    pub max_memory: Option<u64>,
    /// Keep the state of the stack when wasm code traps, so that a
    /// [`WasmCoreDump`](crate::WasmCoreDump) tells the values of locals, and of which of
    /// several instances of a module each frame is.
    pub keep_locals: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_stack: 8 << 20, max_memory: None, keep_locals: false }
    }
}

/// Owner of every instance, function, memory, table and global.
///
/// All of it is freed when the store is dropped. A store may move to another
/// thread between calls, but is used by one thread at a time.
///
/// Functions take `&StoreContext` or `&mut StoreContext`; `&store` and
/// `&mut store` become one by themselves.
pub struct Store(StoreContext<[(); 0]>);

// SAFETY: everything behind the pointer is owned by the store alone: compiled
// code runs only inside a call that borrows it, host functions are `Send`, and
// the names for its contents (`Func` …) do nothing without a borrow of it.
unsafe impl Send for Store {}

/// The borrowed form of a [`Store`], as `str` is of `String`.
pub struct StoreContext<Tail: ?Sized = [()]> {
    inner: NonNull<StoreInner>,
    /// Makes the type unsized; see the top of the file.
    _unsized: Tail,
}

/// Identity of a store, never used twice in a process. Public only as far as
/// sealed traits name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(NonZeroU64);

impl StoreId {
    pub(crate) fn new() -> StoreId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        StoreId(NonZeroU64::new(id).expect("fewer than 2^64 stores"))
    }
}

/// What a store owns.
pub(crate) struct StoreInner {
    pub(crate) id: StoreId,
    pub(crate) config: Config,
    running: Running,
    /// Bytes in all memories.
    memory_used: u64,
    pub(crate) instances: Vec<Pinned<InstanceData>>,
    pub(crate) memories: Vec<MemoryData>,
    pub(crate) tables: Vec<TableData>,
    pub(crate) globals: Vec<GlobalData>,
    pub(crate) host_funcs: Vec<Pinned<HostFunc>>,
}

impl Store {
    /// An empty store.
    pub fn new(mut config: Config) -> Store {
        // More address space than there is, but no overflow when it is rounded.
        config.max_stack = config.max_stack.min(1 << 48);
        let inner = Box::new(StoreInner {
            id: StoreId::new(),
            config,
            running: Running::new(),
            memory_used: 0,
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            host_funcs: Vec::new(),
        });
        Store(StoreContext { inner: NonNull::from(Box::leak(inner)), _unsized: [] })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `new`; a call into wasm borrows the
        // store, so none is under way.
        drop(unsafe { Box::from_raw(self.0.inner.as_ptr()) });
    }
}

impl Deref for Store {
    type Target = StoreContext;

    fn deref(&self) -> &StoreContext {
        &self.0
    }
}

impl DerefMut for Store {
    fn deref_mut(&mut self) -> &mut StoreContext {
        &mut self.0
    }
}

impl StoreContext {
    /// Lends the store behind `inner` to `f`.
    ///
    /// # Safety
    /// `inner` is alive, and no reference to it or into it is used until `f`
    /// returns: the caller was called from wasm, or created the store.
    pub(crate) unsafe fn lend<R>(
        inner: NonNull<StoreInner>,
        f: impl FnOnce(&mut StoreContext) -> R,
    ) -> R {
        let mut context = StoreContext { inner, _unsized: [] };
        f(&mut context)
    }

    pub(crate) fn inner(&self) -> &StoreInner {
        // SAFETY: alive as long as any context of it; whoever holds a context
        // is the only user (see the top of the file), and shares it here.
        unsafe { self.inner.as_ref() }
    }

    pub(crate) fn inner_mut(&mut self) -> &mut StoreInner {
        // SAFETY: as in `inner`, and `&mut self` excludes other users.
        unsafe { self.inner.as_mut() }
    }

    /// For what must find the store again when wasm calls.
    pub(crate) fn as_ptr(&self) -> NonNull<StoreInner> {
        self.inner
    }

    /// Where calls into wasm note that they are under way.
    pub(crate) fn running(&self) -> *const Running {
        // SAFETY: alive as long as any context of it.
        unsafe { &raw const (*self.inner.as_ptr()).running }
    }

    /// Panics unless `owner`, the store of a `what`, is this one.
    pub(crate) fn check_owner(&self, owner: StoreId, what: &str) {
        assert!(owner == self.inner().id, "this {what} belongs to another store");
    }

    /// Bytes in all memories of the store.
    pub fn memory_used(&self) -> u64 {
        self.inner().memory_used
    }
}

impl StoreInner {
    /// Counts `bytes` more of linear memory.
    ///
    /// # Errors
    /// When [`Config::max_memory`] does not allow them; then nothing changed.
    pub(crate) fn take_memory(&mut self, bytes: u64) -> Result<(), ResourceError> {
        let used = self.memory_used.saturating_add(bytes);
        match self.config.max_memory {
            Some(limit) if used > limit => {
                Err(ResourceError::MemoryBudget { requested: used, limit })
            }
            _ => {
                self.memory_used = used;
                Ok(())
            }
        }
    }

    /// Takes [`StoreInner::take_memory`] back.
    pub(crate) fn return_memory(&mut self, bytes: u64) {
        self.memory_used -= bytes;
    }
}

/// A `Box` that may move while raw pointers to its contents are in use.
pub(crate) struct Pinned<T>(NonNull<T>);

impl<T> Pinned<T> {
    pub(crate) fn new(value: T) -> Self {
        Pinned(NonNull::from(Box::leak(Box::new(value))))
    }

    /// Valid for reads and writes until the owner is dropped.
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `new`, freed only here.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_budget_is_exact() {
        let mut store = Store::new(Config { max_memory: Some(100), ..Config::default() });
        let inner = store.inner_mut();
        assert!(inner.take_memory(100).is_ok());
        assert!(inner.take_memory(1).is_err());
        inner.return_memory(60);
        assert!(inner.take_memory(u64::MAX).is_err());
        assert!(inner.take_memory(60).is_ok());
    }

    #[test]
    fn stores_may_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<Store>();
    }
}
