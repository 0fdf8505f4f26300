//! Products of 128 bits, which wasm puts together of products of halves, and the
//! processor computes at once.

use crate::support::{self, process::Folder, process::run};

/// The halves' products, in the order of `__multi3`.
const PARTS: &str = "
    (local.set $ll (i64.mul (i64.and (local.get $x) (i64.const 0xffffffff))
        (i64.and (local.get $y) (i64.const 0xffffffff))))
    (local.set $hl (i64.mul (i64.shr_u (local.get $x) (i64.const 32))
        (i64.and (local.get $y) (i64.const 0xffffffff))))
    (local.set $lh (i64.mul (i64.extend_i32_u (i32.wrap_i64 (local.get $x)))
        (i64.shr_u (local.get $y) (i64.const 32))))
    (local.set $hh (i64.mul (i64.shr_u (local.get $x) (i64.const 32))
        (i64.shr_u (local.get $y) (i64.const 32))))";

/// How they are added up: C's and Go's way, that of xxHash, one with three sums, that of
/// wyhash, Rust's.
const WAYS: [&str; 5] = [
    "(local.set $s (i64.add (local.get $hl) (i64.shr_u (local.get $ll) (i64.const 32))))
    (local.set $t (i64.add (local.get $lh)
        (i64.and (local.get $s) (i64.const 0xffffffff))))
    (local.set $low (i64.or (i64.shl (local.get $t) (i64.const 32))
        (i64.and (local.get $ll) (i64.const 0xffffffff))))
    (local.set $high (i64.add
        (i64.add (local.get $hh) (i64.shr_u (local.get $s) (i64.const 32)))
        (i64.shr_u (local.get $t) (i64.const 32))))",
    "(local.set $s (i64.add (i64.add (i64.shr_u (local.get $ll) (i64.const 32))
        (i64.and (local.get $hl) (i64.const 0xffffffff))) (local.get $lh)))
    (local.set $low (i64.or (i64.shl (local.get $s) (i64.const 32))
        (i64.and (local.get $ll) (i64.const 0xffffffff))))
    (local.set $high (i64.add (i64.add (i64.shr_u (local.get $hl) (i64.const 32))
        (i64.shr_u (local.get $s) (i64.const 32))) (local.get $hh)))",
    "(local.set $s (i64.add (i64.add (i64.shr_u (local.get $ll) (i64.const 32))
        (i64.and (local.get $hl) (i64.const 0xffffffff)))
        (i64.and (local.get $lh) (i64.const 0xffffffff))))
    (local.set $low (i64.mul (local.get $x) (local.get $y)))
    (local.set $high (i64.add (i64.add (i64.shr_u (local.get $hl) (i64.const 32))
        (i64.shr_u (local.get $lh) (i64.const 32)))
        (i64.add (i64.shr_u (local.get $s) (i64.const 32)) (local.get $hh))))",
    "(local.set $s (i64.add (local.get $ll) (i64.shl (local.get $hl) (i64.const 32))))
    (local.set $low (i64.add (local.get $s) (i64.shl (local.get $lh) (i64.const 32))))
    (local.set $high (i64.add
        (i64.add (local.get $hh) (i64.shr_u (local.get $hl) (i64.const 32)))
        (i64.add (i64.shr_u (local.get $lh) (i64.const 32)) (i64.add
            (i64.extend_i32_u (i64.lt_u (local.get $s) (local.get $ll)))
            (i64.extend_i32_u (i64.gt_u (local.get $s) (local.get $low)))))))",
    "(local.set $s (i64.add (local.get $hl) (local.get $lh)))
    (local.set $low (i64.add (i64.shl (local.get $s) (i64.const 32)) (local.get $ll)))
    (local.set $high (i64.add (i64.add (i64.or
            (i64.shl (i64.extend_i32_u (i64.lt_u (local.get $s) (local.get $hl)))
                (i64.const 32))
            (i64.shr_u (local.get $s) (i64.const 32))) (local.get $hh))
        (i64.extend_i32_u (i64.lt_u (local.get $low) (local.get $ll)))))",
];

/// Numbers whose products carry everywhere or nowhere.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x8000_0000_8000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_0000_0001,
    0xffff_fffe_ffff_ffff,
    u64::MAX,
    0x9e37_79b9_7f4a_7c15,
    0x0123_4567_89ab_cdef,
];

/// A module whose `run` multiplies the pairs of numbers in so many bytes, all of
/// `NUMBERS`, in a way, or squares them.
fn module(way: &str, second: &str) -> String {
    let numbers: String =
        NUMBERS.iter().flat_map(|n| n.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(module (memory 1) (data (i32.const 0) "{numbers}")
        (func $product (param $x i64) (param $y i64) (result i64 i64)
            (local $ll i64) (local $lh i64) (local $hl i64) (local $hh i64)
            (local $s i64) (local $t i64) (local $low i64) (local $high i64)
            {PARTS} {way}
            (local.get $high) (local.get $low))
        (func (export "run") (param $n i32) (result i64)
            (local $i i32) (local $j i32) (local $sum i64)
            (loop $outer
                (local.set $j (i32.const 0))
                (loop $inner
                    (call $product (i64.load (local.get $i)) (i64.load (local.get {second})))
                    (local.set $sum (i64.xor (i64.rotl (local.get $sum) (i64.const 7))))
                    (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 9))))
                    (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j)
                        (i32.const 8))) (local.get $n))))
                (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i)
                    (i32.const 8))) (local.get $n))))
            (local.get $sum)))"#
    )
}

/// What `run` returns when products are right.
fn expected(square: bool) -> u64 {
    let mut sum = 0u64;
    for x in NUMBERS {
        for y in NUMBERS {
            let product = u128::from(x) * u128::from(if square { x } else { y });
            sum = sum.rotate_left(7) ^ product as u64;
            sum = sum.rotate_left(9).wrapping_add((product >> 64) as u64);
        }
    }
    sum
}

/// What `run` of a module returns at a level.
fn computed(folder: &Folder, level: &str) -> u64 {
    let mut command = support::wasm2so();
    run(command.current_dir(folder.path()).args([level, "-o", "p.so", "p.wat"])).succeeded();
    let mut command = support::wasmrun();
    let bytes = size_of_val(&NUMBERS).to_string();
    let ended = run(command.current_dir(folder.path()).args(["--invoke", "run", "p.so", &bytes]));
    ended.succeeded().text().trim().parse::<i64>().expect("a number") as u64
}

/// How many multiplications there are at -O3 for `cpu`.
fn multiplications(folder: &Folder, cpu: &str) -> usize {
    let text = folder.assembly("p.wat", &["--cpu", cpu]);
    let operators = text.lines().filter_map(|line| line.split_whitespace().next());
    operators.filter(|op| op.starts_with("mul") || op.starts_with("imul")).count()
}

#[test]
fn they_are_one_multiplication() {
    let folder = Folder::new();
    for way in WAYS {
        for (second, square) in [("$j", false), ("$i", true)] {
            folder.file("p.wat", module(way, second));
            for level in ["-O0", "-O1", "-O3"] {
                assert_eq!(computed(&folder, level), expected(square), "{level} {square} {way}");
            }
            for cpu in ["x86-64-v2", "x86-64-v3"] {
                // The function by itself, and where it was inlined.
                assert!(multiplications(&folder, cpu) <= 2, "{cpu} {square} {way}");
            }
        }
    }
}

#[test]
fn results_in_memory_are_not_read_again() {
    // As C calls `__multi3`: for its result there is a place in the caller's frame.
    let module = |before: &str| {
        format!(
            r#"(module (memory 1)
            (func $product (param $to i32) (param $x i64) (param $y i64)
                (local $ll i64) (local $lh i64) (local $hl i64) (local $hh i64)
                (local $s i64) (local $t i64) (local $low i64) (local $high i64)
                {PARTS} {}
                (i64.store (local.get $to) (local.get $low))
                (i64.store offset=8 (local.get $to) (local.get $high)))
            (func (export "run") (param $frame i32) (param $x i64) (param $y i64) (result i64)
                {before}
                (call $product (i32.add (local.get $frame) (i32.const 16))
                    (local.get $x) (local.get $y))
                (i64.xor (i64.load offset=16 (local.get $frame))
                    (i64.load offset=24 (local.get $frame)))))"#,
            WAYS[0]
        )
    };
    // An access further up tells that the sum does not wrap.
    let cases = [("", 2), ("(i32.store offset=32 (local.get $frame) (i32.const 0))", 0)];
    let folder = Folder::new();
    for (before, checks) in cases {
        folder.file("p.wat", module(before));
        let text = folder.assembly("p.wat", &["--cpu", "haswell"]);
        let loads = text.lines().filter(|line| {
            let memory = line.find("%gs:");
            memory.is_some_and(|at| line[at..].contains("), %"))
        });
        // In the branch where they trap.
        assert_eq!(loads.count(), checks, "{text}");
        assert_eq!(text.matches("ud2").count(), checks, "{text}");
    }
}

#[test]
fn what_only_looks_like_one_stays() {
    // Another mask, another shift, a part left out or twice, a sum that carries unseen, a
    // comparison with what was not added.
    let changes = [
        (0, "$s) (i64.const 0xffffffff)", "$s) (i64.const 0x7fffffff)"),
        (0, "$t) (i64.const 32))))", "$t) (i64.const 31))))"),
        (0, "$hl) (i64.shr_u (local.get $ll)", "$lh) (i64.shr_u (local.get $ll)"),
        (0, "$t) (i64.const 32))))", "$lh) (i64.const 32))))"),
        (1, "(i64.and (local.get $hl) (i64.const 0xffffffff))", "(local.get $hl)"),
        (2, "(i64.add (i64.shr_u (local.get $hl)", "(i64.add (i64.shr_u (local.get $lh)"),
        (3, "$s) (local.get $ll)", "$s) (local.get $lh)"),
        (3, "$s) (local.get $low)", "$low) (local.get $s)"),
        (4, "$s) (local.get $hl)", "$s) (local.get $ll)"),
        (4, "$low) (local.get $ll)", "$low) (local.get $hh)"),
    ];
    let folder = Folder::new();
    for (way, from, to) in changes {
        let changed = WAYS[way].replacen(from, to, 1);
        assert_ne!(changed, WAYS[way], "{from}");
        folder.file("p.wat", module(&changed, "$j"));
        let [exact, fast] = ["-O0", "-O3"].map(|level| computed(&folder, level));
        assert_eq!(exact, fast, "{way}: {to}");
        assert_ne!(exact, expected(false), "{way}: {to} makes no difference");
        assert!(multiplications(&folder, "x86-64-v3") > 2, "{way}: {to}");
    }
}
