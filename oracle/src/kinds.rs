//! Every kind of trap in every calling situation, as text: each situation is
//! cheap to run, and here all of them are crossed with all kinds.
//!
//! In the text SITE stands for code that may trap and reads `$x`, GOOD for an
//! `$x` with which it does not, and BAD for one with which it does.

use crate::case::{Case, Surroundings};
use crate::host::Generic;
use crate::judge::Judge;
use crate::layout::Layout;
use crate::report::{Report, Trial};
use crate::subject::Build;
use anyhow::{Context, Result};
use wasmrun::Value;

/// A kind: its name, its code, and which `$x` are good and which bad.
struct Kind {
    name: String,
    site: String,
    good: i32,
    bad: Vec<i32>,
}

const SURROUNDINGS: Surroundings<'_> =
    Surroundings { host: &|| Box::new(Generic::default()), fuel: 100_000 };

/// Judges all kinds.
///
/// # Errors
/// When something fails that is not what is tested.
pub fn run(builds: &[Build], report: &mut Report) -> Result<()> {
    for kind in kinds() {
        one(&kind, builds, report).with_context(|| format!("kind {}: {}", kind.name, kind.site))?;
    }
    Ok(())
}

fn one(kind: &Kind, builds: &[Build], report: &mut Report) -> Result<()> {
    let text = MODULE
        .replace("SITE", &kind.site)
        .replace("GOOD", &kind.good.to_string())
        .replace("BAD", &kind.bad[0].to_string());
    let wasm = wat::parse_str(&text)?;
    let name = format!("kind-{}", kind.name);
    let judge = Judge::new(&wasm, false)?;
    let mut cases = Vec::new();
    for (export, _) in Layout::of(&wasm)?.exports {
        for &x in kind.bad.iter().chain([&kind.good]) {
            cases.extend((0..3).map(|y| Case {
                export: Some(export.clone()),
                args: vec![Value::I32(x), Value::I32(y)],
                globals: Vec::new(),
            }));
        }
    }
    report.check(
        &Trial { name: &name, wasm: &wasm, judge: &judge },
        builds,
        &SURROUNDINGS,
        &cases,
    )?;
    start(kind, &text, builds, report)
}

/// The kind in the start function, where only one thing can happen.
fn start(kind: &Kind, text: &str, builds: &[Build], report: &mut Report) -> Result<()> {
    let start = format!(
        "(func $start (call $leaf (i32.const {}) (i32.const 0)) \
         (call $direct (i32.const {}) (i32.const 1))) (start $start))",
        kind.good, kind.bad[0]
    );
    let wasm = wat::parse_str(format!("{}{start}", without_end(text)))?;
    let name = format!("kind-{}-start", kind.name);
    let judge = Judge::new(&wasm, false)?;
    let cases = [Case::default()];
    report.check(&Trial { name: &name, wasm: &wasm, judge: &judge }, builds, &SURROUNDINGS, &cases)
}

/// The text of a module, open for more.
fn without_end(text: &str) -> &str {
    text.trim_end().strip_suffix(')').expect("a module ends")
}

/// All kinds. An X in the table is `(local.get $x)`.
fn kinds() -> Vec<Kind> {
    let bits = |value: f32| value.to_bits() as i32;
    let beyond = vec![0x10000, -1];
    let table = [8, -1];
    let mut kinds = vec![
        ("unreachable", "(if X (then (unreachable)))".to_owned(), 0, vec![1]),
        ("table.get", "(drop (table.get $t X))".into(), 7, table.to_vec()),
        ("table.set", "(table.set $t X (ref.null func))".into(), 7, table.to_vec()),
        ("table.fill", "(table.fill $t X (ref.null func) (i32.const 1))".into(), 7, table.to_vec()),
        (
            "table.copy",
            "(table.copy $t $t X (i32.const 3) (i32.const 1))".into(),
            6,
            table.to_vec(),
        ),
        (
            "table.init",
            "(table.init $t $e X (i32.const 0) (i32.const 1))".into(),
            6,
            table.to_vec(),
        ),
        ("memory.copy", "(memory.copy X (i32.const 99) (i32.const 8))".into(), 4, beyond.clone()),
        ("memory.fill", "(memory.fill X (i32.const 99) (i32.const 8))".into(), 4, beyond.clone()),
        ("memory.init", "(memory.init $d X (i32.const 0) (i32.const 8))".into(), 4, beyond.clone()),
        ("call_indirect", "(call_indirect $t (type $v) X)".into(), 0, vec![8, -1, 7, 1]),
    ];
    for op in ["div_s", "div_u", "rem_s", "rem_u"] {
        let bad = if op == "div_s" { vec![0, -1] } else { vec![0] };
        let site = format!("(global.set $sink (i32.{op} (i32.const 0x80000000) X))");
        kinds.push((op, site, 3, bad.clone()));
        let site = format!("(drop (i64.{op} (i64.const 0x8000000000000000) (i64.extend_i32_s X)))");
        kinds.push((op, site, 3, bad));
    }
    for (ty, float) in
        [("f32", "(f32.reinterpret_i32 X)"), ("f64", "(f64.promote_f32 (f32.reinterpret_i32 X))")]
    {
        for (to, sign) in [("i32", "s"), ("i32", "u"), ("i64", "s"), ("i64", "u")] {
            let site = format!("(drop ({to}.trunc_{ty}_{sign} {float}))");
            kinds.push(("trunc", site, bits(7.5), vec![bits(f32::NAN), bits(3e38), bits(-3e38)]));
        }
    }
    for load in LOADS.split_whitespace() {
        kinds.push((load, format!("(drop ({load} X))"), 8, beyond.clone()));
        kinds.push((load, format!("(drop ({load} offset=0xfff0 X))"), 8, beyond.clone()));
    }
    for load in ["i32.load", "i32.load8_s", "i32.load16_u"] {
        // Folded into what uses it; read, modified and written.
        let site = format!("(global.set $sink (i32.add (global.get $sink) ({load} X)))");
        kinds.push((load, site, 8, beyond.clone()));
        let site = format!("(i32.store X (i32.xor ({load} X) (i32.const 5)))");
        kinds.push((load, site, 8, beyond.clone()));
    }
    for store in STORES.split_whitespace() {
        let ty = &store[..store.find('.').expect("a type")];
        let value = match ty {
            "v128" => "(v128.const i64x2 1 2)".to_owned(),
            ty => format!("({ty}.const 5)"),
        };
        kinds.push((store, format!("({store} X {value})"), 8, beyond.clone()));
    }
    for lane in LANES.split_whitespace() {
        let access = format!("({lane} 1 X (v128.const i64x2 1 2))");
        let site = if lane.contains("load") { format!("(drop {access})") } else { access };
        kinds.push((lane, site, 8, beyond.clone()));
    }
    let named = kinds.into_iter().enumerate().map(|(number, (name, site, good, bad))| Kind {
        name: format!("{number}-{name}"),
        site: site.replace('X', "(local.get $x)"),
        good,
        bad,
    });
    named.collect()
}

const LOADS: &str = "i32.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load \
    i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u f32.load f64.load \
    v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u v128.load32x2_s \
    v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat \
    v128.load32_zero v128.load64_zero";

const STORES: &str = "i32.store i32.store8 i32.store16 i64.store i64.store8 i64.store16 \
    i64.store32 f32.store f64.store v128.store";

const LANES: &str = "v128.load8_lane v128.load16_lane v128.load32_lane v128.load64_lane \
    v128.store8_lane v128.store16_lane v128.store32_lane v128.store64_lane";

/// Every situation: an export that gets `$x` and a small number `$y`.
const MODULE: &str = r#"
(module
    (type $v (func))
    (type $xy (func (param i32 i32)))
    (import "host" "call" (func $call (type $xy)))
    (import "host" "try" (func $try (type $xy)))
    (memory (export "memory") 1 1)
    (data $d "0123456789abcdef")
    (global $count (export "count") (mut i32) (i32.const 0))
    (global $sink (export "sink") (mut i32) (i32.const 0))
    (table $t 8 8 funcref)
    (elem (table $t) (i32.const 0) func $touch $other)
    (elem $e func $touch)
    (table $f 4 4 funcref)
    (elem (table $f) (i32.const 0) func $leaf $direct $call $indirect)
    (func $touch
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store (i32.const 64) (global.get $count)))
    (func $other (result i64) (i64.const 0))

    (func $leaf (export "only") (param $x i32) (param $y i32) SITE)
    (func $direct (export "direct") (param $x i32) (param $y i32)
        (call $touch) (call $leaf (i32.const GOOD) (local.get $y))
        (call $leaf (local.get $x) (local.get $y)) (call $touch))
    (func $indirect (export "indirect") (param $x i32) (param $y i32)
        (call $touch) (call_indirect $f (type $xy) (local.get $x) (local.get $y) (local.get $y)))
    (func $inside (export "inside") (param $x i32) (param $y i32)
        (call $direct (local.get $x) (local.get $y)) (call $touch))
    (func (export "imported") (param $x i32) (param $y i32)
        (call $call (i32.const GOOD) (local.get $y))
        (call $call (local.get $x) (local.get $y)) SITE)
    (func (export "imported_twice") (param $x i32) (param $y i32)
        (call $try (local.get $x) (local.get $y)) (call $touch)
        (call $direct (local.get $x) (local.get $y)))
    (func (export "imported_indirect") (param $x i32) (param $y i32)
        (call_indirect $f (type $xy) (local.get $x) (local.get $y) (i32.const 2)) SITE)

    (func $tail (param $x i32) (param $y i32)
        (call $touch) (return_call $direct (local.get $x) (local.get $y)))
    (func (export "tail") (param $x i32) (param $y i32)
        (call $tail (i32.const GOOD) (local.get $y))
        (call $tail (local.get $x) (local.get $y)) (call $touch))
    (func $tail_indirect (export "tail_indirect") (param $x i32) (param $y i32)
        (return_call_indirect $f (type $xy) (local.get $x) (local.get $y) (local.get $y)))
    (func (export "calls_tail_indirect") (param $x i32) (param $y i32)
        (call $tail_indirect (local.get $x) (local.get $y)) SITE)
    (func $tail_host (param $x i32) (param $y i32)
        (return_call $call (local.get $x) (local.get $y)))
    (func (export "tail_host") (param $x i32) (param $y i32)
        (call $tail_host (local.get $x) (local.get $y)) (call $touch))
    (func $tail_loop (export "tail_loop") (param $x i32) (param $y i32)
        (if (i32.gt_s (local.get $y) (i32.const 5))
            (then (return_call $leaf (local.get $x) (local.get $y))))
        (call $touch)
        (return_call $tail_loop (local.get $x) (i32.add (local.get $y) (i32.const 1))))

    (func $recursion (export "recursion") (param $x i32) (param $y i32)
        (call $touch)
        (if (i32.gt_s (local.get $y) (i32.const 6)) (then SITE (return)))
        (call $recursion (local.get $x) (i32.add (local.get $y) (i32.const 1)))
        (call $touch))
    (func $even (export "even") (param $x i32) (param $y i32)
        (if (i32.gt_s (local.get $y) (i32.const 9)) (then SITE) (else
            (call $odd (local.get $x) (i32.add (local.get $y) (i32.const 1))))))
    (func $odd (param $x i32) (param $y i32)
        (call $even (local.get $x) (i32.add (local.get $y) (i32.const 1))) (call $touch))

    (func (export "loop") (param $x i32) (param $y i32) (local $bad i32)
        (local.set $bad (local.get $x))
        (loop $again
            (call $touch)
            (local.set $x (select (local.get $bad) (i32.const GOOD)
                (i32.ge_u (local.get $y) (i32.const 4))))
            SITE
            (call $leaf (local.get $x) (local.get $y))
            (local.set $y (i32.add (local.get $y) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $y) (i32.const 9)))))
    (func (export "nested_loops") (param $x i32) (param $y i32) (local $i i32) (local $j i32)
        (loop $outer
            (local.set $j (i32.const 0))
            (loop $inner
                (if (i32.and (i32.eq (local.get $i) (local.get $y))
                        (i32.eq (local.get $j) (i32.const 2)))
                    (then SITE (call $direct (local.get $x) (local.get $y))))
                (local.set $j (i32.add (local.get $j) (i32.const 1)))
                (br_if $inner (i32.lt_u (local.get $j) (i32.const 3))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $outer (i32.lt_u (local.get $i) (i32.const 3)))))

    (func (export "arms") (param $x i32) (param $y i32)
        (if (local.get $y) (then SITE) (else SITE)) (call $touch))
    (func (export "arms_that_call") (param $x i32) (param $y i32)
        (if (local.get $y)
            (then (call $leaf (local.get $x) (local.get $y)))
            (else (call $leaf (local.get $x) (local.get $y)))))
    (func (export "arms_that_call_indirectly") (param $x i32) (param $y i32)
        (if (local.get $y)
            (then (call_indirect $f (type $xy) (local.get $x) (local.get $y) (i32.const 0)))
            (else (call_indirect $f (type $xy) (local.get $x) (local.get $y) (i32.const 0)))))
    (func (export "arms_that_tail_call") (param $x i32) (param $y i32)
        (if (local.get $y)
            (then (return_call $direct (local.get $x) (local.get $y)))
            (else (return_call $direct (local.get $x) (local.get $y)))))
    (func (export "switch") (param $x i32) (param $y i32)
        (block $end
            (block $c (block $b (block $a (br_table $a $b $c (local.get $y)))
                SITE (br $end))
                (call $direct (local.get $x) (local.get $y)) (br $end))
            SITE))
    (func (export "maybe") (param $x i32) (param $y i32)
        (if (local.get $y) (then SITE)) SITE)
    (func (export "twice") (param $x i32) (param $y i32) (local $bad i32)
        (local.set $bad (local.get $x))
        (local.set $x (select (local.get $bad) (i32.const GOOD) (local.get $y)))
        SITE (local.set $x (local.get $bad)) SITE)
    (func (export "first") (param $x i32) (param $y i32) SITE (call $touch))
    (func (export "last") (param $x i32) (param $y i32) (call $touch) SITE)
    (func (export "constant") (param $x i32) (param $y i32)
        (if (local.get $y) (then (call $leaf (i32.const BAD) (local.get $y))))
        (call $direct (i32.const BAD) (local.get $y))))
"#;
