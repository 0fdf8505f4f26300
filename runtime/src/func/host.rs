//! Host functions: what they are, and how wasm calls them.

use super::typed::MOST;
use super::{Func, WasmValues, convention, with_buffer};
use crate::activation::{HostCode, HostEntry, Passed, RegisterCounts};
use crate::error::{HostError, ResultError};
use crate::imports::Extern;
use crate::instance::Instance;
use crate::memory::Memory;
use crate::signature::{FuncType, TypeId};
use crate::store::{Pinned, StoreContext, StoreId, StoreInner};
use crate::value::Value;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use wasm2so_abi::{Slot, ValType, VmFuncRef};

/// A host function, owned by the store.
pub(crate) struct HostFunc {
    ty: FuncType,
    body: Box<dyn Body>,
    /// The function as the host itself hands it out, called from no instance.
    binding: Binding,
    funcref: VmFuncRef,
}

/// What a host function does.
trait Body: Send {
    /// Runs it.
    ///
    /// # Safety
    /// `slots` holds arguments of its type that belong to the caller's store, and
    /// has room for the results.
    unsafe fn run(&self, caller: &mut Caller<'_>, slots: *mut Slot) -> Result<(), HostError>;
}

/// A body that wasm can call.
trait Callable: Body {
    /// The registers that it needs.
    const REGISTERS: RegisterCounts;

    /// Types of parameters and results.
    fn types(&self) -> (&[ValType], &[ValType]);

    /// Lends room for the longer of both.
    fn with_slots<R>(&self, f: impl FnOnce(*mut Slot) -> R) -> R;
}

/// A host function as one instance imports it: what wasm passes as its instance.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Binding {
    entry: HostEntry,
    func: *const HostFunc,
    store: NonNull<StoreInner>,
    importer: Option<Importer>,
}

/// Who imports a function.
#[derive(Clone, Copy)]
pub(crate) struct Importer {
    pub(crate) instance: Instance,
    /// What it exports as `memory`: most functions need it, each time.
    pub(crate) memory: Option<Memory>,
}

impl HostFunc {
    /// [`Func::new`].
    pub(super) fn dynamic<F>(store: &mut StoreContext, ty: FuncType, run: F) -> Func
    where
        F: Fn(&mut Caller<'_>, &[Value], &mut [Value]) -> Result<(), HostError> + Send + 'static,
    {
        HostFunc::create(store, ty.clone(), Dynamic { ty, run })
    }

    /// [`Func::wrap`].
    pub(super) fn typed<P, R, F>(store: &mut StoreContext, run: F) -> Func
    where
        P: WasmValues,
        R: WasmValues,
        F: Fn(&mut Caller<'_>, P) -> Result<R, HostError> + Send + 'static,
    {
        let ty = FuncType::new(P::TYPES, R::TYPES);
        HostFunc::create(store, ty, Typed { run, types: PhantomData })
    }

    fn create<B: Callable + 'static>(store: &mut StoreContext, ty: FuncType, body: B) -> Func {
        let entry = HostEntry::new::<Code<B>>(store.running());
        let context = store.as_ptr();
        let unbound = Binding { entry, func: std::ptr::null(), store: context, importer: None };
        let type_id = TypeId::of(&ty);
        let host = Pinned::new(HostFunc {
            ty,
            body: Box::new(body),
            binding: unbound,
            funcref: VmFuncRef {
                code: entry.code(),
                local_code: std::ptr::null(),
                tail_code: std::ptr::null(),
                vmctx: std::ptr::null_mut(),
                entry: None,
                type_id: type_id.get(),
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
        let funcref = NonNull::new(funcref).expect("within an allocation");
        // SAFETY: it lives as long as the store.
        unsafe { Func::from_raw(store.id, funcref) }
    }

    /// Its type.
    pub(super) fn ty(&self) -> &FuncType {
        &self.ty
    }
}

impl Binding {
    /// The same function, as imported by `importer`.
    pub(crate) fn rebind(&self, importer: Importer) -> Binding {
        Binding { importer: Some(importer), ..self.clone() }
    }

    /// Runs the function for the host.
    ///
    /// # Safety
    /// As for [`Body::run`]; the binding is of `store`.
    pub(super) unsafe fn run(
        &self,
        store: &mut StoreContext,
        slots: *mut Slot,
    ) -> Result<(), HostError> {
        // SAFETY: lives as long as the store, and its body does not change.
        let body = unsafe { &(*self.func).body };
        // SAFETY: passed on to the caller.
        unsafe { body.run(&mut Caller { store, importer: self.importer }, slots) }
    }

    /// The function.
    pub(super) fn func(&self) -> &HostFunc {
        // SAFETY: lives as long as the store, as the binding does.
        unsafe { &*self.func }
    }
}

/// A host function's view of whoever calls it.
pub struct Caller<'a> {
    store: &'a mut StoreContext,
    importer: Option<Importer>,
}

impl Caller<'_> {
    /// The store, to be used for anything: also to call wasm again.
    pub fn store(&mut self) -> &mut StoreContext {
        self.store
    }

    /// The instance that imports the function; `None` when the host calls it,
    /// or wasm does through a reference that the host handed out.
    pub fn instance(&self) -> Option<Instance> {
        self.importer.map(|importer| importer.instance)
    }

    /// An export of [`Caller::instance`].
    pub fn export(&self, name: &str) -> Option<Extern> {
        self.instance()?.export(self.store, name)
    }

    /// The memory that [`Caller::instance`] exports as `memory`.
    pub fn memory(&self) -> Option<Memory> {
        self.importer?.memory
    }
}

/// The functions with a body `B`: each has a [`Binding`].
struct Code<B>(PhantomData<B>);

impl<B: Callable> HostCode for Code<B> {
    const REGISTERS: RegisterCounts = B::REGISTERS;

    unsafe fn run(binding: *mut c_void, passed: *mut Passed) -> Result<(), HostError> {
        // SAFETY: bindings do not change, and live as long as the store.
        let &Binding { func, store, importer, .. } = unsafe { &*binding.cast::<Binding>() };
        // SAFETY: lives as long as the store; its body is a `B`, and does not
        // change.
        let body = unsafe { &*(&raw const *(*func).body).cast::<B>() };
        let (params, results) = body.types();
        body.with_slots(|slots| {
            // SAFETY: called from wasm, which runs while the store is borrowed and no
            // reference into it is in use; what it passed is of these types, and
            // there is room for all.
            unsafe {
                convention::arguments(passed, params, results, slots);
                StoreContext::lend(store, |store| {
                    body.run(&mut Caller { store, importer }, slots)
                })?;
                convention::results(passed, results, slots);
            }
            Ok(())
        })
    }
}

/// A body that is told types and values as it runs.
struct Dynamic<F> {
    ty: FuncType,
    run: F,
}

impl<F> Body for Dynamic<F>
where
    F: Fn(&mut Caller<'_>, &[Value], &mut [Value]) -> Result<(), HostError> + Send,
{
    unsafe fn run(&self, caller: &mut Caller<'_>, slots: *mut Slot) -> Result<(), HostError> {
        let id = caller.store.inner().id;
        let (params, results) = (self.ty.params(), self.ty.results());
        with_buffer(Value::I32(0), params.len() + results.len(), |values| {
            let (args, out) = values.split_at_mut(params.len());
            for (i, (arg, &ty)) in args.iter_mut().zip(params).enumerate() {
                // SAFETY: the caller's promise.
                *arg = unsafe { Value::from_slot(*slots.add(i), ty, id) };
            }
            for (result, &ty) in out.iter_mut().zip(results) {
                *result = Value::default_of(ty);
            }
            (self.run)(caller, args, out)?;
            check_results(&self.ty, out, id)?;
            for (i, result) in out.iter().enumerate() {
                // SAFETY: there is room for the results.
                unsafe { *slots.add(i) = result.to_slot() };
            }
            Ok(())
        })
    }
}

impl<F> Callable for Dynamic<F>
where
    Dynamic<F>: Body,
{
    const REGISTERS: RegisterCounts = RegisterCounts::ALL;

    fn types(&self) -> (&[ValType], &[ValType]) {
        (self.ty.params(), self.ty.results())
    }

    fn with_slots<R>(&self, f: impl FnOnce(*mut Slot) -> R) -> R {
        let (params, results) = self.types();
        with_buffer(Slot([0; 16]), params.len().max(results.len()), |slots| f(slots.as_mut_ptr()))
    }
}

/// A body that knows its types.
struct Typed<F, P, R> {
    run: F,
    types: PhantomData<fn(P) -> R>,
}

impl<F, P, R> Body for Typed<F, P, R>
where
    P: WasmValues,
    R: WasmValues,
    F: Fn(&mut Caller<'_>, P) -> Result<R, HostError> + Send,
{
    unsafe fn run(&self, caller: &mut Caller<'_>, slots: *mut Slot) -> Result<(), HostError> {
        let id = caller.store.inner().id;
        // SAFETY: the caller's promise.
        let results = (self.run)(caller, unsafe { P::load(slots, id) })?;
        if let Some(index) = results.stranger(id) {
            return Err(ResultError::OtherStore { index }.into());
        }
        // SAFETY: there is room for the results.
        unsafe { results.store(slots) };
        Ok(())
    }
}

impl<F, P: WasmValues, R: WasmValues> Callable for Typed<F, P, R>
where
    Typed<F, P, R>: Body,
{
    const REGISTERS: RegisterCounts = convention::registers(P::TYPES, R::TYPES);

    #[inline]
    fn types(&self) -> (&[ValType], &[ValType]) {
        (P::TYPES, R::TYPES)
    }

    #[inline]
    fn with_slots<T>(&self, f: impl FnOnce(*mut Slot) -> T) -> T {
        f(MaybeUninit::<[Slot; MOST]>::uninit().as_mut_ptr().cast())
    }
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
