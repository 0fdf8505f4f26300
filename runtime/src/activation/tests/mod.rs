//! Entering and leaving wasm, with C code in its place (`module.c`, compiled
//! here): each way to leave, and the trace it gives.

mod crash;
mod files;
mod speed;

use std::ffi::{CStr, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::{mem, ptr};

use libloading::Library;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use wasm2so_abi::{
    EntryThunk, FuncType, Function, FunctionName, ModuleDescriptor, Slot, TrapCode, VmMemoryState,
};

use super::*;
use crate::symbolize::{Frame, current_stack};
use crate::trap::regions::{RegionHandle, register_memory};
use crate::unwind::code::{CodeHandle, register_module};

const STACK: usize = 1 << 20;
/// Size and reservation of [`Machine::memory`].
const MEMORY: (usize, usize) = (0x20000, 0x100000);

/// The functions of `module.c` that have a descriptor, by first line.
const FUNCTIONS: [(u64, &CStr); 11] = [
    (100, c"leaf"),
    (200, c"inlined"),
    (300, c"outer"),
    (400, c"unreachable"),
    (500, c"recurse"),
    (600, c"copy"),
    (700, c"call_host"),
    (800, c"calls_host"),
    (880, c"recurse_host"),
    (980, c"recurse_host_lower"),
    (1100, c"large"),
];

/// `module.c`, loaded and registered.
struct Module {
    library: Arc<Library>,
    code: CodeHandle,
}

// SAFETY: nothing in it changes.
unsafe impl Sync for Module {}
// SAFETY: as above.
unsafe impl Send for Module {}

static MODULE: LazyLock<Module> = LazyLock::new(|| {
    if let Some(path) = std::env::var_os(MODULE_FILE) {
        return load(path.into());
    }
    extern "C" fn clean_up() {
        let _ = std::fs::remove_dir_all(directory());
    }
    // SAFETY: a function of the right type.
    unsafe { libc::atexit(clean_up) };
    std::fs::create_dir_all(directory()).unwrap();
    let path = directory().join("module.so");
    compile(&path);
    load(path)
});

/// Environment variable for child processes: the compiled `module.c`.
const MODULE_FILE: &str = "WASMRUN_TEST_MODULE";

/// Where this process keeps files.
fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("wasmrun-test-{}", std::process::id()))
}

fn compile(path: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/activation/tests/module.c");
    let status = Command::new("gcc")
        .args(["-O2", "-g1", "-fPIC", "-shared", "-fno-omit-frame-pointer"])
        .args(["-fasynchronous-unwind-tables", "-fstack-clash-protection"])
        .args([
            "-mno-red-zone",
            "-fno-semantic-interposition",
            "-Wl,--build-id",
            "-Wl,-z,now",
            source,
            "-o",
        ])
        .arg(path)
        .status();
    assert!(status.expect("gcc is installed").success());
}

fn load(path: PathBuf) -> Module {
    // SAFETY: all zeroes is an empty descriptor; the file reserves room for it and is
    // written by this test.
    let (library, descriptor) = unsafe {
        let library = Library::new(&path).unwrap();
        let place = *library.get::<*mut ModuleDescriptor>(b"wasm2so_module_v1").unwrap();
        place.write_bytes(0, 1);
        (library, &mut *place)
    };
    // SAFETY: all are functions.
    let symbol = |name: &CStr| unsafe {
        library.get::<*const c_void>(name.to_bytes()).map_or(ptr::null(), |symbol| *symbol)
    };
    let types: &mut [FuncType] = zeroed(1);
    types[0].entry.set(symbol(c"entry"));
    let functions: &mut [Function] = zeroed(FUNCTIONS.len());
    let names: &mut [FunctionName] = zeroed(FUNCTIONS.len());
    for (index, &(line, name)) in FUNCTIONS.iter().enumerate() {
        functions[index].code.set(symbol(name));
        functions[index].local_code.set(symbol(name));
        functions[index].body_start = line;
        functions[index].body_end = if line == 800 { 860 } else { line + 100 };
        names[index].index = 3 + index as u32;
        names[index].name.set(name.to_bytes());
    }
    descriptor.counts.imported_functions = 3;
    descriptor.types.set(types);
    descriptor.functions.set(functions);
    descriptor.function_names.set(names);
    descriptor.name.set(b"module");
    let library = Arc::new(library);
    let code = register_module(descriptor, path, library.clone()).unwrap();
    Module { library, code }
}

/// Zeroes for as long as the process runs; `T` is constant data of a module, which
/// may be zero.
fn zeroed<T>(count: usize) -> &'static mut [T] {
    // SAFETY: see above.
    Vec::leak((0..count).map(|_| unsafe { mem::zeroed() }).collect())
}

/// What `module.c` calls `context`, and what it points at.
#[repr(C)]
struct Machine {
    builtins: *const unsafe extern "C" fn(*mut VmCtx, u32, u64) -> !,
    memory: *mut u8,
    host: *const Host,
    running: Running,
    state: Box<VmMemoryState>,
    _region: RegionHandle,
    module: &'static Module,
}

type Body = dyn Fn(&Machine) -> Result<(), HostError>;

#[repr(C)]
struct Host {
    entry: HostEntry,
    call: Box<Body>,
    machine: *const Machine,
}

static TRAP: unsafe extern "C" fn(*mut VmCtx, u32, u64) -> ! = trap_builtin;

impl HostCode for Host {
    const REGISTERS: RegisterCounts = RegisterCounts { integers: 1, vectors: 0 };

    unsafe fn run(binding: *mut c_void, _: *mut Passed) -> Result<(), HostError> {
        // SAFETY: called with what `Machine::run` set up.
        unsafe {
            let host = &*binding.cast::<Host>();
            (host.call)(&*host.machine)
        }
    }
}

impl Machine {
    fn new() -> Self {
        Self::of(&MODULE)
    }

    fn of(module: &'static Module) -> Self {
        // SAFETY: a new mapping, leaked.
        let base = unsafe {
            let none = ProtFlags::empty();
            let base = mmap_anonymous(ptr::null_mut(), MEMORY.1, none, MapFlags::PRIVATE).unwrap();
            mprotect(base, MEMORY.0, MprotectFlags::READ | MprotectFlags::WRITE).unwrap();
            base.cast::<u8>()
        };
        let state = Box::new(VmMemoryState { base, byte_len: MEMORY.0 as u64 });
        let region = register_memory(base as usize, MEMORY.1, &*state);
        let (builtins, host) = (&raw const TRAP, ptr::null());
        let running = Running::new();
        Machine { builtins, memory: base, host, running, state, _region: region, module }
    }

    /// The entry thunk, and the function `name`.
    fn function(&self, name: &str) -> (EntryThunk, *const c_void) {
        let library = &self.module.library;
        // SAFETY: the types they have in `module.c`.
        unsafe { (*library.get(b"entry").unwrap(), *library.get(name.as_bytes()).unwrap()) }
    }

    fn run(&self, name: &str, arguments: [u64; 2]) -> Result<u64, Exit> {
        self.run_on(STACK, name, arguments)
    }

    fn run_on(&self, stack: usize, name: &str, arguments: [u64; 2]) -> Result<u64, Exit> {
        let mut slot = Slot([0; 16]);
        slot.0[..8].copy_from_slice(&arguments[0].to_le_bytes());
        slot.0[8..].copy_from_slice(&arguments[1].to_le_bytes());
        let machine = ptr::from_ref(self).cast_mut().cast();
        let (entry, code) = self.function(name);
        // SAFETY: a function of `module.c`, with the context that it expects.
        unsafe { enter(&self.running, stack, false, entry, code, machine, &mut slot)? };
        Ok(u64::from_le_bytes(slot.0[..8].try_into().unwrap()))
    }

    /// Runs `name` with a host function.
    fn run_host(
        name: &str,
        host: impl Fn(&Machine) -> Result<(), HostError> + 'static,
    ) -> Result<u64, Exit> {
        Self::run_host_on(STACK, name, [0, 0], host)
    }

    fn run_host_on(
        stack: usize,
        name: &str,
        arguments: [u64; 2],
        host: impl Fn(&Machine) -> Result<(), HostError> + 'static,
    ) -> Result<u64, Exit> {
        let mut machine = Machine::new();
        let call = Box::new(host);
        let entry = HostEntry::new::<Host>(&raw const machine.running);
        let host = Host { entry, call, machine: &raw const machine };
        machine.host = &host;
        machine.run_on(stack, name, arguments)
    }
}

/// The trap and its trace, one word per frame: `function+offset`.
fn trap_of(result: Result<u64, Exit>) -> (String, String) {
    match result {
        Err(Exit::Trap(trap)) => (trap.to_string(), text(trap.frames())),
        Err(Exit::Host(error)) => panic!("{error}"),
        Err(Exit::Panic(_)) => panic!("host panic"),
        Ok(value) => panic!("returned {value}"),
    }
}

fn text(frames: &[Frame]) -> String {
    let words = frames.iter().map(|frame| match frame {
        Frame::Host => "host".to_owned(),
        Frame::Omitted(count) => format!("<{count}>"),
        Frame::Wasm(frame) => {
            assert_eq!(frame.module.name(), "module");
            let Some(index) = frame.func_index else {
                return frame.func_name.clone().unwrap_or_else(|| "?".to_owned());
            };
            let index = index as usize;
            let (start, name) = FUNCTIONS[index - 3];
            assert_eq!(frame.func_name.as_deref(), name.to_str().ok());
            let Some(offset) = frame.func_offset else {
                assert_eq!(frame.module_offset, None);
                return format!("{}+?", name.to_str().unwrap());
            };
            assert_eq!(frame.module_offset, Some(start + offset));
            let mark = if frame.inlined { "*" } else { "" };
            format!("{}{mark}+{offset}", name.to_str().unwrap())
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn expect(result: Result<u64, Exit>, message: &str, trace: &str) {
    assert_eq!(trap_of(result), (message.to_owned(), trace.to_owned()));
}

#[test]
fn results_come_back() {
    assert!(matches!(Machine::new().run("unreachable", [0, 0]), Ok(42)));
}

#[test]
fn an_access_out_of_bounds_is_a_trap() {
    let machine = Machine::new();
    for _ in 0..3 {
        expect(
            machine.run("outer", [0x2d0b0, 0]),
            "out of bounds memory access (address 0x2d0b0, memory size 0x20000)",
            "leaf+10 inlined*+10 outer+10",
        );
    }
    assert!(machine.run("outer", [0x1ffff, 0]).is_ok());
}

#[test]
fn the_builtin_is_a_trap() {
    let expected = [
        (TrapCode::Unreachable, "unreachable"),
        (TrapCode::UndefinedElement, "undefined element (index 12)"),
        (TrapCode::MemoryOutOfBounds, "out of bounds memory access (address 0xc)"),
    ];
    for (code, message) in expected {
        let result = Machine::new().run("unreachable", [code as u64, 12]);
        expect(result, message, "unreachable+10");
    }
}

#[test]
fn a_fault_in_the_c_library_is_its_callers() {
    let machine = Machine::new();
    for (start, len) in [(0x1fff0_u64, 0x11), (0x1f000, 0x1001), (0, 0x80000)] {
        expect(
            machine.run("copy", [start, len]),
            "out of bounds memory access (address 0x20000, memory size 0x20000)",
            "copy+10",
        );
    }
    assert!(machine.run("copy", [0, MEMORY.0 as u64]).is_ok());
}

#[test]
fn a_full_stack_is_a_trap() {
    let machine = Machine::new();
    let frames = (STACK / 128) as u64;
    for _ in 0..3 {
        let (message, trace) = trap_of(machine.run("recurse", [1 << 40, 0]));
        assert_eq!(message, "call stack exhausted");
        let (innermost, rest) = trace.split_once(' ').unwrap();
        assert!(innermost.starts_with("recurse+"), "{innermost}");
        let repeats = rest.split(' ').filter(|frame| *frame == "recurse+20").count() as u64;
        assert_eq!(repeats, rest.split(' ').count() as u64);
        assert!((frames - 10..frames + 10).contains(&(repeats + 1)), "{repeats}");
    }
    // A deep one that fits.
    assert!(machine.run("recurse", [frames - 100, 0]).is_ok());
    // One step over the edge, by a large frame.
    let (message, trace) = trap_of(machine.run_on(128 << 10, "large", [0, 0]));
    assert_eq!((&*message, &*trace), ("call stack exhausted", "large+0"));
}

/// The stack may be full when the runtime's own code on it is reached.
#[test]
fn a_full_stack_below_a_host_call_is_a_trap() {
    for lower in (0..512).step_by(16) {
        let arguments = [0, lower];
        let result = Machine::run_host_on(128 << 10, "recurse_host_lower", arguments, |_| Ok(()));
        let (message, trace) = trap_of(result);
        assert_eq!(message, "call stack exhausted");
        let mut frames = trace.split(' ');
        let innermost = frames.next().unwrap();
        assert!(["recurse_host+0", "recurse_host+5", "recurse_host+10"].contains(&innermost));
        assert_eq!(frames.next_back(), Some("recurse_host_lower+10"));
        assert!(frames.all(|frame| frame == "recurse_host+10"));
    }
}

#[test]
fn a_very_deep_stack_keeps_both_ends() {
    let machine = Machine::new();
    let Err(Exit::Trap(trap)) = machine.run_on(32 << 20, "recurse", [1 << 40, 0]) else {
        panic!("no trap");
    };
    let omitted = trap.omitted_count();
    assert!((250_000..265_000).contains(&(omitted + 8192)), "{omitted}");
    assert_eq!(trap.frames().len(), 8192 + 1);
    assert_eq!(trap.frames()[4096], Frame::Omitted(omitted));
}

#[test]
fn a_host_error_leaves_wasm() {
    struct Dropped<'a>(&'a std::cell::Cell<bool>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = dropped.clone();
    let result = Machine::run_host("calls_host", move |_| {
        let _dropped = Dropped(&seen);
        Err("no".into())
    });
    assert!(matches!(result, Err(Exit::Host(error)) if error.to_string() == "no"));
    assert!(dropped.get());
}

#[test]
fn a_host_panic_leaves_wasm() {
    let result = Machine::run_host("calls_host", |_| std::panic::panic_any(7));
    assert!(matches!(result, Err(Exit::Panic(payload)) if payload.downcast_ref() == Some(&7)));
}

#[test]
fn a_trace_goes_on_through_host_functions() {
    let result = Machine::run_host("calls_host", |machine| {
        assert_eq!(text(&current_stack()), "host call_host+10 calls_host+10");
        expect(
            machine.run("outer", [0x20000, 0]),
            "out of bounds memory access (address 0x20000, memory size 0x20000)",
            "leaf+10 inlined*+10 outer+10 host call_host+10 calls_host+10",
        );
        assert_eq!(text(&current_stack()), "host call_host+10 calls_host+10");
        Ok(())
    });
    assert!(result.is_ok());
    assert!(current_stack().is_empty());
}

#[test]
fn deep_reentry() {
    use std::cell::Cell;
    thread_local!(static DEPTH: Cell<u64> = const { Cell::new(0) });
    let result = Machine::run_host("call_host", |machine| {
        DEPTH.set(DEPTH.get() + 1);
        if DEPTH.get() == 40 {
            return match machine.run("unreachable", [1, 0]) {
                Err(Exit::Trap(trap)) => Err(trap.into()),
                _ => panic!("no trap"),
            };
        }
        match machine.run("call_host", [0, 0]) {
            Err(Exit::Host(error)) => Err(error),
            _ => panic!("no error"),
        }
    });
    let Err(Exit::Host(error)) = result else { panic!("no error") };
    let trap = error.downcast_ref::<Trap>().unwrap();
    let expected = format!("unreachable+10{}", " host call_host+10".repeat(40));
    assert_eq!(text(trap.frames()), expected);
}

#[test]
fn many_threads() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    an_access_out_of_bounds_is_a_trap();
                    the_builtin_is_a_trap();
                }
            });
        }
    });
}

#[test]
fn a_trace_outlives_its_module() {
    let path = MODULE.code.code().path().with_file_name("other.so");
    std::fs::copy(MODULE.code.code().path(), &path).unwrap();
    let module = load(path);
    let code = module.code.code().clone();
    drop(module);
    // SAFETY: the code keeps the library loaded.
    let functions = unsafe { code.descriptor().functions.as_slice() };
    let first = functions[0].code.get() as u64;
    assert_eq!(code.cfi().function_start(first), Ok(first));
    assert_eq!(crate::unwind::code::Code::find(first), None);
}
