//! Compiles a kind in every situation, runs it, and compares each trace with
//! what the wasm says.

use crate::kinds::Kind;
use crate::situations::{self, Arg, COUNT_ADDRESS, HOST, Run, START};
use crate::support::{self, truth::Truth};
use std::fmt::Write;
use wasm2so::options::OptLevel;
use wasmrun::{
    CallError, Config, Frame, Func, FuncType, Global, Imports, Instance, InstantiateError, Module,
    Store, Trap, TrapCode, TrapDetail, ValType, Value,
};

/// What was checked, and what was wrong.
#[derive(Default)]
pub struct Report {
    pub modules: usize,
    pub traps: usize,
    pub frames: usize,
    pub failures: Vec<String>,
}

/// Checks `kind` in all situations.
pub fn check(kind: &Kind, level: OptLevel, tail_calls: bool, report: &mut Report) {
    let situations = situations::with(tail_calls);
    let wasm = support::wat(&situations::module(kind, &situations));
    let (module, _directory) = load(&wasm, level);
    let with = if tail_calls { "with" } else { "no" };
    let context = format!("{level:?}, {with} tail calls, {}", kind.site);
    let subject = Subject { kind, module, truth: Truth::of(&wasm), context };
    let failures = report.failures.len();
    report.modules += 1;
    for &(bad, code) in &kind.bad {
        subject.start(bad, code, report);
        for situation in &situations {
            for run in situation.runs {
                subject.run(situation.name, run, bad, code, report);
            }
        }
    }
    if report.failures.len() > failures {
        let path = format!("{}/{:08x}.wasm", env!("CARGO_TARGET_TMPDIR"), hash(&wasm));
        std::fs::write(&path, &wasm).expect("a temporary file");
        report.failures[failures] += &format!("the module: {path}\n");
    }
}

/// Names a file.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |hash, &byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
}

/// Compiles and loads. Traces read the file's debug information when they are
/// first asked for, so it is kept as long as the other result.
pub fn load(wasm: &[u8], level: OptLevel) -> (Module, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let so = directory.path().join("traps.so");
    support::compile(wasm, "traps.wasm", &so, &support::options(level));
    (Module::load(&so).expect("what was compiled can be loaded"), directory)
}

/// With a host function that calls the export `inside`.
fn instantiate(
    module: &Module,
    store: &mut Store,
    start_x: i32,
) -> Result<Instance, InstantiateError> {
    let host = Func::new(store, FuncType::new([ValType::I32], []), |caller, args, _| {
        let instance = caller.instance().expect("called by wasm");
        let inside = instance.func(caller.store(), "inside").expect("exported");
        inside.call(caller.store(), args)?;
        Ok(())
    });
    let start_x = Global::new(store, false, Value::I32(start_x)).expect("a global");
    let mut imports = Imports::new();
    imports.define("host", "call", host).define("host", "x", start_x);
    Instance::new(store, module, &imports)
}

/// Calls an export that is to trap.
pub fn call(
    store: &mut Store,
    instance: Instance,
    name: &str,
    args: &[Value],
) -> Result<Trap, String> {
    let func = instance.func(store, name).unwrap_or_else(|| panic!("no export {name}"));
    match func.call(store, args) {
        Err(CallError::Trap(trap)) => Ok(trap),
        // A trap behind the host arrives as the host function's error.
        Err(CallError::Host(error)) => match error.downcast::<CallError>() {
            Ok(error) => match *error {
                CallError::Trap(trap) => Ok(trap),
                other => Err(format!("no trap but {other:?}")),
            },
            Err(error) => Err(format!("no trap but {error}")),
        },
        other => Err(format!("no trap but {other:?}")),
    }
}

/// How often TOUCH ran, by the global and by memory.
fn touched(store: &Store, instance: Instance) -> (i32, i32) {
    let global = instance.global(store, "count").expect("exported").get(store);
    let Value::I32(global) = global else { panic!("an i32") };
    let memory = instance.memory(store, "memory").expect("exported");
    let bytes = memory.data(store)[COUNT_ADDRESS..][..2].try_into().expect("2 bytes");
    (global, u16::from_le_bytes(bytes).into())
}

/// A module and its kind of trap.
struct Subject<'a> {
    kind: &'a Kind,
    module: Module,
    truth: Truth<'a>,
    context: String,
}

impl Subject<'_> {
    /// Traps in the start function.
    fn start(&self, bad: i32, code: TrapCode, report: &mut Report) {
        let trap = match instantiate(&self.module, &mut Store::new(Config::default()), bad) {
            Err(InstantiateError::Trap(trap)) => Ok(trap),
            other => Err(format!("no trap but {other:?}")),
        };
        self.compare("start function", START, code, trap, report);
    }

    fn run(&self, situation: &str, run: &Run, bad: i32, code: TrapCode, report: &mut Report) {
        let good = self.kind.good;
        let args = run.args.iter().map(|arg| match *arg {
            Arg::Good => Value::I32(good),
            Arg::Bad => Value::I32(bad),
            Arg::Is(value) => Value::I32(value),
        });
        let args: Vec<_> = args.collect();
        // Without arguments, what is bad is a constant.
        let code = if args.is_empty() { self.kind.bad[0].1 } else { code };
        let place = format!("{situation}: {}{args:?}", run.entry);
        let mut store = Store::new(Config::default());
        let instance = instantiate(&self.module, &mut store, good).expect("does not trap");
        let result = call(&mut store, instance, run.entry, &args);
        self.compare(&place, run.frames, code, result, report);
        let touched = touched(&store, instance);
        if touched != (run.touched, run.touched) {
            report.failures.push(format!(
                "{}, {place}: global and memory were touched {touched:?} times, not {}",
                self.context, run.touched
            ));
        }
    }

    fn compare(
        &self,
        place: &str,
        frames: &[&str],
        code: TrapCode,
        trap: Result<Trap, String>,
        report: &mut Report,
    ) {
        report.traps += 1;
        report.frames += frames.len();
        let expected = expected(&self.truth, self.kind.operator, frames);
        let expected = format!("{}\n{expected}", code.message());
        let actual = match &trap {
            Ok(trap) => format!("{}\n{}", trap.code().message(), shown(trap.frames())),
            Err(other) => format!("{other}\n"),
        };
        if actual != expected {
            report
                .failures
                .push(format!("{}, {place}\nexpected: {expected}actual:   {actual}", self.context));
        }
        if let Ok(trap) = &trap
            && let Err(problem) = check_detail(trap, self.kind.operator)
        {
            report.failures.push(format!("{}, {place}: {problem}", self.context));
        }
    }
}

/// The frames as lines of text, from `function operator nth`.
pub fn expected(truth: &Truth, site: &str, frames: &[&str]) -> String {
    let mut text = String::new();
    for frame in frames {
        if *frame == HOST {
            text += "  -- host --\n";
            continue;
        }
        let [name, operator, nth] = frame.split(' ').collect::<Vec<_>>()[..] else {
            panic!("`{frame}` is no `function operator nth`")
        };
        let operator = if operator == "Site" { site } else { operator };
        let function = truth.named(name);
        let offset = function.nth(operator, nth.parse().expect("a number"));
        let in_body = offset - function.body.start;
        let index = function.index;
        writeln!(text, "  {offset:#06x} (+{in_body:#x}) - {name} [{index}]").unwrap();
    }
    text
}

/// What was reported, in the same form.
pub fn shown(frames: &[Frame]) -> String {
    let mut text = String::new();
    for frame in frames {
        match frame {
            Frame::Host => text += "  -- host --\n",
            Frame::Omitted(count) => writeln!(text, "  … {count}").unwrap(),
            Frame::Wasm(frame) => {
                let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| format!("{n:#x}"));
                let offset = frame.module_offset.map_or("?".to_owned(), |n| format!("{n:#06x}"));
                let in_body = number(frame.func_offset);
                let name = frame.func_name.as_deref().unwrap_or("?");
                let index = frame.func_index.map_or("?".to_owned(), |n| n.to_string());
                writeln!(text, "  {offset} (+{in_body}) - {name} [{index}]").unwrap();
            }
        }
    }
    text
}

/// Whether what a trap says beyond its code is so.
fn check_detail(trap: &Trap, operator: &str) -> Result<(), String> {
    const SIZE: u64 = 0x10000;
    // The runtime does these, and says only that some range was outside.
    let silent = ["TableCopy", "TableFill", "TableInit", "MemoryInit"].contains(&operator);
    let fits = match (trap.code(), trap.detail()) {
        (TrapCode::MemoryOutOfBounds | TrapCode::TableOutOfBounds, detail) if silent => {
            detail == TrapDetail::None
        }
        (TrapCode::MemoryOutOfBounds, TrapDetail::Address { address, memory_size }) => {
            address >= SIZE && memory_size == Some(SIZE)
        }
        (TrapCode::TableOutOfBounds | TrapCode::UndefinedElement, TrapDetail::Index(index)) => {
            index >= 8
        }
        (TrapCode::UninitializedElement, detail) => detail == TrapDetail::Index(7),
        (TrapCode::MemoryOutOfBounds | TrapCode::TableOutOfBounds, _) => false,
        (_, detail) => detail == TrapDetail::None,
    };
    if fits { Ok(()) } else { Err(format!("unfit detail {:?}", trap.detail())) }
}
