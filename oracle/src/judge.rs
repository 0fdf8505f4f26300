//! The judge: an independent engine that runs a module which records.

use crate::case::{Case, Surroundings};
use crate::host::{self, Host, Then};
use crate::record::{self, Recording};
use crate::trace::{Execution, Outcome, State};
use anyhow::{Context, Result};
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    Caller, Config, Engine, Error, Extern, ExternType, F32, F64, Func, FuncType, Global, Instance,
    Linker, Memory, Module, Nullable, Ref, Store, Table, Val,
};
use wasmrun::{TrapCode, ValType, Value};

/// A module that can be judged.
pub struct Judge {
    recording: Recording,
    module: Module,
}

type Host_ = Box<dyn Host>;

impl Judge {
    /// Prepares `wasm`; with `counts`, so that it counts executions of sites.
    ///
    /// # Errors
    /// When the module is not valid, or the judge does not know what it uses.
    pub fn new(wasm: &[u8], counts: bool) -> Result<Judge> {
        let recording = Recording::new(wasm, counts)?;
        let mut config = Config::default();
        config
            .consume_fuel(true)
            .wasm_tail_call(true)
            .wasm_extended_const(true)
            .wasm_multi_memory(true)
            .wasm_simd(true)
            .set_max_stack_height(256 << 20)
            .set_max_recursion_depth(20_000);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, &recording.wasm).context("the judge refuses")?;
        Ok(Judge { recording, module })
    }

    /// The truth about a case.
    ///
    /// # Errors
    /// When the record makes no sense.
    pub fn run(&self, case: &Case, surroundings: &Surroundings<'_>) -> Result<Execution> {
        let mut run = self.start(surroundings)?;
        let outcome = run.outcome(self, case)?;
        // Of a module whose start function fails, nobody gets hold of an instance.
        let instance = run.instance.filter(|_| run.started);
        let state = instance.map(|instance| state(&run.store, instance)).unwrap_or_default();
        Ok(Execution { outcome, state, locals: Vec::new() })
    }

    /// Runs a case and tells how often each site was executed, by offset.
    ///
    /// # Errors
    /// When the record makes no sense.
    pub fn count(
        &self,
        case: &Case,
        surroundings: &Surroundings<'_>,
    ) -> Result<(Outcome, Vec<(u32, u32)>)> {
        let mut run = self.start(surroundings)?;
        let outcome = run.outcome(self, case)?;
        let memory = run.instance.and_then(|i| i.get_memory(&run.store, record::STACK));
        let counts = memory.map(|memory| self.recording.counts(memory.data(&run.store)));
        Ok((outcome, counts.unwrap_or_default()))
    }

    fn start(&self, surroundings: &Surroundings<'_>) -> Result<Run> {
        let mut store = Store::new(self.module.engine(), (surroundings.host)());
        store.set_fuel(surroundings.fuel).map_err(|e| anyhow::anyhow!("no fuel: {e}"))?;
        Ok(Run { store, instance: None, started: false })
    }
}

struct Run {
    store: Store<Host_>,
    instance: Option<Instance>,
    /// Whether the start function has returned.
    started: bool,
}

impl Run {
    fn outcome(&mut self, judge: &Judge, case: &Case) -> Result<Outcome> {
        match self.execute(judge, case) {
            Ok(results) => Ok(Outcome::Returned(results)),
            Err(error) => self.failure(judge, &error),
        }
    }

    fn execute(&mut self, judge: &Judge, case: &Case) -> Result<Vec<Value>, Error> {
        let mut linker = Linker::new(self.store.engine());
        for import in judge.module.imports() {
            let item = provide(&mut self.store, import.module(), import.name(), import.ty())?;
            // The same import may occur twice; the first is as good.
            let _ = linker.define(import.module(), import.name(), item);
        }
        let instance = linker.instantiate_and_start(&mut self.store, &judge.module)?;
        self.instance = Some(instance);
        if judge.recording.has_start() {
            let start = instance.get_func(&self.store, record::START).expect("exported");
            start.call(&mut self.store, &[], &mut [])?;
        }
        self.started = true;
        for &(name, value) in &case.globals {
            let global = instance.get_global(&self.store, name).ok_or_else(|| missing(name))?;
            global.set(&mut self.store, Val::I32(value))?;
        }
        let Some(export) = &case.export else { return Ok(Vec::new()) };
        let func = instance.get_func(&self.store, export).ok_or_else(|| missing(export))?;
        let args: Vec<Val> = case.args.iter().map(to_val).collect();
        let ty = func.ty(&self.store);
        let mut results: Vec<Val> =
            ty.results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
        func.call(&mut self.store, &args, &mut results)?;
        Ok(results.iter().map(to_value).collect())
    }

    fn failure(&self, judge: &Judge, error: &Error) -> Result<Outcome> {
        if let Some(code) = error.i32_exit_status() {
            return Ok(Outcome::Exited(code as u32));
        }
        let Some(instance) = self.instance else {
            // Active segments are not in any function.
            return Ok(match error.kind() {
                ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit {
                    ..
                }) => Outcome::Trapped(TrapCode::TableOutOfBounds, Vec::new()),
                ErrorKind::Memory(_) | ErrorKind::TrapCode(wasmi::TrapCode::MemoryOutOfBounds) => {
                    Outcome::Trapped(TrapCode::MemoryOutOfBounds, Vec::new())
                }
                ErrorKind::Table(_) | ErrorKind::TrapCode(wasmi::TrapCode::TableOutOfBounds) => {
                    Outcome::Trapped(TrapCode::TableOutOfBounds, Vec::new())
                }
                _ => Outcome::Unusable(error.to_string()),
            });
        };
        let Some(code) = error.as_trap_code() else {
            return Ok(Outcome::Unusable(error.to_string()));
        };
        let site = number(&self.store, instance, record::SITE);
        let depth = number(&self.store, instance, record::DEPTH) as usize;
        let Some(code) = trap_code(code, judge.recording.is_indirect_call(site)) else {
            return Ok(Outcome::Unusable(code.to_string()));
        };
        let stack = instance.get_memory(&self.store, record::STACK).expect("exported");
        let frames = match code {
            TrapCode::StackOverflow => Vec::new(),
            _ => judge.recording.frames(site, &stack.data(&self.store)[..depth])?,
        };
        Ok(Outcome::Trapped(code, frames))
    }
}

fn missing(name: &str) -> Error {
    Error::new(format!("no export {name}"))
}

fn number(store: &Store<Host_>, instance: Instance, name: &str) -> u32 {
    let global = instance.get_global(store, name).expect("exported");
    global.get(store).i32().expect("an i32") as u32
}

/// What stands for the trap code; none if it is the judge's own.
fn trap_code(code: wasmi::TrapCode, at_indirect_call: bool) -> Option<TrapCode> {
    use wasmi::TrapCode as T;
    Some(match code {
        T::UnreachableCodeReached => TrapCode::Unreachable,
        T::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        T::TableOutOfBounds if at_indirect_call => TrapCode::UndefinedElement,
        T::TableOutOfBounds => TrapCode::TableOutOfBounds,
        T::IndirectCallToNull => TrapCode::UninitializedElement,
        T::BadSignature => TrapCode::IndirectCallTypeMismatch,
        T::IntegerDivisionByZero => TrapCode::IntegerDivideByZero,
        T::IntegerOverflow => TrapCode::IntegerOverflow,
        T::BadConversionToInteger => TrapCode::InvalidConversionToInteger,
        T::StackOverflow => TrapCode::StackOverflow,
        _ => return None,
    })
}

/// What a module imports.
fn provide(
    store: &mut Store<Host_>,
    module: &str,
    name: &str,
    ty: &ExternType,
) -> Result<Extern, Error> {
    Ok(match ty {
        ExternType::Global(ty) => {
            let value = to_val(&host::number(to_type(ty.content()), 5));
            Global::new(store, value, ty.mutability()).into()
        }
        ExternType::Table(ty) => Table::new(store, *ty, Ref::null(ty.element()))?.into(),
        ExternType::Memory(ty) => Memory::new(store, *ty)?.into(),
        ExternType::Func(ty) => {
            let names = (module.to_owned(), name.to_owned());
            let results: Vec<_> = ty.results().iter().map(|&ty| to_type(ty)).collect();
            let call = move |caller: Caller<'_, Host_>, args: &[Val], out: &mut [Val]| {
                let mut values: Vec<_> = results.iter().map(|&t| Value::default_of(t)).collect();
                let args: Vec<_> = args.iter().map(to_value).collect();
                host_call(caller, (&names.0, &names.1), &args, &mut values)?;
                out.iter_mut().zip(&values).for_each(|(out, value)| *out = to_val(value));
                Ok(())
            };
            Func::new(store, FuncType::new(ty.params().to_vec(), ty.results().to_vec()), call)
                .into()
        }
    })
}

fn host_call(
    mut caller: Caller<'_, Host_>,
    name: (&str, &str),
    args: &[Value],
    results: &mut [Value],
) -> Result<(), Error> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let then = match memory {
        Some(memory) => {
            let (bytes, host) = memory.data_and_store_mut(&mut caller);
            host.call(name, args, results, bytes)
        }
        None => caller.data_mut().call(name, args, results, &mut []),
    };
    match then.map_err(|exit| Error::i32_exit(exit.0 as i32))? {
        Then::Return => Ok(()),
        Then::Call { export, args, catch } => {
            let func = caller.get_export(&export).and_then(Extern::into_func);
            let func = func.ok_or_else(|| missing(&export))?;
            let args: Vec<Val> = args.iter().map(to_val).collect();
            let depth = caller.get_export(record::DEPTH).and_then(Extern::into_global);
            let depth = depth.expect("exported");
            let stack = caller.get_export(record::STACK).and_then(Extern::into_memory);
            let stack = stack.expect("exported");
            let before = depth.get(&caller).i32().expect("an i32");
            let at = before as usize;
            stack.data_mut(&mut caller)[at..at + 4].copy_from_slice(&record::HOST.to_le_bytes());
            depth.set(&mut caller, Val::I32(before + 4))?;
            let result = func.call(&mut caller, &args, &mut []);
            if catch || result.is_ok() {
                depth.set(&mut caller, Val::I32(before))?;
            }
            match result {
                // The end of the fuel is no trap.
                Err(error)
                    if !catch || error.as_trap_code() == Some(wasmi::TrapCode::OutOfFuel) =>
                {
                    Err(error)
                }
                _ => Ok(()),
            }
        }
    }
}

/// What the instance's exports hold.
fn state(store: &Store<Host_>, instance: Instance) -> Vec<(String, State)> {
    let exports = instance.exports(store).filter(|export| !export.name().starts_with("oracle."));
    let held = exports.filter_map(|export| {
        let name = export.name().to_owned();
        let state = match export.into_extern() {
            Extern::Global(global) => State::Global(to_value(&global.get(store))),
            Extern::Memory(memory) => State::Memory(memory.data(store).to_vec()),
            _ => return None,
        };
        Some((name, state))
    });
    let mut held: Vec<_> = held.collect();
    held.sort_by(|(a, _), (b, _)| a.cmp(b));
    held
}

fn to_type(ty: wasmi::ValType) -> ValType {
    match ty {
        wasmi::ValType::I32 => ValType::I32,
        wasmi::ValType::I64 => ValType::I64,
        wasmi::ValType::F32 => ValType::F32,
        wasmi::ValType::F64 => ValType::F64,
        wasmi::ValType::V128 => ValType::V128,
        wasmi::ValType::FuncRef => ValType::FuncRef,
        wasmi::ValType::ExternRef => ValType::ExternRef,
    }
}

fn to_val(value: &Value) -> Val {
    match *value {
        Value::I32(n) => Val::I32(n),
        Value::I64(n) => Val::I64(n),
        Value::F32(bits) => Val::F32(F32::from_bits(bits)),
        Value::F64(bits) => Val::F64(F64::from_bits(bits)),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::FuncRef(_) => Val::FuncRef(Nullable::Null),
        Value::ExternRef(_) => Val::ExternRef(Nullable::Null),
    }
}

/// A reference becomes whether it is null.
fn to_value(val: &Val) -> Value {
    match val {
        Val::I32(n) => Value::I32(*n),
        Val::I64(n) => Value::I64(*n),
        Val::F32(f) => Value::F32(f.to_bits()),
        Val::F64(f) => Value::F64(f.to_bits()),
        Val::V128(v) => Value::V128(v.as_u128()),
        Val::FuncRef(func) => Value::I32(func.is_null().into()),
        Val::ExternRef(reference) => Value::I32(reference.is_null().into()),
    }
}
