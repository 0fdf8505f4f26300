//! Bad input of all kinds: whatever the two programs are given, they end by
//! themselves with a message that names the file and helps, and leave nothing
//! behind. And whatever is valid, however odd, compiles.

#[path = "robustness/child.rs"]
mod child;
#[path = "robustness/extremes.rs"]
mod extremes;
#[path = "robustness/generated.rs"]
mod generated;
#[path = "robustness/input.rs"]
mod input;
#[path = "robustness/loading.rs"]
mod loading;
#[path = "robustness/mutants.rs"]
mod mutants;
#[path = "robustness/output.rs"]
mod output;
#[path = "robustness/running.rs"]
mod running;
mod support;
