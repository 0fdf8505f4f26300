;; Locals that optimised code was once said to have other values of.
(module
  (memory (export "memory") 1)

  ;; Said to be what it was at first: of values that are parameters, code generation says
  ;; so where the function begins, before what is said there of others.
  (func (export "copied") (param $x i32) (param $y i32) (local $copy i32)
    (local.set $copy (local.get $x))
    (local.set $x (select (local.get $copy) (i32.const 0) (local.get $y)))
    (if (local.get $x) (then unreachable))
    (local.set $x (local.get $copy))
    (if (local.get $x) (then unreachable)))

  ;; Constant at first, then in one register until the loop ends; said to be there
  ;; everywhere.
  (func (export "counted")
    (param $a i32) (param $b i32) (param $n i32) (param $x i32) (result i64)
    (local $i i32) (local $at i32)
    (local.set $at (local.get $a))
    (block $out
      (loop $next
        (br_if $out (i32.eq (local.get $x) (i32.load8_u (local.get $at))))
        (local.set $at (i32.sub (local.get $at) (i32.const 8)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.le_s (local.get $i) (local.get $n)))))
    (i32.store offset=65535 (local.get $b) (local.get $x))
    (i64.const 0))

  ;; Of the number of bits to shift by, only six are needed, so that 44 is added instead
  ;; of 20 subtracted.
  (func (export "shifted") (param $x i32) (param $y i32)
    (local $from i64) (local $bits i64) (local $step i64)
    (local.set $from (i64.extend_i32_u (i32.sub (i32.const 62) (local.get $y))))
    (local.set $bits (i64.sub (local.get $from) (i64.const 20)))
    (local.set $step (i64.shl (i64.const 1) (local.get $bits)))
    (i64.store (local.get $x) (local.get $step))
    (i64.store offset=8 (i32.const 65528) (local.get $from))))
