//! Tables that stay as they are first filled, in the file as constants: a call
//! through one compares an index and a type and is at the code after one load,
//! where the references of an instance would take three, one after the other. Where
//! the functions of the type are side by side, it compares the index alone; where there
//! is one, it is a call of that one, which may be inlined.
//!
//! A table is an array of `i32`: for each element how far its code is from the start of
//! the table, and after those of all elements the type of each.

use super::table_image;
use crate::module::WasmModule;
use crate::translate::ShardCx;
use inkwell::GlobalVisibility;
use inkwell::module::Linkage;
use inkwell::types::ArrayType;
use inkwell::values::{GlobalValue, IntValue};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use wasm2so_abi::{ExternKind, NULL_FUNCTION};

/// The type of null.
pub const NO_TYPE: u32 = u32::MAX;

/// The fixed tables of a module.
#[derive(Debug, Default)]
pub struct FixedTables {
    /// The functions, or none, in each; it may have more elements, all null.
    tables: BTreeMap<u32, Vec<Option<u32>>>,
    /// By type: the first one that is equal.
    types: Vec<u32>,
    /// Where the functions of a type are, by table and type number, in order.
    places: HashMap<(u32, u32), Vec<Place>>,
}

/// A function in a fixed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The element.
    pub element: u32,
    /// Index of the function.
    pub function: u32,
}

impl FixedTables {
    /// Those of `module`; `changed` tells which tables its code changes. Nobody
    /// else can change one that is neither imported nor exported.
    pub fn of(module: &WasmModule<'_>, changed: &[bool]) -> Self {
        let images = table_image::lay_out(module);
        if images.end < module.elems.len() {
            return FixedTables::default();
        }
        let exported = |table| {
            let mut exports = module.exports.iter();
            exports.any(|export| export.kind == ExternKind::Table && export.index == table)
        };
        let function =
            |place: u32| (place != NULL_FUNCTION).then(|| module.referenced[place as usize]);
        let local = |f: &Option<u32>| f.is_none_or(|f| f >= module.imported_functions);
        let tables = images.tables.into_iter();
        let tables = tables.filter(|&(table, _)| !changed[table as usize] && !exported(table));
        let tables = tables
            .map(|(table, places)| (table, places.into_iter().map(function).collect::<Vec<_>>()));
        let mut first = HashMap::new();
        let types = module.types.iter().zip(0..);
        let mut fixed = FixedTables {
            tables: tables.filter(|(_, functions)| functions.iter().all(local)).collect(),
            types: types.map(|(ty, index)| *first.entry(ty).or_insert(index)).collect(),
            places: HashMap::new(),
        };
        for (&table, functions) in &fixed.tables {
            for (element, function) in (0..).zip(functions) {
                let Some(function) = *function else { continue };
                let ty = fixed.type_number(module.functions[function as usize]);
                fixed.places.entry((table, ty)).or_default().push(Place { element, function });
            }
        }
        fixed
    }

    /// How many elements of `table`, if it is fixed, may be functions.
    pub fn len(&self, table: u32) -> Option<u64> {
        Some(self.tables.get(&table)?.len() as u64)
    }

    /// Where in `table`, which is fixed, functions of type `ty` are, in order.
    pub fn places(&self, table: u32, ty: u32) -> &[Place] {
        self.places.get(&(table, self.type_number(ty))).map_or(&[], Vec::as_slice)
    }

    /// What stands for type `index` in the elements.
    pub fn type_number(&self, index: u32) -> u32 {
        self.types[index as usize]
    }
}

/// The elements at `places`, if there are any and none between them.
pub fn run(places: &[Place]) -> Option<Range<u32>> {
    let (first, last) = (places.first()?.element, places.last()?.element);
    ((last - first) as usize == places.len() - 1).then(|| first..last + 1)
}

/// Fixed table `index`, declared.
pub fn declare<'ctx>(cx: &ShardCx<'ctx, '_>, index: u32, len: u64) -> GlobalValue<'ctx> {
    let symbol = format!("wasm2so.table.{index}");
    cx.llvm.get_global(&symbol).unwrap_or_else(|| {
        let table = cx.llvm.add_global(layout(cx, len), None, &symbol);
        table.set_linkage(Linkage::External);
        table.set_visibility(GlobalVisibility::Hidden);
        table.set_constant(true);
        table.set_alignment(size_of::<i32>() as u32);
        table
    })
}

/// The type of a table of `len` elements.
fn layout<'ctx>(cx: &ShardCx<'ctx, '_>, len: u64) -> ArrayType<'ctx> {
    cx.types.i32.array_type(u32::try_from(2 * len).expect("tables are not that large"))
}

/// Defines the fixed tables.
pub fn define(cx: &ShardCx<'_, '_>) {
    for (&index, functions) in &cx.fixed_tables.tables {
        let len = functions.len() as u64;
        let table = declare(cx, index, len);
        if let Some(debug) = &cx.debug
            && debug.variables
        {
            debug.fixed_table(table, 2 * len);
        }
        let start = address(cx, table);
        let number = |number: u32| cx.types.i32.const_int(number.into(), false);
        let offsets = functions.iter().map(|function| {
            function.map_or(number(0), |function| {
                let code = address(cx, cx.function(function).as_global_value());
                code.const_sub(start).const_truncate(cx.types.i32)
            })
        });
        let types = functions.iter().map(|function| {
            number(function.map_or(NO_TYPE, |function| {
                cx.fixed_tables.type_number(cx.module.functions[function as usize])
            }))
        });
        let fields: Vec<_> = offsets.chain(types).collect();
        table.set_initializer(&cx.types.i32.const_array(&fields));
    }
}

fn address<'ctx>(cx: &ShardCx<'ctx, '_>, global: GlobalValue<'ctx>) -> IntValue<'ctx> {
    global.as_pointer_value().const_to_int(cx.types.i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str, changed: &[bool]) -> FixedTables {
        let wasm = wat::parse_str(text).unwrap();
        FixedTables::of(&crate::module::parse(&wasm).unwrap(), changed)
    }

    #[test]
    fn they_are_what_nobody_can_change() {
        let text = r#"(module (import "" "f" (func $imported))
            (type $a (func)) (type $b (func (result i32))) (type $c (func))
            (func $f (type $a)) (func $g (type $c))
            (table $fixed 9 funcref) (table $changed 9 funcref)
            (table $exported (export "t") 9 funcref) (table $foreign 9 funcref)
            (elem (table $fixed) (i32.const 1) func $f $g)
            (elem (table $changed) (i32.const 1) func $f $g)
            (elem (table $exported) (i32.const 1) func $f $g)
            (elem (table $foreign) (i32.const 1) func $f $imported))"#;
        let found = fixed(text, &[false, true, false, false]);
        assert_eq!(found.tables, [(0, vec![None, Some(1), Some(2)])].into());
        assert_eq!(found.types, [0, 1, 0]);
        let at = |element, function| Place { element, function };
        assert_eq!([found.places(0, 2), found.places(0, 1)], [&[at(1, 1), at(2, 2)][..], &[]]);
        let runs = [&[at(1, 1), at(2, 2)][..], &[at(1, 1), at(3, 2)], &[]].map(run);
        assert_eq!(runs, [Some(1..3), None, None]);
    }

    #[test]
    fn there_are_none_if_contents_depend_on_the_instance() {
        let text = r#"(module (import "" "g" (global $g i32)) (func $f)
            (table 9 funcref) (elem (i32.const 1) $f) (elem (global.get $g) $f))"#;
        assert_eq!(fixed(text, &[false]).tables, BTreeMap::new());
    }
}
