//! The first contents of tables as lists of functions, which instances bind one by
//! one as they are used instead of applying segments.

use crate::module::{Elem, ElemItems, SegmentMode, WasmModule};
use std::collections::BTreeMap;
use wasm2so_abi::{ConstOpcode, NULL_FUNCTION};

/// Elements that the images may always have; larger ones than this and four times
/// the segments are not worth their place in the file.
const ALWAYS: u64 = 64 << 10;

/// What is laid out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TableImages {
    /// Places of functions among the referenced ones, or [`NULL_FUNCTION`], of
    /// each table that has any.
    pub tables: BTreeMap<u32, Vec<u32>>,
    /// Element segments from here on are not in them, nor are those that are not
    /// active.
    pub end: usize,
}

/// Lays out the active element segments before the first one that must wait for
/// the instance: it may not fit, its place or an element is not known, or others
/// see it.
pub fn lay_out(module: &WasmModule<'_>) -> TableImages {
    let mut placed = Vec::new();
    let mut end = 0;
    for elem in &module.elems {
        match place(module, elem) {
            Place::Nowhere => {}
            Place::At(table, start, functions) => placed.push((table, start, functions)),
            Place::Later => break,
        }
        end += 1;
    }

    let mut ends: BTreeMap<u32, usize> = BTreeMap::new();
    for (table, start, functions) in &placed {
        let end = ends.entry(*table).or_default();
        *end = (*end).max(start + functions.len());
    }
    let size: u64 = placed.iter().map(|(_, _, functions)| functions.len() as u64).sum();
    if ends.values().map(|&end| end as u64).sum::<u64>() > ALWAYS + 4 * size {
        return TableImages::default();
    }

    let mut tables: BTreeMap<u32, Vec<u32>> =
        ends.into_iter().map(|(table, end)| (table, vec![NULL_FUNCTION; end])).collect();
    for (table, start, functions) in placed {
        let contents = tables.get_mut(&table).expect("made for it");
        contents[start..start + functions.len()].copy_from_slice(&functions);
    }
    for contents in tables.values_mut() {
        let last = contents.iter().rposition(|&function| function != NULL_FUNCTION);
        contents.truncate(last.map_or(0, |last| last + 1));
    }
    tables.retain(|_, contents| !contents.is_empty());
    TableImages { tables, end }
}

/// Where an element segment goes.
enum Place {
    /// Nowhere by itself.
    Nowhere,
    /// Into this table, from this element on: these functions.
    At(u32, usize, Vec<u32>),
    /// Only the instance can tell.
    Later,
}

fn place(module: &WasmModule<'_>, elem: &Elem) -> Place {
    let SegmentMode::Active { target, offset } = &elem.mode else { return Place::Nowhere };
    let [step] = &offset[..] else { return Place::Later };
    if step.opcode != ConstOpcode::Value || *target < module.imported_tables {
        return Place::Later;
    }
    let Some(functions) = functions(module, &elem.items) else { return Place::Later };
    let start = u64::from(step.bits as u32);
    let fits = start + functions.len() as u64 <= module.tables[*target as usize].limits.min;
    if fits { Place::At(*target, start as usize, functions) } else { Place::Later }
}

/// The places of the functions, if all are known.
fn functions(module: &WasmModule<'_>, items: &ElemItems) -> Option<Vec<u32>> {
    match items {
        ElemItems::Functions(functions) => {
            Some(functions.iter().map(|&function| module.funcref_place(function)).collect())
        }
        ElemItems::Expressions(expressions) => expressions
            .iter()
            .map(|steps| match steps[..] {
                [step] if step.opcode == ConstOpcode::RefFunc => {
                    Some(module.funcref_place(step.index))
                }
                [step] if step.opcode == ConstOpcode::Value => Some(NULL_FUNCTION),
                _ => None,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(text: &str) -> TableImages {
        let wasm = wat::parse_str(text).unwrap();
        lay_out(&crate::module::parse(&wasm).unwrap())
    }

    const NULL: u32 = NULL_FUNCTION;

    #[test]
    fn later_segments_overwrite_earlier_ones() {
        let images = images(
            r#"(module (func $a) (func $b) (func $unused) (func $c)
                (table 9 funcref) (table $two 9 funcref) (table $three 1 externref)
                (elem (i32.const 1) $b $c $c) (elem $passive func $a)
                (elem (i32.const 2) funcref (ref.null func) (item ref.func $a) (ref.null func))
                (elem (table $two) (i32.const 0) func $c) (elem (i32.const 0) func)
                (elem (table $three) (i32.const 0) externref (ref.null extern)))"#,
        );
        let tables = [(0, vec![NULL, 1, NULL, 0]), (1, vec![2])];
        assert_eq!(images, TableImages { tables: tables.into(), end: 6 });
    }

    #[test]
    fn they_end_at_what_only_the_instance_can_tell() {
        let end = |rest: &str| {
            let text = format!(
                r#"(module (import "" "t" (table $imported 1 funcref))
                    (import "" "g" (global $g i32)) (import "" "f" (global $f funcref))
                    (table $own 2 funcref) (func $a) (func $b)
                    (elem (table $own) (i32.const 1) func $a) {rest}
                    (elem (table $own) (i32.const 1) func $b))"#
            );
            let images = images(&text);
            (images.end, images.tables[&1].clone())
        };
        assert_eq!(end(""), (2, vec![NULL, 1]));
        let stopped = (1, vec![NULL, 0]);
        assert_eq!(end("(elem (table $own) (i32.const 1) func $a $a)"), stopped);
        assert_eq!(end("(elem (table $own) (i32.const 3) func)"), stopped);
        assert_eq!(end("(elem (table $own) (i32.const -1) func $a)"), stopped);
        assert_eq!(end("(elem (table $own) (global.get $g) func $a)"), stopped);
        assert_eq!(end("(elem (table $own) (i32.const 0) funcref (global.get $f))"), stopped);
        assert_eq!(end("(elem (table $imported) (i32.const 0) func $a)"), stopped);
    }

    #[test]
    fn scattered_elements_are_left_to_the_instance() {
        let scattered = |at: u32| {
            let text =
                format!(r#"(module (func $a) (table 1000000 funcref) (elem (i32.const {at}) $a))"#);
            images(&text).end
        };
        assert_eq!((scattered(60_000), scattered(70_000)), (1, 0));
    }
}
