//! Tables of references.
//!
//! The base of a table never moves, so its address space is reserved for the
//! largest size it can take.
//!
//! A table may start with thousands of functions, of which a program uses few.
//! Its elements are null at first, and bound to functions as somebody looks at
//! them. Of an instance it is only known that it has references to functions.

use crate::error::{AccessError, ResourceError};
use crate::instance::InstanceData;
use crate::memory::write_limits;
use crate::reservation::Reservation;
use crate::store::{Pinned, StoreContext, StoreId, StoreInner};
use crate::value::Value;
use std::borrow::Cow;
use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use wasm2so_abi::{NULL_FUNCTION, TrapCode, ValType, VmTable, VmTableState};

/// Most elements of a table, as in other engines.
const MAX_ELEMENTS: u64 = 10_000_000;

/// The type of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType {
    /// `funcref` or `externref`.
    pub element: ValType,
    /// Number of elements at the start.
    pub min: u64,
    /// Number of elements that it never exceeds.
    pub max: Option<u64>,
}

/// Shows `table 1..4 of funcref`.
impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("table ")?;
        write_limits(f, self.min, self.max)?;
        write!(f, " of {}", self.element.name())
    }
}

/// Names a table in a [`Store`](crate::Store).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    store: StoreId,
    index: usize,
}

/// A table, owned by the store. References are as in compiled code.
pub(crate) struct TableData {
    reservation: Reservation,
    state: Pinned<VmTableState>,
    element: ValType,
    max: Option<u64>,
    unbound: Option<Unbound>,
}

/// What null elements of a table may stand for.
struct Unbound {
    /// Places among the references of the instance, or [`NULL_FUNCTION`] where null
    /// is null, as it is beyond.
    functions: Cow<'static, [u32]>,
    /// Lives as long as the store, as the table does.
    instance: NonNull<InstanceData>,
}

impl Table {
    /// A new table; every element is `init`.
    ///
    /// # Errors
    /// When `init` is not of the element type or of another store, or the
    /// table is larger than 10,000,000 elements, its own maximum or what the
    /// system has.
    pub fn new(store: &mut StoreContext, ty: TableType, init: Value) -> Result<Table, AccessError> {
        let init = check_element(store, ty.element, init)?;
        let mut data = TableData::new(TableType { min: 0, ..ty })?;
        data.grow(ty.min, init)?;
        Ok(Table::insert(store.inner_mut(), data))
    }

    pub(crate) fn insert(store: &mut StoreInner, data: TableData) -> Table {
        store.tables.push(data);
        Table { store: store.id, index: store.tables.len() - 1 }
    }

    /// Its element type, current size and maximum.
    ///
    /// # Panics
    /// As all methods do: when the table belongs to another store.
    pub fn ty(self, store: &StoreContext) -> TableType {
        let data = self.data(store);
        TableType { element: data.element, min: data.len(), max: data.max }
    }

    /// Its number of elements.
    pub fn size(self, store: &StoreContext) -> u64 {
        self.data(store).len()
    }

    /// The element at `index`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(self, store: &StoreContext, index: u64) -> Result<Value, AccessError> {
        let data = self.data(store);
        let element = data.get(index).ok_or_else(|| data.no_element(index))?;
        // SAFETY: compiled code and `set` write only references of the element
        // type that belong to this store.
        Ok(unsafe { Value::from_reference(element, data.element, self.store) })
    }

    /// Replaces the element at `index`.
    ///
    /// # Errors
    /// When there is none, or `value` is not of the element type or of another
    /// store.
    pub fn set(
        self,
        store: &mut StoreContext,
        index: u64,
        value: Value,
    ) -> Result<(), AccessError> {
        let value = check_element(store, self.data(store).element, value)?;
        let data = store.inner_mut().table_mut(self);
        data.fill(index, value, 1).map_err(|_| data.no_element(index))
    }

    /// Adds `delta` elements that are `init`; returns the size before.
    ///
    /// # Errors
    /// As for [`Table::new`]; then nothing changed.
    pub fn grow(
        self,
        store: &mut StoreContext,
        delta: u64,
        init: Value,
    ) -> Result<u64, AccessError> {
        let init = check_element(store, self.data(store).element, init)?;
        Ok(store.inner_mut().table_mut(self).grow(delta, init)?)
    }

    pub(crate) fn store_id(self) -> StoreId {
        self.store
    }

    fn data(self, store: &StoreContext) -> &TableData {
        store.check_owner(self.store, "table");
        store.inner().table(self)
    }
}

/// The form of `value` in a table of `element` in `store`.
fn check_element(
    store: &StoreContext,
    element: ValType,
    value: Value,
) -> Result<*mut c_void, AccessError> {
    value.check(element, store.inner().id)?;
    Ok(value.to_reference())
}

impl StoreInner {
    /// The table; `table` belongs to this store.
    pub(crate) fn table(&self, table: Table) -> &TableData {
        &self.tables[table.index]
    }

    /// The table; `table` belongs to this store.
    pub(crate) fn table_mut(&mut self, table: Table) -> &mut TableData {
        &mut self.tables[table.index]
    }

    /// Copies between two tables of this store, which may be one.
    pub(crate) fn copy_table(
        &mut self,
        (to, to_at): (Table, u64),
        (from, from_at): (Table, u64),
        len: u64,
    ) -> Result<(), TrapCode> {
        let source = self.table(from).source(from_at, len).ok_or(TrapCode::TableOutOfBounds)?;
        let to = self.table_mut(to);
        let target = to.range(to_at, len).ok_or(TrapCode::TableOutOfBounds)?;
        // SAFETY: both in bounds; they may overlap; no wasm code runs now.
        unsafe { std::ptr::copy(source, target, len as usize) };
        to.forget(to_at, len);
        Ok(())
    }
}

impl TableData {
    /// A table full of null.
    pub(crate) fn new(ty: TableType) -> Result<TableData, ResourceError> {
        let capacity = ty.max.unwrap_or(MAX_ELEMENTS).min(MAX_ELEMENTS);
        let committed = byte_len(ty.min.min(capacity));
        let reservation = Reservation::new(byte_len(capacity), committed, None, "table")?;
        let state = Pinned::new(VmTableState { base: reservation.base().cast(), len: 0 });
        let mut data =
            TableData { reservation, state, element: ty.element, max: ty.max, unbound: None };
        data.grow(ty.min, std::ptr::null_mut())?;
        Ok(data)
    }

    /// What an instance's tail holds.
    pub(crate) fn vm_table(&self) -> VmTable {
        VmTable { base: self.base(), state: self.state.as_ptr() }
    }

    /// Lets null elements stand for these functions of `instance`, which lives as
    /// long as the store: places among its references, or [`NULL_FUNCTION`]. They
    /// fit, and nobody has used the table.
    pub(crate) fn show(&mut self, functions: &'static [u32], instance: NonNull<InstanceData>) {
        self.unbound = Some(Unbound { functions: functions.into(), instance });
    }

    /// The element at `index`, if there is one.
    pub(crate) fn get(&self, index: u64) -> Option<*mut c_void> {
        let at = self.range(index, 1)?;
        self.bind(index, 1);
        // SAFETY: in bounds, and no wasm code runs now.
        Some(unsafe { *at })
    }

    /// Replaces null elements by what they stand for; all are in bounds.
    fn bind(&self, at: u64, len: u64) {
        let Some(Unbound { functions, instance }) = &self.unbound else { return };
        let places = functions.iter().enumerate().skip(at as usize).take(len as usize);
        for (index, &place) in places {
            let element = self.base().wrapping_add(index);
            // SAFETY: in bounds, and no wasm code runs now; the instance lives as
            // long as the table, and whoever uses it shares it.
            unsafe {
                if (*element).is_null() && place != NULL_FUNCTION {
                    *element = instance.as_ref().funcref(place).cast();
                }
            }
        }
    }

    /// Lets elements that were just written be null where they are.
    fn forget(&mut self, at: u64, len: u64) {
        let base = self.base();
        let Some(Unbound { functions, .. }) = &mut self.unbound else { return };
        let end = (at + len).min(functions.len() as u64);
        for index in at as usize..end as usize {
            // SAFETY: in bounds, and no wasm code runs now.
            let is_null = unsafe { (*base.wrapping_add(index)).is_null() };
            if is_null && functions[index] != NULL_FUNCTION {
                functions.to_mut()[index] = NULL_FUNCTION;
            }
        }
    }

    pub(crate) fn grow(&mut self, delta: u64, init: *mut c_void) -> Result<u64, ResourceError> {
        let old = self.len();
        let elements = old.saturating_add(delta);
        let limit = self.max.unwrap_or(MAX_ELEMENTS).min(MAX_ELEMENTS);
        if elements > limit {
            return Err(ResourceError::TableSize { elements, limit });
        }
        self.reservation.commit(byte_len(elements), "table")?;
        // SAFETY: no wasm code runs now, so nobody else uses the state.
        unsafe { (*self.state.as_ptr()).len = elements };
        // New elements are zero, which is null.
        if !init.is_null() {
            self.fill(old, init, delta).expect("the new elements are in bounds");
        }
        Ok(old)
    }

    pub(crate) fn fill(&mut self, at: u64, value: *mut c_void, len: u64) -> Result<(), TrapCode> {
        let to = self.range(at, len).ok_or(TrapCode::TableOutOfBounds)?;
        // SAFETY: in bounds, and no wasm code runs now.
        unsafe { std::slice::from_raw_parts_mut(to, len as usize) }.fill(value);
        self.forget(at, len);
        Ok(())
    }

    pub(crate) fn write(
        &mut self,
        at: u64,
        source: impl ExactSizeIterator<Item = *mut c_void>,
    ) -> Result<(), TrapCode> {
        let len = source.len() as u64;
        let to = self.range(at, len).ok_or(TrapCode::TableOutOfBounds)?;
        for (index, element) in source.enumerate() {
            // SAFETY: in bounds, and no wasm code runs now.
            unsafe { *to.wrapping_add(index) = element };
        }
        self.forget(at, len);
        Ok(())
    }

    /// The elements `at..at + len`, all bound, if there are such.
    fn source(&self, at: u64, len: u64) -> Option<*const *mut c_void> {
        let start = self.range(at, len)?;
        self.bind(at, len);
        Some(start)
    }

    pub(crate) fn len(&self) -> u64 {
        // SAFETY: compiled code only reads the state.
        unsafe { (*self.state.as_ptr()).len }
    }

    fn base(&self) -> *mut *mut c_void {
        self.reservation.base().cast()
    }

    /// Pointer to elements `at..at + len`, if there are such.
    fn range(&self, at: u64, len: u64) -> Option<*mut *mut c_void> {
        if at.checked_add(len)? > self.len() {
            return None;
        }
        Some(self.base().wrapping_add(at as usize))
    }

    fn no_element(&self, index: u64) -> AccessError {
        AccessError::TableIndex { index, len: self.len() }
    }
}

fn byte_len(elements: u64) -> usize {
    elements as usize * size_of::<*mut c_void>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Store};
    use std::num::NonZeroU64;

    fn number(n: u64) -> Value {
        Value::ExternRef(NonZeroU64::new(n))
    }

    fn externs(min: u64, max: Option<u64>) -> TableType {
        TableType { element: ValType::ExternRef, min, max }
    }

    #[test]
    fn elements_are_kept_and_checked() {
        let mut store = Store::new(Config::default());
        let table = Table::new(&mut store, externs(2, Some(5)), number(9)).unwrap();
        table.set(&mut store, 1, number(4)).unwrap();
        assert_eq!(table.get(&store, 0).unwrap(), number(9));
        assert_eq!(table.get(&store, 1).unwrap(), number(4));
        assert!(matches!(table.get(&store, 2), Err(AccessError::TableIndex { index: 2, len: 2 })));
        let wrong = table.set(&mut store, 0, Value::FuncRef(None));
        assert!(matches!(wrong, Err(AccessError::Type { .. })));
        assert_eq!(table.grow(&mut store, 3, number(7)).unwrap(), 2);
        assert_eq!(table.get(&store, 4).unwrap(), number(7));
        assert!(table.grow(&mut store, 1, number(0)).is_err());
        assert_eq!(table.ty(&store), externs(5, Some(5)));
    }

    #[test]
    fn the_largest_table_has_ten_million_elements() {
        let mut store = Store::new(Config::default());
        let table = Table::new(&mut store, externs(0, None), number(0)).unwrap();
        assert!(table.grow(&mut store, MAX_ELEMENTS + 1, number(0)).is_err());
        assert_eq!(table.grow(&mut store, MAX_ELEMENTS, number(0)).unwrap(), 0);
        assert_eq!(table.get(&store, MAX_ELEMENTS - 1).unwrap(), number(0));
        assert!(Table::new(&mut store, externs(2, Some(1)), number(0)).is_err());
    }

    #[test]
    fn bulk_operations_check_bounds_first() {
        let mut store = Store::new(Config::default());
        let table = Table::new(&mut store, externs(4, None), number(0)).unwrap();
        let pointer = |n: usize| std::ptr::without_provenance_mut::<c_void>(n);
        let inner = store.inner_mut();
        inner.table_mut(table).write(0, [1, 2, 3].map(pointer).into_iter()).unwrap();
        let mut copy = |to, from, len| inner.copy_table((table, to), (table, from), len);
        copy(1, 0, 3).unwrap();
        assert!(copy(2, 0, 3).is_err());
        assert!(copy(0, u64::MAX, 2).is_err());
        copy(4, 4, 0).unwrap();
        assert!(copy(5, 4, 0).is_err());
        let data = inner.table_mut(table);
        assert!(data.write(3, [1, 2].map(pointer).into_iter()).is_err());
        assert!(data.fill(3, pointer(8), 2).is_err());
        data.fill(3, pointer(8), 1).unwrap();
        let elements = [0, 1, 2, 3].map(|index| data.get(index).unwrap());
        assert_eq!(elements, [1, 1, 2, 8].map(pointer));
        assert_eq!(data.get(4), None);
    }
}
