//! Modules with a few bytes changed: refused with an offset, or compiled and
//! loaded; never a crash.

use super::child;
use super::input::EVERYTHING;
use super::support::process::Folder;
use super::support::random::Random;
use super::support::{self, wat};
use std::ops::RangeInclusive;
use wasm2so::error::Error;
use wasm2so::options::{OptLevel, Options};
use wasmrun::Module;

/// Numbers and vectors, which stay valid with most operators changed.
const ARITHMETIC: &str = r#"(module (memory 1)
    (func (export "f") (param $i i32) (param $l i64) (param $f f32) (param $d f64) (param $v v128)
        (result v128)
        (local.set $i
            (i32.rem_s (i32.mul (local.get $i) (i32.const 77)) (i32.load8_s (local.get $i))))
        (local.set $l
            (i64.shr_u (i64.xor (local.get $l) (i64.const 99)) (i64.load32_u (local.get $i))))
        (local.set $f
            (f32.min (f32.add (local.get $f) (f32.const 0.5)) (f32.load (local.get $i))))
        (local.set $d
            (f64.copysign (f64.sqrt (local.get $d)) (f64.convert_i64_u (local.get $l))))
        (local.set $v
            (i8x16.add_sat_s (local.get $v)
                (i16x8.extmul_low_i8x16_s (local.get $v) (local.get $v))))
        (local.set $v
            (f32x4.max (f32x4.mul (local.get $v) (f32x4.splat (local.get $f))) (local.get $v)))
        (local.set $v
            (i64x2.replace_lane 1 (i32x4.trunc_sat_f32x4_s (local.get $v)) (local.get $l)))
        (loop $again
            (v128.store align=4 (local.get $i)
                (i8x16.swizzle (local.get $v) (v128.load8_splat (local.get $i))))
            (local.set $i
                (select (i32.clz (local.get $i)) (i32.trunc_sat_f64_u (local.get $d))
                    (i32.eqz (local.get $i))))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 100))))
        (i64.store (local.get $i) (i64.reinterpret_f64 (local.get $d)))
        (local.get $v)))"#;

/// Opcodes with the same type, so that one can stand for another.
const ALIKE: &[RangeInclusive<u8>] = &[
    0x2c..=0x2f, // i32.load8_s
    0x30..=0x35,
    0x46..=0x4f, // i32.eq
    0x51..=0x5a,
    0x5b..=0x60,
    0x61..=0x66,
    0x67..=0x69, // i32.clz
    0x6a..=0x78,
    0x79..=0x7b,
    0x7c..=0x8a,
    0x8b..=0x91, // f32.abs
    0x92..=0x98,
    0x99..=0x9f,
    0xa0..=0xa6,
];

/// Changes one to three places.
fn mutate(wasm: &[u8], random: &mut Random) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    for _ in 0..1 + random.below(4) / 2 {
        let at = random.below(wasm.len());
        let length = 1 + random.below(8.min(wasm.len() - at));
        match random.below(12) {
            0..=1 => wasm[at] ^= 1 << random.below(8),
            2 => wasm[at] = random.next() as u8,
            3 => wasm.insert(at, random.next() as u8),
            4 => drop(wasm.drain(at..at + length)),
            5 => {
                let from = random.below(wasm.len() - length + 1);
                wasm.copy_within(from..from + length, at);
            }
            _ => {
                for byte in &mut wasm[at..] {
                    if let Some(alike) = ALIKE.iter().find(|alike| alike.contains(byte)) {
                        *byte = alike.start() + random.below(alike.len()) as u8;
                        break;
                    }
                }
            }
        }
    }
    wasm
}

/// Compiles `count` mutants of `original`.
fn judge(original: &[u8], count: u64) {
    let folder = Folder::new();
    let (mut refused, mut compiled) = (0, 0);
    for seed in 0..count {
        let wasm = mutate(original, &mut Random(seed));
        // What an abort leaves behind, with the file's name last on stderr.
        let path = folder.file("mutant.wasm", &wasm);
        eprintln!("mutant {seed}: {}", path.display());
        let output = folder.path().join(format!("{seed}.so"));
        let opt_level = if seed % 4 == 0 { OptLevel::O1 } else { OptLevel::O0 };
        let options = Options { opt_level, ..support::options(opt_level) };
        match wasm2so::compile(&wasm, "mutant.wasm", &output, &options, &()) {
            Ok(summary) => {
                assert_eq!(summary.stamps.violations, 0, "sites without an exact location");
                Module::load(&output).expect("what was compiled can be loaded");
                std::fs::remove_file(&output).expect("it was written");
                compiled += 1;
            }
            Err(Error::Invalid { offset, .. } | Error::Unsupported { offset, .. }) => {
                assert!(offset <= wasm.len() as u64, "offset {offset:#x} is not in the file");
                refused += 1;
            }
            Err(Error::Component) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    println!("{count} mutants: {compiled} compiled, {refused} refused");
    assert!(compiled >= count / 20 && refused >= count / 20);
}

fn example(name: &str) -> Vec<u8> {
    std::fs::read(support::root().join("examples").join(name)).expect("it is in the repository")
}

#[test]
fn of_a_module_with_everything() {
    child::work("mutants::of_a_module_with_everything", || judge(&wat(EVERYTHING), 1000));
}

#[test]
fn of_arithmetic() {
    child::work("mutants::of_arithmetic", || judge(&wat(ARITHMETIC), 600));
}

#[test]
fn of_a_small_program() {
    child::work("mutants::of_a_small_program", || judge(&example("trap.wasm"), 300));
}

#[test]
fn of_a_larger_program() {
    child::work("mutants::of_a_larger_program", || judge(&example("wordfreq.wasm"), 120));
}
