;; Selection makes the store of an `fabs` or `fneg` a store of integers anew,
;; without the alias scope by which stamping finds it.
(module (memory 1) (global $g (mut f32) (f32.const 1))
 (func (export "a") (param $x i32) (f32.store (local.get $x) (f32.abs (f32.load (local.get $x)))))
 (func (export "b") (param $x i32) (f32.store (local.get $x) (f32.neg (f32.load (local.get $x)))))
 (func (export "c") (param $x i32) (f32.store (local.get $x) (f32.abs (global.get $g))))
 (func (export "d") (param $x i32) (global.set $g (f32.abs (f32.load (local.get $x)))))
 (func (export "f") (param $x i32) (global.set $g (f32.abs (global.get $g))))
 (func (export "g") (param $x i32) (i32.store (local.get $x) (i32.and (i32.const 0xffff) (i32.load (local.get $x)))))
)
