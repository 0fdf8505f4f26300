//! Loads of vectors of which only a part is used: all of their bytes are accessed.

use crate::check::{call, expected, shown};
use crate::special::alone;
use crate::support::{self, truth::Truth};
use std::fmt::Write;
use wasm2so::options::{OptLevel, Options};
use wasmrun::{Module, TrapCode, Value};

/// By lanes: operators of one vector.
const UNARY: &[(&str, &str)] = &[
    ("v128", "not"),
    ("i8x16", "abs neg popcnt"),
    ("i16x8", "abs neg extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u"),
    ("i16x8", "extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u"),
    ("i32x4", "abs neg extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u trunc_sat_f32x4_s"),
    ("i32x4", "extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u"),
    ("i32x4", "trunc_sat_f32x4_u trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero"),
    ("i64x2", "abs neg"),
    ("i64x2", "extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u"),
    ("f32x4", "abs neg sqrt ceil floor trunc nearest convert_i32x4_s convert_i32x4_u"),
    ("f32x4", "demote_f64x2_zero"),
    ("f64x2", "abs neg sqrt ceil floor trunc nearest convert_low_i32x4_s convert_low_i32x4_u"),
    ("f64x2", "promote_low_f32x4"),
];

/// Operators of two.
const BINARY: &[(&str, &str)] = &[
    ("v128", "and or xor andnot"),
    ("i8x16", "add sub add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u max_s max_u avgr_u"),
    ("i8x16", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u swizzle"),
    ("i8x16", "narrow_i16x8_s narrow_i16x8_u"),
    ("i16x8", "add sub mul add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u max_s max_u"),
    ("i16x8", "avgr_u eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u q15mulr_sat_s"),
    ("i16x8", "narrow_i32x4_s narrow_i32x4_u extmul_low_i8x16_s extmul_high_i8x16_s"),
    ("i16x8", "extmul_low_i8x16_u extmul_high_i8x16_u"),
    ("i32x4", "add sub mul min_s min_u max_s max_u eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"),
    ("i32x4", "dot_i16x8_s extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u"),
    ("i32x4", "extmul_high_i16x8_u"),
    ("i64x2", "add sub mul eq ne lt_s gt_s le_s ge_s extmul_low_i32x4_s extmul_high_i32x4_s"),
    ("i64x2", "extmul_low_i32x4_u extmul_high_i32x4_u"),
    ("f32x4", "add sub mul div min max pmin pmax eq ne lt gt le ge"),
    ("f64x2", "add sub mul div min max pmin pmax eq ne lt gt le ge"),
];

const SHIFTED: &[&str] = &["i8x16", "i16x8", "i32x4", "i64x2"];

/// What takes a part, and from which address on the memory ends after it.
const PARTS: [(&str, &str, i32); 2] =
    [("i32", "(i32x4.extract_lane 0 {v})", 65532), ("i64", "(i64x2.extract_lane 0 {v})", 65528)];

/// All operators, with a load as each of their operands.
fn operations() -> Vec<String> {
    const LOAD: &str = "(v128.load (local.get $at))";
    let named = |table: &[(&str, &str)]| -> Vec<String> {
        let names = |&(lanes, names): &(&str, &str)| -> Vec<String> {
            names.split(' ').map(|name| format!("{lanes}.{name}")).collect()
        };
        table.iter().flat_map(names).collect()
    };
    let mut all: Vec<String> = named(UNARY).iter().map(|op| format!("({op} {LOAD})")).collect();
    for op in named(BINARY) {
        all.push(format!("({op} {LOAD} (local.get $v))"));
        all.push(format!("({op} (local.get $v) {LOAD})"));
    }
    for lanes in SHIFTED {
        for shift in ["shl", "shr_s", "shr_u"] {
            all.push(format!("({lanes}.{shift} {LOAD} (local.get $by))"));
            all.push(format!("({lanes}.{shift} {LOAD} (i32.const 3))"));
        }
    }
    all
}

#[test]
fn parts_of_vectors() {
    let mut text = String::from("(module (memory 1)\n");
    let mut cases = Vec::new();
    for operation in operations() {
        for (ty, part, at) in PARTS {
            let body = part.replace("{v}", &operation);
            let name = format!("f{}", cases.len());
            // In a loop: what its turns share is computed before, where selection does not
            // see it.
            writeln!(
                text,
                "(func ${name} (export \"{name}\") (param $at i32) (param $v v128) (param $by i32)
                    (param $turns i32) (result {ty}) (local $sum {ty})
                    (loop $next
                        (local.set $sum ({ty}.add (local.get $sum) {body}))
                        (br_if $next (local.tee $turns
                            (i32.sub (local.get $turns) (i32.const 1)))))
                    (local.get $sum))"
            )
            .expect("writes to a string");
            cases.push((name, body, at));
        }
    }
    text.push(')');
    let wasm = support::wat(&text);
    let truth = Truth::of(&wasm);
    for cpu in ["x86-64-v2", "x86-64-v3", "native"] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let so = directory.path().join("vectors.so");
        let options = Options { cpu: cpu.to_owned(), ..support::options(OptLevel::O3) };
        support::compile(&wasm, "vectors.wasm", &so, &options);
        let module = Module::load(&so).expect("what was compiled can be loaded");
        let (mut store, instance) = alone(&module);
        for (name, body, at) in &cases {
            let args =
                [Value::I32(*at), Value::V128(0x0102_0304_0506_0708), Value::I32(3), Value::I32(1)];
            let trap = call(&mut store, instance, name, &args)
                .unwrap_or_else(|e| panic!("{cpu}: {body}: {e}"));
            assert_eq!(trap.code(), TrapCode::MemoryOutOfBounds, "{cpu}: {body}");
            let expected = expected(&truth, "", &[&format!("{name} V128Load 0")]);
            assert_eq!(shown(trap.frames()), expected, "{cpu}: {body}");
        }
    }
}
