# -Og run 3
wasm break $f4
run
watch -location *(int *)$wasm(256)
continue
wasm list
wasm break nowhere
wasm memory 300000
wasm table 7
wasm break 0xb7
help wasm break
delete
continue
