//! The JSON is what the Firefox Profiler reads: of the form that the crate writes
//! which its own tools use, and right in what that cannot hold.

use super::{Program, ROUNDS, assert_split, support::truth::Truth};
use fxprof_processed_profile as reference;
use serde_json::Value;
use std::time::SystemTime;
use wasm2so::options::OptLevel;

fn array<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).unwrap_or_else(|| panic!("no array {path}"))
}

/// A column of numbers; -1 and null stand for none.
fn column(value: &Value, path: &str) -> Vec<Option<usize>> {
    array(value, path).iter().map(|n| n.as_u64().map(|n| n as usize)).collect()
}

/// A profile with one sample, by the reference.
fn judge() -> Value {
    use reference::{
        CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile, SamplingInterval,
        Timestamp,
    };
    let start = Timestamp::from_millis_since_reference(0.0);
    let interval = SamplingInterval::from_millis(1);
    let mut profile = Profile::new("judge", SystemTime::now().into(), interval);
    let process = profile.add_process("process", 1, start);
    let thread = profile.add_thread(process, 1, start, true);
    let library = profile.add_lib(reference::LibraryInfo {
        name: "lib".into(),
        debug_name: "lib".into(),
        path: "/lib".into(),
        debug_path: "/lib".into(),
        debug_id: Default::default(),
        code_id: None,
        arch: None,
        symbol_table: None,
    });
    let frame = FrameInfo {
        frame: Frame::RelativeAddressFromInstructionPointer(library, 1),
        category_pair: CategoryHandle::OTHER.into(),
        flags: FrameFlags::empty(),
    };
    let stack = profile.intern_stack_frames(thread, [frame].into_iter());
    profile.add_sample(thread, start, stack, CpuDelta::from_micros(1), 1);
    serde_json::to_value(&profile).expect("it can be written")
}

/// Every key of `judge` is in `ours`, with a value of the same kind.
fn assert_same_form(judge: &Value, ours: &Value, path: &str) {
    match (judge, ours) {
        (Value::Object(judge), Value::Object(_)) => {
            for (key, value) in judge {
                let path = format!("{path}/{key}");
                let ours = ours.get(key).unwrap_or_else(|| panic!("{path} is missing"));
                assert_same_form(value, ours, &path);
            }
        }
        (Value::Array(judge), Value::Array(ours)) => {
            for (judge, ours) in judge.first().iter().zip(ours) {
                assert_same_form(judge, ours, &format!("{path}/0"));
            }
        }
        // Where the reference knows nothing, or has not ended.
        (Value::Null, _) => {}
        _ => {
            let kind = std::mem::discriminant::<Value>;
            assert_eq!(kind(judge), kind(ours), "{path}: {judge} and {ours}");
        }
    }
}

#[test]
fn it_has_the_form_and_the_contents() {
    let program = Program::new(OptLevel::O3);
    program.profile("p.json", &["--profile-rate", "500"], &["split", ROUNDS]).succeeded();
    let json: Value = serde_json::from_slice(&program.folder.read("p.json")).expect("JSON");
    let judge = judge();
    assert_same_form(&judge, &json, "");
    let version = "/meta/preprocessedProfileVersion";
    assert_eq!(json.pointer(version), judge.pointer(version));
    assert_eq!(json.pointer("/meta/interval"), Some(&2.0.into()));
    // Every table is as long as it says.
    let thread = &array(&json, "/threads")[0];
    for table in ["samples", "stackTable", "frameTable", "funcTable", "resourceTable"] {
        let table = thread[table].as_object().expect("a table");
        let length = table["length"].as_u64().expect("its length") as usize;
        let mut columns = table.values().filter_map(Value::as_array);
        assert!(columns.all(|column| column.len() == length) && length > 0, "{table:?}");
    }
    let strings = array(thread, "/stringArray");
    let string = |place: usize| strings[place].as_str().expect("a string");
    let names = column(thread, "/funcTable/name");
    let files = column(thread, "/funcTable/fileName");
    let resources = column(thread, "/funcTable/resource");
    let libraries = column(thread, "/resourceTable/lib");
    let functions = column(thread, "/frameTable/func");
    let addresses = column(thread, "/frameTable/address");
    let lines = column(thread, "/frameTable/line");
    let depths = column(thread, "/frameTable/inlineDepth");
    let prefixes = column(thread, "/stackTable/prefix");
    let frames = column(thread, "/stackTable/frame");
    let weights = column(thread, "/samples/weight");
    let truth = Truth::of(&program.wasm);
    let (mut hot, mut cold) = (0, 0);
    for (sample, stack) in column(thread, "/samples/stack").into_iter().enumerate() {
        let mut next = stack;
        let mut outer_of_unit = None;
        while let Some(stack) = next {
            let frame = frames[stack].expect("a frame");
            let function = functions[frame].expect("a function");
            let name = string(names[function].expect("a name"));
            match name {
                "hot" => hot += weights[sample].expect("a weight") as u64,
                "cold" => cold += weights[sample].expect("a weight") as u64,
                // Inlined by clang, into either.
                "unit" => outer_of_unit = Some((stack, addresses[frame])),
                _ => {}
            }
            if let "hot" | "cold" = name {
                let library = libraries[resources[function].expect("a file")].expect("a library");
                assert_eq!(array(&json, "/libs")[library]["name"], "split.wasm");
                let offset = addresses[frame].expect("an offset") as u64;
                assert_eq!(truth.at(offset).expect("an instruction").0.name, Some(name));
                assert!(string(files[function].expect("a source")).ends_with("profile/split.c"));
                assert!((8..24).contains(&lines[frame].expect("a line")));
                if let Some((inner, address)) = outer_of_unit {
                    assert_eq!((prefixes[inner], address), (Some(stack), addresses[frame]));
                    assert_eq!(depths[frames[inner].unwrap()], Some(1));
                }
            }
            next = prefixes[stack];
        }
    }
    assert_split(hot, cold);
}
