//! Loads of vectors of which only a part is used: all of their bytes are accessed.

use crate::check::{call, expected, shown};
use crate::special::alone;
use crate::support::{self, truth::Truth};
use std::fmt::Write;
use wasm2so::options::{OptLevel, Options};
use wasmrun::{Module, TrapCode, Value};

/// Of each operator of vectors: its proposal, wasmparser's name of it, its immediates and
/// how many operands it takes.
macro_rules! operators {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident
        ($($shape:tt)*))*) => {
        &[$((
            stringify!($proposal),
            stringify!($visit),
            stringify!($($($arg)*)?),
            stringify!($($shape)*),
        )),*]
    };
}

const OPERATORS: &[(&str, &str, &str, &str)] = wasmparser::for_each_visit_simd_operator!(operators);

/// What takes a part, and from which address on the memory ends after it.
const PARTS: [(&str, &str, i32); 2] =
    [("i32", "(i32x4.extract_lane 0 {v})", 65532), ("i64", "(i64x2.extract_lane 0 {v})", 65528)];

/// Those that make vectors of vectors, with a load as each of their operands.
fn operations() -> Vec<String> {
    const LOAD: &str = "(v128.load (local.get $at))";
    // They take a number, or make one of the whole vector.
    const OTHERS: [&str; 4] = ["splat", "any_true", "all_true", "bitmask"];
    let mut all = Vec::new();
    for &(proposal, visit, immediates, shape) in OPERATORS {
        let name = visit.trim_start_matches("visit_").replacen('_', ".", 1);
        if proposal != "simd" || !immediates.is_empty() || OTHERS.iter().any(|o| name.ends_with(o))
        {
            continue;
        }
        if name.contains(".shl") || name.contains(".shr_") {
            all.push(format!("({name} {LOAD} (local.get $by))"));
            all.push(format!("({name} {LOAD} (i32.const 3))"));
            continue;
        }
        let operands = match shape {
            "arity 1 -> 1" => 1,
            "arity 2 -> 1" => 2,
            "arity 3 -> 1" => 3,
            _ => panic!("{name}: {shape}"),
        };
        for place in 0..operands {
            let mut parts = vec!["(local.get $v)"; operands];
            parts[place] = LOAD;
            all.push(format!("({name} {})", parts.join(" ")));
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
