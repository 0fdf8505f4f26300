//! Real programs, armed at thousands of sites that they execute: one
//! compilation gives as many traps, each at its own place and depth.

use crate::arm::{self, ARMED, Armed, COUNTDOWN, Plan};
use crate::case::{Case, Surroundings};
use crate::host::Wasi;
use crate::judge::Judge;
use crate::random::Random;
use crate::report::{Report, Trial};
use crate::subject::Build;
use anyhow::{Context, Result};
use std::path::Path;

/// Sites armed in one variant of a program.
const SITES: u64 = 2_000;
/// How far a program is followed, in the judge's unit.
const FUEL: u64 = 30_000_000;

/// The programs.
pub const PROGRAMS: [&str; 4] = ["sqlite", "quickjs", "zstd", "rust"];

/// Judges `count` traps of the program `name`, whose file is in `folder`.
///
/// # Errors
/// When something fails that is not what is tested.
pub fn run(
    folder: &Path,
    name: &str,
    seed: u64,
    count: u64,
    builds: &[Build],
    report: &mut Report,
) -> Result<()> {
    let path = folder.join(format!("{name}.wasm"));
    let program = std::fs::read(&path)
        .with_context(|| format!("{}: build it with tests/programs/build", path.display()))?;
    let host = surroundings(folder, name);
    let surroundings = Surroundings { host: &|| Box::new(host.clone()), fuel: FUEL };
    let mut random =
        Random::new(seed, PROGRAMS.iter().position(|p| *p == name).unwrap_or(9) as u64);
    let executed = executed(&program, &surroundings)?;
    let mut left = count;
    while left > 0 {
        let chosen = choose(&executed, left.min(SITES), &mut random);
        variant(name, &program, &chosen, builds, &surroundings, &mut random, report)?;
        left -= left.min(SITES);
    }
    Ok(())
}

/// Arguments and input of a program.
fn surroundings(folder: &Path, name: &str) -> Wasi {
    let args = std::fs::read_to_string(folder.join(format!("{name}.args"))).unwrap_or_default();
    let stdin = std::fs::read(folder.join(format!("{name}.stdin"))).unwrap_or_default();
    // Or it would spend all fuel on its first kind of data.
    let args = if name == "zstd" { "4096" } else { &*args };
    let args = std::iter::once(name).chain(args.lines()).map(str::to_owned).collect();
    Wasi::new(args, stdin)
}

fn main() -> Case {
    Case { export: Some("_start".to_owned()), ..Case::default() }
}

/// Offset and count of the sites that the program executes.
fn executed(program: &[u8], surroundings: &Surroundings<'_>) -> Result<Vec<(u32, u32)>> {
    let (_, mut counts) = Judge::new(program, true)?.count(&main(), surroundings)?;
    counts.retain(|&(_, count)| count > 0);
    Ok(counts)
}

/// Some of the sites, all different, in order.
fn choose(executed: &[(u32, u32)], count: u64, random: &mut Random) -> Vec<(u32, u32)> {
    let mut left = executed.to_vec();
    let count = (count as usize).min(left.len());
    let mut chosen: Vec<_> =
        (0..count).map(|_| left.swap_remove(random.below(left.len() as u64) as usize)).collect();
    chosen.sort_unstable();
    chosen
}

/// Arms the chosen sites and judges a trap at each.
fn variant(
    name: &str,
    program: &[u8],
    chosen: &[(u32, u32)],
    builds: &[Build],
    surroundings: &Surroundings<'_>,
    random: &mut Random,
    report: &mut Report,
) -> Result<()> {
    let counted = random.below(2) == 0;
    let sites = chosen.iter().map(|&(offset, _)| offset).zip(0..).collect();
    let Armed { wasm, .. } = arm::arm(program, Plan { sites, counted, tame: None })?;
    let judge = Judge::new(&wasm, false)?;
    let name = format!("{name}-{}", report.modules);
    // Guards cost fuel, too.
    let surroundings = Surroundings { fuel: FUEL * 2, ..*surroundings };
    let cases = chosen.iter().zip(0..).map(|(&(_, count), number)| {
        // Rather early executions, so that much can be tried.
        let execution = 1 + random.below(u64::from(count).min(100)) as i32;
        Case { globals: vec![(ARMED, number), (COUNTDOWN, execution)], ..main() }
    });
    let cases: Vec<Case> = cases.collect();
    report.check(&Trial { name: &name, wasm: &wasm, judge: &judge }, builds, &surroundings, &cases)
}
