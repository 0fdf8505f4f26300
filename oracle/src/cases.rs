//! Modules that were once wrong, kept as text in `oracle/cases`.

use crate::case::{Case, Surroundings};
use crate::host::{self, Generic};
use crate::judge::Judge;
use crate::layout::Layout;
use crate::report::{Report, Trial};
use crate::subject::Build;
use anyhow::{Context, Result};
use std::path::Path;
use wasmrun::ValType;

/// Judges every module in `folder`: each export with a few numbers as arguments,
/// all of type i32.
///
/// # Errors
/// When something fails that is not what is tested.
pub fn run(folder: &Path, builds: &[Build], report: &mut Report) -> Result<()> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    for file in files {
        let wasm = wat::parse_file(&file)?;
        let name = file.file_stem().expect("a file's path").to_string_lossy().into_owned();
        let judge = Judge::new(&wasm, false)?;
        let surroundings = Surroundings { host: &|| Box::new(Generic::default()), fuel: 1_000_000 };
        let mut cases = Vec::new();
        for (export, ty) in Layout::of(&wasm)?.exports {
            for first in [-1_i64, 0, 1, 65_528, 65_536] {
                cases.extend([0, 1].map(|other| {
                    Case {
                        export: Some(export.clone()),
                        args: (0..ty.params().len())
                            .map(|place| if place == 0 { first } else { other })
                            .map(|n| host::number(ValType::I32, n as u64))
                            .collect(),
                        globals: Vec::new(),
                    }
                }));
            }
        }
        report.check(
            &Trial { name: &name, wasm: &wasm, judge: &judge },
            builds,
            &surroundings,
            &cases,
        )?;
    }
    Ok(())
}
