//! Where a trap occurs: functions around a site, and what the trace must be.
//! Says it in terms of the wasm; knows nothing of offsets.
//!
//! In the text SITE stands for the code that may trap, GOOD and BAD for values
//! of `$x` with which it does not and does, and TOUCH for stores to a global and
//! to memory, of which the host must see exactly those before the trap.

use crate::kinds::Kind;

/// Functions and calls of them that trap.
pub struct Situation {
    pub name: &'static str,
    pub text: &'static str,
    pub runs: &'static [Run],
}

/// A call that traps.
pub struct Run {
    pub entry: &'static str,
    pub args: &'static [Arg],
    /// How often TOUCH must have run.
    pub touched: i32,
    /// Innermost first: function, operator (`Site` is the one that traps) and
    /// which of those in the function; or [`HOST`].
    pub frames: &'static [&'static str],
}

/// An argument of the entry.
#[derive(Clone, Copy)]
pub enum Arg {
    Good,
    Bad,
    Is(i32),
}

pub const HOST: &str = "-- host --";

use Arg::{Bad, Good, Is};

/// All, with or without those that make tail calls.
pub fn with(tail_calls: bool) -> Vec<&'static Situation> {
    let more = if tail_calls { TAIL_CALLS } else { &[] };
    ALL.iter().chain(more).collect()
}

/// The text of a module with these situations, in which `kind` traps.
pub fn module(kind: &Kind, situations: &[&Situation]) -> String {
    let functions: String = situations.iter().map(|situation| situation.text).collect();
    MODULE
        .replace("SITUATIONS", &functions)
        .replace("SITE", &kind.site)
        .replace("TOUCH", TOUCH)
        .replace("GOOD", &kind.good.to_string())
        .replace("BAD", &kind.bad[0].0.to_string())
}

/// In every module.
const ALL: &[Situation] = &[
    Situation {
        name: "three calls deep",
        text: r#"
            (func $deep_3 (export "deep_3") (param $x i32) TOUCH SITE TOUCH)
            (func $deep_2 (export "deep_2") (param $x i32)
                (call $deep_3 (i32.const GOOD)) (call $deep_3 (local.get $x)) TOUCH)
            (func $deep_1 (export "deep_1") (param $x i32) TOUCH (call $deep_2 (local.get $x)))
            (func $deep (export "deep") (param $x i32)
                (call $deep_1 (i32.const GOOD)) (call $deep_1 (local.get $x)))"#,
        runs: &[Run {
            entry: "deep",
            args: &[Bad],
            touched: 1 + 2 + 2 + 1 + 1 + 2 + 1,
            frames: &["deep_3 Site 0", "deep_2 Call 1", "deep_1 Call 0", "deep Call 1"],
        }],
    },
    Situation {
        name: "recursion",
        text: r#"
            (func $recursion (export "recursion") (param $x i32) (param $n i32)
                TOUCH
                (if (local.get $n)
                    (then (call $recursion
                        (local.get $x) (i32.sub (local.get $n) (i32.const 1))))
                    (else SITE)))"#,
        runs: &[Run {
            entry: "recursion",
            args: &[Bad, Is(3)],
            touched: 4,
            frames: &[
                "recursion Site 0",
                "recursion Call 0",
                "recursion Call 0",
                "recursion Call 0",
            ],
        }],
    },
    Situation {
        name: "inlined",
        text: r#"
            (func $inlined_leaf (param $x i32) SITE)
            (func $inlined (export "inlined") (param $x i32)
                TOUCH (call $inlined_leaf (local.get $x)) TOUCH)"#,
        runs: &[Run {
            entry: "inlined",
            args: &[Bad],
            touched: 1,
            frames: &["inlined_leaf Site 0", "inlined Call 0"],
        }],
    },
    Situation {
        name: "folded to a constant",
        text: r#"
            (func $folded_leaf (param $x i32) TOUCH SITE)
            (func $folded (export "folded") TOUCH (call $folded_leaf (i32.const BAD)) TOUCH)"#,
        runs: &[Run {
            entry: "folded",
            args: &[],
            touched: 2,
            frames: &["folded_leaf Site 0", "folded Call 0"],
        }],
    },
    Situation {
        name: "behind the host",
        text: r#"
            (func $inside_leaf (param $x i32) TOUCH SITE)
            (func $inside (export "inside") (param $x i32) (call $inside_leaf (local.get $x)))
            (func $outside_leaf (param $x i32) TOUCH (call $host (local.get $x)) TOUCH)
            (func $outside (export "outside") (param $x i32)
                (call $outside_leaf (i32.const GOOD)) (call $outside_leaf (local.get $x)))"#,
        runs: &[Run {
            entry: "outside",
            args: &[Bad],
            touched: 3 + 2,
            frames: &[
                "inside_leaf Site 0",
                "inside Call 0",
                HOST,
                "outside_leaf Call 0",
                "outside Call 1",
            ],
        }],
    },
    Situation {
        name: "both arms of an if",
        text: r#"
            (func $arms (export "arms") (param $x i32) (param $c i32)
                (if (local.get $c) (then SITE) (else SITE)) TOUCH)"#,
        runs: &[
            Run { entry: "arms", args: &[Bad, Is(1)], touched: 0, frames: &["arms Site 0"] },
            Run { entry: "arms", args: &[Bad, Is(0)], touched: 0, frames: &["arms Site 1"] },
        ],
    },
    Situation {
        name: "calls in both arms",
        text: r#"
            (func $called (param $x i32) SITE TOUCH)
            (func $calling (export "calling") (param $x i32) (param $c i32)
                (if (local.get $c)
                    (then (call $called (local.get $x)))
                    (else (call $called (local.get $x)))))"#,
        runs: &[
            Run {
                entry: "calling",
                args: &[Bad, Is(1)],
                touched: 0,
                frames: &["called Site 0", "calling Call 0"],
            },
            Run {
                entry: "calling",
                args: &[Bad, Is(0)],
                touched: 0,
                frames: &["called Site 0", "calling Call 1"],
            },
        ],
    },
    Situation {
        name: "every case of a switch",
        text: r#"
            (func $cases (export "cases") (param $x i32) (param $c i32)
                (block $end (block $2 (block $1 (block $0
                    (br_table $0 $1 $2 (local.get $c)))
                    SITE (br $end))
                    SITE (br $end))
                    SITE))"#,
        runs: &[
            Run { entry: "cases", args: &[Bad, Is(0)], touched: 0, frames: &["cases Site 0"] },
            Run { entry: "cases", args: &[Bad, Is(1)], touched: 0, frames: &["cases Site 1"] },
            Run { entry: "cases", args: &[Bad, Is(2)], touched: 0, frames: &["cases Site 2"] },
        ],
    },
    Situation {
        name: "an if without else, and after it",
        text: r#"
            (func $maybe (export "maybe") (param $x i32) (param $c i32)
                (if (local.get $c) (then SITE)) SITE)"#,
        runs: &[
            Run { entry: "maybe", args: &[Bad, Is(1)], touched: 0, frames: &["maybe Site 0"] },
            Run { entry: "maybe", args: &[Bad, Is(0)], touched: 0, frames: &["maybe Site 1"] },
        ],
    },
    Situation {
        name: "twice in a row",
        text: r#"
            (func $twice (export "twice") (param $x i32) (param $y i32)
                SITE (local.set $x (local.get $y)) SITE TOUCH)"#,
        runs: &[
            Run { entry: "twice", args: &[Bad, Bad], touched: 0, frames: &["twice Site 0"] },
            Run { entry: "twice", args: &[Bad, Good], touched: 0, frames: &["twice Site 0"] },
            Run { entry: "twice", args: &[Good, Bad], touched: 0, frames: &["twice Site 1"] },
        ],
    },
    Situation {
        name: "first and last",
        text: r#"
            (func $first (export "first") (param $x i32) SITE TOUCH (call $nothing))
            (func $last (export "last") (param $x i32) (call $nothing) TOUCH SITE)"#,
        runs: &[
            Run { entry: "first", args: &[Bad], touched: 0, frames: &["first Site 0"] },
            Run { entry: "last", args: &[Bad], touched: 1, frames: &["last Site 0"] },
        ],
    },
    Situation {
        name: "the fourth round of a loop",
        text: r#"
            (func $rounds (export "rounds") (param $x i32) (local $bad i32) (local $i i32)
                (local.set $bad (local.get $x))
                (loop $again
                    TOUCH
                    (local.set $x (select (local.get $bad) (i32.const GOOD)
                        (i32.eq (local.get $i) (i32.const 3))))
                    SITE
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const 6)))))"#,
        runs: &[Run { entry: "rounds", args: &[Bad], touched: 4, frames: &["rounds Site 0"] }],
    },
    Situation {
        name: "invariant in a loop",
        text: r#"
            (func $invariant_leaf (param $x i32) TOUCH SITE)
            (func $invariant (export "invariant") (param $x i32) (param $n i32)
                (loop $again
                    TOUCH SITE (call $invariant_leaf (local.get $x))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $again (local.get $n))))
            (func $later (export "later") (param $x i32) (param $n i32)
                (loop $again
                    TOUCH
                    (if (i32.eqz (local.get $n)) (then (call $invariant_leaf (local.get $x))))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br $again)))"#,
        runs: &[
            Run {
                entry: "invariant",
                args: &[Bad, Is(9)],
                touched: 1,
                frames: &["invariant Site 0"],
            },
            Run {
                entry: "later",
                args: &[Bad, Is(5)],
                touched: 7,
                frames: &["invariant_leaf Site 0", "later Call 0"],
            },
        ],
    },
    Situation {
        name: "called through a table",
        text: r#"
            (func $target (param $x i32) SITE TOUCH)
            (func $indirect (export "indirect") (param $x i32)
                (call_indirect $f (type $x) (i32.const GOOD) (i32.const 0))
                (call_indirect $f (type $x) (local.get $x) (i32.const 0)))"#,
        runs: &[Run {
            entry: "indirect",
            args: &[Bad],
            touched: 1,
            frames: &["target Site 0", "indirect CallIndirect 1"],
        }],
    },
];

/// In modules that make tail calls, too.
const TAIL_CALLS: &[Situation] = &[
    Situation {
        name: "tail call",
        text: r#"
            (func $tail_leaf (param $x i32) TOUCH SITE)
            (func $tail_to (param $x i32) (call $tail_leaf (local.get $x)) TOUCH)
            (func $tail_from (param $x i32) TOUCH (return_call $tail_to (local.get $x)))
            (func $tail (export "tail") (param $x i32)
                (call $tail_from (i32.const GOOD)) (call $tail_from (local.get $x)))"#,
        runs: &[Run {
            entry: "tail",
            args: &[Bad],
            touched: 3 + 2,
            frames: &["tail_leaf Site 0", "tail_to Call 0", "tail Call 1"],
        }],
    },
    Situation {
        name: "tail call in the entry",
        text: r#"
            (func $gone_leaf (param $x i32) SITE)
            (func $gone (export "gone") (param $x i32) (return_call $gone_leaf (local.get $x)))"#,
        runs: &[Run { entry: "gone", args: &[Bad], touched: 0, frames: &["gone_leaf Site 0"] }],
    },
    Situation {
        name: "tail call through a table",
        text: r#"
            (func $jump_from (param $x i32)
                (return_call_indirect $f (type $x) (local.get $x) (i32.const 0)))
            (func $jump (export "jump") (param $x i32) (call $jump_from (local.get $x)) TOUCH)"#,
        runs: &[Run {
            entry: "jump",
            args: &[Bad],
            touched: 0,
            frames: &["target Site 0", "jump Call 0"],
        }],
    },
    Situation {
        name: "tail call of the host",
        text: r#"
            (func $leave_from (param $x i32) TOUCH (return_call $host (local.get $x)))
            (func $leave (export "leave") (param $x i32) (call $leave_from (local.get $x)) TOUCH)"#,
        runs: &[Run {
            entry: "leave",
            args: &[Bad],
            touched: 2,
            frames: &["inside_leaf Site 0", "inside Call 0", HOST, "leave Call 0"],
        }],
    },
];

/// Of instantiation, when the imported `$start_x` is bad.
pub const START: &[&str] = &["start_leaf Site 0", "start Call 1"];

/// The module that surrounds the situations.
const MODULE: &str = r#"
(module $traps
    (type $v (func))
    (type $x (func (param i32)))
    (import "host" "call" (func $host (type $x)))
    (import "host" "x" (global $start_x i32))
    (memory $m (export "memory") 1 1)
    (data $d "0123456789abcdef")
    (global $count (export "count") (mut i32) (i32.const 0))
    (global $sink (export "sink") (mut i32) (i32.const 0))
    (table $t 8 8 funcref)
    (elem (table $t) (i32.const 0) func $nothing $other)
    (elem $e func $nothing)
    (table $f 1 1 funcref)
    (elem (table $f) (i32.const 0) func $target)
    (func $nothing)
    (func $other (result i64) (i64.const 0))
    (func $start_leaf (param $x i32) SITE)
    (func $start
        (call $start_leaf (i32.const GOOD)) (call $start_leaf (global.get $start_x)))
    (start $start)
    SITUATIONS)
"#;

/// Where TOUCH counts in memory.
pub const COUNT_ADDRESS: usize = 64;

/// TOUCH. Its store is one that no site has, as sites are found by operator.
const TOUCH: &str = "(global.set $count (i32.add (global.get $count) (i32.const 1))) \
    (v128.store16_lane 0 (i32.const 64) (i16x8.splat (global.get $count)))";
