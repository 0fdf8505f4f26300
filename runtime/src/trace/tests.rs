//! Golden tests of the formats, over made-up frames.

use super::*;

fn frame(name: &'static str, offset: u64) -> Entry<'static> {
    Entry::Wasm(Frame {
        module: "app".into(),
        file: "/lib/app.so".into(),
        wasm_file: "app.wasm".into(),
        function: Some(3),
        name: Some(name.into()),
        offset: Some(offset),
        function_offset: Some(offset & 0xff),
        near_offset: None,
        inlined: false,
        native_offset: Some(0x1a00 + offset),
        source: Arc::default(),
    })
}

fn change(entry: Entry<'static>, change: impl FnOnce(&mut Frame)) -> Entry<'static> {
    let Entry::Wasm(mut frame) = entry else { panic!("a frame") };
    change(&mut frame);
    Entry::Wasm(frame)
}

fn out_of_bounds(entries: Vec<Entry<'static>>) -> Trace<'static> {
    Trace {
        code: Some(TrapCode::MemoryOutOfBounds),
        running: false,
        detail: TrapDetail::Address { address: 0x2d0b0, memory_size: Some(0x20000) },
        message: "out of bounds memory access (address 0x2d0b0, memory size 0x20000)".into(),
        entries,
    }
}

fn exhausted(entries: Vec<Entry<'static>>) -> Trace<'static> {
    Trace {
        code: Some(TrapCode::StackOverflow),
        running: false,
        detail: TrapDetail::None,
        message: "call stack exhausted".into(),
        entries,
    }
}

#[track_caller]
fn check(trace: &Trace, format: Format, expected: &str) {
    let text = trace.display(format, false).to_string();
    assert_eq!(text, expected, "\n{text}");
}

fn sample() -> Trace<'static> {
    out_of_bounds(vec![
        change(frame("leaf", 0x238), |f| f.inlined = true),
        change(frame("", 0x12ab), |f| (f.name, f.function) = (None, Some(5))),
        Entry::Host,
        change(frame("main", 0), |f| (f.offset, f.function_offset) = (None, None)),
        change(frame("", 0x1234567), |f| (f.name, f.function) = (None, None)),
    ])
}

#[test]
fn short() {
    check(
        &sample(),
        Format::Short,
        "\
wasm trap: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
#00: 0x0238 - leaf
#01: 0x12ab - $f5
     -- host --
#02: 0x???? - main
#03: 0x1234567 - ?
",
    );
}

#[test]
fn full() {
    check(
        &sample(),
        Format::Full,
        "\
wasm trap: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
#00: 0x0238 - leaf (inlined)
     app, function 3+0x38, app.so+0x1c38
#01: 0x12ab - $f5
     app, function 5+0xab, app.so+0x2cab
     -- host --
#02: 0x???? - main
     app, function 3, app.so+0x1a00
#03: 0x1234567 - ?
     app+0x67, app.so+0x1235f67
",
    );
}

fn position(function: &str, line: u32) -> SourceFrame {
    SourceFrame {
        function: Some(function.into()),
        directory: Some("/home/me".into()),
        file: Some("src/leaf.c".into()),
        line: Some(line),
        column: (line > 1).then_some(9),
    }
}

fn with_sources() -> Trace<'static> {
    let mut trace = sample();
    trace.entries[0] = change(frame("leaf", 0x238), |f| {
        f.source = [position("helper", 12), position("leaf", 1)].into();
    });
    trace.entries.truncate(2);
    trace
}

#[test]
fn sources() {
    check(
        &with_sources(),
        Format::Short,
        "\
wasm trap: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
#00: 0x0238 - leaf
        at helper src/leaf.c:12:9 (inlined)
        at leaf src/leaf.c:1
#01: 0x12ab - $f5
",
    );
    check(
        &with_sources(),
        Format::Full,
        "\
wasm trap: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
#00: 0x0238 - leaf
     app, function 3+0x38, app.so+0x1c38
        at helper /home/me/src/leaf.c:12:9 (inlined)
        at leaf /home/me/src/leaf.c:1
#01: 0x12ab - $f5
     app, function 5+0xab, app.so+0x2cab
",
    );
    let json = with_sources().display(Format::Json, false).to_string();
    let expected = concat!(
        r#""inlined":false,"source":[{"function":"helper","file":"/home/me/src/leaf.c","line":12,"#,
        r#""column":9},{"function":"leaf","file":"/home/me/src/leaf.c","line":1}]},"#
    );
    assert!(json.contains(expected), "{json}");
}

#[test]
fn web() {
    let mut trace = sample();
    trace.entries.push(Entry::Omitted(7));
    check(
        &trace,
        Format::Web,
        "\
RuntimeError: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
    at leaf (app.wasm:wasm-function[3]:0x238)
    at app.wasm:wasm-function[5]:0x12ab
    at <anonymous>
    at main (app.wasm:wasm-function[3]:?)
    at app.wasm:wasm-function[?]:0x1234567
    ... 7 more
",
    );
}

#[test]
fn error() {
    let trace = Trace {
        code: None,
        running: false,
        detail: TrapDetail::None,
        message: "no such file".into(),
        entries: vec![Entry::Host, frame("main", 0x20)],
    };
    check(
        &trace,
        Format::Short,
        "\
error: no such file
     -- host --
#00: 0x0020 - main
",
    );
    let json = trace.display(Format::Json, false).to_string();
    assert!(json.starts_with(r#"{"message":"no such file","frames":[{"host":true},"#), "{json}");
}

#[test]
fn running() {
    let trace = Trace::of_stack("on SIGUSR1", &[symbolize::Frame::Host]);
    check(&trace, Format::Short, "wasm stack: on SIGUSR1\n     -- host --\n");
    let json = "{\"running\":true,\"message\":\"on SIGUSR1\",\"frames\":[{\"host\":true}]}\n";
    check(&trace, Format::Json, json);
}

#[test]
fn off() {
    check(&exhausted(vec![frame("f", 1)]), Format::Off, "wasm trap: call stack exhausted\n");
}

#[test]
fn json() {
    let mut trace = sample();
    trace.entries.insert(2, Entry::Omitted(7));
    trace.entries.truncate(5);
    trace.entries[0] = change(frame("a\"\\\n\u{1b}é", 0x10), |f| f.inlined = true);
    check(
        &trace,
        Format::Json,
        concat!(
            r#"{"trap":"MemoryOutOfBounds","message":"out of bounds memory access"#,
            r#" (address 0x2d0b0, memory size 0x20000)","address":184496,"memory_size":131072,"frames":["#,
            r#"{"index":0,"module":"app","name":"a\"\\\u000a\u001bé","function":3,"#,
            r#""offset":16,"function_offset":16,"file":"/lib/app.so","native_offset":6672,"inlined":true},"#,
            r#"{"index":1,"module":"app","function":5,"offset":4779,"#,
            r#""function_offset":171,"file":"/lib/app.so","native_offset":11435,"inlined":false},"#,
            r#"{"omitted":7},{"host":true},"#,
            r#"{"index":9,"module":"app","name":"main","function":3,"#,
            r#""file":"/lib/app.so","native_offset":6656,"inlined":false}]}"#,
            "\n"
        ),
    );
}

#[test]
fn near_offsets_are_marked() {
    let mut trace = sample();
    trace.entries.truncate(2);
    trace.entries[0] =
        change(frame("leaf", 0), |f| (f.offset, f.near_offset) = (None, Some(0x238)));
    check(
        &trace,
        Format::Short,
        "\
wasm trap: out of bounds memory access (address 0x2d0b0, memory size 0x20000)
#00: ~0x0238 - leaf
#01: 0x12ab - $f5
",
    );
}

#[test]
fn modules_are_named_when_there_are_several() {
    let mut trace = exhausted(vec![frame("a", 0x10), frame("b", 0x20)]);
    trace.entries.push(change(frame("c", 0x30), |f| f.module = "lib".into()));
    check(
        &trace,
        Format::Short,
        "\
wasm trap: call stack exhausted
#00: 0x0010 - a in app
#01: 0x0020 - b in app
#02: 0x0030 - c in lib
",
    );
}

#[test]
fn recursion_is_collapsed() {
    let mut entries = vec![frame("leaf", 0x10)];
    entries.extend((0..10_000).map(|_| frame("fib", 0x20)));
    for _ in 0..600 {
        entries.extend([frame("even", 0x30), frame("odd", 0x40)]);
    }
    entries.extend([Entry::Omitted(1234567), frame("odd", 0x40), frame("main", 0x50)]);
    check(
        &exhausted(entries),
        Format::Short,
        "\
wasm trap: call stack exhausted
#00: 0x0010 - leaf
#01: 0x0020 - fib
     … 9,999 more frames of fib
#10001: 0x0030 - even
#10002: 0x0040 - odd
     … 1,198 more frames of even, odd
     … 1,234,567 frames not recorded
#1245768: 0x0040 - odd
#1245769: 0x0050 - main
",
    );
}

#[test]
fn long_traces_are_bounded() {
    let entries: Vec<_> = (0..1000).map(|i| frame("f", i * 4)).collect();
    for (format, lines) in [(Format::Short, 65), (Format::Full, 64)] {
        let text = exhausted(entries.clone()).display(format, false).to_string();
        assert_eq!(text.lines().count(), lines, "\n{text}");
        assert!(text.contains("#00: 0x0000 - f\n"));
        assert!(text.contains(" more frames of f\n"));
        assert!(text.contains("#999: 0x0f9c - f\n"));
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        let mut entries = entries.clone();
        for entry in &mut entries {
            let Entry::Wasm(frame) = entry else { unreachable!() };
            frame.source = [position("f", 1)].into();
        }
        let text = exhausted(entries).display(format, false).to_string();
        assert!(text.lines().count() <= 65, "\n{text}");
    }
    let json = exhausted(entries).display(Format::Json, false).to_string();
    assert_eq!(json.matches("\"index\"").count(), 1000);
}

#[test]
fn colour_changes_nothing_else() {
    let trace = sample();
    for format in [Format::Short, Format::Full, Format::Off, Format::Json] {
        let plain = trace.display(format, false).to_string();
        let coloured = trace.display(format, true).to_string();
        assert_eq!(coloured.contains('\x1b'), format != Format::Json);
        let stripped: String = coloured
            .split('\x1b')
            .enumerate()
            .map(|(i, part)| if i == 0 { part } else { &part[part.find('m').unwrap() + 1..] })
            .collect();
        assert_eq!(stripped, plain);
    }
}
