# -O3 spin 0
wasm bt
wasm break $f5
bt -1
detach
