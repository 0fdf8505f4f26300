//! What to do with a module.

use crate::host::NewHost;
use wasmrun::Value;

/// An execution to be judged, always of a fresh instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// The export to call; none to instantiate only.
    pub export: Option<String>,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Exported globals (i32) that are set before.
    pub globals: Vec<(&'static str, i32)>,
}

/// How to run cases.
pub struct Surroundings<'a> {
    /// Makes the host of each.
    pub host: &'a NewHost<'a>,
    /// How long a case may take, in the judge's unit.
    pub fuel: u64,
}
