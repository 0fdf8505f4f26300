// What the tests of source positions compile: generic and inlined code of the
// program and of the standard library.
use std::collections::BTreeMap;

fn main() {
    let text = "the quick brown fox jumps over the lazy dog, the end";
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        *counts.entry(word.to_uppercase()).or_insert(0u32) += 1;
    }
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (word, count) in sorted {
        println!("{word} {count}");
    }
    // SAFETY: there is none: no process has so much memory.
    let far = unsafe { *(0xffff_fff0 as *const u64) };
    println!("{far}");
}
