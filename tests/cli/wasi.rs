//! Programs in text form that tell what WASI gave them.

/// A memory, and functions to print a piece of it and to stop at an error with
/// the error's number as exit code.
const PRINT: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $check (param $error i32)
        (if (local.get $error) (then (call $exit (local.get $error)) unreachable)))
    (func $print (param $text i32) (param $length i32)
        (i32.store (i32.const 0) (local.get $text))
        (i32.store (i32.const 4) (local.get $length))
        (call $check (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#;

/// Prints what a pair of WASI's calls gives: of `args` or `environ`.
pub fn strings(calls: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "{calls}_sizes_get"
                (func $sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "{calls}_get"
                (func $get (param i32 i32) (result i32)))
            {PRINT}
            (func (export "_start")
                (call $check (call $sizes (i32.const 0) (i32.const 4)))
                (call $check (call $get (i32.const 1024) (i32.const 4096)))
                (call $print (i32.const 4096) (i32.load (i32.const 4)))))"#
    )
}

/// Prints the file `hello.txt` of each directory that it was given, after the
/// directory's name.
pub fn files() -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_prestat_get"
                (func $prestat (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_dir_name"
                (func $name (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read"
                (func $read (param i32 i32 i32 i32) (result i32)))
            {PRINT}
            (data (i32.const 512) "hello.txt")
            (func $show (param $dir i32)
                (call $check
                    (call $name (local.get $dir) (i32.const 4096) (i32.load (i32.const 4))))
                (call $print (i32.const 4096) (i32.load (i32.const 4)))
                (call $check
                    (call $open (local.get $dir) (i32.const 0) (i32.const 512) (i32.const 9)
                        (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
                (i64.store (i32.const 16) (i64.const 0x100000001000)) ;; 4096 bytes at 4096
                (call $check
                    (call $read (i32.load (i32.const 8)) (i32.const 16) (i32.const 1)
                        (i32.const 12)))
                (call $print (i32.const 4096) (i32.load (i32.const 12))))
            (func (export "_start") (local $dir i32)
                (local.set $dir (i32.const 3))
                (block $done (loop $next
                    (br_if $done (call $prestat (local.get $dir) (i32.const 0)))
                    (call $show (local.get $dir))
                    (local.set $dir (i32.add (local.get $dir) (i32.const 1)))
                    (br $next)))))"#
    )
}
