//! The options of `wasm2so`.

use crate::support::process::{Folder, run, run_with};
use crate::support::{self, tool, wat};
use object::{Object, ObjectKind, ObjectSection};

/// Sums an array of floats; a call to inline and a loop to vectorise.
const MODULE: &str = r#"(module
    (memory 1)
    (data (i32.const 16) "\00\00\80\3f\00\00\00\40\00\00\40\40\00\00\80\40")
    (func $get (param i32) (result f32) (f32.load offset=16 (local.get 0)))
    (func (export "sum") (param $n i32) (result f32) (local $i i32) (local $sum f32)
        (loop $next
            (local.set $sum (f32.add (local.get $sum) (call $get (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (br_if $next (i32.lt_u (local.get $i) (i32.mul (local.get $n) (i32.const 4)))))
        (local.get $sum))
    (func (export "clear") (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))))"#;

/// A folder with the module in it.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("m.wat", MODULE);
    folder
}

/// What the options make of the module.
fn compile(options: &[&str]) -> Vec<u8> {
    let folder = folder();
    let mut command = support::wasm2so();
    let args = [options, &["m.wat", "-o", "out"]].concat();
    run(command.current_dir(folder.path()).args(args)).succeeded();
    assert_eq!(folder.names(), ["m.wat", "out"], "{options:?}");
    folder.read("out")
}

/// The program runs the shared object rightly.
fn check(so: &[u8]) {
    let folder = Folder::new();
    let so = folder.file("m.so", so);
    let ended = run(support::wasmrun().args(["--invoke", "sum"]).arg(&so).arg("4")).succeeded();
    assert_eq!(ended.text(), "10\n");
}

fn sections(bytes: &[u8]) -> Vec<String> {
    let file = object::File::parse(bytes).expect("an ELF file");
    file.sections().map(|s| s.name().expect("a name").to_owned()).collect()
}

fn code(bytes: &[u8]) -> Vec<u8> {
    let file = object::File::parse(bytes).expect("an ELF file");
    file.section_by_name(".text").expect("there is code").data().expect("in the file").to_vec()
}

#[test]
fn the_output_is_named_after_the_input() {
    let table: &[(&str, &[&str], &str)] = &[
        ("m.wat", &[], "m.so"),
        ("m.wasm", &[], "m.so"),
        ("m", &[], "m.so"),
        ("m.min.wasm", &[], "m.min.so"),
        (".m.wasm", &[], ".m.so"),
        ("sub/m.wat", &[], "m.so"),
        ("./sub/../m.wat", &[], "m.so"),
        ("m.wat", &["--emit", "obj"], "m.o"),
        ("m.wat", &["--emit=asm"], "m.s"),
        ("m.wat", &["--emit", "llvm-ir"], "m.ll"),
        ("m.wat", &["-o", "sub/x.y"], "sub/x.y"),
        ("m.wat", &["-osub/z"], "sub/z"),
        ("m.wat", &["--output=other.so"], "other.so"),
    ];
    for (input, options, output) in table {
        let folder = Folder::new();
        std::fs::create_dir(folder.path().join("sub")).expect("a folder");
        let contents = if input.ends_with(".wat") { MODULE.into() } else { wat(MODULE) };
        folder.file(input, contents);
        let mut command = support::wasm2so();
        run(command.current_dir(folder.path()).arg(input).args(*options)).succeeded();
        assert!(!folder.read(output).is_empty());
        let input = input.trim_start_matches("./sub/../");
        let mut names = vec![input, output, "sub"];
        names.retain(|name| !name.starts_with("sub/"));
        names.sort_unstable();
        assert_eq!(folder.names(), names);
    }
}

#[test]
fn standard_input_is_read() {
    for input in [MODULE.as_bytes(), &wat(MODULE)] {
        let folder = Folder::new();
        let mut command = support::wasm2so();
        command.current_dir(folder.path()).args(["-", "-o", "m.so"]);
        run_with(&mut command, input).succeeded();
        check(&folder.read("m.so"));
        let mut command = support::wasm2so();
        let ended = run_with(command.args(["-", "-o", "-"]), input).succeeded();
        check(&ended.stdout);
        let mut command = support::wasm2so();
        let ended = run_with(command.current_dir(folder.path()).arg("-"), input);
        ended.failed(1, &["standard input needs -o FILE"]);
        assert_eq!(folder.names(), ["m.so"]);
    }
}

#[test]
fn every_kind_of_output_is_what_it_says() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    let kind = |bytes: &[u8]| object::File::parse(bytes).expect("an ELF file").kind();

    let so = compile(&["--emit=so"]);
    assert_eq!(kind(&so), ObjectKind::Dynamic);
    check(&so);
    assert_eq!(so, compile(&[]), "it is the default");

    // An object that any linker makes into the same module.
    let object = compile(&["--emit=obj"]);
    assert_eq!(kind(&object), ObjectKind::Relocatable);
    let object = folder.file("m.o", object);
    for linker in ["ld.lld-22", "ld"] {
        let so = path("linked.so");
        run(tool(linker).args(["-shared", "--eh-frame-hdr", "-o"]).args([&so, &object]))
            .succeeded();
        check(&folder.read("linked.so"));
    }

    let assembly = compile(&["--emit=asm"]);
    let text = std::str::from_utf8(&assembly).expect("text");
    assert!(text.contains("\t.text") && text.contains(",@function"), "{text}");
    let assembly = folder.file("m.s", &assembly);
    let assembled = path("assembled.o");
    let mut assembler = tool("llvm-mc-22");
    assembler.args(["-filetype=obj", "-triple=x86_64-linux", "-o"]).args([&assembled, &assembly]);
    run(&mut assembler).succeeded();
    assert_eq!(kind(&folder.read("assembled.o")), ObjectKind::Relocatable);

    let ir = compile(&["--emit=llvm-ir"]);
    let text = std::str::from_utf8(&ir).expect("text");
    assert!(text.contains("target triple = \"x86_64") && text.contains("define "), "{text}");
    let ir = folder.file("m.ll", &ir);
    run(tool("llvm-as-22").arg("-o").args([path("m.bc"), ir])).succeeded();
}

#[test]
fn levels_change_the_code_but_not_the_result() {
    let mut sizes = Vec::new();
    for level in ["-O0", "-O1", "-O2", "-O3"] {
        let so = compile(&[level]);
        check(&so);
        sizes.push(code(&so).len());
    }
    assert!(sizes[0] > sizes[1], "code without optimisation is larger: {sizes:?}");
    assert_eq!(compile(&["-O", "3"]), compile(&[]), "it is the default");
    assert_eq!(compile(&["-O", "0"]), compile(&["-O0"]));
}

#[test]
fn the_processor_decides_the_instructions() {
    let disassemble = |options: &[&str]| {
        let folder = Folder::new();
        let so = compile(options);
        let path = folder.file("m.so", &so);
        let mut objdump = tool("llvm-objdump-22");
        let ended = run(objdump.args(["-d", "--no-show-raw-insn"]).arg(path)).succeeded();
        (ended.text().to_owned(), so)
    };
    let (text, so) = disassemble(&["--cpu", "x86-64-v2"]);
    assert!(text.contains("\taddss") && !text.contains("\tvaddss"), "{text}");
    check(&so);
    let (text, _) = disassemble(&["--cpu=x86-64-v3"]);
    assert!(text.contains("\tvaddss"), "{text}");
    assert_eq!(compile(&["--cpu", "native"]), compile(&[]), "it is the default");
}

#[test]
fn divisions_fit_the_divider() {
    let folder = Folder::new();
    folder.file(
        "d.wat",
        r#"(module (func (export "div") (param i64 i64) (result i64)
            (i64.div_u (local.get 0) (local.get 1))))"#,
    );
    let tries_less = |cpu: &str| {
        let assembly = folder.assembly("d.wat", &["--cpu", cpu]);
        assert!(assembly.contains("\tdivq"), "{assembly}");
        assembly.contains("\tdivl")
    };
    let slow = ["x86-64-v3", "skylake", "znver2"];
    let fast = ["icelake-server", "alderlake", "sapphirerapids", "znver3", "znver5"];
    assert!(slow.into_iter().all(tries_less) && !fast.into_iter().any(tries_less));
}

#[test]
fn tight_loops_are_aligned() {
    let folder = Folder::new();
    // What it stores depends on what it loads: it stays a loop of few instructions.
    folder.file(
        "t.wat",
        r#"(module (memory 1)
            (func (export "run") (param $at i32) (result i32)
                (loop $next
                    (local.set $at (i32.load (local.get $at)))
                    (i32.store8 offset=8 (local.get $at) (i32.const 1))
                    (br_if $next (local.get $at)))
                (local.get $at)))"#,
    );
    let is_aligned = |level: &str| folder.assembly("t.wat", &[level]).contains(".p2align\t5");
    assert!(is_aligned("-O3") && is_aligned("-O1") && !is_aligned("-O0"));
}

#[test]
fn a_table_with_one_function_of_a_type_hides_no_callee() {
    let folder = Folder::new();
    // Its code is there twice when it is inlined.
    let inlined = |second: &str| {
        let text = format!(
            r#"(module (type $t (func (param i32) (result i32))) (table 4 funcref)
                (elem (i32.const 2) func $first {second})
                (func $first (type $t) (i32.mul (local.get 0) (i32.const 1234)))
                (func $like_it (type $t) (local.get 0))
                (func $other (param i64))
                (func (export "call") (param i32 i32) (result i32)
                    (call_indirect (type $t) (local.get 0) (local.get 1))))"#
        );
        folder.file("t.wat", text);
        folder.assembly("t.wat", &[]).matches("\timull\t$1234").count() == 2
    };
    let tables = ["", "$other", "$like_it", "$first"];
    assert_eq!(tables.map(inlined), [true, true, false, false]);
}

#[test]
fn interpreters_prepare_nothing_for_ways_not_taken() {
    const WAYS: usize = 50;
    let folder = Folder::new();
    let blocks = "(block ".repeat(WAYS);
    let labels: Vec<String> = (0..WAYS).map(|way| way.to_string()).collect();
    let ways: Vec<String> = (1..=WAYS)
        .map(|way| {
            format!(") (call $do (i32.add (local.get $frame) (i32.const -{way}))) (br $next)")
        })
        .collect();
    folder.file(
        "i.wat",
        format!(
            r#"(module (import "" "do" (func $do (param i32)))
                (import "" "way" (func $way (result i32)))
                (func (export "run") (param $frame i32)
                    (loop $next {blocks} (br_table {} (call $way)) {})))"#,
            labels.join(" "),
            ways.join(" "),
        ),
    );
    let assembly = folder.assembly("i.wat", &[]);
    // One sum for each way, and next to nothing on the stack.
    let sums = assembly
        .lines()
        .filter(|line| line.starts_with("\tleal\t-") || line.starts_with("\taddl\t$-"));
    let kept =
        assembly.lines().filter(|line| line.starts_with("\tmov") && line.ends_with("(%rbp)"));
    assert!(sums.count() >= WAYS - 1, "{assembly}");
    assert!(kept.count() < WAYS / 4, "{assembly}");
}

#[test]
fn debug_information_does_not_change_the_code() {
    let levels = ["full", "functions", "line", "none"];
    let [full, functions, line, none] = levels.map(|level| compile(&["--debug", level]));
    for (so, has_debug) in [(&full, true), (&functions, true), (&line, true), (&none, false)] {
        check(so);
        let names = sections(so);
        assert_eq!(names.iter().any(|n| n == ".debug_line"), has_debug, "{names:?}");
        assert_eq!(names.iter().any(|n| n.starts_with(".debug_")), has_debug, "{names:?}");
        assert_eq!(code(so), code(&full));
    }
    assert!(full.len() > functions.len() && functions.len() > line.len());
    assert!(compile(&[]) == functions, "it is the default");
    assert!(compile(&["-Og"]) == compile(&["-Og", "--debug=full"]), "it is the default of -Og");
}

#[test]
fn a_listing_has_each_instruction_in_the_line_of_its_offset() {
    use wasmparser::Operator;
    let folder = Folder::new();
    let example = support::root().join("examples/wordfreq.wasm");
    let wasm = std::fs::read(&example).expect("the example is there");
    let compile = |options: &[&str]| {
        let mut command = support::wasm2so();
        run(command.current_dir(folder.path()).arg(&example).arg("-O0").args(options)).succeeded();
    };
    compile(&["--listing"]);
    compile(&["--listing=there.txt"]);
    assert_eq!(folder.names(), ["there.txt", "wordfreq.so", "wordfreq.wasm.wat"]);
    assert!(folder.read("there.txt") == folder.read("wordfreq.wasm.wat"));
    let listing = String::from_utf8(folder.read("there.txt")).expect("it is text");
    let lines: Vec<&str> = listing.lines().collect();
    let truth = support::truth::Truth::of(&wasm);
    assert!(truth.functions.iter().any(|function| function.operators.len() == 1));
    for (offset, operator) in truth.functions.iter().flat_map(|function| &function.operators) {
        let line = lines[*offset as usize - 1].trim_start();
        let begins = match operator {
            Operator::I32Load { .. } => "i32.load",
            Operator::I32Store8 { .. } => "i32.store8",
            Operator::Call { .. } => "call ",
            Operator::CallIndirect { .. } => "call_indirect ",
            Operator::LocalGet { .. } => "local.get ",
            Operator::BrIf { .. } => "br_if ",
            Operator::I32Add => "i32.add",
            Operator::Loop { .. } => "loop",
            _ => "",
        };
        assert!(!line.is_empty() && line.starts_with(begins), "{offset}: {operator:?} is `{line}`");
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_output() {
    let folder = Folder::new();
    let example = support::root().join("examples/wordfreq.wasm");
    let compile = |jobs: &str| {
        let out = folder.path().join("out.so");
        let options = ["-O1", jobs, "-o"];
        run(support::wasm2so().arg(&example).args(options).arg(&out)).succeeded();
        folder.read("out.so")
    };
    let one = compile("-j1");
    for jobs in ["-j2", "-j7", "-j0", "--jobs=3"] {
        assert_eq!(compile(jobs), one, "{jobs}");
    }
}

#[test]
fn verbose_tells_what_was_done() {
    let folder = folder();
    let run = |args: &[&str]| {
        let mut command = support::wasm2so();
        run(command.current_dir(folder.path()).arg("m.wat").args(args))
    };
    let ended = run(&["-v"]);
    let said = &ended.stderr;
    assert_eq!((ended.code, ended.stdout.len(), said.lines().count()), (0, 0, 1), "{said}");
    assert!(said.starts_with("m.so: functions 3, shards 1, memory accesses "), "{said}");
    let more = run(&["-vv"]).stderr;
    assert!(more.contains(" DEBUG") || more.starts_with("DEBUG"), "{more}");
    assert!(more.lines().last().is_some_and(|line| line.starts_with("m.so: ")), "{more}");
    assert!(!more.contains('\x1b'), "{more:?}");
}

#[test]
fn colours_are_as_asked() {
    let say = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = support::wasm2so();
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        let ended = run(command.arg("missing.wasm").args(args).envs(environment.iter().copied()));
        assert_eq!(ended.code, 1);
        ended.stderr
    };
    let plain = "error: cannot read missing.wasm: No such file or directory (os error 2)\n";
    assert_eq!(say(&[], &[]), plain);
    assert_eq!(say(&["--color=auto"], &[]), plain);
    assert_eq!(say(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]), plain);
    assert!(say(&["--color", "always"], &[]).starts_with("\x1b[1m\x1b[31merror:"));
    assert!(say(&["--color", "always"], &[("NO_COLOR", "1")]).contains("\x1b["));
    assert!(say(&[], &[("CLICOLOR_FORCE", "1")]).contains("\x1b["));
}

#[test]
fn another_linker_can_be_used() {
    for linker in ["ld.lld-22", "ld"] {
        tool(linker);
        let so = compile(&["--linker", linker]);
        check(&so);
        assert!(sections(&so).iter().any(|name| name == ".eh_frame_hdr"), "{linker}");
    }
}
