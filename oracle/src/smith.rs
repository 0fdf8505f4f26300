//! Random modules, tamed so that they run far, and armed so that each traps in
//! many places.

use crate::arm::{self, ARMED, Armed, COUNTDOWN, Plan};
use crate::case::{Case, Surroundings};
use crate::host::{self, Generic};
use crate::judge::Judge;
use crate::layout::Layout;
use crate::random::Random;
use crate::record::Recording;
use crate::report::{Report, Trial};
use crate::subject::Build;
use crate::trace::Outcome;
use anyhow::{Context, Result};
use arbitrary::Unstructured;
use wasm_smith::{Config, MemoryOffsetChoices, Module};
use wasmparser::ValType;
use wasmrun::Value;

/// In the judge's unit; more than enough for what ends at all.
const FUEL: u64 = 200_000;
/// Calls of each export with a site armed.
const ARMED_CALLS: usize = 12;

/// Makes modules until `count` of them are worth it, and judges them.
///
/// # Errors
/// When something fails that is not what is tested.
pub fn run(seed: u64, first: u64, count: u64, builds: &[Build], report: &mut Report) -> Result<()> {
    let mut done = 0;
    for number in first.. {
        if done == count {
            break;
        }
        if one(seed, number, builds, report)
            .with_context(|| format!("smith, seed {seed}, number {number}"))?
        {
            done += 1;
        }
    }
    Ok(())
}

/// Judges module `number` of `seed`, unless it has nothing to offer.
fn one(seed: u64, number: u64, builds: &[Build], report: &mut Report) -> Result<bool> {
    let mut random = Random::new(seed, number);
    let Some(Armed { wasm, order }) = module(&mut random) else { return Ok(false) };
    let surroundings = Surroundings { host: &|| Box::new(Generic::default()), fuel: FUEL };
    let (plain, counting) = (Judge::new(&wasm, false)?, Judge::new(&wasm, true)?);
    let judges = Judges { plain, counting, order };
    let mut cases = Vec::new();
    for (export, ty) in Layout::of(&wasm)?.exports {
        cases.extend(cases_of(&export, ty.params(), &judges, &surroundings, &mut random)?);
    }
    if cases.is_empty() {
        return Ok(false);
    }
    let name = format!("smith-{seed}-{number}");
    report.check(
        &Trial { name: &name, wasm: &wasm, judge: &judges.plain },
        builds,
        &surroundings,
        &cases,
    )?;
    Ok(true)
}

/// A random module.
fn module(random: &mut Random) -> Option<Armed> {
    let len = 1000 + random.below(8000) as usize;
    let bytes = random.bytes(len);
    let config = Config {
        allow_floats: random.below(3) > 0,
        canonicalize_nans: true,
        disallow_traps: false,
        export_everything: true,
        exceptions_enabled: false,
        gc_enabled: false,
        compact_imports_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        memory64_enabled: false,
        simd_enabled: random.below(3) == 0,
        tail_call_enabled: random.below(2) == 0,
        max_imports: 4,
        min_funcs: 3,
        max_funcs: 12,
        max_instructions: 60 + random.below(300) as usize,
        min_memories: 1,
        max_memories: 1,
        max_memory32_bytes: 1 << 20,
        memory_max_size_required: true,
        memory_offset_choices: match random.below(4) {
            0 => MemoryOffsetChoices::default(),
            _ => MemoryOffsetChoices(1, 0, 0),
        },
        min_tables: 1,
        max_tables: 2,
        max_table_elements: 100,
        table_max_size_required: true,
        min_element_segments: 1,
        max_types: 6,
        ..Config::default()
    };
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    // Otherwise only the judge's fuel bounds loops and recursion.
    if random.below(4) > 0 {
        module.ensure_termination(300).ok()?;
    }
    let wasm = module.to_bytes();
    if random.below(8) == 0 {
        return Some(Armed { wasm, order: Vec::new() });
    }
    let sites = Recording::new(&wasm, false).ok()?.sites;
    let (counted, tame) = (random.below(2) == 0, Some(random.clone()));
    let sites = sites.into_iter().zip(0..).collect();
    arm::arm(&wasm, Plan { sites, counted, tame }).ok()
}

/// What judges a module, and what counts executions of its sites.
struct Judges {
    plain: Judge,
    counting: Judge,
    /// As in [`Armed`].
    order: Vec<Option<u32>>,
}

impl Judges {
    /// Numbers of the armed sites that `case` executes, and how often.
    fn executed(&self, case: &Case, surroundings: &Surroundings<'_>) -> Result<Vec<(u32, u32)>> {
        let (_, counts) = self.counting.count(case, surroundings)?;
        let numbers = self.order.iter().zip(counts);
        Ok(numbers
            .filter_map(|(number, (_, count))| Some(((*number)?, count)))
            .filter(|&(_, count)| count > 0)
            .collect())
    }
}

/// Arguments of these types.
fn arguments(params: &[ValType], random: &mut Random) -> Vec<Value> {
    let n = match random.below(4) {
        0 => 0,
        1 => random.below(100),
        2 => u64::MAX,
        _ => random.next(),
    };
    params.iter().zip(0..).map(|(&ty, place)| argument(ty, n.wrapping_add(place))).collect()
}

/// Calls of an export, without and with sites armed that they execute; all trap.
fn cases_of(
    export: &str,
    params: &[ValType],
    judges: &Judges,
    surroundings: &Surroundings<'_>,
    random: &mut Random,
) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for _ in 0..2 {
        let args = arguments(params, random);
        let plain = Case { export: Some(export.to_owned()), args, globals: Vec::new() };
        let mut executed = judges.executed(&plain, surroundings)?;
        cases.push(plain.clone());
        for _ in 0..ARMED_CALLS.min(executed.len()) {
            let chosen = random.below(executed.len() as u64) as usize;
            let (site, count) = executed.swap_remove(chosen);
            let execution = 1 + random.below(u64::from(count).min(50)) as i32;
            let globals = vec![(ARMED, site as i32), (COUNTDOWN, execution)];
            cases.push(Case { globals, ..plain.clone() });
        }
    }
    worthwhile(cases, &judges.plain, surroundings, random)
}

fn argument(ty: ValType, n: u64) -> Value {
    host::number(
        match ty {
            ValType::I32 => wasmrun::ValType::I32,
            ValType::I64 => wasmrun::ValType::I64,
            ValType::F32 => wasmrun::ValType::F32,
            ValType::F64 => wasmrun::ValType::F64,
            ValType::V128 => wasmrun::ValType::V128,
            ValType::Ref(ty) if ty == wasmparser::RefType::FUNCREF => wasmrun::ValType::FuncRef,
            ValType::Ref(_) => wasmrun::ValType::ExternRef,
        },
        n,
    )
}

/// Those that trap, each in a new way, and rather with callers than without.
fn worthwhile(
    candidates: Vec<Case>,
    judge: &Judge,
    surroundings: &Surroundings<'_>,
    random: &mut Random,
) -> Result<Vec<Case>> {
    let mut seen = Vec::new();
    let mut cases = Vec::new();
    for case in candidates {
        let outcome = judge.run(&case, surroundings)?.outcome;
        let Outcome::Trapped(_, frames) = &outcome else { continue };
        if !seen.contains(&outcome) && (frames.len() > 1 || random.below(3) == 0) {
            seen.push(outcome);
            cases.push(case);
        }
    }
    Ok(cases)
}
