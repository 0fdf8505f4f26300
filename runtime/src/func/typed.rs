//! Functions whose types are known to the Rust compiler: values go straight into
//! their slots and out of them.

use super::Func;
use crate::error::{ArgumentError, CallError};
use crate::store::{StoreContext, StoreId};
use crate::value::Value;
use sealed::{Many, One};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use wasm2so_abi::{Slot, ValType};

/// A Rust type for one type of wasm values: an integer or float (`u128` is a
/// vector, lane 0 in the low bits), `Option<Func>` or `Option<NonZeroU64>` for
/// references (`externref`).
pub trait WasmValue: One {}

/// Rust types for parameters or results: a [`WasmValue`], or a tuple of at most
/// 16, of which `()` is one.
pub trait WasmValues: Many {}

/// A [`Func`] whose type is known; see [`Func::typed`].
pub struct TypedFunc<P, R> {
    func: Func,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}

impl<P: WasmValues, R: WasmValues> TypedFunc<P, R> {
    /// `func`, whose type is that.
    pub(super) fn new(func: Func) -> Self {
        TypedFunc { func, types: PhantomData }
    }

    /// The function.
    pub fn func(self) -> Func {
        self.func
    }

    /// Calls it.
    ///
    /// # Errors
    /// When it traps, a host function fails, or an argument is a function of
    /// another store.
    ///
    /// # Panics
    /// When a host function panics, or the function belongs to another store.
    pub fn call(self, store: &mut StoreContext, params: P) -> Result<R, CallError> {
        if let Some(index) = params.stranger(self.func.store) {
            return Err(ArgumentError::OtherStore { index }.into());
        }
        // Room for the longest; nothing is written but what is needed.
        let mut slots = MaybeUninit::<[Slot; MOST]>::uninit();
        let slots = slots.as_mut_ptr().cast::<Slot>();
        // SAFETY: the types are the function's; there is room for them; what was
        // called has stored its results.
        unsafe {
            params.store(slots);
            self.func.invoke(store, slots)?;
            Ok(R::load(slots, self.func.store))
        }
    }
}

/// Most values of a tuple.
pub(super) const MOST: usize = 16;

/// What nobody else can implement or call.
mod sealed {
    use crate::store::StoreId;
    use wasm2so_abi::{Slot, ValType};

    pub trait One: Copy + 'static {
        /// The wasm type.
        const TYPE: ValType;

        /// The form compiled code sees.
        fn to_slot(self) -> Slot;

        /// The value in `slot`.
        ///
        /// # Safety
        /// There is one of this type; a function belongs to `store`, which is
        /// alive.
        unsafe fn from_slot(slot: Slot, store: StoreId) -> Self;

        /// Whether it may be given to `store`.
        fn belongs_to(self, _: StoreId) -> bool {
            true
        }
    }

    pub trait Many: Copy + 'static {
        /// The wasm types.
        const TYPES: &'static [ValType];

        /// Puts the values into `slots`.
        ///
        /// # Safety
        /// There is room.
        unsafe fn store(self, slots: *mut Slot);

        /// The values in `slots`.
        ///
        /// # Safety
        /// As for [`One::from_slot`].
        unsafe fn load(slots: *const Slot, store: StoreId) -> Self;

        /// Place of the first value that is of another store than `store`.
        fn stranger(self, store: StoreId) -> Option<usize>;
    }
}

macro_rules! impl_value {
    ($($ty:ty: $variant:ident, |$value:ident| $into:expr, |$bits:ident| $from:expr;)*) => {$(
        impl One for $ty {
            const TYPE: ValType = ValType::$variant;

            #[inline]
            fn to_slot(self) -> Slot {
                let $value = self;
                Value::$variant($into).to_slot()
            }

            #[inline]
            unsafe fn from_slot(slot: Slot, store: StoreId) -> Self {
                // SAFETY: passed on to the caller.
                match unsafe { Value::from_slot(slot, ValType::$variant, store) } {
                    Value::$variant($bits) => $from,
                    _ => unreachable!("it is of the type that was asked for"),
                }
            }

            #[inline]
            fn belongs_to(self, store: StoreId) -> bool {
                let $value = self;
                Value::$variant($into).belongs_to(store)
            }
        }

        impl WasmValue for $ty {}
    )*};
}

impl_value! {
    i32: I32, |value| value, |bits| bits;
    u32: I32, |value| value as i32, |bits| bits as u32;
    i64: I64, |value| value, |bits| bits;
    u64: I64, |value| value as i64, |bits| bits as u64;
    f32: F32, |value| value.to_bits(), |bits| f32::from_bits(bits);
    f64: F64, |value| value.to_bits(), |bits| f64::from_bits(bits);
    u128: V128, |value| value, |bits| bits;
    Option<Func>: FuncRef, |value| value, |bits| bits;
    Option<NonZeroU64>: ExternRef, |value| value, |bits| bits;
}

impl<T: WasmValue> Many for T {
    const TYPES: &'static [ValType] = &[T::TYPE];

    unsafe fn store(self, slots: *mut Slot) {
        // SAFETY: the caller's promise.
        unsafe { slots.write(self.to_slot()) };
    }

    unsafe fn load(slots: *const Slot, store: StoreId) -> Self {
        // SAFETY: the caller's promise.
        unsafe { T::from_slot(*slots, store) }
    }

    fn stranger(self, store: StoreId) -> Option<usize> {
        (!self.belongs_to(store)).then_some(0)
    }
}

impl<T: WasmValue> WasmValues for T {}

macro_rules! impl_tuples {
    ($(($($name:ident)*))*) => {$(
        #[allow(clippy::unused_unit, reason = "for no values")]
        #[allow(non_snake_case, unused_variables, unused_mut, reason = "for all lengths")]
        impl<$($name: WasmValue),*> Many for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];

            unsafe fn store(self, slots: *mut Slot) {
                let ($($name,)*) = self;
                let values = [$($name.to_slot()),*];
                for (i, value) in values.into_iter().enumerate() {
                    // SAFETY: the caller's promise.
                    unsafe { slots.add(i).write(value) };
                }
            }

            unsafe fn load(slots: *const Slot, store: StoreId) -> Self {
                let mut slots = (0..).map(|i| slots.wrapping_add(i));
                // SAFETY: the caller's promise.
                ($(unsafe {
                    $name::from_slot(*slots.next().expect("without end"), store)
                },)*)
            }

            fn stranger(self, store: StoreId) -> Option<usize> {
                let ($($name,)*) = self;
                let belong: &[bool] = &[$($name.belongs_to(store)),*];
                belong.iter().position(|belongs| !belongs)
            }
        }

        impl<$($name: WasmValue),*> WasmValues for ($($name,)*) {}
    )*};
}

impl_tuples! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
    (A B C D E F G H I J K L M)
    (A B C D E F G H I J K L M N)
    (A B C D E F G H I J K L M N O)
    (A B C D E F G H I J K L M N O P)
}
