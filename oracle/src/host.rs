//! What modules import, the same for both engines: an import is answered from
//! its name, its arguments and how many calls there were before, so that runs
//! are identical.

mod wasi;

use wasmrun::{ValType, Value};

pub use wasi::Wasi;

/// Answers calls of imported functions.
pub trait Host: Send {
    /// Answers a call of the import `name`, by filling in `results`. `memory`
    /// is what the caller exports as `memory`, if anything.
    ///
    /// # Errors
    /// When the program is to end.
    fn call(
        &mut self,
        name: (&str, &str),
        args: &[Value],
        results: &mut [Value],
        memory: &mut [u8],
    ) -> Result<Then, Exit>;
}

/// What a host function does before it returns.
pub enum Then {
    /// Nothing more.
    Return,
    /// Calls an export of its caller, without results.
    Call {
        /// The export.
        export: String,
        /// What to call it with.
        args: Vec<Value>,
        /// Whether to return normally if that traps.
        catch: bool,
    },
}

/// The program ends with this code.
#[derive(Clone, Copy, Debug)]
pub struct Exit(pub u32);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the program exited with code {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Makes the host of a run.
pub type NewHost<'a> = dyn Fn() -> Box<dyn Host> + Sync + 'a;

/// For any module: returns small numbers and nulls.
///
/// An import `call` or `try` calls the export `inside` with the same arguments;
/// `try` returns also if that traps.
#[derive(Default)]
pub struct Generic {
    calls: u64,
}

impl Host for Generic {
    fn call(
        &mut self,
        (_, name): (&str, &str),
        args: &[Value],
        results: &mut [Value],
        _memory: &mut [u8],
    ) -> Result<Then, Exit> {
        self.calls += 1;
        for (index, result) in results.iter_mut().enumerate() {
            *result = number(result.ty(), self.calls * 3 + index as u64);
        }
        Ok(match name {
            "call" | "try" => Then::Call {
                export: "inside".to_owned(),
                args: args.to_vec(),
                catch: name == "try",
            },
            _ => Then::Return,
        })
    }
}

/// A value of type `ty` made of `n`; null, if a reference.
pub fn number(ty: ValType, n: u64) -> Value {
    match ty {
        ValType::I32 => Value::I32(n as i32),
        ValType::I64 => Value::I64(n as i64),
        ValType::F32 => Value::F32((n as i64 as f32).to_bits()),
        ValType::F64 => Value::F64((n as i64 as f64).to_bits()),
        ValType::V128 => Value::V128(u128::from(n) << 64 | u128::from(n)),
        ValType::FuncRef => Value::FuncRef(None),
        ValType::ExternRef => Value::ExternRef(None),
    }
}
