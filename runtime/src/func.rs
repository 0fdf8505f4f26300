//! Functions: calling them, and making them of Rust closures.
//!
//! A function is known by its [`VmFuncRef`]. One without an entry thunk is a
//! host function, whose "vmctx" is a [`Binding`]; any other is wasm code. How
//! wasm is entered and left is not known here.

use crate::activation::{Activation, Exit, call_host, enter};
use crate::error::{ArgumentError, CallError, HostError, ResultError};
use crate::imports::Extern;
use crate::instance::Instance;
use crate::memory::Memory;
use crate::native_stack;
use crate::signature::{FuncType, TypeId};
use crate::store::{Pinned, StoreContext, StoreId, StoreInner};
use crate::trap::{Trap, TrapDetail};
use crate::unwind::record::Recorder;
use crate::value::Value;
use std::ffi::c_void;
use std::panic::resume_unwind;
use std::ptr::NonNull;
use wasm2so_abi::{HostBinding, Slot, TrapCode, VmFuncRef};

/// Names a function in a [`Store`](crate::Store).
///
/// Equal names are one function. A host function has a name for each instance
/// that imports it, which references from wasm carry, and one from
/// [`Func::new`], which exports carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Func {
    store: StoreId,
    funcref: NonNull<VmFuncRef>,
}

// SAFETY: the pointer is only followed with a borrow of the store at hand, and
// only one thread has that.
unsafe impl Send for Func {}
// SAFETY: as above.
unsafe impl Sync for Func {}

type Body = dyn Fn(&mut Caller<'_>, &[Value], &mut [Value]) -> Result<(), HostError> + Send;

/// A host function, owned by the store.
pub(crate) struct HostFunc {
    ty: FuncType,
    type_id: TypeId,
    body: Box<Body>,
    /// The function as the host itself hands it out, called from no instance.
    binding: Binding,
    funcref: VmFuncRef,
}

/// A host function as one instance imports it: the "vmctx" of its host thunk.
#[repr(C)]
pub(crate) struct Binding {
    header: HostBinding,
    func: *const HostFunc,
    store: NonNull<StoreInner>,
    instance: Option<Instance>,
}

impl Func {
    /// A function that runs `body`, which gets the arguments, and room for the
    /// results that is filled with zeroes of the right types.
    ///
    /// If `body` fails or panics, wasm code that called it is left, and the
    /// error or panic goes on from the [`Func::call`] that entered wasm.
    pub fn new<F>(store: &mut StoreContext, ty: FuncType, body: F) -> Func
    where
        F: Fn(&mut Caller<'_>, &[Value], &mut [Value]) -> Result<(), HostError> + Send + 'static,
    {
        let header = HostBinding { call: host_call };
        let context = store.as_ptr();
        let unbound = Binding { header, func: std::ptr::null(), store: context, instance: None };
        let type_id = TypeId::of(&ty);
        let host = Pinned::new(HostFunc {
            ty,
            type_id,
            body: Box::new(body),
            binding: unbound,
            funcref: VmFuncRef {
                code: std::ptr::null(),
                local_code: std::ptr::null(),
                tail_code: std::ptr::null(),
                vmctx: std::ptr::null_mut(),
                entry: None,
                type_id: 0,
                reserved: 0,
            },
        });
        let raw = host.as_ptr();
        // SAFETY: fresh, pinned, and used by nobody else yet.
        let funcref = unsafe {
            (*raw).binding.func = raw;
            (*raw).funcref.vmctx = (&raw mut (*raw).binding).cast();
            &raw mut (*raw).funcref
        };
        let store = store.inner_mut();
        store.host_funcs.push(host);
        if let Some(&thunk) = store.host_thunks.get(&type_id) {
            // SAFETY: as above.
            unsafe { HostFunc::complete(raw, type_id, thunk) };
        }
        let funcref = NonNull::new(funcref).expect("within an allocation");
        Func { store: store.id, funcref }
    }

    /// The function behind a pointer from compiled code.
    ///
    /// # Safety
    /// `funcref` belongs to the store with this id, and lives as long.
    pub(crate) unsafe fn from_raw(store: StoreId, funcref: NonNull<VmFuncRef>) -> Func {
        Func { store, funcref }
    }

    /// Its type.
    ///
    /// # Panics
    /// As all methods do: when the function belongs to another store.
    pub fn ty(self, store: &StoreContext) -> FuncType {
        let funcref = self.funcref(store);
        match self.binding(store) {
            // SAFETY: a binding's function lives as long as the store.
            Some(binding) => unsafe { &*binding.func }.ty.clone(),
            None => TypeId::lookup(funcref.type_id).expect("every wasm function has a type"),
        }
    }

    /// Calls it.
    ///
    /// # Errors
    /// When it traps, a host function fails, or the arguments do not fit.
    ///
    /// # Panics
    /// When a host function panics.
    pub fn call(self, store: &mut StoreContext, args: &[Value]) -> Result<Vec<Value>, CallError> {
        let ty = self.ty(store);
        self.check_arguments(&ty, args)?;
        let mut results: Vec<_> = ty.results().iter().map(|&ty| Value::default_of(ty)).collect();
        match self.binding(store) {
            Some(&Binding { func, instance, .. }) => {
                let mut caller = Caller { store, instance };
                // SAFETY: as in `ty`.
                let body = unsafe { &(*func).body };
                body(&mut caller, args, &mut results).map_err(CallError::Host)?;
                check_results(&ty, &results, self.store)
                    .map_err(|error| CallError::Host(error.into()))?;
            }
            None => self.call_wasm(store, args, &mut results)?,
        }
        Ok(results)
    }

    /// Calls wasm code; arguments and results fit its type.
    fn call_wasm(
        self,
        store: &mut StoreContext,
        args: &[Value],
        results: &mut [Value],
    ) -> Result<(), CallError> {
        let &VmFuncRef { code, vmctx, entry, .. } = self.funcref(store);
        let entry = entry.expect("wasm functions have an entry thunk");
        if native_stack::is_low() {
            return Err(CallError::Trap(host_trap(TrapCode::StackOverflow, TrapDetail::None)));
        }
        let stack_size = store.inner().config.max_stack;
        with_buffer(Slot([0; 16]), args.len().max(results.len()), |slots| {
            for (slot, value) in slots.iter_mut().zip(args) {
                *slot = value.to_slot();
            }
            // SAFETY: code, instance and thunk are of one function; the
            // arguments were checked; `store` is borrowed, so the instance and
            // its module live on, and no reference into the store is in use.
            match unsafe { enter(stack_size, entry, code, vmctx, slots.as_mut_ptr()) } {
                Ok(()) => {}
                Err(Exit::Trap(trap)) => return Err(CallError::Trap(trap)),
                Err(Exit::Host(error)) => return Err(CallError::Host(error)),
                Err(Exit::Panic(payload)) => resume_unwind(payload),
            }
            for (value, slot) in results.iter_mut().zip(slots) {
                // SAFETY: the thunk stored a value of the result's type; any
                // function in it belongs to the store.
                *value = unsafe { Value::from_slot(*slot, value.ty(), self.store) };
            }
            Ok(())
        })
    }

    fn check_arguments(self, ty: &FuncType, args: &[Value]) -> Result<(), ArgumentError> {
        if args.len() != ty.params().len() {
            return Err(ArgumentError::Count { ty: ty.clone(), found: args.len() });
        }
        for (index, (arg, &param)) in args.iter().zip(ty.params()).enumerate() {
            if arg.ty() != param {
                return Err(ArgumentError::Type { ty: ty.clone(), index, found: arg.ty() });
            }
            if !arg.belongs_to(self.store) {
                return Err(ArgumentError::OtherStore { index });
            }
        }
        Ok(())
    }

    pub(crate) fn store_id(self) -> StoreId {
        self.store
    }

    pub(crate) fn as_ptr(self) -> *mut VmFuncRef {
        self.funcref.as_ptr()
    }

    /// What compiled code knows of it.
    pub(crate) fn funcref(self, store: &StoreContext) -> &VmFuncRef {
        store.check_owner(self.store, "function");
        // SAFETY: lives as long as the store, and changes only while the store
        // is borrowed mutably.
        unsafe { self.funcref.as_ref() }
    }

    /// How to call it, if it is a host function.
    pub(crate) fn binding(self, store: &StoreContext) -> Option<&Binding> {
        let funcref = self.funcref(store);
        match funcref.entry {
            Some(_) => None,
            // SAFETY: without an entry thunk it is a host function, and its
            // binding lives as long as the store.
            None => Some(unsafe { &*funcref.vmctx.cast() }),
        }
    }
}

impl HostFunc {
    /// Lets wasm code call the function through a reference, if `thunk`, a host
    /// thunk of type `type_id`, fits. Before the store knows one, there is no code that
    /// could call it.
    ///
    /// # Safety
    /// `host` is alive; its body may be running.
    pub(crate) unsafe fn complete(host: *mut HostFunc, type_id: TypeId, thunk: *const c_void) {
        // SAFETY: a running body has references to fields other than `funcref`.
        unsafe {
            if (*host).type_id == type_id {
                (*host).funcref.code = thunk;
                (*host).funcref.type_id = type_id.get();
            }
        }
    }
}

impl Binding {
    /// The same function, as imported by `instance`.
    pub(crate) fn rebind(&self, instance: Instance) -> Binding {
        let header = HostBinding { call: host_call };
        Binding { header, func: self.func, store: self.store, instance: Some(instance) }
    }
}

/// A host function's view of whoever calls it.
pub struct Caller<'a> {
    store: &'a mut StoreContext,
    instance: Option<Instance>,
}

impl Caller<'_> {
    /// The store, to be used for anything: also to call wasm again.
    pub fn store(&mut self) -> &mut StoreContext {
        self.store
    }

    /// The instance that imports the function; `None` when the host calls it,
    /// or wasm does through a reference that the host handed out.
    pub fn instance(&self) -> Option<Instance> {
        self.instance
    }

    /// An export of [`Caller::instance`].
    pub fn export(&self, name: &str) -> Option<Extern> {
        self.instance?.export(self.store, name)
    }

    /// The memory that [`Caller::instance`] exports as `memory`.
    pub fn memory(&self) -> Option<Memory> {
        self.instance?.own_memory(self.store)
    }
}

/// Called by host thunks.
///
/// # Safety
/// As the contract says of [`HostCall`](wasm2so_abi::HostCall).
unsafe extern "C" fn host_call(binding: *mut HostBinding, slots: *mut Slot, frame: *const usize) {
    let binding = binding.cast::<Binding>();
    // SAFETY: `frame` is the thunk's, and nothing here needs to be dropped.
    unsafe { call_host(frame, || run_host(binding, slots)) }
}

/// Runs a host function that wasm called.
///
/// # Safety
/// `binding` is alive, and `slots` holds the arguments of its function and has
/// room for its results.
unsafe fn run_host(binding: *const Binding, slots: *mut Slot) -> Result<(), HostError> {
    // SAFETY: passed on to the caller; bindings do not change.
    let &Binding { func, store, instance, .. } = unsafe { &*binding };
    // SAFETY: lives as long as the store, and its type and body do not change.
    let (ty, body) = unsafe { (&(*func).ty, &(*func).body) };
    let run = |store: &mut StoreContext| {
        let id = store.inner().id;
        let (params, results) = (ty.params(), ty.results());
        with_buffer(Value::I32(0), params.len() + results.len(), |values| {
            let (args, out) = values.split_at_mut(params.len());
            for (i, (arg, &ty)) in args.iter_mut().zip(params).enumerate() {
                // SAFETY: the thunk stored the arguments; functions in them
                // belong to the store.
                *arg = unsafe { Value::from_slot(*slots.add(i), ty, id) };
            }
            for (result, &ty) in out.iter_mut().zip(results) {
                *result = Value::default_of(ty);
            }
            body(&mut Caller { store, instance }, args, out)?;
            check_results(ty, out, id)?;
            for (i, result) in out.iter().enumerate() {
                // SAFETY: there is room for the results.
                unsafe { *slots.add(i) = result.to_slot() };
            }
            Ok(())
        })
    };
    // SAFETY: called from wasm, which runs while the store is borrowed and no
    // reference into it is in use.
    unsafe { StoreContext::lend(store, run) }
}

/// A trap that the host raises itself; its frames are those of the wasm code
/// that called the host, if any.
pub(crate) fn host_trap(code: TrapCode, detail: TrapDetail) -> Trap {
    let mut recorder = Recorder::new();
    recorder.record_from_host(Activation::innermost());
    // SAFETY: the modules of the frames are running.
    Trap::new(code, detail, unsafe { recorder.to_trace() })
}

/// Whether a host function's results are what its type promises.
fn check_results(ty: &FuncType, results: &[Value], store: StoreId) -> Result<(), ResultError> {
    for (index, (result, &expected)) in results.iter().zip(ty.results()).enumerate() {
        let found = result.ty();
        if found != expected {
            return Err(ResultError::Type { index, expected, found });
        }
        if !result.belongs_to(store) {
            return Err(ResultError::OtherStore { index });
        }
    }
    Ok(())
}

/// Lends `f` a slice of `len` times `fill`, without an allocation if it is
/// short.
fn with_buffer<T: Copy, R>(fill: T, len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    const SHORT: usize = 16;
    if len <= SHORT { f(&mut [fill; SHORT][..len]) } else { f(&mut vec![fill; len]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Store, ValType};

    fn unary() -> FuncType {
        FuncType::new([ValType::I32], [ValType::I64])
    }

    #[test]
    fn a_host_function_can_be_called_by_the_host() {
        let mut store = Store::new(Config::default());
        let double = Func::new(&mut store, unary(), |caller, args, results| {
            assert_eq!(caller.instance(), None);
            let Value::I32(n) = args[0] else { unreachable!() };
            results[0] = Value::I64(i64::from(n) * 2);
            Ok(())
        });
        assert_eq!(double.ty(&store), unary());
        assert_eq!(double.call(&mut store, &[Value::I32(4)]).unwrap(), [Value::I64(8)]);
        let outer = Func::new(&mut store, unary(), move |caller, args, results| {
            results.copy_from_slice(&double.call(caller.store(), args)?);
            Ok(())
        });
        assert_eq!(outer.call(&mut store, &[Value::I32(5)]).unwrap(), [Value::I64(10)]);
    }

    #[test]
    fn arguments_and_results_are_checked() {
        let mut store = Store::new(Config::default());
        let wrong = Func::new(&mut store, unary(), |_, args, results| {
            results[0] = args[0];
            Ok(())
        });
        let mut call = |args: &[Value]| wrong.call(&mut store, args).unwrap_err();
        assert!(matches!(call(&[]), CallError::Arguments(ArgumentError::Count { .. })));
        assert!(matches!(
            call(&[Value::I64(1)]),
            CallError::Arguments(ArgumentError::Type { index: 0, .. })
        ));
        let CallError::Host(error) = call(&[Value::I32(1)]) else { panic!() };
        assert_eq!(error.to_string(), "the host function's result 0 is of type i32, not i64");
    }

    #[test]
    fn functions_of_another_store_are_refused() {
        let mut store = Store::new(Config::default());
        let mut other = Store::new(Config::default());
        let stranger = Func::new(&mut other, unary(), |_, _, _| Ok(()));
        let ty = FuncType::new([ValType::FuncRef], []);
        let take = Func::new(&mut store, ty, |_, _, _| Ok(()));
        assert!(matches!(
            take.call(&mut store, &[stranger.into()]),
            Err(CallError::Arguments(ArgumentError::OtherStore { index: 0 }))
        ));
    }
}
