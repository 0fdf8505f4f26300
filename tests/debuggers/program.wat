;; What the sessions in this folder debug: sums products of words in memory.
(module $program
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 1)
  (table 3 funcref)
  (elem (i32.const 1) $product $product)
  (global $calls (mut i32) (i32.const 0))
  (global $scale f64 (f64.const 0.5))
  (data (i32.const 64) "hello, debugger")

  ;; Inlined at -O3.
  (func $word (param $address i32) (result i32)
    (i32.load offset=256 (local.get $address)))

  ;; Not inlined: it is in the table twice, so that the call there looks it up.
  (func $product (param $a i32) (param $b i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.mul (call $word (local.get $a)) (call $word (local.get $b))))

  (func $sum (param $count i32) (result i32)
    (local $total i32) (local $i i32)
    (loop $next
      (local.set $total
        (i32.add (local.get $total)
          (call_indirect (param i32 i32) (result i32)
            (i32.shl (local.get $i) (i32.const 2))
            (i32.const 0)
            (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $count))))
    (local.get $total))

  (func (export "run") (param i32) (result i32)
    (local v128 f64 i64)
    (local.set 1 (v128.const i32x4 1 2 3 4))
    (local.set 2 (global.get $scale))
    (local.set 3 (i64.const -5))
    (i32.store (i32.const 256) (i32.const 7))
    (i32.store (i32.const 260) (i32.const 11))
    (drop (call $yield))
    (call $sum (local.get 0)))

  ;; Until somebody stops it.
  (func (export "spin") (param $turns i64)
    (loop $again
      (local.set $turns (i64.add (local.get $turns) (i64.const 1)))
      (br $again))))
