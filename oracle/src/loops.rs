//! Random counted loops over arrays, as compilers write them, run where they
//! leave the memory in their first, a middle, their last or no iteration: what
//! the compiler versions, in all the ways in which it might do so wrongly.
//!
//! Arrays overlap, addresses wrap, counts are absurd, and some loops grow the
//! memory, call or trap for other reasons.

use crate::case::{Case, Surroundings};
use crate::host::Generic;
use crate::judge::Judge;
use crate::random::Random;
use crate::report::{Report, Trial};
use crate::subject::Build;
use anyhow::{Context, Result};
use std::fmt::Write;
use wasmrun::Value;

/// Loops of a module.
const LOOPS: usize = 8;
/// Executions of each.
const CASES: usize = 60;

const SURROUNDINGS: Surroundings<'_> =
    Surroundings { host: &|| Box::new(Generic::default()), fuel: 400_000 };

/// Judges modules `first..first + count` of a run with `seed`.
///
/// # Errors
/// When something fails that is not what is tested.
pub fn run(seed: u64, first: u64, count: u64, builds: &[Build], report: &mut Report) -> Result<()> {
    for number in first..first + count {
        let mut random = Random::new(seed, number);
        let text = module(&mut random);
        let name = format!("loops-{seed}-{number}");
        let wasm = wat::parse_str(&text).with_context(|| format!("{name}\n{text}"))?;
        let judge = Judge::new(&wasm, false)?;
        let cases: Vec<Case> = (0..LOOPS * CASES).map(|n| case(&mut random, n / CASES)).collect();
        let trial = Trial { name: &name, wasm: &wasm, judge: &judge };
        report.check(&trial, builds, &SURROUNDINGS, &cases)?;
    }
    Ok(())
}

/// A call of loop `index`, near the ends of a page.
fn case(random: &mut Random, index: usize) -> Case {
    let count = pick(random, &[0, 1, 2, 3, 4, 5, 8, 16, 33, 100, 257, 1000, 8192, -1, i32::MAX]);
    let size = pick(random, &[1, 2, 4, 8, 16]);
    let near = random.below(80) as i32 - 8;
    let a = match random.below(6) {
        0 => pick(random, &[0, 8, 1024, 0xffff, 0x10000, -1, -8, -64, i32::MIN]),
        // So that the end of the memory is met after some iterations.
        1 | 2 => 0x10000 - size * near,
        3 => 0x10000 - size * count.min(1000),
        4 => size * near,
        _ => random.below(0x8000) as i32,
    };
    let b = match random.below(4) {
        0 => a.wrapping_add(near),
        1 => a.wrapping_sub(2 * size),
        2 => random.below(0x8000) as i32,
        _ => 0x10000 - size * near,
    };
    let x = match random.below(4) {
        0 => count / 2,
        1 => count.wrapping_sub(1),
        _ => pick(random, &[0, 1, 2, 3, 7, 255, -1]),
    };
    Case {
        export: Some(index.to_string()),
        args: [a, b, count, x].map(Value::I32).to_vec(),
        globals: Vec::new(),
    }
}

fn pick(random: &mut Random, from: &[i32]) -> i32 {
    from[random.below(from.len() as u64) as usize]
}

fn one_of<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from[random.below(from.len() as u64) as usize]
}

fn module(random: &mut Random) -> String {
    let mut data = String::new();
    for byte in random.bytes(0x10000) {
        write!(data, "\\{byte:02x}").expect("writing to a string cannot fail");
    }
    let functions: String = (0..LOOPS).map(|index| function(random, index)).collect();
    format!(
        r#"(module
    (memory (export "memory") 1 2)
    (data (i32.const 0) "{data}")
    (global $count (export "count") (mut i32) (i32.const 0))
    (func $touch
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store (i32.const 64) (global.get $count)))
    (func $peek (param $at i32) (result i32)
        (call $touch) (i32.load8_u offset=8 (local.get $at)))
{functions})"#
    )
}

/// A function with a loop; `$p` and `$q` move with the counter `$i`.
fn function(random: &mut Random, index: usize) -> String {
    let step = pick(random, &[1, 1, 1, 2, 3, 4, 8]);
    let size = pick(random, &[1, 2, 4, 8, 8, 16]);
    let statements: String = (0..1 + random.below(4)).map(|_| statement(random, size)).collect();
    let advance = if random.below(4) == 0 { -size } else { size * step };
    // After a few turns the sums may not be exact.
    let stride = pick(random, &[size, size, 0x7f_ffff]);
    let moves = format!(
        "(local.set $f32 (f32.add (local.get $f32) (f32.const {stride})))
         (local.set $f64 (f64.add (f64.const 1) (local.get $f64)))
         (local.set $p (i32.add (local.get $p) (i32.const {advance})))
         (local.set $q (i32.add (local.get $q) (i32.const {size})))"
    );
    let up = format!("(local.set $i (i32.add (local.get $i) (i32.const {step})))");
    let again =
        |test: &str| format!("{up} (br_if $again (i32.{test} (local.get $i) (local.get $n)))");
    let (before, after) = match random.below(10) {
        0 => (String::new(), again("ne")),
        1 => (String::new(), again("lt_s")),
        2 | 3 => (String::new(), again("lt_u")),
        4 => (String::new(), again("le_s")),
        5 => {
            let exit = "(br_if $exit (i32.ge_u (local.get $i) (local.get $n)))".to_owned();
            (exit, format!("{up} (br $again)"))
        }
        6 => {
            let exit = "(br_if $exit (i32.ge_s (local.get $i) (local.get $n)))".to_owned();
            (exit, format!("{up} (br $again)"))
        }
        8 => (
            String::new(),
            "(local.set $i (i32.add (local.get $i) (local.get $x)))
                 (br_if $again (i32.lt_u (local.get $i) (local.get $n)))"
                .to_owned(),
        ),
        9 => (
            String::new(),
            format!(
                "{up} (br_if $again (i64.lt_s (i64.extend_i32_u (local.get $i))
                    (i64.extend_i32_s (local.get $n))))"
            ),
        ),
        _ => (
            String::new(),
            "(local.set $i (i32.add (local.get $i) (i32.const 1)))
                 (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))"
                .to_owned(),
        ),
    };
    let whole = format!("(block $exit (loop $again {before} {statements} {moves} {after}))");
    let body = match random.below(4) {
        0 => format!(
            "(loop $outer (local.set $i (i32.const 0)) (local.set $f64 (f64.const 0)) {whole}
                (local.set $a (i32.add (local.get $a) (i32.const {size})))
                (br_if $outer (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1)))
                    (i32.const 3))))"
        ),
        _ => whole,
    };
    format!(
        r#"
    (func (export "{index}") (param $a i32) (param $b i32) (param $n i32) (param $x i32)
        (result i64) (local $i i32) (local $j i32) (local $p i32) (local $q i32) (local $s i64)
        (local $f i32) (local $v v128) (local $f32 f32) (local $f64 f64)
        (local.set $p (local.get $a)) (local.set $q (local.get $b))
        (local.set $f (local.get $a))
        {body}
        (i32.store offset=4 (local.get $b) (local.get $x))
        (i64.xor (local.get $s) (i64x2.extract_lane 1 (local.get $v))))"#
    )
}

/// The address of an element of `size` bytes, without an offset.
fn address(random: &mut Random, size: i32) -> String {
    let base = one_of(random, &["$a", "$b"]);
    let shift = size.trailing_zeros();
    let counted = format!("(i32.shl (local.get $i) (i32.const {shift}))");
    match random.below(11) {
        0 | 1 => "(local.get $p)".to_owned(),
        2 => "(local.get $q)".to_owned(),
        3 => format!("(i32.sub (local.get {base}) {counted})"),
        4 => format!("(i32.add (local.get $p) (i32.const {}))", pick(random, &[-8, -1, 8, 16])),
        5 => format!("(i32.add (local.get {base}) (i32.mul (local.get $i) (local.get $x)))"),
        6 => format!("(local.get {base})"),
        7 => bent(random, size),
        _ => format!("(i32.add (local.get {base}) {counted})"),
    }
}

/// An address of which no more than a part is a sum of those that the loop counts.
fn bent(random: &mut Random, size: i32) -> String {
    let straight = address(random, size);
    match random.below(14) {
        0 => format!("(i32.and {straight} (i32.const 255))"),
        1 => format!("(i32.and {straight} (i32.const 0xffff))"),
        2 => format!("(i32.and {straight} (i32.const -16))"),
        3 => format!("(i32.extend8_s {straight})"),
        4 => format!("(i32.extend16_s {straight})"),
        5 => format!("(i32.shr_u {straight} (i32.const 1))"),
        6 => format!("(i32.mul {straight} (i32.const 3))"),
        8 | 9 => climbing(random, size),
        10 => {
            let most = pick(random, &[0, 8, 0xfff0, 0x10000, -16]);
            let order = one_of(random, &["lt_s", "lt_u"]);
            format!(
                "(select {straight} (i32.const {most}) (i32.{order} {straight} (i32.const {most})))"
            )
        }
        11 => format!("(select {straight} (local.get $b) (i32.lt_s {straight} (local.get $b)))"),
        // A position in fixed point.
        12 => format!(
            "(i32.add (local.get $a) (i32.shl (i32.shr_u
                (i32.mul (local.get $i) (local.get $x)) (i32.const {})) (i32.const 2)))",
            pick(random, &[0, 1, 4, 16])
        ),
        _ => format!(
            "(i32.wrap_i64 (i64.add (i64.extend_i32_u {straight})
                (i64.shl (i64.extend_i32_s (local.get $i)) (i64.const 2))))"
        ),
    }
}

/// An address made of a number in floating point that the loop counts or that is
/// converted from its counter, as of samples at another rate.
fn climbing(random: &mut Random, size: i32) -> String {
    let ty = one_of(random, &["f32", "f64", "f64"]);
    let counted = match random.below(3) {
        0 => format!("({ty}.convert_i32_s (local.get $i))"),
        1 => format!("({ty}.convert_i32_u (local.get $i))"),
        _ => format!("(local.get ${ty})"),
    };
    let factor = one_of(
        random,
        &["0", "0.5", "1", "1.3", "-1", "-0.25", "100", "0x1p31", "0x1p120", "inf", "-inf", "nan"],
    );
    let factor = match random.below(3) {
        0 => format!("({ty}.convert_i32_s (local.get $x))"),
        _ => format!("({ty}.const {factor})"),
    };
    let start = one_of(random, &["0", "0.75", "33", "4096.5", "-1", "-4.5", "inf", "-0x1p121"]);
    let scaled = format!("({ty}.mul {counted} {factor})");
    let position = match random.below(6) {
        0 => format!("({ty}.add {scaled} ({ty}.const {start}))"),
        1 => format!("({ty}.sub ({ty}.const {start}) {scaled})"),
        2 => format!("({ty}.div {scaled} ({ty}.const {}))", one_of(random, &["0", "4", "inf"])),
        3 => format!("({ty}.floor {scaled})"),
        4 => format!("({ty}.mul ({ty}.add {scaled} ({ty}.const {start})) ({ty}.const 0))"),
        _ => scaled,
    };
    let sign = one_of(random, &["s", "u"]);
    let base = one_of(random, &["$a", "$b"]);
    let shift = size.trailing_zeros();
    format!(
        "(i32.add (local.get {base}) (i32.shl (i32.trunc_sat_{ty}_{sign} {position})
            (i32.const {shift})))"
    )
}

/// A vector: loaded in this turn, or before; what narrow vectors become, and from what;
/// what goes lane by lane, and what does not.
fn vector(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.below(8) {
            0 => "(local.get $v)".to_owned(),
            1 => "(i32x4.splat (local.get $x))".to_owned(),
            2 => "(v128.const i16x8 1 -2 3 -4 255 -256 77 32767)".to_owned(),
            3 => "(i16x8.splat (local.get $i))".to_owned(),
            _ => format!("({})", access(random, "v128.load", 16)),
        };
    }
    let a = vector(random, depth - 1);
    let sliding = "8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23";
    match random.below(13) {
        0 => format!("(local.tee $v {a})"),
        1 => {
            let amount = pick(random, &[0, 1, 8, 15, 33]);
            let shift = one_of(random, &["i8x16.shl", "i16x8.shr_u", "i32x4.shr_s", "i64x2.shr_u"]);
            format!("({shift} {a} (i32.const {amount}))")
        }
        2..=4 => {
            let of_one = one_of(
                random,
                &[
                    "i16x8.extend_low_i8x16_u",
                    "i16x8.extend_high_i8x16_u",
                    "i16x8.extend_high_i8x16_s",
                    "i32x4.extend_low_i16x8_s",
                    "i64x2.extend_high_i32x4_u",
                    "i16x8.extadd_pairwise_i8x16_u",
                    "f32x4.convert_i32x4_u",
                    "f64x2.convert_low_i32x4_s",
                    "i32x4.trunc_sat_f32x4_s",
                    "i32x4.trunc_sat_f64x2_u_zero",
                    "i8x16.abs",
                    "i8x16.popcnt",
                    "i64x2.neg",
                    "v128.not",
                ],
            );
            format!("({of_one} {a})")
        }
        5 => {
            let (b, c) = (vector(random, depth - 1), vector(random, 0));
            format!("(v128.bitselect {a} {b} {c})")
        }
        6 | 7 => {
            let b = vector(random, depth - 1);
            let mut lanes = String::new();
            for _ in 0..16 {
                write!(lanes, "{} ", random.below(32)).expect("writing to a string cannot fail");
            }
            let lanes = one_of(random, &[&lanes, sliding]);
            format!("(i8x16.shuffle {lanes} {a} {b})")
        }
        // From two turns, as vectors are that lie between those in memory.
        12 => format!("(i8x16.shuffle {sliding} (local.get $v) (local.tee $v {a}))"),
        _ => {
            let b = vector(random, depth - 1);
            let of_two = one_of(
                random,
                &[
                    "i32x4.add",
                    "i8x16.sub",
                    "i16x8.mul",
                    "i64x2.mul",
                    "i16x8.add_sat_s",
                    "i16x8.min_u",
                    "i8x16.avgr_u",
                    "i8x16.narrow_i16x8_u",
                    "i16x8.narrow_i32x4_s",
                    "i16x8.extmul_high_i8x16_s",
                    "i32x4.dot_i16x8_s",
                    "i16x8.q15mulr_sat_s",
                    "i8x16.swizzle",
                    "i32x4.gt_s",
                    "i8x16.lt_u",
                    "f32x4.eq",
                    "f64x2.pmin",
                    "v128.andnot",
                ],
            );
            format!("({of_two} {a} {b})")
        }
    }
}

/// A load from where the one before it, of `$f`, pointed; most stay in the memory.
fn follow(random: &mut Random) -> String {
    let load = one_of(random, &["i32.load", "i32.load16_u", "i32.load offset=16"]);
    let mask = pick(random, &[0xfff, 0xffff, 0xffff, 0x1_1fff]);
    format!(
        "(local.set $f (i32.and (i32.add ({load} (local.get $f)) (local.get $i))
                (i32.const {mask})))
         (local.set $s (i64.xor (local.get $s) (i64.extend_i32_u (local.get $f))))"
    )
}

/// A load or a store of `what` at a random address.
fn access(random: &mut Random, what: &str, size: i32) -> String {
    let offset = pick(random, &[0, 0, 0, 4, 8, 16, 1000, 0xfff8]);
    format!("{what} offset={offset} {}", address(random, size))
}

fn statement(random: &mut Random, size: i32) -> String {
    // Of floats, only what does not choose among NaNs.
    let (load, store, add) = match (size, random.below(2)) {
        (1, 0) => ("i32.load8_u", "i32.store8", "i32.add"),
        (1, _) => ("i32.load8_s", "i32.store8", "i32.xor"),
        (2, _) => ("i32.load16_s", "i32.store16", "i32.mul"),
        (4, 0) => ("i32.load", "i32.store", "i32.add"),
        (4, _) => ("f32.load", "f32.store", "f32.copysign"),
        (8, 0) => ("i64.load", "i64.store", "i64.add"),
        (8, _) => ("f64.load", "f64.store", "f64.copysign"),
        _ => ("v128.load", "v128.store", "i32x4.add"),
    };
    match random.below(18) {
        _ if size == 16 && random.below(4) != 0 => {
            let of = vector(random, 2);
            format!("({} {of})", access(random, store, size))
        }
        0..=2 => format!("({} ({}))", access(random, store, size), access(random, load, size)),
        3..=5 => format!(
            "({} ({add} ({}) ({})))",
            access(random, store, size),
            access(random, load, size),
            access(random, load, size)
        ),
        6..=8 => format!(
            "(local.set $s (i64.add (local.get $s) (i64.extend_i32_s ({}))))",
            access(random, "i32.load", size)
        ),
        // A table; the byte may as well be one that was just stored.
        9 => "(local.set $s (i64.xor (local.get $s) (i64.load32_u offset=2048
                (i32.shl (i32.load8_u (local.get $q)) (i32.const 2)))))"
            .to_owned(),
        10 => {
            let inner = statement(random, size);
            format!("(if (i32.and (local.get $i) (local.get $x)) (then {inner}))")
        }
        11 => format!(
            "(br_if $exit (i32.eq ({}) (local.get $x)))",
            access(random, "i32.load8_u", size)
        ),
        12 => one_of(
            random,
            &[
                "(if (i32.eq (local.get $i) (local.get $x)) (then (unreachable)))",
                "(drop (i32.div_u (i32.const 7) (i32.sub (local.get $x) (local.get $i))))",
            ],
        )
        .to_owned(),
        13 => "(if (i32.eq (local.get $i) (local.get $x))
                (then (drop (memory.grow (i32.const 1)))))"
            .to_owned(),
        14 => {
            let at = address(random, size);
            let peek = format!(
                "(local.set $s (i64.add (local.get $s) (i64.extend_i32_u (call $peek {at}))))"
            );
            let set = "(global.set $count (i32.wrap_i64 (local.get $s)))";
            one_of(random, &["(call $touch)", set, &peek]).to_owned()
        }
        15 => follow(random),
        16 if size == 4 => {
            let scaled = "(f32.mul (local.get $f32) (f32.const 0.1))";
            format!("({} {scaled})", access(random, "f32.store", size))
        }
        16 => {
            let scaled = "(f64.mul (local.get $f64) (f64.const 0.1))";
            match random.below(2) {
                0 => {
                    let to = access(random, "i32.store16", size);
                    format!("({to} (i32.trunc_sat_f64_s {scaled}))")
                }
                _ => format!(
                    "(local.set $s (i64.xor (local.get $s) (i64.trunc_sat_f64_u {scaled})))"
                ),
            }
        }
        _ => format!("({} (i32.wrap_i64 (local.get $s)))", access(random, "i32.store8", size)),
    }
}
