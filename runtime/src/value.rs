//! WebAssembly values on the host's side, and their form in a [`Slot`].
//!
//! The only file that knows how a reference is represented in compiled code.

use crate::error::AccessError;
use crate::func::Func;
use crate::store::StoreId;
use std::ffi::c_void;
use std::fmt;
use std::num::NonZeroU64;
use std::ptr::NonNull;
use wasm2so_abi::{Slot, ValType, VmFuncRef};

/// A WebAssembly value.
///
/// Floats are kept as bits, so that every NaN travels unchanged; convert with
/// [`f32::from_bits`] and [`Value::from`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// Bits of a 32-bit float.
    F32(u32),
    /// Bits of a 64-bit float.
    F64(u64),
    /// 128-bit vector; lane 0 in the low bits.
    V128(u128),
    /// A function, or null.
    FuncRef(Option<Func>),
    /// A number of the host's choosing that wasm cannot look into, or null.
    ExternRef(Option<NonZeroU64>),
}

impl Value {
    /// Its type.
    pub const fn ty(&self) -> ValType {
        match self {
            Value::I32(_) => ValType::I32,
            Value::I64(_) => ValType::I64,
            Value::F32(_) => ValType::F32,
            Value::F64(_) => ValType::F64,
            Value::V128(_) => ValType::V128,
            Value::FuncRef(_) => ValType::FuncRef,
            Value::ExternRef(_) => ValType::ExternRef,
        }
    }

    /// Zero, or null.
    pub const fn default_of(ty: ValType) -> Value {
        match ty {
            ValType::I32 => Value::I32(0),
            ValType::I64 => Value::I64(0),
            ValType::F32 => Value::F32(0),
            ValType::F64 => Value::F64(0),
            ValType::V128 => Value::V128(0),
            ValType::FuncRef => Value::FuncRef(None),
            ValType::ExternRef => Value::ExternRef(None),
        }
    }

    /// Whether the value may be given to `store`: a function belongs to one.
    #[inline]
    pub(crate) fn belongs_to(&self, store: StoreId) -> bool {
        !matches!(self, Value::FuncRef(Some(func)) if func.store_id() != store)
    }

    /// Whether this can be stored where `store` has a value of type `expected`.
    pub(crate) fn check(&self, expected: ValType, store: StoreId) -> Result<(), AccessError> {
        if self.ty() != expected {
            return Err(AccessError::Type { expected, found: self.ty() });
        }
        if self.belongs_to(store) { Ok(()) } else { Err(AccessError::OtherStore) }
    }

    /// The form compiled code sees.
    #[inline]
    pub(crate) fn to_slot(self) -> Slot {
        let bits = match self {
            Value::I32(v) => v as u32 as u128,
            Value::I64(v) => v as u64 as u128,
            Value::F32(bits) => bits as u128,
            Value::F64(bits) => bits as u128,
            Value::V128(bits) => bits,
            Value::FuncRef(_) | Value::ExternRef(_) => self.to_reference() as usize as u128,
        };
        Slot(bits.to_le_bytes())
    }

    /// The value in `slot`, read as `ty`.
    ///
    /// # Safety
    /// A function reference in `slot` belongs to `store`, which is alive.
    #[inline]
    pub(crate) unsafe fn from_slot(slot: Slot, ty: ValType, store: StoreId) -> Value {
        let bits = u128::from_le_bytes(slot.0);
        match ty {
            ValType::I32 => Value::I32(bits as i32),
            ValType::I64 => Value::I64(bits as i64),
            ValType::F32 => Value::F32(bits as u32),
            ValType::F64 => Value::F64(bits as u64),
            ValType::V128 => Value::V128(bits),
            ValType::FuncRef | ValType::ExternRef => {
                let raw = std::ptr::with_exposed_provenance_mut(bits as usize);
                // SAFETY: passed on to the caller.
                unsafe { Value::from_reference(raw, ty, store) }
            }
        }
    }

    /// The pointer that stands for a reference in compiled code; null for
    /// values that are none.
    #[inline]
    pub(crate) fn to_reference(self) -> *mut c_void {
        match self {
            Value::FuncRef(Some(func)) => {
                std::ptr::with_exposed_provenance_mut(func.as_ptr().expose_provenance())
            }
            Value::ExternRef(Some(number)) => {
                std::ptr::without_provenance_mut(number.get() as usize)
            }
            _ => std::ptr::null_mut(),
        }
    }

    /// The reference of type `ty` behind `raw`.
    ///
    /// # Safety
    /// If `ty` is `funcref`, `raw` is null or points to a function of `store`,
    /// which is alive.
    #[inline]
    pub(crate) unsafe fn from_reference(raw: *mut c_void, ty: ValType, store: StoreId) -> Value {
        if ty == ValType::ExternRef {
            return Value::ExternRef(NonZeroU64::new(raw.addr() as u64));
        }
        let func = NonNull::new(raw.cast::<VmFuncRef>());
        // SAFETY: passed on to the caller.
        Value::FuncRef(func.map(|func| unsafe { Func::from_raw(store, func) }))
    }
}

macro_rules! impl_from {
    ($($from:ty => |$value:ident| $variant:ident($bits:expr);)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Value {
                Value::$variant($bits)
            }
        })*
    };
}

impl_from! {
    i32 => |v| I32(v);
    u32 => |v| I32(v as i32);
    i64 => |v| I64(v);
    u64 => |v| I64(v as i64);
    f32 => |v| F32(v.to_bits());
    f64 => |v| F64(v.to_bits());
    u128 => |v| V128(v);
    Func => |v| FuncRef(Some(v));
}

/// Shows the value as a person would write it: numbers signed, vectors in
/// hexadecimal, references as `null`, `func` or `extern N`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::I32(v) => write!(f, "{v}"),
            Value::I64(v) => write!(f, "{v}"),
            Value::F32(bits) => write!(f, "{}", f32::from_bits(bits)),
            Value::F64(bits) => write!(f, "{}", f64::from_bits(bits)),
            Value::V128(bits) => write!(f, "0x{bits:032x}"),
            Value::FuncRef(Some(_)) => f.write_str("func"),
            Value::ExternRef(Some(number)) => write!(f, "extern {number}"),
            Value::FuncRef(None) | Value::ExternRef(None) => f.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_every_bit() {
        let store = StoreId::new();
        let values = [
            Value::I32(-1),
            Value::I64(i64::MIN),
            Value::F32(0x7fa0_0001),
            Value::F64(0xfff4_0000_0000_0001),
            Value::V128(u128::MAX / 3),
            Value::FuncRef(None),
            Value::ExternRef(None),
            Value::ExternRef(NonZeroU64::new(u64::MAX)),
        ];
        for value in values {
            // SAFETY: no function reference but null.
            let back = unsafe { Value::from_slot(value.to_slot(), value.ty(), store) };
            assert_eq!(back, value);
        }
    }
}
