//! The JSON of the Firefox Profiler, in the form that its own converters call
//! "processed" (`preprocessedProfileVersion` 55; newer profilers bring it up to
//! date): tables, column by column.
//!
//! Each wasm file is a library here, and the offset in it a frame's address. The
//! crate `fxprof-processed-profile` writes the same, but without lines, files and
//! inlined frames; it is the judge of this form in the tests.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, UNIX_EPOCH};
use std::{iter, process};

use serde_json::{Value, json};

use super::Profile;
use super::places::{Binary, Frame, Places};
use super::stacks::Stack;

/// Places among the categories; the first is for what is neither.
const WASM: usize = 1;
const HOST: usize = 2;

/// Writes the profile.
pub(super) fn write(profile: &Profile, writer: impl Write) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    serde_json::to_writer(&mut writer, &json(profile))?;
    writeln!(writer)?;
    writer.flush()
}

fn json(profile: &Profile) -> Value {
    let Profile { interval, started, places, .. } = profile;
    let category =
        |name: &str, color: &str| json!({"name": name, "color": color, "subcategories": ["Other"]});
    let categories =
        [category("Other", "grey"), category("WebAssembly", "blue"), category("Host", "green")];
    let samples = json!({"label": "Samples", "format": "integer", "value": profile.samples()});
    let missed = json!({"label": "Missed", "format": "integer", "value": profile.missed()});
    json!({
        "meta": {
            "categories": categories,
            "debug": false,
            "extensions": {"length": 0, "baseURL": [], "id": [], "name": []},
            "extra": [{"label": "Sampling", "entries": [samples, missed]}],
            "interval": milliseconds(*interval),
            "preprocessedProfileVersion": 55,
            "processType": 0,
            "product": "wasmrun",
            "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"},
            "startTime": milliseconds(started.duration_since(UNIX_EPOCH).unwrap_or_default()),
            "symbolicated": true,
            "pausedRanges": [],
            "version": 24,
            "usesOnlyOneStackType": true,
            "sourceCodeIsNotOnSearchfox": true,
            "markerSchema": [],
        },
        "libs": places.binaries.iter().map(library).collect::<Vec<_>>(),
        "threads": [thread(profile)],
        "pages": [],
        "profilerOverhead": [],
        "counters": [],
    })
}

fn library(binary: &Binary) -> Value {
    json!({
        "name": binary.name,
        "path": binary.path,
        "debugName": binary.name,
        "debugPath": binary.path,
        // The symbols are in the profile.
        "breakpadId": "0".repeat(33),
        "codeId": null,
        "arch": null,
    })
}

fn thread(profile: &Profile) -> Value {
    let Profile { recording, places, .. } = profile;
    let mut tables = Tables::new(places);
    let stacks: Vec<Option<usize>> = tables.stacks(recording.stacks.all());
    let samples = &recording.samples;
    let times = iter::once(Duration::ZERO).chain(samples.iter().map(|sample| sample.time));
    let cpus = iter::once(Duration::ZERO).chain(samples.iter().map(|sample| sample.cpu));
    let time_deltas = samples.iter().zip(times).map(|(sample, before)| sample.time - before);
    let cpu_deltas = samples.iter().zip(cpus).map(|(sample, before)| sample.cpu - before);
    let end = samples.last().map(|sample| milliseconds(sample.time));
    let pid = process::id().to_string();
    let program = places.binaries.iter().find(|binary| binary.is_wasm);
    let name = program.map_or("wasmrun", |program| &program.name);
    json!({
        "name": name,
        "isMainThread": true,
        "pid": pid,
        "tid": pid,
        "processName": name,
        "processType": "default",
        "processStartupTime": 0.0,
        "processShutdownTime": end,
        "registerTime": 0.0,
        "unregisterTime": end,
        "pausedRanges": [],
        "showMarkersInTimeline": false,
        "samples": {
            "length": samples.len(),
            "weightType": "samples",
            "stack": samples.iter().map(|s| stacks[s.stack as usize]).collect::<Vec<_>>(),
            "timeDeltas": time_deltas.map(milliseconds).collect::<Vec<_>>(),
            "weight": samples.iter().map(|s| s.weight).collect::<Vec<_>>(),
            "threadCPUDelta": cpu_deltas.map(|d| d.as_micros() as u64).collect::<Vec<_>>(),
        },
        "stackTable": tables.stack_table(),
        "frameTable": tables.frame_table(),
        "funcTable": tables.func_table(),
        "resourceTable": tables.resource_table(),
        "stringArray": tables.strings.all,
        "nativeSymbols": {
            "length": 0, "address": [], "functionSize": [], "libIndex": [], "name": [],
        },
        "markers": {
            "length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [],
            "startTime": [],
        },
    })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Rows that are wanted once each.
struct Rows<T> {
    all: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { all: Vec::new(), places: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Rows<T> {
    fn place(&mut self, row: T) -> usize {
        if let Some(place) = self.places.get(&row) {
            return *place;
        }
        self.all.push(row.clone());
        self.places.insert(row, self.all.len() - 1);
        self.all.len() - 1
    }

    /// A column of it.
    fn column<V: Into<Value>>(&self, value: impl Fn(&T) -> V) -> Value {
        self.all.iter().map(|row| value(row).into()).collect()
    }

    /// A column of which all is the same.
    fn same(&self, value: impl Into<Value>) -> Value {
        vec![value.into(); self.all.len()].into()
    }
}

/// The tables that samples lead to, each row naming rows of the next.
struct Tables<'a> {
    places: &'a Places,
    stacks: Rows<StackRow>,
    frames: Rows<FrameRow>,
    functions: Rows<FunctionRow>,
    strings: Rows<String>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct StackRow {
    prefix: Option<usize>,
    frame: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct FrameRow {
    address: Option<u64>,
    inline_depth: u32,
    category: usize,
    function: usize,
    line: Option<u32>,
    column: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct FunctionRow {
    name: usize,
    /// Also its library.
    resource: Option<usize>,
    file_name: Option<usize>,
}

impl<'a> Tables<'a> {
    fn new(places: &'a Places) -> Self {
        Tables {
            places,
            stacks: Rows::default(),
            frames: Rows::default(),
            functions: Rows::default(),
            strings: Rows::default(),
        }
    }

    /// Adds all stacks; returns their places, none for what is all glue.
    fn stacks(&mut self, stacks: &[Stack]) -> Vec<Option<usize>> {
        let places = self.places;
        let mut rows: Vec<Option<usize>> = Vec::with_capacity(stacks.len());
        for stack in stacks {
            let mut row = stack.outer.and_then(|outer| rows[outer as usize]);
            for frame in places.at(stack.pc).iter().rev() {
                let frame = self.frame(frame);
                row = Some(self.stacks.place(StackRow { prefix: row, frame }));
            }
            rows.push(row);
        }
        rows
    }

    fn frame(&mut self, frame: &Frame) -> usize {
        let position = frame.position.as_ref();
        let name = self.strings.place(frame.function.clone());
        let file_name = position.map(|position| self.strings.place(position.file.clone()));
        let function = FunctionRow { name, resource: frame.binary, file_name };
        let category = match frame.binary {
            Some(binary) if self.places.binaries[binary].is_wasm => WASM,
            Some(_) => HOST,
            None => 0,
        };
        self.frames.place(FrameRow {
            address: frame.address,
            inline_depth: frame.inline_depth,
            category,
            function: self.functions.place(function),
            line: position.and_then(|position| position.line),
            column: position.and_then(|position| position.column),
        })
    }

    fn stack_table(&self) -> Value {
        json!({
            "length": self.stacks.all.len(),
            "prefix": self.stacks.column(|stack| stack.prefix),
            "frame": self.stacks.column(|stack| stack.frame),
        })
    }

    fn frame_table(&self) -> Value {
        let frames = &self.frames;
        json!({
            "length": frames.all.len(),
            "address": frames.column(|frame| frame.address.map_or(-1, u64::cast_signed)),
            "inlineDepth": frames.column(|frame| frame.inline_depth),
            "category": frames.column(|frame| frame.category),
            "subcategory": frames.same(0),
            "func": frames.column(|frame| frame.function),
            "nativeSymbol": frames.same(Value::Null),
            "innerWindowID": frames.same(0),
            "line": frames.column(|frame| frame.line),
            "column": frames.column(|frame| frame.column),
        })
    }

    fn func_table(&self) -> Value {
        let functions = &self.functions;
        let resource = |function: &FunctionRow| function.resource.map_or(-1, |row| row as i64);
        json!({
            "length": functions.all.len(),
            "name": functions.column(|function| function.name),
            "isJS": functions.same(false),
            "relevantForJS": functions.same(false),
            "resource": functions.column(resource),
            "fileName": functions.column(|function| function.file_name),
            "lineNumber": functions.same(Value::Null),
            "columnNumber": functions.same(Value::Null),
        })
    }

    /// The libraries, in their own order.
    fn resource_table(&mut self) -> Value {
        const LIBRARY: u32 = 1;
        let binaries = &self.places.binaries;
        let names: Vec<usize> =
            binaries.iter().map(|binary| self.strings.place(binary.name.clone())).collect();
        json!({
            "length": binaries.len(),
            "lib": (0..binaries.len()).collect::<Vec<_>>(),
            "name": names,
            "host": vec![Value::Null; binaries.len()],
            "type": vec![LIBRARY; binaries.len()],
        })
    }
}
