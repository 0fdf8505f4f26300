//! The subject: the unmodified module, compiled by `wasm2so` and run by
//! `wasmrun`, and what its traces say.

use crate::case::{Case, Surroundings};
use crate::host::{self, Host, Then};
use crate::trace::{Execution, Frame, Outcome, State};
use anyhow::Result;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use wasm2so::llvm::sys::StampReport;
use wasm2so::options::{DebugLevel, OptLevel, Options};
use wasmrun::{
    CallError, Caller, Config, Extern, ExternType, Func, Global, HostError, Imports, Instance,
    InstantiateError, Memory, Module, Store, StoreContext, Table, Trap, Value,
};

/// A module, compiled.
pub struct Subject {
    module: Module,
    keep_locals: bool,
    /// Traces read the file's debug information when they are first asked for.
    _directory: tempfile::TempDir,
}

/// How a module is compiled.
#[derive(Clone, Debug)]
pub struct Build {
    /// How much it is optimised.
    pub level: OptLevel,
    /// For which processor, as `--cpu` has it: what memory is reached by, and
    /// what instructions there are.
    pub cpu: String,
}

impl Build {
    /// That in which all locals are kept.
    pub fn with_all_locals() -> Build {
        Build { level: OptLevel::Og, cpu: "native".to_owned() }
    }

    /// What the oracle tries by itself, the most telling first.
    pub fn all() -> Vec<Build> {
        ["3", "3@x86-64-v2", "2", "0"].map(|text| text.parse().expect("well-formed")).into()
    }
}

impl FromStr for Build {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (level, cpu) = text.split_once('@').unwrap_or((text, "native"));
        let level = match level {
            "0" => OptLevel::O0,
            "1" => OptLevel::O1,
            "2" => OptLevel::O2,
            "3" => OptLevel::O3,
            _ => return Err("a level is 0, 1, 2 or 3"),
        };
        Ok(Build { level, cpu: cpu.to_owned() })
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.level, self.cpu)
    }
}

impl Subject {
    /// Compiles and loads `wasm`, to be asked for the values of locals if
    /// `keep_locals`; also what the compiler itself says of the sites.
    ///
    /// # Errors
    /// When that fails.
    pub fn new(wasm: &[u8], build: &Build, keep_locals: bool) -> Result<(Subject, StampReport)> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("subject.so");
        let Build { level, cpu } = build.clone();
        let mut options = Options { opt_level: level, cpu, ..Options::default() };
        if keep_locals {
            options.debug = DebugLevel::Full;
        }
        let summary = wasm2so::compile(wasm, "subject.wasm", &file, &options, &())?;
        let subject = Subject { module: Module::load(&file)?, keep_locals, _directory: directory };
        Ok((subject, summary.stamps))
    }

    /// What a case comes to.
    pub fn run(&self, case: &Case, surroundings: &Surroundings<'_>) -> Execution {
        let keep_locals = self.keep_locals;
        let config = Config { max_stack: 256 << 20, keep_locals, ..Config::default() };
        let mut store = Store::new(config);
        let host: Shared = Arc::new(Mutex::new((surroundings.host)()));
        let mut instance = None;
        let (outcome, locals) = match self.execute(&mut store, case, &host, &mut instance) {
            Ok(results) => {
                (Outcome::Returned(results.iter().map(comparable).collect()), Vec::new())
            }
            Err(Failure { outcome, locals }) => (outcome, locals),
        };
        let state = instance.map(|instance| state(&store, instance)).unwrap_or_default();
        Execution { outcome, state, locals }
    }

    fn execute(
        &self,
        store: &mut Store,
        case: &Case,
        host: &Shared,
        made: &mut Option<Instance>,
    ) -> Result<Vec<Value>, Failure> {
        let unusable = |e: &dyn std::fmt::Display| Failure::from(Outcome::Unusable(e.to_string()));
        let mut imports = Imports::new();
        for import in self.module.imports() {
            if imports.get(&import.module, &import.name).is_none() {
                let names = (import.module.clone(), import.name.clone());
                let item = provide(store, names, &import.ty, host).map_err(|e| unusable(&e))?;
                imports.define(&import.module, &import.name, item);
            }
        }
        let instance = Instance::new(store, &self.module, &imports).map_err(|e| match e {
            InstantiateError::Trap(trap) => trapped(&trap),
            InstantiateError::Host(error) => host_failure(error),
            other => unusable(&other),
        })?;
        *made = Some(instance);
        for &(name, value) in &case.globals {
            let global = instance.global(store, name).expect("the judge found it");
            global.set(store, Value::I32(value)).map_err(|e| unusable(&e))?;
        }
        let Some(export) = &case.export else { return Ok(Vec::new()) };
        let func = instance.func(store, export).expect("the judge found it");
        func.call(store, &case.args).map_err(failure)
    }
}

type Shared = Arc<Mutex<Box<dyn Host>>>;

/// What a case that did not return comes to.
struct Failure {
    outcome: Outcome,
    locals: Vec<Vec<Option<Value>>>,
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Failure { outcome, locals: Vec::new() }
    }
}

fn failure(error: CallError) -> Failure {
    match error {
        CallError::Trap(trap) => trapped(&trap),
        CallError::Host(error) => host_failure(error),
        other => Outcome::Unusable(other.to_string()).into(),
    }
}

/// A trap behind a host function arrives as that function's error.
fn host_failure(error: HostError) -> Failure {
    match error.downcast::<CallError>() {
        Ok(error) => failure(*error),
        Err(error) => match error.downcast::<host::Exit>() {
            Ok(exit) => Outcome::Exited(exit.0).into(),
            Err(error) => Outcome::Unusable(error.to_string()).into(),
        },
    }
}

fn trapped(trap: &Trap) -> Failure {
    let frames = trap.frames().iter().map(|frame| match frame {
        wasmrun::Frame::Wasm(frame) => Frame::Wasm {
            function: frame.func_index,
            offset: frame.module_offset.map(|offset| offset as u32),
        },
        wasmrun::Frame::Host => Frame::Host,
        wasmrun::Frame::Omitted(count) => Frame::Omitted(*count),
    });
    let outcome = Outcome::Trapped(trap.code(), frames.collect());
    Failure { outcome, locals: trap.locals() }
}

/// What a module imports.
fn provide(
    store: &mut StoreContext,
    names: (String, String),
    ty: &ExternType,
    host: &Shared,
) -> Result<Extern, Box<dyn std::error::Error + Send + Sync>> {
    Ok(match ty {
        ExternType::Global(ty) => {
            Global::new(store, ty.mutable, host::number(ty.content, 5))?.into()
        }
        ExternType::Table(ty) => {
            let null = host::number(ty.element, 0);
            Table::new(store, *ty, null)?.into()
        }
        ExternType::Memory(ty) => Memory::new(store, *ty)?.into(),
        ExternType::Func(ty) => {
            let host = host.clone();
            Func::new(store, ty.clone(), move |caller, args, results| {
                call(&host, caller, (&names.0, &names.1), args, results)
            })
            .into()
        }
    })
}

fn call(
    host: &Shared,
    caller: &mut Caller<'_>,
    name: (&str, &str),
    args: &[Value],
    results: &mut [Value],
) -> Result<(), HostError> {
    let args: Vec<Value> = args.iter().map(comparable).collect();
    let memory = caller.memory();
    let bytes = match memory {
        Some(memory) => memory.data_mut(caller.store()),
        None => &mut [],
    };
    let then = host.lock().expect("no panic").call(name, &args, results, bytes)?;
    let Then::Call { export, args, catch } = then else { return Ok(()) };
    let instance = caller.instance().expect("called by wasm");
    let func = instance.func(caller.store(), &export).ok_or("no such export")?;
    match func.call(caller.store(), &args) {
        Err(error) if !catch => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the instance's exports hold.
fn state(store: &Store, instance: Instance) -> Vec<(String, State)> {
    let exports = instance.exports(store).filter(|(name, _)| !name.starts_with("oracle."));
    let held = exports.filter_map(|(name, item)| {
        let state = match item {
            Extern::Global(global) => State::Global(comparable(&global.get(store))),
            Extern::Memory(memory) => State::Memory(memory.data(store).to_vec()),
            _ => return None,
        };
        Some((name.to_owned(), state))
    });
    let mut held: Vec<_> = held.collect();
    held.sort_by(|(a, _), (b, _)| a.cmp(b));
    held
}

/// A reference becomes whether it is null.
fn comparable(value: &Value) -> Value {
    match value {
        Value::FuncRef(func) => Value::I32(func.is_none().into()),
        Value::ExternRef(reference) => Value::I32(reference.is_none().into()),
        other => *other,
    }
}
