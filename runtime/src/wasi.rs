//! WASI preview 1 for instances, implemented by `wasi-common`.
//!
//! No type of that crate shows here, so that it can be replaced (its line ends
//! in August 2027). It knows nothing of our instances: it gets a memory as a
//! byte slice.
//!
//! ```no_run
//! use wasmrun::{Config, Imports, Instance, Module, Store, wasi};
//!
//! let module = Module::load("hello.so")?;
//! let mut store = Store::new(Config::default());
//! let mut imports = Imports::new();
//! let ctx = wasi::WasiCtxBuilder::new().arg("hello")?.inherit_stdio().build();
//! wasi::add_to_imports(&mut imports, &mut store, ctx);
//! let instance = Instance::new(&mut store, &module, &imports)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod functions;

use crate::Frame;
use std::io;
use std::path::Path;
use wasi_common::pipe::{ReadPipe, WritePipe};
use wasi_common::sync;

pub use functions::add_to_imports;

/// First name of the imports.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// What a program can reach through WASI. Cheap to clone; clones share their
/// file descriptors.
#[derive(Clone)]
pub struct WasiCtx(wasi_common::WasiCtx);

/// Makes a [`WasiCtx`].
///
/// At first there are clocks and random numbers, but no arguments, environment
/// or directories; standard input is empty, and output is dropped.
pub struct WasiCtxBuilder(sync::WasiCtxBuilder);

impl WasiCtxBuilder {
    /// One with nothing in it.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        WasiCtxBuilder(sync::WasiCtxBuilder::new())
    }

    /// Adds an argument; the first is the program's name.
    ///
    /// # Errors
    /// When all arguments together are larger than 4 GiB.
    pub fn arg(&mut self, arg: &str) -> io::Result<&mut Self> {
        self.0.arg(arg).map_err(io::Error::other)?;
        Ok(self)
    }

    /// Adds an environment variable.
    ///
    /// # Errors
    /// When the environment is larger than 4 GiB.
    pub fn env(&mut self, name: &str, value: &str) -> io::Result<&mut Self> {
        self.0.env(name, value).map_err(io::Error::other)?;
        Ok(self)
    }

    /// Lets the program use the directory `host` and what is below it, as
    /// `guest`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn dir(&mut self, host: impl AsRef<Path>, guest: &str) -> io::Result<&mut Self> {
        let dir = sync::Dir::open_ambient_dir(host, sync::ambient_authority())?;
        self.0.preopened_dir(dir, guest).map_err(io::Error::other)?;
        Ok(self)
    }

    /// Uses the standard streams of this process.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.0.inherit_stdio();
        self
    }

    /// Reads standard input from `from`.
    pub fn stdin(&mut self, from: impl io::Read + Send + Sync + 'static) -> &mut Self {
        self.0.stdin(Box::new(ReadPipe::new(from)));
        self
    }

    /// Writes standard output to `to`.
    pub fn stdout(&mut self, to: impl io::Write + Send + Sync + 'static) -> &mut Self {
        self.0.stdout(Box::new(WritePipe::new(to)));
        self
    }

    /// Writes standard error to `to`.
    pub fn stderr(&mut self, to: impl io::Write + Send + Sync + 'static) -> &mut Self {
        self.0.stderr(Box::new(WritePipe::new(to)));
        self
    }

    /// What was built; the builder is empty again.
    pub fn build(&mut self) -> WasiCtx {
        WasiCtx(std::mem::replace(&mut self.0, sync::WasiCtxBuilder::new()).build())
    }
}

/// The program ended itself with `proc_exit`: the error with which the call
/// into it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program exited with code {0}")]
pub struct Exit(pub u32);

/// The program used a WASI function in a way that has no error code.
#[derive(Debug, thiserror::Error)]
#[error("WASI function `{function}`: {reason}")]
pub struct WasiError {
    /// The function.
    pub function: &'static str,
    /// What was wrong.
    pub reason: String,
    /// Who called it.
    pub stack: Vec<Frame>,
}
