//! The file that is written is an ordinary shared object: well-formed, minimal,
//! reproducible, and understood by the usual tools as it is.

mod support;

use gimli::{BaseAddresses, EhFrame, EhFrameHdr, LittleEndian, UnwindSection};
use object::elf::{self, ProgramFlags, ProgramType, SectionFlags};
use object::read::elf::{ElfFile64, ProgramHeader, SectionHeader};
use object::{LittleEndian as LE, Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use support::callees::Callees;
use support::truth::Truth;
use tempfile::TempDir;
use wasm2so::options::{DebugLevel, OptLevel, Options};

/// A little of everything that a module can have, and names of all kinds.
const SMALL: &str = r#"(module $small
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (memory (export "memory") 1 2)
    (data (i32.const 16) "active")
    (data $passive "passive")
    (table 4 funcref)
    (elem (i32.const 0) $leaf $twin)
    (global $count (export "count") (mut i32) (i32.const 7))

    (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
    (func $mid (param i32) (result i32)
        (i32.add (i32.const 1) (call $leaf (local.get 0))))
    (func $main (export "main") (param i32) (result i32)
        (global.set $count (i32.add (global.get $count) (call $yield)))
        (memory.copy (i32.const 64) (i32.const 16) (local.get 0))
        (memory.fill (i32.const 32) (i32.const 0) (local.get 0))
        (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 7))
        (drop (call_indirect (param i32) (result i32)
            (i32.const 0) (i32.load (i32.const 256))))
        (call $mid (local.get 0)))
    (func $outer (export "trap") (param i32) (result i32) (call $mid (local.get 0)))

    (func $twin (@name "leaf") (export "twin") (param i32) (result i32)
        (i32.load8_u (local.get 0)))
    (func (export "unnamed") (param i32) (result i32) (i32.load16_u (local.get 0)))
    (func (@name "std::vec<int, 3>::operator[](int) const") (export "spaced")
        (result i32) (i32.load (i32.const 0)))
    (func (@name "at@@symbol@version") (export "at") (result i32) (i32.load (i32.const 4)))
    (func (@name "größe \"€\" \\ 'x' %s $f3") (export "quoted")
        (result i32) (i32.load (i32.const 8)))
    (func (@name "memcpy") (export "copied") (result i32) (i32.load (i32.const 12)))
    (func (@name "wasm2so_module_v1") (export "root") (result i32) (i32.load (i32.const 16))))"#;

/// A compiled module.
struct Subject {
    file_name: &'static str,
    wasm: Vec<u8>,
    so: PathBuf,
    bytes: Vec<u8>,
    _directory: TempDir,
}

impl Subject {
    fn new(file_name: &'static str, wasm: Vec<u8>, options: &Options) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let so = directory.path().join(file_name).with_extension("so");
        support::compile(&wasm, file_name, &so, options);
        let bytes = fs::read(&so).expect("the output can be read");
        Subject { file_name, wasm, so, bytes, _directory: directory }
    }

    fn elf(&self) -> ElfFile64<'_, LE> {
        ElfFile64::parse(&*self.bytes).expect("a 64-bit little-endian ELF file")
    }

    /// The same module with other options.
    fn again(&self, options: &Options) -> Self {
        Subject::new(self.file_name, self.wasm.clone(), options)
    }
}

fn options() -> Options {
    support::options(OptLevel::O3)
}

fn small(options: &Options) -> Subject {
    Subject::new("small.wasm", support::wat(SMALL), options)
}

fn real(file_name: &'static str) -> Subject {
    let wasm = fs::read(support::program(file_name)).expect("the program can be read");
    Subject::new(file_name, wasm, &options())
}

/// A small module and real programs, each compiled once.
static SUBJECTS: LazyLock<[Subject; 3]> = LazyLock::new(|| {
    std::thread::scope(|scope| {
        let zstd = scope.spawn(|| real("zstd.wasm"));
        [small(&options()), real("rust.wasm"), zstd.join().unwrap()]
    })
});

/// The addresses and flags of the segments of one type.
fn segments(elf: &ElfFile64<'_, LE>, kind: ProgramType) -> Vec<(Range<u64>, ProgramFlags)> {
    let segments = elf.elf_program_headers().iter().filter(|h| h.p_type(LE) == kind);
    let segments = segments.map(|h| (h.p_vaddr(LE), h.p_memsz(LE), h.p_flags(LE)));
    segments.map(|(start, size, flags)| (start..start + size, flags)).collect()
}

/// The addresses of a section and what is in it.
fn section<'a>(elf: &ElfFile64<'a, LE>, name: &str) -> (Range<u64>, &'a [u8]) {
    let section = elf.section_by_name(name).unwrap_or_else(|| panic!("no section {name}"));
    let start = section.address();
    (start..start + section.size(), section.data().expect("a section's bytes"))
}

/// The sections with these flags, by name.
fn sections<'a>(elf: &ElfFile64<'a, LE>, flags: SectionFlags) -> BTreeMap<&'a str, Range<u64>> {
    let sections = elf.sections().filter(|s| s.elf_section_header().sh_flags(LE).contains(flags));
    sections.map(|s| (s.name().unwrap(), s.address()..s.address() + s.size())).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Runs a tool that has to be content.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let complaints = String::from_utf8_lossy(&stderr);
    assert!(status.success() && complaints.is_empty(), "{command:?}: {status}\n{complaints}");
    String::from_utf8_lossy(&stdout).into_owned()
}

#[test]
fn one_symbol_goes_out_and_only_memory_functions_come_in() {
    const NEEDED: [&str; 4] = ["memcmp", "memcpy", "memmove", "memset"];
    for subject in &*SUBJECTS {
        let elf = subject.elf();
        let (undefined, defined): (Vec<_>, Vec<_>) =
            elf.dynamic_symbols().partition(|s| s.is_undefined());
        let names = |symbols: &[object::read::elf::ElfSymbol64<'_, '_, LE>]| {
            symbols.iter().map(|s| s.name().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&defined), ["wasm2so_module_v1"]);
        let mut undefined = names(&undefined);
        undefined.sort();
        assert!(undefined.iter().all(|n| NEEDED.contains(&n.as_str())), "{undefined:?}");

        let shown = run(support::tool("nm").arg("-D").arg(&subject.so));
        let shown: Vec<_> = shown.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(shown, [undefined, names(&defined)].concat());
    }
}

#[test]
fn nothing_is_writable_once_it_is_loaded() {
    for subject in &*SUBJECTS {
        let elf = subject.elf();
        // Nothing but the addresses of the memory functions is to be relocated.
        let relro = segments(&elf, elf::PT_GNU_RELRO);
        let comes_in = elf.dynamic_symbols().any(|symbol| symbol.is_undefined());
        assert_eq!(relro.len(), usize::from(comes_in), "{relro:x?}");
        for (range, flags) in segments(&elf, elf::PT_LOAD) {
            let [write, execute] = [elf::PF_W, elf::PF_X].map(|f| flags.contains(f));
            assert!(!(write && execute), "{range:x?} can be written and executed");
            let protected = relro.iter().any(|(relro, _)| range == *relro);
            assert!(!write || protected, "{range:x?} stays writable; RELRO is {relro:x?}");
        }
        let writable = sections(&elf, elf::SHF_ALLOC | elf::SHF_WRITE);
        let known = [".got", ".got.plt", ".relro_padding"];
        for (name, range) in writable {
            assert!(known.contains(&name), "{name} is writable");
            let protected =
                |(relro, _): &(Range<u64>, _)| relro.start <= range.start && range.end <= relro.end;
            assert!(relro.iter().any(protected), "{name} is not RELRO");
        }
        let [(_, stack)] = segments(&elf, elf::PT_GNU_STACK)[..] else { panic!("one GNU_STACK") };
        assert!(!stack.contains(elf::PF_X), "the stack would be executable");

        // No dependency, search path, initialiser or relocation of code.
        let known = [
            elf::DT_FLAGS,
            elf::DT_FLAGS_1,
            elf::DT_RELA,
            elf::DT_RELASZ,
            elf::DT_RELAENT,
            elf::DT_JMPREL,
            elf::DT_PLTRELSZ,
            elf::DT_PLTREL,
            elf::DT_PLTGOT,
            elf::DT_SYMTAB,
            elf::DT_SYMENT,
            elf::DT_STRTAB,
            elf::DT_STRSZ,
            elf::DT_GNU_HASH,
        ];
        let table = elf.elf_dynamic_table().expect("a dynamic table");
        let dynamic: BTreeMap<_, _> = table.iter().map(|d| (d.tag.0, d.val)).collect();
        for tag in dynamic.keys() {
            assert!(known.iter().any(|t| t.0 == *tag), "dynamic tag {tag:#x} is not needed");
        }
        let flags = dynamic[&elf::DT_FLAGS.0];
        assert_eq!(flags & elf::DF_BIND_NOW.0, elf::DF_BIND_NOW.0);
        assert_eq!(flags & elf::DF_TEXTREL.0, 0);
        assert_eq!(dynamic[&elf::DT_FLAGS_1.0] & elf::DF_1_NOW.0, elf::DF_1_NOW.0);
    }
}

#[test]
fn every_section_that_tools_need_is_there() {
    for subject in &*SUBJECTS {
        let elf = subject.elf();
        let loaded = sections(&elf, elf::SHF_ALLOC);
        for name in [".text", ".eh_frame", ".eh_frame_hdr", ".note.gnu.build-id"] {
            assert!(loaded.get(name).is_some_and(|r| !r.is_empty()), "{name} is not loaded");
        }
        for name in [".debug_info", ".debug_line", ".symtab", ".wasm.name"] {
            assert!(!section(&elf, name).1.is_empty(), "{name} is empty");
            assert!(!loaded.contains_key(name), "{name} is loaded");
        }
        assert_eq!(elf.build_id().unwrap().unwrap().len(), 20);

        let mut names = Vec::new();
        for payload in wasmparser::Parser::new(0).parse_all(&subject.wasm) {
            if let Ok(wasmparser::Payload::CustomSection(custom)) = payload
                && custom.name() == "name"
            {
                names = custom.data().to_vec();
            }
        }
        assert_eq!(section(&elf, ".wasm.name").1, names, "the name section is not kept as it is");
    }
}

/// `leaf` of `wasm[3]::leaf`, and the index.
fn wasm_name(symbol: &str) -> Option<(u32, &str)> {
    let (index, name) = symbol.strip_prefix("wasm[")?.split_once("]::")?;
    Some((index.parse().ok()?, name))
}

fn name_of(truth: &Truth, index: u32) -> String {
    let name = truth.function(index).and_then(|f| f.name);
    name.map_or_else(|| format!("$f{index}"), str::to_owned)
}

#[test]
fn functions_have_unique_names_and_unwind_tables() {
    for subject in &*SUBJECTS {
        let (elf, truth) = (subject.elf(), Truth::of(&subject.wasm));
        let text = section(&elf, ".text").0;
        let mut functions = BTreeMap::new();
        let mut names = BTreeMap::new();
        for symbol in elf.symbols().filter(|s| s.kind() == SymbolKind::Text) {
            let name = symbol.name().unwrap();
            let range = symbol.address()..symbol.address() + symbol.size();
            assert!(text.start <= range.start && range.end <= text.end && !range.is_empty());
            match wasm_name(name) {
                // What follows an `@` would be a version.
                Some((index, shown)) => {
                    assert_eq!(shown, name_of(&truth, index).replace('@', "＠"));
                }
                None => assert!(name.starts_with("wasm2so"), "what is {name}?"),
            }
            assert_eq!(names.insert(name, range.start), None, "{name} is there twice");
            assert_eq!(functions.insert(range.start, range.end), None, "two names for {name}");
        }
        let ranges: Vec<_> = functions.iter().collect();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "functions overlap");

        let (header, header_bytes) = section(&elf, ".eh_frame_hdr");
        let (frame, frame_bytes) = section(&elf, ".eh_frame");
        let bases = BaseAddresses::default()
            .set_eh_frame_hdr(header.start)
            .set_eh_frame(frame.start)
            .set_text(text.start);
        let header = EhFrameHdr::new(header_bytes, LittleEndian).parse(&bases, 8).unwrap();
        let table = header.table().expect("a table to search");
        let frame = EhFrame::new(frame_bytes, LittleEndian);
        for (start, end) in functions {
            for address in [start, end - 1] {
                let fde = table
                    .fde_for_address(&frame, &bases, address, EhFrame::cie_from_offset)
                    .unwrap_or_else(|e| panic!("{address:#x} cannot be unwound: {e}"));
                assert_eq!(fde.initial_address()..fde.end_address(), start..end);
            }
        }
    }
}

/// The tools that judge files have nothing to say of `so`.
fn assert_well_formed(so: &Path) {
    run(support::tool("readelf").arg("-Wa").arg(so));
    run(support::tool("llvm-readelf-22").arg("-Wa").arg(so));
    run(support::tool("objdump").arg("-WK").arg("-Wlri").arg(so));
    let said = run(support::tool("llvm-dwarfdump-22").arg("--verify").arg(so));
    let content = said.ends_with("No errors.\n") && !said.contains("warning:");
    assert!(content, "llvm-dwarfdump-22 --verify {}:\n{said}", so.display());
}

#[test]
fn tools_find_nothing_wrong() {
    SUBJECTS.iter().for_each(|subject| assert_well_formed(&subject.so));
    for opt_level in [OptLevel::O0, OptLevel::Og, OptLevel::O1, OptLevel::O2, OptLevel::O3] {
        for debug in [DebugLevel::None, DebugLevel::Line, DebugLevel::Functions, DebugLevel::Full] {
            assert_well_formed(&small(&Options { opt_level, debug, ..options() }).so);
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for subject in &SUBJECTS[1..] {
        let again = subject.again(&Options { jobs: 2, ..options() });
        assert!(again.bytes == subject.bytes, "{}: -j2 makes a difference", subject.file_name);
    }
    // The program, with other paths, in other directories.
    for subject in &SUBJECTS[..2] {
        let directory = tempfile::tempdir().unwrap();
        let nested = directory.path().join("some/directory");
        fs::create_dir_all(&nested).unwrap();
        fs::write(nested.join(subject.file_name), &subject.wasm).unwrap();
        for (place, input) in [(&*nested, ""), (directory.path(), "some/directory/")] {
            let input = format!("{input}{}", subject.file_name);
            run(support::wasm2so().args([&input, "-o", "out"]).current_dir(place));
            let bytes = fs::read(place.join("out")).unwrap();
            assert!(bytes == subject.bytes, "{input}: the directory makes a difference");
        }
    }
}

#[test]
fn debug_information_does_not_change_what_is_loaded() {
    for subject in &*SUBJECTS {
        for debug in [DebugLevel::None, DebugLevel::Full] {
            // Nothing else is left to run by then.
            let other = subject.again(&Options { debug, jobs: 2, ..options() });
            let (elf, other) = (subject.elf(), other.elf());
            for kind in [elf::PT_LOAD, elf::PT_GNU_RELRO, elf::PT_GNU_EH_FRAME] {
                assert_eq!(segments(&elf, kind), segments(&other, kind), "{debug:?}");
            }
            let loaded = sections(&elf, elf::SHF_ALLOC);
            assert_eq!(loaded, sections(&other, elf::SHF_ALLOC), "{debug:?}");
            for name in loaded.keys().filter(|name| **name != ".note.gnu.build-id") {
                let same = section(&elf, name) == section(&other, name);
                assert!(same, "{}: {debug:?} changes {name}", subject.file_name);
            }
        }
    }
}

#[test]
fn no_path_of_this_machine_is_in_the_file() {
    let here = [support::root(), Path::new(env!("CARGO_TARGET_TMPDIR"))];
    let here = here.into_iter().map(Path::to_owned).chain([std::env::temp_dir()]);
    let here = here.chain(std::env::home_dir()).map(|path| path.to_str().unwrap().to_owned());
    let usual = ["/tmp", "/work", "/root", "/home", "/build", "/usr", "/proc"].map(str::to_owned);
    let paths: Vec<String> = here.chain(usual).filter(|path| path.len() > 1).collect();
    for subject in &*SUBJECTS {
        let directory = subject.so.parent().unwrap().to_str().unwrap().to_owned();
        for path in paths.iter().chain([&directory]) {
            let leaked = contains(&subject.bytes, path) && !contains(&subject.wasm, path);
            assert!(!leaked, "{} contains {path}", subject.so.display());
        }
    }
}

/// Compiled functions at an address, innermost first: name and offset.
type Chain = Vec<(String, u64)>;

/// What an `addr2line` says of the addresses.
fn chains(tool: &str, subject: &Subject, addresses: &[u64]) -> Vec<Chain> {
    let mut command = support::tool(tool);
    command.args(["-a", "-f", "-i", "-e"]).arg(&subject.so);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{tool}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let input: String = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{tool}: {output:?}");

    let mut chains: Vec<Chain> = Vec::new();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let file = format!("{}:", subject.file_name);
    while let Some(line) = lines.next() {
        if line.starts_with("0x") {
            chains.push(Vec::new());
            continue;
        }
        let location = lines.next().expect("a location follows a name");
        let offset = location.strip_prefix(&file).and_then(|offset| offset.parse().ok());
        let offset = offset.unwrap_or_else(|| panic!("{tool} {line}: {location}"));
        let name = wasm_name(line).map_or(line, |(_, name)| name).replace('＠', "@");
        chains.last_mut().expect("an address comes first").push((name, offset));
    }
    chains
}

/// Each offset lies in the function named, and each but the first is that of
/// the call of the one before.
fn assert_true(truth: &Truth, callees: &Callees<'_>, chain: &Chain) {
    let mut callee = None;
    for (name, offset) in chain {
        let place = truth.functions.partition_point(|f| f.body.end <= *offset);
        let function = &truth.functions[place];
        assert_eq!(*name, name_of(truth, function.index), "{chain:?}");
        match (callee, truth.at(*offset)) {
            (None, at) => assert!(at.is_some() || function.body.start == *offset, "{chain:?}"),
            (Some(index), Some((_, operator))) if callees.has(operator, index) => {}
            (Some(_), at) => panic!("{chain:?}: no call at {offset}, but {:?}", at.map(|a| a.1)),
        }
        callee = Some(function.index);
    }
}

/// The addresses that have a line.
fn rows(subject: &Subject) -> Vec<u64> {
    let elf = subject.elf();
    let load = |id: gimli::SectionId| {
        let data = elf.section_by_name(id.name()).and_then(|s| s.data().ok()).unwrap_or_default();
        Ok::<_, gimli::Error>(gimli::EndianSlice::new(data, LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let context = addr2line::Context::from_dwarf(dwarf).unwrap();
    let rows = context.find_location_range(0, u64::MAX).unwrap();
    rows.filter(|(.., location)| location.line.is_some()).map(|(address, ..)| address).collect()
}

#[test]
fn addr2line_tells_the_truth() {
    for subject in &*SUBJECTS {
        let truth = Truth::of(&subject.wasm);
        let module = wasm2so::module::parse(&subject.wasm).expect("a valid module");
        let callees = Callees(&module);
        let rows = rows(subject);
        let step = rows.len() / 2000 + 1;
        let addresses: Vec<u64> = rows.into_iter().step_by(step).collect();
        for tool in ["addr2line", "llvm-addr2line-22"] {
            let chains = chains(tool, subject, &addresses);
            assert_eq!(chains.len(), addresses.len(), "{tool}");
            chains.iter().for_each(|chain| assert_true(&truth, &callees, chain));
            let deepest = chains.iter().map(Vec::len).max();
            assert!(deepest > Some(1), "{tool} shows no inlined function");
        }
    }
}

/// Runs `trap` of the small module, compiled to `so`; returns the trace.
fn trap(so: &Path, format: &str) -> String {
    let mut command = support::wasmrun();
    let command = command.args([format, "--invoke", "trap"]).arg(so).arg("0x10000");
    let output = command.output().expect("wasmrun runs");
    assert_eq!(output.status.code(), Some(134), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The frames of that trap.
fn trapped(subject: &Subject) -> Chain {
    let truth = Truth::of(&subject.wasm);
    let frames = [("leaf", "I32Load"), ("mid", "Call"), ("outer", "Call")];
    let frames = frames.map(|(name, operator)| (name, truth.named(name).nth(operator, 0)));
    frames.map(|(name, offset)| (name.to_owned(), offset)).to_vec()
}

#[test]
fn addr2line_names_the_site_of_a_trap() {
    let subject = &SUBJECTS[0];
    let trace = trap(&subject.so, "--trace=json");
    let (_, rest) = trace.split_once("\"native_offset\":").expect("a native offset");
    let pc: u64 = rest[..rest.find(',').unwrap()].parse().unwrap();
    let expected = trapped(subject);
    for tool in ["addr2line", "llvm-addr2line-22"] {
        assert_eq!(chains(tool, subject, &[pc]), [expected.as_slice()], "{tool}");
    }
    let shown = run(support::tool("addr2line").arg("-e").arg(&subject.so).arg(format!("{pc:#x}")));
    assert_eq!(shown, format!("small.wasm:{}\n", expected[0].1));
}

#[test]
fn a_stripped_file_runs_and_is_honest() {
    let exact = |chain: &Chain| {
        let frames = chain.iter().enumerate();
        frames.map(|(i, (name, at))| format!("#{i:02}: 0x{at:04x} - {name}\n")).collect::<String>()
    };
    for level in [OptLevel::O0, OptLevel::O3] {
        let subject = small(&support::options(level));
        let frames = trapped(&subject);
        let head =
            "wasm trap: out of bounds memory access (address 0x10000, memory size 0x10000)\n";
        let full = format!("{head}{}", exact(&frames));
        assert_eq!(trap(&subject.so, "--trace=short"), full);

        // Inlined functions are not known any more, and no offsets. Without
        // symbols, only functions that are exported or in tables have a name.
        let inlined = if level == OptLevel::O0 { 0 } else { 2 };
        let poor = |unnamed: &str| {
            let frames = frames[inlined..].iter().enumerate().map(|(i, (name, _))| {
                format!("#{i:02}: 0x???? - {}\n", if name == unnamed { "?" } else { name })
            });
            format!("{head}{}", frames.collect::<String>())
        };
        let stripped = subject.so.with_file_name("stripped.so");
        for (option, unnamed) in
            [("--strip-debug", ""), ("--strip-unneeded", "mid"), ("--strip-all", "mid")]
        {
            run(support::tool("strip").arg(option).arg("-o").arg(&stripped).arg(&subject.so));
            assert_eq!(trap(&stripped, "--trace=short"), poor(unnamed), "{level:?} {option}");
        }

        // Its debug information may be elsewhere.
        let debug = subject.so.with_file_name("small.debug");
        run(support::tool("objcopy").arg("--only-keep-debug").arg(&subject.so).arg(&debug));
        let link = format!("--add-gnu-debuglink={}", debug.display());
        run(support::tool("objcopy").args(["--strip-all", &link]).arg(&subject.so).arg(&stripped));
        assert_eq!(trap(&stripped, "--trace=short"), full, "{level:?}");
    }
}
