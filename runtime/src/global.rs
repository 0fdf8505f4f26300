//! Globals.
//!
//! A global that a module defines lives in the tail of its instance, one that
//! the host makes in a block of its own; a [`GlobalData`] only points there.

use crate::error::AccessError;
use crate::store::{Pinned, StoreContext, StoreId, StoreInner};
use crate::value::Value;
use std::fmt;
use wasm2so_abi::{Slot, ValType};

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// Type of the value.
    pub content: ValType,
    /// Whether the value can change.
    pub mutable: bool,
}

/// Shows `global i32` or `mutable global i32`.
impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mutable = if self.mutable { "mutable " } else { "" };
        write!(f, "{mutable}global {}", self.content.name())
    }
}

/// Names a global in a [`Store`](crate::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global {
    store: StoreId,
    index: usize,
}

/// What the store knows of a global.
pub(crate) struct GlobalData {
    pub(crate) ty: GlobalType,
    /// Where the value is.
    pub(crate) slot: *mut Slot,
    /// What owns `slot`, if no instance does.
    _owned: Option<Pinned<Slot>>,
}

impl Global {
    /// A new global of `value`'s type.
    ///
    /// # Errors
    /// When `value` is a function of another store.
    pub fn new(
        store: &mut StoreContext,
        mutable: bool,
        value: Value,
    ) -> Result<Global, AccessError> {
        value.check(value.ty(), store.inner().id)?;
        let owned = Pinned::new(value.to_slot());
        let ty = GlobalType { content: value.ty(), mutable };
        let data = GlobalData { ty, slot: owned.as_ptr(), _owned: Some(owned) };
        Ok(Global::insert(store.inner_mut(), data))
    }

    pub(crate) fn insert(store: &mut StoreInner, data: GlobalData) -> Global {
        store.globals.push(data);
        Global { store: store.id, index: store.globals.len() - 1 }
    }

    /// Its type.
    ///
    /// # Panics
    /// As all methods do: when the global belongs to another store.
    pub fn ty(self, store: &StoreContext) -> GlobalType {
        self.data(store).ty
    }

    /// Its value.
    pub fn get(self, store: &StoreContext) -> Value {
        let data = self.data(store);
        // SAFETY: the slot lives as long as the store; no wasm code runs now;
        // references in it belong to the store.
        unsafe { Value::from_slot(*data.slot, data.ty.content, self.store) }
    }

    /// Changes its value.
    ///
    /// # Errors
    /// When it is immutable, or `value` is of another type or store.
    pub fn set(self, store: &mut StoreContext, value: Value) -> Result<(), AccessError> {
        let data = self.data(store);
        if !data.ty.mutable {
            return Err(AccessError::Immutable);
        }
        value.check(data.ty.content, self.store)?;
        // SAFETY: as in `get`, and `&mut` of the store excludes other users.
        unsafe { *data.slot = value.to_slot() };
        Ok(())
    }

    pub(crate) fn store_id(self) -> StoreId {
        self.store
    }

    fn data(self, store: &StoreContext) -> &GlobalData {
        store.check_owner(self.store, "global");
        store.inner().global(self)
    }
}

impl StoreInner {
    /// The global; `global` belongs to this store.
    pub(crate) fn global(&self, global: Global) -> &GlobalData {
        &self.globals[global.index]
    }
}

impl GlobalData {
    /// A global in the tail of an instance that lives as long as the store.
    pub(crate) fn in_instance(ty: GlobalType, slot: *mut Slot) -> GlobalData {
        GlobalData { ty, slot, _owned: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Store};

    #[test]
    fn only_mutable_globals_change_and_keep_their_type() {
        let mut store = Store::new(Config::default());
        let fixed = Global::new(&mut store, false, Value::I32(1)).unwrap();
        let open = Global::new(&mut store, true, Value::F64(2)).unwrap();
        assert!(matches!(fixed.set(&mut store, Value::I32(2)), Err(AccessError::Immutable)));
        assert!(matches!(open.set(&mut store, Value::I32(2)), Err(AccessError::Type { .. })));
        open.set(&mut store, Value::F64(3)).unwrap();
        assert_eq!((fixed.get(&store), open.get(&store)), (Value::I32(1), Value::F64(3)));
        assert_eq!(open.ty(&store).to_string(), "mutable global f64");
    }
}
