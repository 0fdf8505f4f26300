# -O3 run 20000
bt 4
wasm bt
wasm locals
wasm memory 256 16
wasm info
