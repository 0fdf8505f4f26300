//! Loads, links and runs modules compiled by `wasm2so`.
//!
//! ```no_run
//! use wasmrun::{Config, Imports, Instance, Module, Store, Value};
//!
//! let module = Module::load("fib.so")?;
//! let mut store = Store::new(Config::default());
//! let instance = Instance::new(&mut store, &module, &Imports::new())?;
//! let fib = instance.func(&store, "fib").expect("fib.so exports `fib`");
//! let results = fib.call(&mut store, &[Value::I32(30)])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Duties of the caller
//! Loading a module runs native code from a file: load only what `wasm2so`
//! wrote. Everything after that is checked.
//!
//! # Who owns what
//! A [`Module`] is code, shared and immutable. A [`Store`] owns everything that
//! modules and hosts create at run time (instances, functions, memories,
//! tables, globals) and frees it all when it is dropped. [`Instance`],
//! [`Func`], [`Memory`], [`Table`] and [`Global`] are small names for things in
//! one store; using one with another store is refused, never undefined.
//!
//! # Not here
//! No compiling: the runtime never links LLVM, and knows of the compiler only
//! the contract in `wasm2so-abi`.

mod activation;
mod artifact;
mod builtins;
mod constexpr;
mod core_dump;
mod error;
mod files;
mod func;
mod global;
mod image;
mod imports;
mod instance;
mod memory;
mod native_stack;
mod profile;
mod reservation;
mod sample;
mod signals;
mod signature;
mod store;
mod symbolize;
mod table;
pub mod trace;
mod trap;
mod unwind;
mod value;
#[cfg(feature = "wasi")]
pub mod wasi;
mod wasm_core;

pub use artifact::{ExportType, ImportType, Module};
pub use core_dump::{CoreDump, CoreError, CoreThread};
pub use error::{
    AccessError, ArgumentError, CallError, HostError, ImportProblem, InstantiateError, LinkError,
    LoadError, Malformed, ResourceError, SignatureError,
};
pub use func::{Caller, Func, TypedFunc, WasmValue, WasmValues};
pub use global::{Global, GlobalType};
pub use imports::{Extern, ExternType, Imports};
pub use instance::Instance;
pub use memory::{Memory, MemoryType};
pub use profile::{Profile, ProfileFormat, Profiler};
pub use sample::{SampleError, Stack, ThreadHandle};
pub use signature::FuncType;
pub use store::{Config, Store, StoreContext};
pub use symbolize::{Code, DebugFileError, Frame, SourceFrame, WasmFrame, current_stack};
pub use table::{Table, TableType};
pub use trap::{Trap, TrapDetail};
pub use value::Value;
pub use wasm_core::WasmCoreDump;
pub use wasm2so_abi::{TrapCode, ValType};
