//! Wasm core dumps, read by wasmparser.
#![allow(dead_code, missing_docs)]

use std::path::Path;
use wasmparser::{
    CoreDumpValue, DataKind, KnownCustom, Operator, Parser, Payload, Validator, WasmFeatures,
};

/// What is in a dump.
#[derive(Debug, Default)]
pub struct Dump {
    pub name: String,
    pub modules: Vec<String>,
    pub instances: Vec<Instance>,
    pub threads: Vec<(String, Vec<Frame>)>,
    /// Contents and greatest size, in bytes.
    pub memories: Vec<(Vec<u8>, Option<u64>)>,
    /// In wasmparser's words.
    pub globals: Vec<String>,
    pub segments: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub module: u32,
    pub memories: Vec<u32>,
    pub globals: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub instance: u32,
    pub function: u32,
    pub offset: u32,
    /// In wasmparser's words.
    pub locals: Vec<String>,
    /// The same, lowest first.
    pub operands: Vec<String>,
}

impl Dump {
    pub fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    /// It must also be a valid module.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        validator.validate_all(bytes).expect("a valid module");
        let mut dump = Dump::default();
        for payload in Parser::new(0).parse_all(bytes) {
            dump.add(payload.expect("it can be parsed"));
        }
        dump
    }

    fn add(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::CoreDump(core) => self.name = core.name.into(),
                KnownCustom::CoreDumpModules(modules) => {
                    self.modules.extend(modules.modules.iter().map(|&name| name.into()));
                }
                KnownCustom::CoreDumpInstances(instances) => {
                    let instances = instances.instances.into_iter().map(|instance| Instance {
                        module: instance.module_index,
                        memories: instance.memories,
                        globals: instance.globals,
                    });
                    self.instances.extend(instances);
                }
                KnownCustom::CoreDumpStack(stack) => {
                    let frames = stack.frames.into_iter().map(|frame| Frame {
                        instance: frame.instanceidx,
                        function: frame.funcidx,
                        offset: frame.codeoffset,
                        locals: frame.locals.iter().map(value).collect(),
                        operands: frame.stack.iter().map(value).collect(),
                    });
                    self.threads.push((stack.name.into(), frames.collect()));
                }
                _ => panic!("an unknown section {}", section.name()),
            },
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.expect("a memory");
                    let bytes = vec![0; memory.initial as usize * 65536];
                    self.memories.push((bytes, memory.maximum.map(|pages| pages * 65536)));
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global.expect("a global");
                    assert!(!global.ty.mutable);
                    let value = global.init_expr.get_operators_reader().read().expect("a value");
                    self.globals.push(format!("{value:?}"));
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    let segment = segment.expect("a segment");
                    let DataKind::Active { memory_index, offset_expr } = segment.kind else {
                        panic!("a passive segment")
                    };
                    let Ok(Operator::I32Const { value }) =
                        offset_expr.get_operators_reader().read()
                    else {
                        panic!("no constant address")
                    };
                    let start = value as u32 as usize;
                    let (memory, _) = &mut self.memories[memory_index as usize];
                    memory[start..start + segment.data.len()].copy_from_slice(segment.data);
                    self.segments += 1;
                }
            }
            _ => {}
        }
    }
}

fn value(value: &CoreDumpValue) -> String {
    format!("{value:?}")
}
