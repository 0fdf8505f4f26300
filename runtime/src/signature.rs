//! Function types and their process-wide identity.
//!
//! `call_indirect` compares two numbers; they mean something only if every
//! module of the process agrees on them, so types are interned here, by
//! structure, and never forgotten. Knows nothing of modules or stores.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use wasm2so_abi::ValType;

/// The type of a function. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FuncType(Arc<Signature>);

#[derive(PartialEq, Eq, Hash)]
struct Signature {
    params: Box<[ValType]>,
    results: Box<[ValType]>,
}

impl FuncType {
    /// The type of functions from `params` to `results`.
    pub fn new(params: impl Into<Box<[ValType]>>, results: impl Into<Box<[ValType]>>) -> Self {
        FuncType(Arc::new(Signature { params: params.into(), results: results.into() }))
    }

    /// Types of the parameters.
    pub fn params(&self) -> &[ValType] {
        &self.0.params
    }

    /// Types of the results.
    pub fn results(&self) -> &[ValType] {
        &self.0.results
    }
}

/// Shows `(i32, i64) -> (f64)`.
impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[ValType]| {
            f.write_str("(")?;
            for (i, ty) in types.iter().enumerate() {
                let separator = if i == 0 { "" } else { ", " };
                write!(f, "{separator}{}", ty.name())?;
            }
            f.write_str(")")
        };
        list(f, self.params())?;
        f.write_str(" -> ")?;
        list(f, self.results())
    }
}

impl fmt::Debug for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identity of a [`FuncType`]: equal exactly when the types are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TypeId(NonZeroU32);

#[derive(Default)]
struct Interner {
    ids: HashMap<FuncType, TypeId>,
    /// The type with id `n` is at `n - 1`.
    types: Vec<FuncType>,
}

static INTERNER: LazyLock<RwLock<Interner>> = LazyLock::new(RwLock::default);

impl TypeId {
    /// The identity of `ty`, a new one if it was never seen.
    pub(crate) fn of(ty: &FuncType) -> TypeId {
        let mut interner = INTERNER.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = interner.ids.get(ty) {
            return id;
        }
        interner.types.push(ty.clone());
        let id = u32::try_from(interner.types.len())
            .ok()
            .and_then(NonZeroU32::new)
            .map(TypeId)
            .expect("fewer than 2^32 different function types in one process");
        interner.ids.insert(ty.clone(), id);
        id
    }

    /// The number as compiled code sees it.
    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }

    /// The type behind a number that [`TypeId::get`] returned.
    pub(crate) fn lookup(id: u32) -> Option<FuncType> {
        let interner = INTERNER.read().unwrap_or_else(PoisonError::into_inner);
        interner.types.get((id as usize).checked_sub(1)?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::*;

    #[test]
    fn identity_is_structural() {
        let a = FuncType::new([I32, F32], [I64]);
        let b = FuncType::new(vec![I32, F32], vec![I64]);
        let c = FuncType::new([I32], [F32, I64]);
        assert_eq!(TypeId::of(&a), TypeId::of(&b));
        assert_ne!(TypeId::of(&a), TypeId::of(&c));
        assert_eq!(TypeId::lookup(TypeId::of(&c).get()), Some(c));
        assert_eq!(TypeId::lookup(0), None);
    }

    #[test]
    fn shows_parameters_and_results() {
        assert_eq!(FuncType::new([I32, V128], []).to_string(), "(i32, v128) -> ()");
    }
}
