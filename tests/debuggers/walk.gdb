# -Og run 3
wasm break sum
run
wasm list
next 5
info locals
wasm locals
wasm break 0xb6 if i == 2
wasm break product
continue
bt 3
wasm bt
wasm info
wasm table
wasm memory 64 32
print *(int *)$wasm(256)
info args
finish
delete 1 3
continue
print i
print total
set var total = 1000
up
info locals
print var1.i32x4
print/x vmctx->memory_state->byte_len
delete
continue
