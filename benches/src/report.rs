//! The report, in Markdown.

use crate::engines::{Engine, Installed, Missing};
use crate::measure::Cost;
use crate::programs::{Kind, Simd};
use crate::suite::Row;
use std::fmt;
use std::fs;

/// All that was measured.
pub struct Report<'a> {
    /// The figures.
    pub rows: &'a [Row],
    /// The engines that were measured, in order.
    pub engines: &'a [Installed],
    /// Those that could not be.
    pub absent: &'a [Missing],
    /// How often everything ran.
    pub rounds: u32,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Beside native code\n")?;
        writeln!(
            f,
            "Processor: {}. CPU time (user and system) of the whole process in times of the \
             fastest native build's: 1.00 is as fast as native code, more is slower. Each figure \
             is from the least of {} rounds in which everything ran in turn. Compiling ahead of \
             time does not count; node's, which compiles when it starts, does.\n",
            processor(),
            self.rounds
        )?;
        for Installed { engine, version, .. } in self.engines {
            writeln!(f, "* {}: {version}", engine.name())?;
        }
        for missing in self.absent {
            writeln!(f, "* absent: {missing}")?;
        }
        for (title, simd) in
            [("Without SIMD in wasm", Simd::Without), ("With -msimd128", Simd::With)]
        {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.simd == simd).collect();
            if !rows.is_empty() {
                writeln!(f, "\n## {title}\n")?;
                self.ratios(f, &rows)?;
            }
        }
        self.compile_times(f)?;
        self.failures(f)
    }
}

impl Report<'_> {
    fn ratios(&self, f: &mut fmt::Formatter<'_>, rows: &[&Row]) -> fmt::Result {
        self.header(f, "| program | native |", 1)?;
        for row in rows {
            let (time, flags) = row.native;
            write!(f, "| {} | {:.3} s {flags} |", row.name, time.as_secs_f64())?;
            self.cells(f, |engine| match row.outcome(engine)? {
                Ok(_) => Some(format!("{:.2}", row.ratio(engine)?)),
                Err(_) => Some("failed".to_owned()),
            })?;
        }
        let ratios = |engine| {
            rows.iter().filter_map(|row| Some((row.ratio(engine)?, &row.name))).collect::<Vec<_>>()
        };
        write!(f, "| **geometric mean** | |")?;
        self.cells(f, |engine| Some(format!("**{:.3}**", geometric_mean(&ratios(engine))?)))?;
        write!(f, "| **worst** | |")?;
        self.cells(f, |engine| {
            let worst = ratios(engine).into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
            worst.map(|(ratio, name)| format!("**{ratio:.2}** {name}"))
        })
    }

    fn compile_times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Compile time\n\nWall clock, CPU time, peak memory.\n")?;
        self.header(f, "| program |", 0)?;
        // Kernels are tiny, and much the same.
        let (real, kernels): (Vec<_>, Vec<_>) =
            self.rows.iter().partition(|row| row.kind == Kind::Real);
        for row in real {
            write!(f, "| {} |", row.name)?;
            self.cells(f, |engine| compile_cost(row, engine).map(cost))?;
        }
        if kernels.is_empty() {
            return Ok(());
        }
        write!(f, "| {} kernels, in all |", kernels.len())?;
        self.cells(f, |engine| {
            let costs = kernels.iter().filter_map(|row| compile_cost(row, engine));
            costs.reduce(sum).map(cost)
        })
    }

    fn failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut title = "\n## Failures\n\n";
        for row in self.rows {
            for figures in &row.engines {
                if let Err(failure) = &figures.time {
                    writeln!(f, "{title}* {} {}: {failure}", row.label(), figures.engine.name())?;
                    title = "";
                }
            }
        }
        Ok(())
    }

    /// The head of a table with a column for each engine.
    fn header(&self, f: &mut fmt::Formatter<'_>, start: &str, figures: usize) -> fmt::Result {
        write!(f, "{start}")?;
        self.cells(f, |engine| Some(engine.name().to_owned()))?;
        writeln!(f, "|---|{}", "---:|".repeat(figures + self.engines.len()))
    }

    /// The end of a table's line: a cell for each engine.
    fn cells(
        &self,
        f: &mut fmt::Formatter<'_>,
        cell: impl Fn(Engine) -> Option<String>,
    ) -> fmt::Result {
        for installed in self.engines {
            write!(f, " {} |", cell(installed.engine).unwrap_or_else(|| "-".to_owned()))?;
        }
        writeln!(f)
    }
}

/// None of nothing.
fn geometric_mean<T>(ratios: &[(f64, T)]) -> Option<f64> {
    let sum: f64 = ratios.iter().map(|(ratio, _)| ratio.ln()).sum();
    (!ratios.is_empty()).then(|| (sum / ratios.len() as f64).exp())
}

fn compile_cost(row: &Row, engine: Engine) -> Option<Cost> {
    row.engines.iter().find(|figures| figures.engine == engine)?.compile
}

/// Of one after the other.
fn sum(a: Cost, b: Cost) -> Cost {
    Cost {
        wall: a.wall + b.wall,
        cpu: a.cpu + b.cpu,
        peak_memory: a.peak_memory.max(b.peak_memory),
    }
}

fn cost(Cost { wall, cpu, peak_memory }: Cost) -> String {
    let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
    format!("{wall:.2} s, {cpu:.2} s, {} MiB", peak_memory >> 20)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Figures;
    use std::time::Duration;

    #[test]
    fn twice_and_half_as_fast_are_as_fast() {
        let mean = geometric_mean(&[(0.5, ()), (2.0, ())]).expect("there are two");
        assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        assert_eq!(geometric_mean::<()>(&[]), None);
    }

    #[test]
    fn a_failure_is_told_and_does_not_count() {
        let row = |name: &str, time| Row {
            name: name.to_owned(),
            kind: Kind::Kernel,
            simd: Simd::Without,
            native: (Duration::from_millis(500), "-O3"),
            engines: vec![Figures { engine: Engine::Node, compile: None, time }],
        };
        let rows = [
            row("slow", Ok(Duration::from_millis(750))),
            row("broken", Err("it says why".to_owned())),
        ];
        let engines = [Installed::named(Engine::Node)];
        let text = Report { rows: &rows, engines: &engines, absent: &[], rounds: 3 }.to_string();
        assert!(text.contains("| slow | 0.500 s -O3 | 1.50 |\n"), "{text}");
        assert!(text.contains("| broken | 0.500 s -O3 | failed |\n"), "{text}");
        assert!(text.contains("| **geometric mean** | | **1.500** |\n"), "{text}");
        assert!(text.contains("* broken node: it says why\n"), "{text}");
    }
}
