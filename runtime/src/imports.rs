//! What crosses the border of an instance: its types, and how imports are
//! matched with what the host offers.

use crate::error::{ImportProblem, LinkError};
use crate::func::Func;
use crate::global::{Global, GlobalType};
use crate::instance::Instance;
use crate::memory::{Memory, MemoryType};
use crate::signature::FuncType;
use crate::store::{StoreContext, StoreId};
use crate::table::{Table, TableType};
use crate::{ImportType, Module};
use std::collections::HashMap;
use std::fmt;
use wasm2so_abi::ExternKind;

/// Something that can be imported and exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A linear memory.
    Memory(Memory),
    /// A global.
    Global(Global),
}

/// The type of an [`Extern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// Of a function.
    Func(FuncType),
    /// Of a table.
    Table(TableType),
    /// Of a linear memory.
    Memory(MemoryType),
    /// Of a global.
    Global(GlobalType),
}

impl Extern {
    /// Its type; for a table or memory the minimum is its current size.
    ///
    /// # Panics
    /// When it belongs to another store.
    pub fn ty(self, store: &StoreContext) -> ExternType {
        match self {
            Extern::Func(func) => ExternType::Func(func.ty(store)),
            Extern::Table(table) => ExternType::Table(table.ty(store)),
            Extern::Memory(memory) => ExternType::Memory(memory.ty(store)),
            Extern::Global(global) => ExternType::Global(global.ty(store)),
        }
    }

    fn store_id(self) -> StoreId {
        match self {
            Extern::Func(func) => func.store_id(),
            Extern::Table(table) => table.store_id(),
            Extern::Memory(memory) => memory.store_id(),
            Extern::Global(global) => global.store_id(),
        }
    }
}

macro_rules! impl_from {
    ($($kind:ident)*) => {
        $(impl From<$kind> for Extern {
            fn from(value: $kind) -> Extern {
                Extern::$kind(value)
            }
        })*
    };
}

impl_from!(Func Table Memory Global);

impl ExternType {
    pub(crate) fn kind(&self) -> ExternKind {
        match self {
            ExternType::Func(_) => ExternKind::Function,
            ExternType::Table(_) => ExternKind::Table,
            ExternType::Memory(_) => ExternKind::Memory,
            ExternType::Global(_) => ExternKind::Global,
        }
    }

    /// Whether what has this type may be imported as `expected`.
    fn matches(&self, expected: &ExternType) -> bool {
        // Sizes count from the current one; no maximum is the greatest.
        let limits = |min, max: Option<u64>, want_min, want_max: Option<u64>| {
            min >= want_min && want_max.is_none_or(|want| max.is_some_and(|max| max <= want))
        };
        match (self, expected) {
            (ExternType::Func(found), ExternType::Func(want)) => found == want,
            (ExternType::Table(found), ExternType::Table(want)) => {
                found.element == want.element && limits(found.min, found.max, want.min, want.max)
            }
            (ExternType::Memory(found), ExternType::Memory(want)) => {
                limits(found.min, found.max, want.min, want.max)
            }
            (ExternType::Global(found), ExternType::Global(want)) => found == want,
            _ => false,
        }
    }
}

/// Shows `function (i32) -> ()`, `memory 1..`, `table 1..2 of funcref` or
/// `global i32`.
impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => write!(f, "function {ty}"),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
        }
    }
}

/// Things to import, by their two names.
#[derive(Clone, Debug, Default)]
pub struct Imports {
    modules: HashMap<String, HashMap<String, Extern>>,
}

impl Imports {
    /// None.
    pub fn new() -> Imports {
        Imports::default()
    }

    /// Offers `item` as `module` `name`, in place of what had these names.
    pub fn define(
        &mut self,
        module: impl Into<String>,
        name: impl Into<String>,
        item: impl Into<Extern>,
    ) -> &mut Self {
        self.modules.entry(module.into()).or_default().insert(name.into(), item.into());
        self
    }

    /// Offers every export of `instance` under the first name `module`.
    ///
    /// # Panics
    /// When `instance` belongs to another store.
    pub fn define_instance(
        &mut self,
        store: &StoreContext,
        module: impl Into<String>,
        instance: Instance,
    ) -> &mut Self {
        let exports = instance.exports(store).map(|(name, item)| (name.to_owned(), item));
        self.modules.entry(module.into()).or_default().extend(exports);
        self
    }

    /// What is offered as `module` `name`.
    pub fn get(&self, module: &str, name: &str) -> Option<Extern> {
        self.modules.get(module)?.get(name).copied()
    }

    /// What `module` imports, in order.
    ///
    /// # Errors
    /// Names everything that is missing or does not fit.
    pub(crate) fn resolve(
        &self,
        store: &StoreContext,
        module: &Module,
    ) -> Result<Vec<Extern>, LinkError> {
        let mut found = Vec::with_capacity(module.imports().len());
        let mut problems = Vec::new();
        for import in module.imports() {
            match self.resolve_one(store, import) {
                Ok(item) => found.push(item),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(found)
        } else {
            Err(LinkError { module: module.name().to_owned(), problems })
        }
    }

    fn resolve_one(
        &self,
        store: &StoreContext,
        import: &ImportType,
    ) -> Result<Extern, ImportProblem> {
        let ImportType { module, name, ty: expected } = import.clone();
        let Some(item) = self.get(&module, &name) else {
            return Err(ImportProblem::Unknown { module, name, expected });
        };
        if item.store_id() != store.inner().id {
            return Err(ImportProblem::OtherStore { module, name, expected });
        }
        let found = item.ty(store);
        if !found.matches(&expected) {
            return Err(ImportProblem::Incompatible { module, name, expected, found });
        }
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Store, ValType, Value};

    fn memory(min: u64, max: Option<u64>) -> ExternType {
        ExternType::Memory(MemoryType { min, max })
    }

    fn import(name: &str, ty: ExternType) -> ImportType {
        ImportType { module: "env".into(), name: name.into(), ty }
    }

    #[test]
    fn limits_may_only_be_tighter() {
        assert!(memory(2, Some(4)).matches(&memory(1, None)));
        assert!(memory(2, Some(4)).matches(&memory(2, Some(4))));
        assert!(!memory(2, Some(4)).matches(&memory(3, None)));
        assert!(!memory(2, Some(4)).matches(&memory(0, Some(3))));
        assert!(!memory(2, None).matches(&memory(0, Some(65536))));
    }

    #[test]
    fn globals_and_functions_match_exactly() {
        let global = |mutable| ExternType::Global(GlobalType { content: ValType::I32, mutable });
        assert!(global(true).matches(&global(true)));
        assert!(!global(true).matches(&global(false)));
        let func = |results: &[ValType]| ExternType::Func(FuncType::new([], results));
        assert!(func(&[ValType::I32]).matches(&func(&[ValType::I32])));
        assert!(!func(&[]).matches(&func(&[ValType::I32])));
        assert!(!func(&[]).matches(&global(false)));
    }

    #[test]
    fn a_grown_memory_satisfies_a_larger_minimum() {
        let mut store = Store::new(Config::default());
        let grown = Memory::new(&mut store, MemoryType { min: 1, max: None }).unwrap();
        let mut imports = Imports::new();
        imports.define("env", "m", grown);
        let wanted = import("m", memory(2, None));
        assert!(imports.resolve_one(&store, &wanted).is_err());
        grown.grow(&mut store, 1).unwrap();
        assert_eq!(imports.resolve_one(&store, &wanted), Ok(grown.into()));
    }

    #[test]
    fn problems_say_what_to_define() {
        let mut store = Store::new(Config::default());
        let mut imports = Imports::new();
        let number = Global::new(&mut store, true, Value::I32(0)).unwrap();
        imports.define("env", "g", number);
        let ty = ExternType::Func(FuncType::new([ValType::I32], []));
        let message = |name, store: &Store| {
            imports.resolve_one(store, &import(name, ty.clone())).unwrap_err().to_string()
        };
        assert_eq!(
            message("f", &store),
            "unknown import: `env` `f`: define a function (i32) -> ()"
        );
        assert_eq!(
            message("g", &store),
            "incompatible import type: `env` `g` must be a function (i32) -> (), \
             but is a mutable global i32"
        );
        let other = Store::new(Config::default());
        assert!(message("g", &other).contains("belongs to another store"));
    }
}
