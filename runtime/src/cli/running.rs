//! Runs one module: instantiates it with WASI, then calls its start or what
//! `--invoke` names. Prints nothing.

use super::UsageError;
use super::options::{Options, Variable};
use super::values;
use anyhow::{Context, Result, anyhow};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::Path;
use wasmrun::wasi::{self, WasiCtx, WasiCtxBuilder, WasiError};
use wasmrun::{
    CallError, Config, ExternType, FuncType, HostError, Imports, Instance, InstantiateError,
    LoadError, Module, Store, StoreContext, Trap, Value,
};

/// Where a program starts.
const START: &str = "_start";
/// What a library wants called first.
const INITIALIZE: &str = "_initialize";

/// Why the module did not simply return.
pub enum Stop {
    /// The program ended itself.
    Exit(i32),
    /// It trapped.
    Trap(Trap),
    /// It used WASI in a way that has no error code.
    Wasi(WasiError),
    /// Anything else.
    Error(anyhow::Error),
}

impl Stop {
    /// Tells what could not be done, unless that is plain.
    fn context(self, action: &str, path: &Path) -> Self {
        match self {
            Stop::Error(error) => {
                Stop::Error(error.context(format!("cannot {action} `{}`", path.display())))
            }
            told => told,
        }
    }
}

/// Runs what the options name; returns the results of what they invoke. Shows
/// `on_trap` a trap while all is still there.
pub fn run(
    options: &Options,
    on_trap: impl FnOnce(&Trap, &StoreContext),
) -> Result<Vec<Value>, Stop> {
    let mut store = Store::new(config(options));
    let result = run_in(&mut store, options);
    if let Err(Stop::Trap(trap)) = &result {
        on_trap(trap, &store);
    }
    result
}

fn run_in(store: &mut Store, options: &Options) -> Result<Vec<Value>, Stop> {
    let (path, args) = options.module_and_args();
    let module = Module::load(path)?;
    tracing::debug!(name = module.name(), path = %path.display(), "loaded");
    if let Some(file) = &options.debug_file {
        module.use_debug_file(file).map_err(|error| Stop::Error(error.into()))?;
    }
    let call = match &options.invoke {
        Some(name) => Call::invoke(&module, name, args)?,
        None => Call::start(&module),
    };
    let args = if options.invoke.is_none() { args } else { &[] };
    let ctx = wasi_ctx(options, path, args)?;

    let mut imports = Imports::new();
    wasi::add_to_imports(&mut imports, store, ctx);
    let instance = Instance::new(store, &module, &imports)
        .map_err(|error| Stop::from(error).context("instantiate", path))?;
    tracing::debug!(memory = store.memory_used(), "instantiated");
    if let Some(initialize) = instance.func(store, INITIALIZE) {
        tracing::debug!(name = INITIALIZE, "calling");
        initialize.call(store, &[])?;
    }
    let Some(Call { name, args }) = call else {
        return nothing_to_run(&module);
    };
    tracing::debug!(name, "calling");
    let func = instance.func(store, name).expect("the module exports it");
    func.call(store, &args).map_err(|error| Stop::from(error).context("run", path))
}

/// What to call.
struct Call<'a> {
    name: &'a str,
    args: Vec<Value>,
}

impl<'a> Call<'a> {
    /// A program's start.
    fn start(module: &Module) -> Option<Self> {
        exported_function(module, START).map(|_| Call { name: START, args: Vec::new() })
    }

    /// The function `name`, with `args` as its type wants them.
    fn invoke(module: &Module, name: &'a str, args: &[OsString]) -> Result<Option<Self>> {
        let Some(ty) = exported_function(module, name) else {
            let names = function_list(module);
            let error = format!("`{}` exports no function `{name}`; {names}", file_name(module));
            return Err(UsageError(error).into());
        };
        if args.len() != ty.params().len() {
            let (want, got) = (ty.params().len(), args.len());
            let error = format!("`{name}` {ty} takes {want} arguments, not {got}");
            return Err(UsageError(error).into());
        }
        let args = (args.iter().zip(ty.params()))
            .map(|(arg, &ty)| values::parse(&arg.to_string_lossy(), ty))
            .collect::<Result<_>>()
            .map_err(|error| UsageError(format!("{error:#}")))?;
        Ok(Some(Call { name, args }))
    }
}

/// The end for a module without a start: fine if nothing of it can be called,
/// for then all it does was done by instantiating it.
fn nothing_to_run(module: &Module) -> Result<Vec<Value>, Stop> {
    if module.exports().iter().all(|export| !matches!(export.ty, ExternType::Func(_))) {
        return Ok(Vec::new());
    }
    let list = function_list(module);
    Err(anyhow!("`{}` is a library, without `{START}`; {list}", file_name(module)).into())
}

fn exported_function<'a>(module: &'a Module, name: &str) -> Option<&'a FuncType> {
    match &module.export(name)?.ty {
        ExternType::Func(ty) => Some(ty),
        _ => None,
    }
}

fn file_name(module: &Module) -> impl Display {
    module.path().file_name().unwrap_or_default().display()
}

/// What `--invoke` can name, as the end of a message.
fn function_list(module: &Module) -> String {
    const MOST: usize = 20;
    let functions: Vec<String> = (module.exports().iter())
        .filter_map(|export| match &export.ty {
            ExternType::Func(_) if export.name == INITIALIZE => None,
            ExternType::Func(ty) => Some(format!("\n  {} {ty}", export.name.escape_debug())),
            _ => None,
        })
        .collect();
    match functions.len() {
        0 => "it exports no function".into(),
        1..=MOST => format!("--invoke can call:{}", functions.concat()),
        all => {
            format!("--invoke can call:{}\n  and {} more", functions[..MOST].concat(), all - MOST)
        }
    }
}

fn wasi_ctx(options: &Options, path: &Path, args: &[OsString]) -> Result<WasiCtx> {
    let mut builder = WasiCtxBuilder::new();
    builder.inherit_stdio();
    builder.arg(utf8(path.file_name().unwrap_or(path.as_os_str()))?)?;
    for arg in args {
        builder.arg(utf8(arg)?)?;
    }
    for Variable { name, value } in &options.env {
        if let Some(value) = value {
            builder.env(name, value)?;
        } else if let Some(value) = std::env::var_os(name) {
            builder.env(name, utf8(&value)?)?;
        }
    }
    for dir in &options.dirs {
        builder
            .dir(&dir.host, &dir.guest)
            .with_context(|| format!("cannot open the directory `{}`", dir.host.display()))?;
    }
    Ok(builder.build())
}

/// WASI's strings are UTF-8.
fn utf8(text: &OsStr) -> Result<&str> {
    text.to_str().with_context(|| format!("`{}` is not UTF-8, as WASI needs it", text.display()))
}

fn config(options: &Options) -> Config {
    let mut config = Config::default();
    if let Some(size) = options.max_stack {
        config.max_stack = size.0 as usize;
    }
    config.max_memory = options.max_memory.map(|size| size.0);
    config.keep_locals = options.coredump.is_some();
    config
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Stop::Error(error)
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        Stop::Error(error.into())
    }
}

impl From<InstantiateError> for Stop {
    fn from(error: InstantiateError) -> Self {
        match error {
            InstantiateError::Trap(trap) => Stop::Trap(trap),
            InstantiateError::Host(error) => error.into(),
            error => Stop::Error(error.into()),
        }
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Trap(trap) => Stop::Trap(trap),
            CallError::Host(error) => error.into(),
            error => Stop::Error(error.into()),
        }
    }
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        let error = match error.downcast::<wasi::Exit>() {
            Ok(exit) => return Stop::Exit(exit.0 as i32),
            Err(error) => error,
        };
        match error.downcast() {
            Ok(error) => Stop::Wasi(*error),
            Err(error) => Stop::Error(anyhow!(error)),
        }
    }
}
