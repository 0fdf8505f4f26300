//! Running cases of a module through judge and subject, counting what comes of
//! it, and keeping what is wrong.

use crate::case::{Case, Surroundings};
use crate::judge::Judge;
use crate::locals::Locals;
use crate::subject::{Build, Subject};
use crate::trace::{Execution, Outcome, Verdict, judge, side_by_side};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What came of all cases so far.
#[derive(Default)]
pub struct Report {
    /// Modules compiled.
    pub modules: usize,
    /// Machine instructions that access memory.
    pub accesses: u64,
    /// Of those, how many have only the location that LLVM left them.
    pub unstamped: u64,
    /// Cases compared, those without a trap included.
    pub cases: usize,
    /// Frames compared.
    pub frames: usize,
    /// Traps that are exact, by kind.
    pub exact: BTreeMap<&'static str, usize>,
    /// The same, by number of frames.
    pub depths: BTreeMap<usize, usize>,
    /// Stack overflows, of which only the kind is compared.
    pub overflows: usize,
    /// Cases that cannot be compared, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// If the values of locals are compared.
    pub locals: Option<Locals>,
    /// What is wrong, each with both traces.
    pub wrong: Vec<String>,
    /// Where to write modules that are wrong.
    pub directory: PathBuf,
}

/// A module on trial.
pub struct Trial<'a> {
    /// For files and messages.
    pub name: &'a str,
    /// The module.
    pub wasm: &'a [u8],
    /// Its judge.
    pub judge: &'a Judge,
}

impl Report {
    /// A report that writes into `directory`.
    pub fn new(directory: &Path) -> Report {
        Report { directory: directory.to_owned(), ..Report::default() }
    }

    /// Traps that are exact.
    pub fn traps(&self) -> usize {
        self.exact.values().sum()
    }

    /// Compiles a module in every way and judges all `cases`.
    ///
    /// # Errors
    /// When the record makes no sense, or files cannot be written.
    pub fn check(
        &mut self,
        trial: &Trial<'_>,
        builds: &[Build],
        surroundings: &Surroundings<'_>,
        cases: &[Case],
    ) -> Result<()> {
        let Trial { name, wasm, judge } = trial;
        let mut subjects = Vec::new();
        for build in builds {
            match Subject::new(wasm, build, self.locals.is_some()) {
                Ok((subject, stamps)) => {
                    subjects.push((build, subject));
                    self.accesses += stamps.accesses;
                    self.unstamped += stamps.accesses - stamps.stamped;
                    let inexact = stamps.violations;
                    if inexact > 0 {
                        let what = "sites have no exact location, the compiler says";
                        self.wrong(name, wasm, format!("{name} at {build}: {inexact} {what}\n"))?;
                    }
                }
                Err(e) => self.wrong(name, wasm, format!("{name} at {build}: {e:#}\n"))?,
            }
        }
        let reference = match self.locals {
            Some(_) => Some(Subject::new(wasm, &Build::with_all_locals(), true)?.0),
            None => None,
        };
        self.modules += 1;
        for case in cases {
            let truth = judge.run(case, surroundings)?;
            if let Outcome::Unusable(reason) = &truth.outcome {
                *self.skipped.entry(reason.clone()).or_default() += 1;
                continue;
            }
            let reference = reference.as_ref().map(|subject| subject.run(case, surroundings));
            for (build, subject) in &subjects {
                let reported = subject.run(case, surroundings);
                if let Verdict::Wrong(what) = self.count(&truth, &reported) {
                    let traces = side_by_side(&truth, &reported);
                    let text = format!("{name} at {build}, {case:?}: {what} differs\n{traces}");
                    self.wrong(name, wasm, text)?;
                } else if let (Some(locals), Some(reference)) = (&mut self.locals, &reference)
                    && let Some(what) = locals.compare(reference, &reported)
                {
                    let traces = side_by_side(reference, &reported);
                    let text = format!("{name} at {build}, {case:?}: {what}\n{traces}");
                    self.wrong(name, wasm, text)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, truth: &Execution, reported: &Execution) -> Verdict {
        self.cases += 1;
        let verdict = judge(truth, reported);
        match &verdict {
            Verdict::Exact(code, depth) => {
                *self.exact.entry(code.message()).or_default() += 1;
                *self.depths.entry(*depth).or_default() += 1;
                self.frames += depth;
            }
            Verdict::Overflow => self.overflows += 1,
            Verdict::Skipped(reason) => *self.skipped.entry(reason.clone()).or_default() += 1,
            Verdict::NoTrap | Verdict::Wrong(_) => {}
        }
        verdict
    }

    /// Keeps what is wrong with a module.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn wrong(&mut self, name: &str, wasm: &[u8], text: String) -> Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(format!("{name}.wasm"));
        std::fs::write(&path, wasm)?;
        let text = format!("{text}the module: {}\n", path.display());
        std::fs::write(path.with_extension("txt"), &text)?;
        self.wrong.push(text);
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { modules, cases, frames, overflows, .. } = self;
        writeln!(f, "{modules} modules, {cases} executions compared, {} wrong", self.wrong.len())?;
        writeln!(f, "{} of {} machine accesses are not stamped", self.unstamped, self.accesses)?;
        writeln!(f, "{} traps, {frames} frames exact; {overflows} overflows", self.traps())?;
        for (kind, count) in &self.exact {
            writeln!(f, "  {count:>8} {kind}")?;
        }
        let deep = |least| self.depths.range(least..).map(|(_, count)| count).sum::<usize>();
        writeln!(f, "  with ≥ 2 frames {}, ≥ 4 {}, ≥ 8 {}", deep(2), deep(4), deep(8))?;
        if let Some(locals) = &self.locals {
            writeln!(f, "{locals}")?;
        }
        for (reason, count) in &self.skipped {
            writeln!(f, "  {count:>8} not compared: {reason}")?;
        }
        Ok(())
    }
}
