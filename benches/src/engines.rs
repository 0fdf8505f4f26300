//! The engines: how each is found, compiles and runs.

use clap::ValueEnum;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What runs wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This compiler and its runtime.
    Wasm2so,
    /// Cranelift.
    Wasmtime,
    /// With its LLVM compiler.
    Wasmer,
    /// WAMR: wamrc and iwasm; LLVM.
    Wamr,
    /// LLVM.
    Wasmedge,
    /// V8's optimising compiler, which works when the program starts.
    Node,
}

/// An engine that is there.
pub struct Installed {
    /// Which.
    pub engine: Engine,
    /// The first line that it says of itself.
    pub version: String,
    /// Compiles; unused by engines that compile while they run.
    compiler: PathBuf,
    runner: PathBuf,
}

/// An engine that is not there, and the program that it lacks.
pub struct Missing {
    engine: Engine,
    program: &'static str,
}

impl Engine {
    /// All, in the order of the report.
    pub const ALL: &[Engine] = &[
        Engine::Wasm2so,
        Engine::Wasmtime,
        Engine::Wasmer,
        Engine::Wamr,
        Engine::Wasmedge,
        Engine::Node,
    ];

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Wasm2so => "wasm2so",
            Engine::Wasmtime => "wasmtime",
            Engine::Wasmer => "wasmer (LLVM)",
            Engine::Wamr => "WAMR",
            Engine::Wasmedge => "WasmEdge",
            Engine::Node => "node",
        }
    }

    /// Its compiler's and its runner's programs.
    fn programs(self) -> (&'static str, &'static str) {
        match self {
            Engine::Wasm2so => ("wasm2so", "wasmrun"),
            Engine::Wasmtime => ("wasmtime", "wasmtime"),
            Engine::Wasmer => ("wasmer", "wasmer"),
            Engine::Wamr => ("wamrc", "iwasm"),
            Engine::Wasmedge => ("wasmedge", "wasmedge"),
            Engine::Node => ("node", "node"),
        }
    }

    /// Looks for it: this one beside this program, the others on `PATH`.
    ///
    /// # Errors
    /// When a program of it is not there.
    pub fn find(self) -> Result<Installed, Missing> {
        let (compiler, runner) = self.programs();
        let path = |program| {
            let path = if self == Engine::Wasm2so { beside(program) } else { on_path(program) };
            path.ok_or(Missing { engine: self, program })
        };
        let (compiler, runner) = (path(compiler)?, path(runner)?);
        Ok(Installed { engine: self, version: version(&compiler), compiler, runner })
    }
}

impl Installed {
    /// One that cannot be run.
    #[cfg(test)]
    pub fn named(engine: Engine) -> Installed {
        let nowhere = PathBuf::new();
        Installed { engine, version: String::new(), compiler: nowhere.clone(), runner: nowhere }
    }

    /// Where [`Installed::compile`] puts the module; none if nothing is compiled
    /// ahead of time.
    pub fn compiled(&self, wasm: &Path) -> Option<PathBuf> {
        let extension = match self.engine {
            Engine::Wasm2so => "so",
            Engine::Wasmtime => "cwasm",
            Engine::Wasmer => "wasmu",
            Engine::Wamr => "aot",
            Engine::Wasmedge => "wasmedge.so",
            Engine::Node => return None,
        };
        Some(wasm.with_extension(extension))
    }

    /// Compiles `wasm` into `output`, at the level that is said to be fastest of those
    /// that conform.
    pub fn compile(&self, wasm: &Path, output: &Path) -> Command {
        let mut command = Command::new(&self.compiler);
        match self.engine {
            Engine::Wasm2so => command.arg(wasm).arg("-o").arg(output),
            Engine::Wasmtime => command.arg("compile").arg(wasm).arg("-o").arg(output),
            // Without the option, it loses traps that the specification demands.
            Engine::Wasmer => command
                .args(["compile", "--llvm", "--disable-non-volatile-memops"])
                .arg(wasm)
                .arg("-o")
                .arg(output),
            Engine::Wamr => command.args(["--opt-level=3", "-o"]).arg(output).arg(wasm),
            Engine::Wasmedge => command.args(["compile", "--optimize", "3"]).arg(wasm).arg(output),
            Engine::Node => &mut command,
        };
        command
    }

    /// Runs a module, compiled if the engine does that; arguments may follow.
    pub fn run(&self, module: &Path) -> Command {
        let mut command = Command::new(&self.runner);
        match self.engine {
            Engine::Wasm2so | Engine::Wamr | Engine::Wasmedge => &mut command,
            Engine::Wasmtime => command.args(["run", "--allow-precompiled"]),
            Engine::Wasmer => command.arg("run"),
            // V8 has no on-stack replacement for wasm: a loop that its baseline
            // compiler got first would never be optimised. WASI's fast calls use
            // freed memory once a program's memory has grown (node's issue 53087).
            Engine::Node => command
                .args(["--no-warnings", "--no-liftoff", "--no-turbo-fast-api-calls"])
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/run.mjs")),
        };
        command.arg(module);
        // It would take options of the program for its own.
        if self.engine == Engine::Wasmer {
            command.arg("--");
        }
        command
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.engine {
            Engine::Wasm2so => "beside this program; build it with `cargo build --release`",
            _ => "on PATH",
        };
        write!(f, "{}: no `{}` {place}", self.engine.name(), self.program)
    }
}

/// A program of this project.
fn beside(program: &str) -> Option<PathBuf> {
    Some(env::current_exe().ok()?.with_file_name(program)).filter(|path| path.is_file())
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok().and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_default()
}
