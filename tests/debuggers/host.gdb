# -O3 run 3
break sched_yield
run
wasm bt
wasm locals
wasm list 0 4
delete
continue
