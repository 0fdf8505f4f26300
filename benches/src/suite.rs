//! Measures one program: compiles it with every engine, then runs everything in
//! turn, round after round, and compares what is printed.

use crate::engines::{Engine, Installed};
use crate::measure::{self, Cost};
use crate::programs::{Kind, Program, Simd};
use anyhow::{Context, Result, ensure};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The figures of one program in one form of wasm.
pub struct Row {
    /// The program.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The form.
    pub simd: Simd,
    /// Least CPU time of the fastest native build, and its flags.
    pub native: (Duration, &'static str),
    /// What each engine did.
    pub engines: Vec<Figures>,
}

/// What one engine did with one module.
pub struct Figures {
    /// The engine.
    pub engine: Engine,
    /// What compiling took; none if the engine does that while it runs.
    pub compile: Option<Cost>,
    /// Least CPU time, or what went wrong.
    pub time: Result<Duration, String>,
}

impl Row {
    /// What `engine` did, if it is there.
    pub fn outcome(&self, engine: Engine) -> Option<&Result<Duration, String>> {
        Some(&self.engines.iter().find(|figures| figures.engine == engine)?.time)
    }

    /// The time of `engine` in times of native code.
    pub fn ratio(&self, engine: Engine) -> Option<f64> {
        let time = self.outcome(engine)?.as_ref().ok()?;
        Some(time.as_secs_f64() / self.native.0.as_secs_f64())
    }

    /// The program, and how it was compiled if that is not obvious.
    pub fn label(&self) -> String {
        match self.simd {
            Simd::Without => self.name.clone(),
            Simd::With => format!("{} -msimd128", self.name),
        }
    }
}

/// Something that runs in every round.
struct Contender<'a> {
    command: Command,
    stdin: Option<&'a Path>,
    /// CPU time; the greatest possible before the first round.
    least: Duration,
}

impl<'a> Contender<'a> {
    fn new(mut command: Command, program: &'a Program) -> Self {
        command.args(&program.arguments);
        Contender { command, stdin: program.stdin.as_deref(), least: Duration::MAX }
    }

    /// Runs it once; `expected` is what it must print, once that is known.
    fn round(&mut self, expected: &mut Option<Vec<u8>>) -> Result<()> {
        let stdin = match self.stdin {
            None => Stdio::null(),
            Some(path) => {
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?.into()
            }
        };
        let (cost, printed) = measure::run(self.command.stdin(stdin))?;
        let expected = expected.get_or_insert_with(|| printed.clone());
        ensure!(printed == *expected, "prints something else than native code");
        self.least = self.least.min(cost.cpu);
        Ok(())
    }
}

/// A module in an engine.
struct Entry<'a> {
    compile: Option<Cost>,
    /// Or what went wrong.
    contender: Result<Contender<'a>, String>,
}

/// Measures `program` in some rounds, at least one: a row for each of its
/// modules.
///
/// # Errors
/// When native code fails, by which all others are judged.
pub fn measure(program: &Program, engines: &[Installed], rounds: u32) -> Result<Vec<Row>> {
    let native = |(_, file): &(_, PathBuf)| Contender::new(Command::new(file), program);
    let mut natives: Vec<_> = program.natives.iter().map(native).collect();
    let entries = |(_, wasm): &(_, PathBuf)| -> Vec<_> {
        engines.iter().map(|engine| prepare(engine, program, wasm)).collect()
    };
    let mut modules: Vec<_> = program.modules.iter().map(entries).collect();

    let mut expected = None;
    for _ in 0..rounds {
        for native in &mut natives {
            native.round(&mut expected).with_context(|| format!("native {}", program.name))?;
        }
        for entry in modules.iter_mut().flatten() {
            if let Ok(contender) = &mut entry.contender
                && let Err(error) = contender.round(&mut expected)
            {
                entry.contender = Err(format!("{error:#}"));
            }
        }
    }

    let flags = program.natives.iter().map(|&(flags, _)| flags);
    let fastest = natives.iter().map(|native| native.least).zip(flags).min();
    let native = fastest.expect("every program has a native build");
    let figures = |(installed, entry): (&Installed, Entry<'_>)| Figures {
        engine: installed.engine,
        compile: entry.compile,
        time: entry.contender.map(|contender| contender.least),
    };
    let row = |(entries, &(simd, _)): (Vec<Entry<'_>>, &(Simd, _))| Row {
        name: program.name.clone(),
        kind: program.kind,
        simd,
        native,
        engines: engines.iter().zip(entries).map(figures).collect(),
    };
    Ok(modules.into_iter().zip(&program.modules).map(row).collect())
}

/// Compiles `wasm` if `engine` does that, and makes it ready to run.
fn prepare<'a>(engine: &Installed, program: &'a Program, wasm: &Path) -> Entry<'a> {
    let Some(compiled) = engine.compiled(wasm) else {
        return Entry { compile: None, contender: Ok(Contender::new(engine.run(wasm), program)) };
    };
    match measure::run(&mut engine.compile(wasm, &compiled)) {
        Ok((cost, _)) => Entry {
            compile: Some(cost),
            contender: Ok(Contender::new(engine.run(&compiled), program)),
        },
        Err(error) => Entry { compile: None, contender: Err(format!("{error:#}")) },
    }
}

/// One line, while the others are still measured.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, flags) = self.native;
        write!(f, "{:24} native {:.3} s ({flags})", self.label(), time.as_secs_f64())?;
        for figures in &self.engines {
            match (self.ratio(figures.engine), &figures.time) {
                (Some(ratio), _) => write!(f, "  {} {ratio:.2}", figures.engine.name())?,
                (None, Err(failure)) => write!(f, "  {} FAILED: {failure}", figures.engine.name())?,
                (None, Ok(_)) => {}
            }
        }
        Ok(())
    }
}
