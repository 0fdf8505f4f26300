//! Loads, links and runs modules compiled by `wasm2so`.
