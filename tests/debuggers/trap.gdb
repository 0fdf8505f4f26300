# -O3 run 20000
run
bt 4
wasm bt
wasm list
wasm locals
wasm info
x/2i $pc
continue
