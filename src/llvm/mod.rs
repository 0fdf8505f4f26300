//! Everything that is about LLVM and not about WebAssembly.

pub mod attrs;
pub mod intrinsics;
pub mod ir;
pub mod sys;
pub mod target;
pub mod types;
