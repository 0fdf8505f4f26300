//! Functions: calling them, and making them of Rust closures.
//!
//! A function is known by its [`VmFuncRef`]. One without an entry thunk is a
//! host function, whose "vmctx" is a [`Binding`]; any other is wasm code. How
//! wasm is entered and left is not known here.

mod convention;
mod host;
mod typed;

use crate::activation::{Activation, Exit, enter};
use crate::error::{ArgumentError, CallError, HostError, SignatureError};
use crate::native_stack;
use crate::signature::{FuncType, TypeId};
use crate::store::{Config, StoreContext, StoreId};
use crate::trap::{Trap, TrapDetail};
use crate::unwind::record::Recorder;
use crate::value::Value;
pub use host::Caller;
pub(crate) use host::{Binding, HostFunc, Importer};
use std::panic::resume_unwind;
use std::ptr::NonNull;
pub use typed::{TypedFunc, WasmValue, WasmValues};
use wasm2so_abi::{Slot, TrapCode, VmFuncRef};

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
        HostFunc::dynamic(store, ty, body)
    }

    /// A function that runs `body`, whose types say its own: of the arguments,
    /// one or a tuple, and likewise of the results. Wasm calls it faster than
    /// one of [`Func::new`].
    ///
    /// ```
    /// # use wasmrun::{Config, Func, Store};
    /// let mut store = Store::new(Config::default());
    /// let divide = Func::wrap(&mut store, |_, (a, b): (u32, u32)| {
    ///     let quotient = a.checked_div(b).ok_or("division by nothing")?;
    ///     Ok((quotient, a % b))
    /// });
    /// assert_eq!(divide.ty(&store).to_string(), "(i32, i32) -> (i32, i32)");
    /// ```
    pub fn wrap<P, R, F>(store: &mut StoreContext, body: F) -> Func
    where
        P: WasmValues,
        R: WasmValues,
        F: Fn(&mut Caller<'_>, P) -> Result<R, HostError> + Send + 'static,
    {
        HostFunc::typed(store, body)
    }

    /// The same function, for calls that check no types any more.
    ///
    /// ```no_run
    /// # use wasmrun::{Config, Instance, Imports, Module, Store};
    /// # let module = Module::load("fib.so")?;
    /// # let mut store = Store::new(Config::default());
    /// # let instance = Instance::new(&mut store, &module, &Imports::new())?;
    /// let fib = instance.func(&store, "fib").expect("fib.so exports `fib`");
    /// let fib = fib.typed::<u32, u64>(&store)?;
    /// let result: u64 = fib.call(&mut store, 30)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When its type is another.
    ///
    /// # Panics
    /// As all methods do: when the function belongs to another store.
    pub fn typed<P: WasmValues, R: WasmValues>(
        self,
        store: &StoreContext,
    ) -> Result<TypedFunc<P, R>, SignatureError> {
        let found = self.ty(store);
        if found.params() == P::TYPES && found.results() == R::TYPES {
            return Ok(TypedFunc::new(self));
        }
        Err(SignatureError { expected: FuncType::new(P::TYPES, R::TYPES), found })
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
            Some(binding) => binding.func().ty().clone(),
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
        with_buffer(Slot([0; 16]), args.len().max(ty.results().len()), |slots| {
            for (slot, value) in slots.iter_mut().zip(args) {
                *slot = value.to_slot();
            }
            // SAFETY: the arguments were checked, and there is room for the
            // results.
            unsafe { self.invoke(store, slots.as_mut_ptr())? };
            let results = slots.iter().zip(ty.results()).map(|(slot, &ty)| {
                // SAFETY: what was called stored values of the results' types;
                // any function in them belongs to the store.
                unsafe { Value::from_slot(*slot, ty, self.store) }
            });
            Ok(results.collect())
        })
    }

    /// Calls it with the arguments in `slots`, where the results will be.
    ///
    /// # Safety
    /// `slots` has room for whichever of arguments and results is longer, and
    /// holds arguments of the right types that belong to the store.
    unsafe fn invoke(self, store: &mut StoreContext, slots: *mut Slot) -> Result<(), CallError> {
        let &VmFuncRef { local_code: code, vmctx, entry, .. } = self.funcref(store);
        let Some(entry) = entry else {
            let binding = self.binding(store).expect("it is a host function").clone();
            // SAFETY: passed on to the caller.
            return unsafe { binding.run(store, slots) }.map_err(CallError::Host);
        };
        if native_stack::is_low() {
            return Err(CallError::Trap(host_trap(TrapCode::StackOverflow, TrapDetail::None)));
        }
        let &Config { max_stack, keep_locals, .. } = &store.inner().config;
        let running = store.running();
        // SAFETY: code, instance and thunk are of one function; the arguments are
        // right by the caller's promise; `store` is borrowed, so the instance and
        // its module live on, and no reference into the store is in use.
        unsafe { enter(running, max_stack, keep_locals, entry, code, vmctx, slots) }.map_err(
            |exit| match exit {
                Exit::Trap(trap) => CallError::Trap(trap),
                Exit::Host(error) => CallError::Host(error),
                Exit::Panic(payload) => resume_unwind(payload),
            },
        )
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

/// A trap that the host raises itself; its frames are those of the wasm code
/// that called the host, if any.
pub(crate) fn host_trap(code: TrapCode, detail: TrapDetail) -> Trap {
    let mut recorder = Recorder::new();
    recorder.record_from_host(Activation::innermost());
    // SAFETY: the modules of the frames are running.
    Trap::new(code, detail, unsafe { recorder.to_trace() })
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
