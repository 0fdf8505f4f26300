;; What gdb walks through in tests/gdb.rs, which knows these functions by name
;; and finds the offsets of their instructions in the binary.
(module $session
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 1)
  (table funcref (elem $square $square))
  (global $runs (mut i64) (i64.const 0))
  ;; On a page that nothing writes to.
  (data (i32.const 40000) "untouched")

  ;; Inlined into its caller at -O3.
  (func $leaf (param $address i32) (result i32)
    (i32.load offset=16 (local.get $address)))

  ;; Never inlined: it is in the table twice, so that the call there looks it up.
  (func $square (param $address i32) (result i32)
    (local $value i32)
    (local.set $value (call $leaf (local.get $address)))
    (i32.mul (local.get $value) (local.get $value)))

  ;; Inlined into its caller at -O3.
  (func $sum (param $address i32) (param $times i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum
        (i32.add (local.get $sum)
          (call_indirect (param i32) (result i32) (local.get $address)
            (i32.load (i32.const 256)))))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $next (local.get $times)))
    (local.get $sum))

  ;; Sums the squares of what is at address + 16, so many times.
  (func $run (export "run") (param $address i32) (param $times i32) (result i32)
    (i32.store (i32.const 16) (i32.const 3))
    (global.set $runs (i64.add (global.get $runs) (i64.const 1)))
    (i32.add (i32.const 1)
      (call $sum (local.get $address) (local.get $times))))

  ;; Each operator that does something is one machine instruction at -O3.
  (func $straight (export "straight") (param $value i32)
    (i32.store (i32.const 0) (local.get $value))
    (i32.store (i32.const 4) (local.get $value))
    (i32.store (i32.const 8) (local.get $value))
    (i32.store (i32.const 12) (local.get $value)))

  ;; The inner loop is unrolled at -O3: there are several copies of both loads. Not
  ;; versioned, as one goes where memory says.
  (func $total (export "total") (param $times i32) (result i32)
    (local $total i32) (local $turns i32)
    (i32.store (i32.const 0) (i32.const 0))
    (loop $again
      (local.set $turns (i32.const 5))
      (loop $next
        (local.set $total
          (i32.add (local.get $total)
            (i32.mul
              (i32.load (i32.add (local.get $times) (i32.wrap_i64 (i64.load (i32.const 0)))))
              (i32.load offset=256 (local.get $times)))))
        (br_if $next
          (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
      (br_if $again
        (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (local.get $total))

  ;; The host's function calls that of the same name in the C library.
  (func $through (export "through") (result i32)
    (i32.eqz (call $yield)))

  ;; Until the stack is used up.
  (func $down (export "down") (param $depth i32) (result i32)
    (i32.add (i32.const 1)
      (call $down (i32.add (local.get $depth) (i32.const 1))))))
