;; Sequences of few bits start again where those of addresses would leave the
;; memory: a loop must not be versioned as if they went on.
(module
    (memory (export "memory") 1)
    (func $fill (export "masked to 8 bits") (param $a i32) (param $x i32) (result i32)
        (local $i i32)
        (loop $again
            (i32.store8 offset=8 (i32.and (i32.add (local.get $a) (local.get $i)) (i32.const 255))
                (i32.add (local.get $i) (local.get $x)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 1000))))
        (i32.add (i32.load (i32.const 8)) (i32.load (i32.const 1000))))
    (func (export "masked to 16 bits") (param $a i32) (param $x i32) (result i32)
        (local $i i32)
        (loop $again
            (i32.store8 (i32.add (i32.and (local.get $i) (i32.const 0xffff)) (local.get $x))
                (i32.add (local.get $i) (i32.const 7)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 3)))
                (i32.and (local.get $a) (i32.const 0x1ffff)))))
        (i32.load8_u (i32.const 100)))
    (func (export "a start of 16 bits") (param $a i32) (param $x i32) (result i32)
        (local $i i32)
        (loop $again
            (i32.store8
                (i32.add (local.get $i)
                    (i32.and (i32.add (local.get $a) (i32.const 100)) (i32.const 0xffff)))
                (i32.add (local.get $i) (local.get $x)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 50))))
        (i32.add (i32.load (i32.const 92)) (i32.load (i32.const 101))))
    (func (export "down in 8 bits") (param $a i32) (param $x i32) (result i32)
        (local $i i32)
        (loop $again
            (i32.store8
                (i32.and (i32.sub (local.get $a) (local.get $i)) (i32.const 255))
                (i32.add (local.get $i) (local.get $x)))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (i32.const 1000))))
        (i32.load (i32.const 8))))
