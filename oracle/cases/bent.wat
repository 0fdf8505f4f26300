;; Loops that read at places that no sequence tells: what bounds them must, and what
;; they read may be what they have just stored.
(module
    (memory (export "memory") 1)
    ;; The lesser of two becomes negative.
    (func (export "lesser") (param $a i32) (param $x i32) (result i32)
        (local $i i32) (local $p i32)
        (i32.store (i32.const 8) (i32.const 77))
        (local.set $p (i32.add (i32.const 0x7ffffe70) (local.get $x)))
        (loop $again
            (i32.store (i32.add (i32.const 1000) (i32.shl (local.get $i) (i32.const 2)))
                (i32.load (select (local.get $p) (i32.const 8)
                    (i32.lt_s (local.get $p) (i32.const 8)))))
            (local.set $p (i32.add (local.get $p) (i32.const 8)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 100))))
        (i32.load (i32.const 1396)))
    ;; From the third turn on sums of such numbers are rounded.
    (func (export "rounded counter") (param $a i32) (param $x i32) (result i32)
        (local $i i32) (local $f f32)
        (loop $again
            (f32.store (i32.add (i32.const 1000) (i32.shl (local.get $i) (i32.const 2)))
                (f32.mul (local.get $f) (f32.const 0.1)))
            (local.set $f (f32.add (local.get $f) (f32.const 8388607)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.and (local.get $a) (i32.const 127)))))
        (i32.xor (i32.load (i32.const 1016)) (i32.load (i32.const 1396))))
    ;; Nowhere but at its ends is it no number.
    (func (export "numbers between") (param $a i32) (param $x i32) (result i32)
        (local $i i32) (local $f f64)
        (loop $again
            (i32.store (i32.add (i32.const 1000) (i32.shl (local.get $i) (i32.const 2)))
                (i32.load (i32.trunc_sat_f64_s (f64.add (f64.const 65600)
                    (f64.mul (f64.const 0) (f64.mul (f64.const 0x1p1019)
                        (f64.sub (local.get $f) (f64.const 50))))))))
            (local.set $f (f64.add (local.get $f) (f64.const 1)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 101))))
        (i32.load (i32.const 1396)))
    ;; It falls, from a place outside for some arguments.
    (func (export "falling") (param $a i32) (param $x i32) (result i32)
        (local $i i32) (local $f f64)
        (loop $again
            (i32.store (i32.add (i32.const 1000) (i32.shl (local.get $i) (i32.const 2)))
                (i32.load offset=3 (i32.trunc_sat_f64_u (f64.sub (f64.convert_i32_u (local.get $a))
                    (f64.mul (local.get $f) (f64.convert_i32_s (local.get $x)))))))
            (local.set $f (f64.add (local.get $f) (f64.const 1)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 100))))
        (i32.load (i32.const 1396)))
    ;; Each turn reads what the one before it has stored, or the next one will store.
    (func (export "not apart") (param $a i32) (param $x i32) (result i32)
        (local $i i32) (local $f f64)
        (i32.store (i32.const 1000) (i32.const 7))
        (loop $again
            (i32.store (i32.add (i32.shl (local.get $i) (i32.const 2))
                    (select (i32.const 1004) (i32.const 996) (local.get $x)))
                (i32.add (i32.const 5) (i32.load offset=1000 (i32.shl (i32.trunc_sat_f64_s
                    (f64.mul (local.get $f) (f64.const 1))) (i32.const 2)))))
            (local.set $f (f64.add (local.get $f) (f64.const 1)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.and (local.get $a) (i32.const 127)))))
        (i32.load (i32.const 1200)))
    ;; A position in fixed point that starts anew after 65536.
    (func (export "fixed point") (param $a i32) (param $x i32) (result i32)
        (local $i i32)
        (loop $again
            (i32.store (i32.add (i32.const 1000) (i32.shl (local.get $i) (i32.const 2)))
                (i32.load offset=65000 (i32.shl (i32.shr_u (i32.mul (local.get $i) (local.get $a))
                    (i32.const 16)) (i32.const 2))))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 100))))
        (i32.load (i32.const 1396))))
