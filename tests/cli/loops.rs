//! Loops that the compiler changes most: they become loops over vectors.

use crate::support::{self, process::Folder, process::run};
use std::collections::BTreeSet;

/// A module, compiled as it stands and with its loops over vectors.
struct Loops(Folder);

/// Exit code, standard output and standard error.
type Outcome = (Option<i32>, Vec<u8>, Vec<u8>);

impl Loops {
    fn new(text: &str) -> Self {
        let loops = Loops(Folder::new());
        loops.0.file("l.wat", text);
        loops.compile(&["-O0", "-o", "exact.so"]);
        loops.compile(&["-O3", "-o", "wide.so"]);
        loops
    }

    fn compile(&self, options: &[&str]) {
        let mut command = support::wasm2so();
        run(command.current_dir(self.0.path()).args(options).arg("l.wat")).succeeded();
    }

    /// Whether code for `cpu` has vectors of 256 bits.
    fn are_wide_for(&self, cpu: &str) -> bool {
        self.0.assembly("l.wat", &["--cpu", cpu]).contains("%ymm")
    }

    /// How `run` ends, which is the same for both.
    fn run(&self, args: &[String]) -> Outcome {
        let [exact, wide]: [Outcome; 2] = ["exact.so", "wide.so"].map(|so| {
            let mut command = support::wasmrun();
            command.current_dir(self.0.path()).args(["--invoke", "run", so]).args(args);
            let out = command.output().expect("wasmrun starts");
            (out.status.code(), out.stdout, out.stderr)
        });
        assert_eq!(exact, wide, "{args:?}");
        wide
    }
}

/// Fills 64 KiB with random numbers, in 32 bits each.
fn fill() -> String {
    fill_by("(i32.store (local.get $i) (local.get $random))", 4)
}

/// Fills 64 KiB: `store` writes what it makes of a random number, `size` bytes.
fn fill_by(store: &str, size: u32) -> String {
    format!(
        "(local.set $i (i32.const 0))
        (loop $fill
            (local.set $random (i32.add (i32.mul (local.get $random) (i32.const 1664525))
                (i32.const 1013904223)))
            {store}
            (br_if $fill (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const {size})))
                (i32.const 65536))))
        (local.set $i (i32.const 0))"
    )
}

/// A number that all of them have a part in.
const ADD: &str = "(local.set $i (i32.const 0))
    (loop $add
        (local.set $sum (i64.add (i64.load (local.get $i))
            (i64.rotl (local.get $sum) (i64.const 7))))
        (br_if $add (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8)))
            (i32.const 65536))))";

#[test]
fn those_over_vectors_use_those_of_the_processor() {
    // What it stores, each turn may find again, in this or one of the next.
    let fill = fill();
    let loops = Loops::new(&format!(
        r#"(module (memory 1)
        (func (export "run") (param $from i32) (param $to i32) (param $n i32) (result i64)
            (local $i i32) (local $random i32) (local $before v128) (local $sum i64)
            {fill}
            (loop $next
                (v128.store (i32.add (local.get $to) (local.get $i))
                    (i8x16.narrow_i16x8_u
                        (i16x8.extend_high_i8x16_u (local.get $before))
                        (i16x8.mul (i16x8.extend_low_i8x16_u
                            (local.tee $before
                                (v128.load (i32.add (local.get $from) (local.get $i)))))
                            (i16x8.splat (i32.const 3)))))
                (local.set $i (i32.add (local.get $i) (i32.const 16)))
                (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
            {ADD}
            (i64.xor (local.get $sum) (i64x2.extract_lane 1 (local.get $before)))))"#
    ));
    // Random numbers and the sum depend on those before: only the other loop can.
    assert!(loops.are_wide_for("x86-64-v3") && !loops.are_wide_for("x86-64-v2"));
    for distance in [-128, -64, -63, -33, -32, -16, -1, 0, 1, 15, 16, 31, 48, 63, 64, 100] {
        for n in [1, 160, 400] {
            let (code, ..) = loops.run(&[512, 512 + distance, n].map(|n: i32| n.to_string()));
            assert_eq!(code, Some(0), "{n} bytes, {distance} away");
        }
    }
}

#[test]
fn those_over_complex_numbers_have_them_as_vectors() {
    let part = |of: &str, offset: &str| {
        format!("(f64.load {offset} (i32.add (local.get ${of}) (local.get $i)))")
    };
    let [a_re, a_im] = ["", "offset=8"].map(|offset| part("a", offset));
    let [b_re, b_im] = ["", "offset=8"].map(|offset| part("b", offset));
    let fill = fill_by("(f64.store (local.get $i) (f64.convert_i32_s (local.get $random)))", 8);
    let loops = Loops::new(&format!(
        r#"(module (memory 1)
        (func (export "run") (param $a i32) (param $b i32) (param $n i32) (result i64)
            (local $i i32) (local $random i32) (local $re f64) (local $im f64) (local $sum i64)
            {fill}
            (loop $next
                (local.set $re (f64.sub (f64.mul {a_re} {b_re}) (f64.mul {a_im} {b_im})))
                (local.set $im (f64.add (f64.mul {a_re} {b_im}) (f64.mul {a_im} {b_re})))
                (f64.store (i32.add (local.get $a) (local.get $i)) (local.get $re))
                (f64.store offset=8 (i32.add (local.get $a) (local.get $i)) (local.get $im))
                (local.set $i (i32.add (local.get $i) (i32.const 16)))
                (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            {ADD}
            (local.get $sum)))"#
    ));
    let code = loops.0.assembly("l.wat", &["--cpu", "x86-64-v3"]);
    assert!(code.contains("vaddsubpd") && !code.contains("vperm"), "{code}");
    for distance in [-32, -16, -8, -1, 0, 1, 8, 16, 24, 32, 4096] {
        for n in [1, 3, 4, 10, 100] {
            let (code, ..) = loops.run(&[2048, 2048 + distance, n].map(|n: i32| n.to_string()));
            assert_eq!(code, Some(0), "{n} numbers, {distance} away");
        }
    }
    // The last one's second half, and the fifth's, are beyond the end.
    for start in [65_536 - 1592, 65_536 - 72] {
        let (code, ..) = loops.run(&[start, 0, 100].map(|n: i32| n.to_string()));
        assert_ne!(code, Some(0), "at {start}");
    }
}

#[test]
fn those_that_read_at_computed_places_do_so_in_vectors() {
    // At another rate, by a counter in floating point; in fixed point; within an array.
    let places = [
        "(i32.trunc_sat_f64_s (f64.mul (local.get $count) (local.get $step)))",
        "(i32.shr_u (i32.mul (local.get $i) (i32.trunc_f64_u (f64.mul (local.get $step)
            (f64.const 65536)))) (i32.const 16))",
        "(select (local.tee $next (i32.add (i32.const 1) (i32.trunc_sat_f32_s (f32.mul
            (f32.convert_i32_u (local.get $i)) (f32.demote_f64 (local.get $step))))))
            (i32.const 255) (i32.lt_s (local.get $next) (i32.const 255)))",
    ];
    for place in places {
        let fill = fill();
        let loops = Loops::new(&format!(
            r#"(module (memory 1)
            (func (export "run") (param $from i32) (param $to i32) (param $n i32)
                (param $step f64) (result i64)
                (local $i i32) (local $next i32) (local $sum i64) (local $count f64)
                (local $random i32)
                {fill}
                (loop $next
                    (f64.store (i32.add (local.get $to)
                            (i32.shl (local.get $i) (i32.const 3)))
                        (f64.mul (f64.convert_i32_s (i32.load (i32.add (local.get $from)
                            (i32.shl {place} (i32.const 2))))) (f64.const 0.1)))
                    (local.set $count (f64.add (local.get $count) (f64.const 1)))
                    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i)
                        (i32.const 1))) (local.get $n))))
                {ADD}
                (local.get $sum)))"#
        ));
        assert!(loops.are_wide_for("x86-64-v3"), "{place}");
        let mut codes = BTreeSet::new();
        // All but the last two stay within the memory; the second one reads what it wrote.
        for (from, to, n) in
            [(0, 32768, 400), (64, 0, 300), (32768, 512, 1), (65000, 0, 200), (0, 64000, 300)]
        {
            for step in ["0", "0.4", "1", "1.7", "-0.5", "1e300", "inf", "nan"] {
                let [from, to, n] = [from, to, n].map(|arg: i32| arg.to_string());
                codes.insert(loops.run(&[from, to, n, step.to_owned()]).0);
            }
        }
        assert_eq!(codes.len(), 2, "{place}: some runs end, some trap: {codes:?}");
    }
}

#[test]
fn a_nest_is_left_with_what_it_computed() {
    // Rows are added up until a sum has certain lowest bits (the nest is left in its
    // midst), or is zero (a trap that is no access), or there are no more.
    let fill = fill();
    let loops = Loops::new(&format!(
        r#"(module (memory 1)
        (func (export "run") (param $at i32) (param $rows i32) (param $n i32) (param $last i32)
            (result i64)
            (local $i i32) (local $row i32) (local $random i32) (local $sum i64)
            (local $part i32) (local $place i32)
            {fill}
            (memory.fill (i32.const 32768) (i32.const 0) (i32.const 4096))
            (block $out
                (loop $outer
                    (local.set $i (i32.const 0))
                    (local.set $part (i32.const 0))
                    (local.set $place (i32.add (local.get $at)
                        (i32.mul (local.get $row) (i32.const 1024))))
                    (loop $inner
                        (local.set $part (i32.add (local.get $part) (i32.load
                            (i32.add (local.get $place)
                                (i32.shl (local.get $i) (i32.const 2))))))
                        (br_if $inner (i32.lt_u (local.tee $i (i32.add (local.get $i)
                            (i32.const 1))) (local.get $n))))
                    (local.set $row (i32.add (local.get $row) (i32.const 1)))
                    (br_if $out (i32.eq (local.get $last)
                        (i32.and (local.get $part) (i32.const 15))))
                    (if (i32.eqz (local.get $part)) (then unreachable))
                    (i32.store (local.get $place) (local.get $part))
                    (br_if $outer (i32.lt_u (local.get $row) (local.get $rows))))
                (local.set $sum (i64.const 77)))
            {ADD}
            (i64.add (local.get $sum) (i64.extend_i32_u
                (i32.add (i32.mul (local.get $row) (i32.const 1000)) (local.get $part))))))"#
    ));
    assert!(loops.are_wide_for("x86-64-v3") && !loops.are_wide_for("x86-64-v2"));
    let mut ends = BTreeSet::new();
    for at in [0, 1024, 30720, 32768, 60000, 65532, 65536] {
        for (rows, n) in [(1, 1), (3, 100), (60, 256), (70, 8)] {
            for last in [1, 7, 99] {
                let (_, out, err) = loops.run(&[at, rows, n, last].map(|n: i32| n.to_string()));
                ends.insert(String::from_utf8([out, err].concat()).expect("text"));
            }
        }
    }
    let traps = |why| ends.iter().filter(|end| end.contains(why)).count();
    let trapped = [traps("unreachable"), traps("out of bounds")];
    assert!(trapped[0] > 0 && trapped[1] > 1, "{ends:?}");
    assert!(ends.len() - trapped[0] - trapped[1] > 5, "{ends:?}");
}
