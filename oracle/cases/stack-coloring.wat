;; Two inlined calls leave two result buffers in `main`, which are not in use at
;; the same time. LLVM's StackColoring merges them, and then takes the alias
;; scopes off every memory operand of the function, so that stamping finds none:
;; the load below was folded into the addition and reported at its offset.
(module
    (import "host" "five" (func $five (result i32 i32 i32 i32 i32)))
    (memory (export "memory") 1)
    (global $sum (export "sum") (mut i32) (i32.const 0))
    (func $add_five
        (call $five) (i32.add) (i32.add) (i32.add) (i32.add) (global.set $sum))
    (func (export "main") (param $x i32) (result i32)
        (call $add_five)
        (call $add_five)
        (i32.add (global.get $sum) (i32.load (local.get $x))))
    (func (export "two") (param $x i32) (param $y i32) (result i32)
        (call $add_five)
        (call $add_five)
        (if (result i32) (local.get $y)
            (then (i32.load (local.get $x)))
            (else (i32.load16_u offset=7570 (local.get $x)))))
    ;; Two loads of one address, which does not tell them apart.
    (func (export "same") (param $x i32) (param $y i32) (result i32)
        (global.set $sum (i32.load (local.get $x)))
        (call $add_five)
        (call $add_five)
        (i32.add (global.get $sum) (i32.load (local.get $x)))))
