;; A counter may step over its end and go round until an address leaves the memory.
;; That it does not is a predicate of the loop's count, which LLVM tells only once.
(module
    (memory (export "memory") 1)
    (func (export "0") (param $n i32) (param $x i32) (result i32)
        (local $i i32) (local $p i32)
        (local.set $n (i32.add (i32.and (local.get $n) (i32.const 255)) (i32.const 606)))
        (loop $again
            (i32.store8 (local.get $p) (i32.add (local.get $i) (local.get $x)))
            (local.set $p (i32.add (local.get $p) (i32.const 1)))
            (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 4)))
                (local.get $n))))
        (i32.load (i32.const 8))))
