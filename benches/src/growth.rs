//! How compile time and memory grow with the module: one real program's code,
//! again and again in one module.

use crate::engines::Installed;
use crate::measure::{self, Cost};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, ElementSection, Elements, FunctionSection, RawSection};
use wasmparser::{ElementItems, ExternalKind, Operator, Parser, Payload, TypeRef};

/// Sizes to compile, in MB of wasm.
const MEGABYTES: &[f64] = &[1.0, 10.0, 70.0];

/// Compiles modules that are made of `program`'s code, of each size, by each of
/// `engines`; the table, in Markdown.
///
/// # Errors
/// When a module cannot be made, or an engine fails.
pub fn measure(program: &Path, engines: &[Installed], output: &Path) -> Result<String> {
    let wasm =
        std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut table = "| MB of wasm | engine | wall, s | CPU, s | s CPU per MB | peak, MB |\n\
                     |---:|---|---:|---:|---:|---:|\n"
        .to_owned();
    let repeat = |copies| repeat(&wasm, copies).context("cannot repeat the program's code");
    // Only code is repeated.
    let copy = (repeat(2)?.len() - repeat(1)?.len()) as f64;
    for &size in MEGABYTES {
        let more = (size * 1e6 - wasm.len() as f64) / copy;
        let large = repeat(1 + more.round().max(0.0) as u32)?;
        let megabytes = large.len() as f64 / 1e6;
        let path = output.join(format!("growth-{size}.wasm"));
        std::fs::write(&path, large).with_context(|| format!("cannot write {}", path.display()))?;
        for engine in engines {
            let Some(compiled) = engine.compiled(&path) else { continue };
            let (cost, _) = measure::run(&mut engine.compile(&path, &compiled))?;
            let Cost { wall, cpu, peak_memory } = cost;
            let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
            let line = format!(
                "| {megabytes:.1} | {} | {wall:.1} | {cpu:.1} | {:.2} | {:.0} |",
                engine.engine.name(),
                cpu / megabytes,
                peak_memory as f64 / 1e6
            );
            println!("{line}");
            writeln!(table, "{line}").expect("a string takes all");
        }
    }
    Ok(table)
}

/// One copy of the code: its calls go to its own functions.
struct Copy {
    imported: u32,
    defined: u32,
    copy: u32,
}

impl Reencode for Copy {
    type Error = wasmparser::BinaryReaderError;

    fn function_index(&mut self, index: u32) -> Result<u32, Error<Self::Error>> {
        let defined = index >= self.imported;
        Ok(if defined { index + self.copy * self.defined } else { index })
    }
}

/// `wasm` with its code `copies` times. What others could refer to is declared to
/// be referred to in each copy, so that no compiler drops it.
fn repeat(wasm: &[u8], copies: u32) -> Result<Vec<u8>, Error<wasmparser::BinaryReaderError>> {
    let mut module = wasm_encoder::Module::new();
    let mut copy = Copy { imported: 0, defined: 0, copy: 0 };
    let mut named = Vec::new();
    let mut code = CodeSection::new();
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    copy.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(types) => {
                copy.defined = types.count();
                let mut section = FunctionSection::new();
                for _ in 0..copies {
                    copy.parse_function_section(&mut section, types.clone())?;
                }
                module.section(&section);
                continue;
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    named.extend((export.kind == ExternalKind::Func).then_some(export.index));
                }
            }
            Payload::ElementSection(elements) => {
                for element in elements.clone() {
                    named.extend(functions(element?.items)?);
                }
                let mut section = ElementSection::new();
                copy.parse_element_section(&mut section, elements.clone())?;
                let mine: Vec<u32> =
                    named.iter().copied().filter(|&index| index >= copy.imported).collect();
                for number in 1..copies {
                    let all = mine.iter().map(|index| index + number * copy.defined).collect();
                    section.declared(Elements::Functions(all));
                }
                module.section(&section);
                continue;
            }
            Payload::CodeSectionEntry(body) => {
                bodies.push(body.clone());
                if bodies.len() == copy.defined as usize {
                    for number in 0..copies {
                        copy.copy = number;
                        for body in &bodies {
                            copy.parse_function_body(&mut code, body.clone())?;
                        }
                    }
                    module.section(&code);
                }
                continue;
            }
            // Of names and of debug information, offsets are wrong now.
            Payload::CustomSection(_) => continue,
            _ => {}
        }
        if let Some((id, range)) = payload.as_section()
            && !matches!(payload, Payload::CodeSectionStart { .. })
        {
            let data = &wasm[range.start as usize..range.end as usize];
            module.section(&RawSection { id, data });
        }
    }
    Ok(module.finish())
}

/// The functions that an element segment names.
fn functions(items: ElementItems<'_>) -> wasmparser::Result<Vec<u32>> {
    match items {
        ElementItems::Functions(all) => all.into_iter().collect(),
        ElementItems::Expressions(_, all) => {
            let mut found = Vec::new();
            for expression in all {
                for operator in expression?.get_operators_reader() {
                    if let Operator::RefFunc { function_index } = operator? {
                        found.push(function_index);
                    }
                }
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_calls_itself() {
        let wasm = wat::parse_str(
            "(module (import \"\" \"f\" (func)) (func (export \"a\") call 0 call 2) (func)
             (table 1 funcref) (elem (i32.const 0) 2))",
        )
        .unwrap();
        let thrice = repeat(&wasm, 3).unwrap();
        wasmparser::validate(&thrice).unwrap();
        let text = wasmprinter::print_bytes(&thrice).unwrap();
        for called in [2, 4, 6] {
            assert!(text.contains(&format!("call 0\n    call {called}\n")), "{text}");
        }
        assert!(text.contains("declare func 4 3") || text.contains("declare func 3 4"), "{text}");
    }
}
