//! The modules that are measured, in the text format.

use std::fmt::Write;

/// Calls in both directions.
pub const CALLS: &str = r#"(module
    (import "host" "function" (func $host (param i64) (result i64)))
    (memory 1)
    (func (export "identity") (param i64) (result i64) (local.get 0))
    (func (export "through") (param i64) (result i64) (call $host (local.get 0)))
    (func (export "often") (param i64) (result i64)
        (loop $again
            (drop (call $host (local.get 0)))
            (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
        (local.get 0))
    (func (export "unreachable") (param i64) (result i64) unreachable)
    (func (export "fault") (param i64) (result i64) (i64.load (i32.const -1))))"#;

/// One page of memory, a little data, a function.
pub const PAGE: &str = r#"(module
    (memory (export "memory") 1)
    (data (i32.const 1024) "some data")
    (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;

/// Memory that starts with `size` bytes that are not zero.
pub fn data(size: usize) -> String {
    let (pages, bytes) = (size / 65536, "wasm".repeat(size / 4));
    format!(
        r#"(module (memory (export "memory") {pages}) (data (i32.const 0) "{bytes}")
            (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"#
    )
}

/// `count` functions, of which every tenth is exported and every second in a
/// table.
pub fn functions(count: usize) -> String {
    let mut text = format!("(module (memory (export \"memory\") 1) (table {count} funcref)");
    for i in 0..count {
        let export = if i % 10 == 0 { format!("(export \"function {i}\")") } else { String::new() };
        let _ = write!(
            text,
            "(func $f{i} {export} (param i32) (result i32)
                (i32.store (local.get 0) (i32.const {i}))
                (i32.mul (i32.load offset={i} (local.get 0)) (i32.const {i})))"
        );
        if i % 2 == 0 {
            let _ = write!(text, "(elem (i32.const {i}) $f{i})");
        }
    }
    text.push(')');
    text
}
