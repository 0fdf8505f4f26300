//! Measures one program: compiles it with every engine, then runs everything in
//! turn, round after round, and compares what is printed.

use crate::engines::{Engine, Installed};
use crate::measure::{self, Cost};
use crate::programs::{Kind, Program, Simd};
use anyhow::{Context, Result, anyhow, ensure};
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
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
    program: &'a Program,
    best: Option<Duration>,
    failure: Option<String>,
}

impl<'a> Contender<'a> {
    fn new(mut command: Command, program: &'a Program) -> Self {
        command.args(&program.arguments);
        Contender { command, program, best: None, failure: None }
    }

    /// Runs it once; `expected` is what it must print, once that is known.
    fn round(&mut self, expected: &mut Option<Vec<u8>>) -> Result<()> {
        let stdin = match &self.program.stdin {
            None => Stdio::null(),
            Some(path) => {
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?.into()
            }
        };
        let (cost, printed) = measure::run(self.command.stdin(stdin))?;
        let expected = expected.get_or_insert_with(|| printed.clone());
        ensure!(printed == *expected, "prints something else than native code");
        self.best = Some(self.best.map_or(cost.cpu, |best| best.min(cost.cpu)));
        Ok(())
    }

    fn time(self) -> Result<Duration, String> {
        match self.failure {
            Some(failure) => Err(failure),
            None => self.best.ok_or_else(|| "did not run".to_owned()),
        }
    }
}

/// Measures `program`: a row for each of its modules.
///
/// # Errors
/// When native code fails, by which all others are judged.
pub fn measure(
    program: &Program,
    engines: &[Installed],
    rounds: u32,
    output: &Path,
) -> Result<Vec<Row>> {
    let mut natives: Vec<_> = program
        .natives
        .iter()
        .map(|(_, file)| Contender::new(Command::new(file), program))
        .collect();
    let mut rows = Vec::new();
    for (_, wasm) in &program.modules {
        let contenders = engines.iter().map(|engine| prepare(engine, program, wasm));
        rows.push(contenders.collect::<Vec<_>>());
    }

    let mut expected = None;
    for _ in 0..rounds {
        for native in &mut natives {
            native.round(&mut expected).with_context(|| format!("native {}", program.name))?;
        }
        for (_, contender) in rows.iter_mut().flatten() {
            if contender.failure.is_none() {
                contender.failure = contender.round(&mut expected).err().map(|e| format!("{e:#}"));
            }
        }
    }

    let flags = program.natives.iter().map(|&(flags, _)| flags);
    let native = natives
        .into_iter()
        .zip(flags)
        .filter_map(|(native, flags)| Some((native.best?, flags)))
        .min()
        .ok_or_else(|| anyhow!("{}: no native build in {}", program.name, output.display()))?;
    let rows = rows.into_iter().zip(&program.modules).map(|(contenders, &(simd, _))| Row {
        name: program.name.clone(),
        kind: program.kind,
        simd,
        native,
        engines: engines
            .iter()
            .zip(contenders)
            .map(|(installed, (compile, contender))| Figures {
                engine: installed.engine,
                compile,
                time: contender.time(),
            })
            .collect(),
    });
    Ok(rows.collect())
}

/// Compiles `wasm` if `engine` does that, and makes it ready to run.
fn prepare<'a>(
    engine: &Installed,
    program: &'a Program,
    wasm: &Path,
) -> (Option<Cost>, Contender<'a>) {
    let Some(compiled) = engine.compiled(wasm) else {
        return (None, Contender::new(engine.run(wasm), program));
    };
    // Of another version, it would be measured if this one fails.
    let _ = fs::remove_file(&compiled);
    let mut contender = Contender::new(engine.run(&compiled), program);
    match measure::run(&mut engine.compile(wasm, &compiled)) {
        Ok((cost, _)) => (Some(cost), contender),
        Err(error) => {
            contender.failure = Some(format!("{error:#}"));
            (None, contender)
        }
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
