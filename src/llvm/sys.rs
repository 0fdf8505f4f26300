//! The only place that calls LLVM outside inkwell: what inkwell lacks, and the
//! C++ shim, behind safe functions.

use inkwell::basic_block::BasicBlock;
use inkwell::builder::Builder;
use inkwell::context::ContextRef;
use inkwell::debug_info::{DIExpression, DILocalVariable, DILocation, DIScope, DebugInfoBuilder};
use inkwell::llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMContextSetDiscardValueNames, LLVMDisposeMemoryBuffer,
    LLVMDisposeMessage, LLVMGetBufferSize, LLVMGetBufferStart, LLVMGetDiagInfoDescription,
    LLVMGetDiagInfoSeverity, LLVMSetCurrentDebugLocation2,
};
use inkwell::llvm_sys::debuginfo::{
    LLVMDIBuilderCreateDebugLocation, LLVMDIBuilderInsertDbgValueRecordAtEnd,
    LLVMDIBuilderInsertDeclareRecordAtEnd,
};
use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMMemoryBufferRef, LLVMModuleRef};
use inkwell::llvm_sys::target_machine::LLVMTargetMachineRef;
use inkwell::llvm_sys::{LLVMDiagnosticInfo, LLVMDiagnosticSeverity};
use inkwell::module::Module;
use inkwell::targets::{InitializationConfig, Target, TargetMachine};
use inkwell::values::{AsValueRef, BasicValueEnum, PointerValue};
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard};
use wasm2so_abi::{VmLayout, VmMemory, VmMemoryState};

/// Options of LLVM's that exactness rests on and that only its command line
/// reaches.
const LLVM_OPTIONS: &[&str] = &[
    "wasm2so",
    // Producers have inlined: more than this made programs larger, none faster.
    "-inline-threshold=100",
    // Two arms of a branch with the same calls would become one, which has no
    // location.
    "-simplifycfg-hoist-common=false",
    "-enable-tail-merge=0",
    // It is `reduce-versioned`, where it pays.
    "-disable-lsr",
    // Of a step that the program computes, it would bet that it is 1.
    "-enable-mem-access-versioning=false",
    "-use-unknown-locations=Enable",
    // gdb believes that an index of names is complete, and finds no address
    // without one of addresses; without either it makes its own.
    "-accel-tables=Disable",
];

/// Held for reading while LLVM works with [`LLVM_OPTIONS`], for writing while
/// LLD does, which resets all of LLVM's options.
static OPTIONS_IN_FORCE: RwLock<()> = RwLock::new(());

/// Sets LLVM up, once per process.
pub fn initialize() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Target::initialize_x86(&InitializationConfig::default());
        let _guard = OPTIONS_IN_FORCE.write().unwrap_or_else(PoisonError::into_inner);
        set_options();
    });
}

/// To be held while LLVM optimises or generates code, so that nobody links
/// meanwhile.
pub fn options_in_force() -> RwLockReadGuard<'static, ()> {
    OPTIONS_IN_FORCE.read().unwrap_or_else(PoisonError::into_inner)
}

/// [`LLVM_OPTIONS`] must not be in force, and the lock be held for writing.
fn set_options() {
    let options: Vec<CString> =
        LLVM_OPTIONS.iter().map(|o| CString::new(*o).expect("no NUL")).collect();
    let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
    // SAFETY: an array of C strings that outlives the call; nobody else reads
    // the options now.
    unsafe {
        inkwell::llvm_sys::support::LLVMParseCommandLineOptions(
            pointers.len() as c_int,
            pointers.as_ptr(),
            std::ptr::null(),
        );
    }
}

/// Prepares a context: no value names, and diagnostics go to the log instead
/// of the terminal.
pub fn configure(context: ContextRef<'_>) {
    extern "C" fn log(info: *mut LLVMDiagnosticInfo, _: *mut c_void) {
        // SAFETY: LLVM passes a live diagnostic; the description is a C string
        // of ours to dispose of.
        let (severity, text) = unsafe {
            let text = LLVMGetDiagInfoDescription(info);
            let copy = CStr::from_ptr(text).to_string_lossy().into_owned();
            LLVMDisposeMessage(text);
            (LLVMGetDiagInfoSeverity(info), copy)
        };
        match severity {
            LLVMDiagnosticSeverity::LLVMDSError => tracing::error!("LLVM: {text}"),
            LLVMDiagnosticSeverity::LLVMDSWarning => tracing::warn!("LLVM: {text}"),
            _ => tracing::debug!("LLVM: {text}"),
        }
    }
    // SAFETY: the context is live; the handler has no state.
    unsafe {
        LLVMContextSetDiscardValueNames(context.raw(), 1);
        LLVMContextSetDiagnosticHandler(context.raw(), Some(log), std::ptr::null_mut());
    }
}

/// Keeps passes that take more than linear time off the functions of `context`.
pub fn skip_costly_passes(context: ContextRef<'_>) {
    // SAFETY: the context is live; what it is given to consult is static.
    unsafe { wasm2so_skip_costly_passes(context.raw()) }
}

/// What a debugger is told of a variable.
#[derive(Clone, Copy, Debug)]
pub enum Held<'ctx> {
    /// It is in memory here, all through its scope.
    In(PointerValue<'ctx>),
    /// It is this value from here on.
    As(BasicValueEnum<'ctx>),
}

/// What `builder` builds from now on is at `line` of `scope`. (inkwell makes locations
/// with a builder of debug information alone.)
pub fn set_location<'ctx>(
    builder: &Builder<'ctx>,
    context: ContextRef<'ctx>,
    scope: DIScope<'ctx>,
    line: u32,
) {
    let (scope, outer) = (scope.as_mut_ptr(), ptr::null_mut());
    // SAFETY: all are live and of one context; no function is inlined yet.
    unsafe {
        let location = LLVMDIBuilderCreateDebugLocation(context.raw(), line, 0, scope, outer);
        LLVMSetCurrentDebugLocation2(builder.as_mut_ptr(), location);
    }
}

/// Says, at the end of `block`, how `variable` is held. (inkwell's functions take
/// the record for an instruction and panic.)
pub fn describe_variable<'ctx>(
    builder: &DebugInfoBuilder<'ctx>,
    variable: DILocalVariable<'ctx>,
    held: Held<'ctx>,
    how: DIExpression<'ctx>,
    location: DILocation<'ctx>,
    block: BasicBlock<'ctx>,
) {
    let (insert, value): (unsafe extern "C" fn(_, _, _, _, _, _) -> _, _) = match held {
        Held::In(slot) => (LLVMDIBuilderInsertDeclareRecordAtEnd, slot.as_value_ref()),
        Held::As(value) => (LLVMDIBuilderInsertDbgValueRecordAtEnd, value.as_value_ref()),
    };
    // SAFETY: all are live and of one context.
    unsafe {
        insert(
            builder.as_mut_ptr(),
            value,
            variable.as_mut_ptr(),
            how.as_mut_ptr(),
            location.as_mut_ptr(),
            block.as_mut_ptr(),
        );
    }
}

/// What the stamping pass saw. Mirrors `Wasm2soStampReport` in the shim.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct StampReport {
    /// Machine instructions that touch linear memory (or a wasm global).
    pub accesses: u64,
    /// Of those, how many got back the location of their access in the IR.
    pub stamped: u64,
    /// Call instructions.
    pub calls: u64,
    /// Accesses that are not stamped, and calls without an offset.
    pub violations: u64,
    /// Audit labels set.
    pub labels: u64,
}

impl std::ops::AddAssign for StampReport {
    fn add_assign(&mut self, other: Self) {
        self.accesses += other.accesses;
        self.stamped += other.stamped;
        self.calls += other.calls;
        self.violations += other.violations;
        self.labels += other.labels;
    }
}

/// How [`emit`] works. Mirrors `Wasm2soEmission` in the shim.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Emission {
    /// See [`Options::audit_labels`](crate::options::Options).
    pub label: bool,
    /// There is debug information about variables.
    pub variables: bool,
    /// Each wasm instruction has code of its own, in order.
    pub stepwise: bool,
    /// What happens in the order of the wasm has column 1, all else has none.
    pub sites: bool,
}

/// What [`emit`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum FileType {
    /// Assembly text.
    Assembly = 0,
    /// An ELF object.
    Object = 1,
}

/// How compiled code reaches linear memories. Mirrors `Wasm2soMemories` in the
/// shim.
#[repr(C)]
struct Memories {
    minimums: *const u64,
    count: u64,
    first: u64,
    stride: u64,
    state: u64,
    length: u64,
}

unsafe extern "C" {
    fn wasm2so_optimise(
        module: LLVMModuleRef,
        machine: LLVMTargetMachineRef,
        pipeline: *const c_char,
        versioned: *const c_char,
        memories: *const Memories,
    ) -> LLVMMemoryBufferRef;
    fn wasm2so_emit(
        module: LLVMModuleRef,
        machine: LLVMTargetMachineRef,
        file_type: c_int,
        how: Emission,
        report: *mut StampReport,
        output: *mut LLVMMemoryBufferRef,
        complaints: *mut LLVMMemoryBufferRef,
    ) -> c_int;
    fn wasm2so_skip_costly_passes(context: LLVMContextRef);
    fn wasm2so_cpu_features(
        triple: *const c_char,
        cpu: *const c_char,
        features: *const c_char,
    ) -> LLVMMemoryBufferRef;
    fn wasm2so_lld(
        args: *const *const c_char,
        count: usize,
        diagnostics: *mut LLVMMemoryBufferRef,
    ) -> c_int;
}

/// Copies a buffer out and disposes of it.
///
/// # Safety
/// `buffer` must be live and ours.
unsafe fn take_buffer(buffer: LLVMMemoryBufferRef) -> Vec<u8> {
    // SAFETY: passed on to the caller.
    unsafe {
        let start = LLVMGetBufferStart(buffer).cast::<u8>();
        let bytes = std::slice::from_raw_parts(start, LLVMGetBufferSize(buffer)).to_vec();
        LLVMDisposeMemoryBuffer(buffer);
        bytes
    }
}

/// Runs the passes of `pipeline`, in LLVM's notation, in which `version-loops`
/// is the shim's, followed by those of `versioned` where it found something.
/// `minimums` are the least sizes in bytes of the linear memories, whose fields
/// in vmctx `layout` places.
///
/// # Errors
/// What LLVM says of the notation.
pub fn optimise(
    module: &Module<'_>,
    machine: &TargetMachine,
    [pipeline, versioned]: [&CStr; 2],
    layout: &VmLayout,
    minimums: &[u64],
) -> Result<(), String> {
    let memories = Memories {
        minimums: minimums.as_ptr(),
        count: minimums.len() as u64,
        first: u64::from(layout.memory(0)) + offset_of!(VmMemory, base) as u64,
        stride: size_of::<VmMemory>() as u64,
        state: (offset_of!(VmMemory, state) - offset_of!(VmMemory, base)) as u64,
        length: offset_of!(VmMemoryState, byte_len) as u64,
    };
    let _options = options_in_force();
    // SAFETY: module and machine are live; `memories` and what it points to
    // outlive the call; the result, when not null, is ours.
    unsafe {
        let wrong = wasm2so_optimise(
            module.as_mut_ptr(),
            machine.as_mut_ptr(),
            pipeline.as_ptr(),
            versioned.as_ptr(),
            &memories,
        );
        match wrong.is_null() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&take_buffer(wrong)).into_owned()),
        }
    }
}

/// Generates code for `module`, stamping every access.
///
/// Violations are counted in the report and described in the text.
///
/// # Panics
/// When the target cannot write such a file; ours can.
pub fn emit(
    module: &Module<'_>,
    machine: &TargetMachine,
    file_type: FileType,
    how: Emission,
) -> (Vec<u8>, StampReport, String) {
    let _options = options_in_force();
    let mut report = StampReport::default();
    let mut output = std::ptr::null_mut();
    let mut complaints = std::ptr::null_mut();
    // SAFETY: module and machine are live; both buffers are written when the
    // result is 0.
    unsafe {
        let failed = wasm2so_emit(
            module.as_mut_ptr(),
            machine.as_mut_ptr(),
            file_type as c_int,
            how,
            &mut report,
            &mut output,
            &mut complaints,
        );
        assert_eq!(failed, 0, "the target writes objects and assembly");
        let complaints = String::from_utf8_lossy(&take_buffer(complaints)).into_owned();
        (take_buffer(output), report, complaints)
    }
}

/// The features that processor `cpu` has, changed by `features` (LLVM's `+x,-y`
/// form), or `None` when the target knows no such processor.
pub fn cpu_features(triple: &str, cpu: &str, features: &str) -> Option<Vec<String>> {
    let (triple, cpu, features) =
        (CString::new(triple).ok()?, CString::new(cpu).ok()?, CString::new(features).ok()?);
    // SAFETY: three C strings; the result, when not null, is ours.
    let list = unsafe {
        let list = wasm2so_cpu_features(triple.as_ptr(), cpu.as_ptr(), features.as_ptr());
        if list.is_null() {
            return None;
        }
        take_buffer(list)
    };
    Some(String::from_utf8_lossy(&list).split(',').map(str::to_owned).collect())
}

/// Links with LLD, in process; `args` are `ld.lld`'s, without the program name.
///
/// # Errors
/// What LLD printed.
pub fn lld(args: &[OsString]) -> Result<(), String> {
    initialize();
    let args: Vec<CString> = std::iter::once(OsStr::new("ld.lld"))
        .chain(args.iter().map(OsString::as_os_str))
        .map(|a| CString::new(a.as_bytes()).map_err(|_| format!("NUL in linker argument {a:?}")))
        .collect::<Result<_, _>>()?;
    let pointers: Vec<*const c_char> = args.iter().map(|a| a.as_ptr()).collect();
    let mut diagnostics = std::ptr::null_mut();
    // Also because LLD keeps global state of its own.
    let guard = OPTIONS_IN_FORCE.write().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: an array of C strings that outlives the call; calls are
    // serialised by the lock.
    let (code, text) = unsafe {
        let code = wasm2so_lld(pointers.as_ptr(), pointers.len(), &mut diagnostics);
        (code, take_buffer(diagnostics))
    };
    set_options();
    drop(guard);
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    if code == 0 {
        if !text.is_empty() {
            tracing::warn!("linker: {text}");
        }
        Ok(())
    } else {
        Err(text)
    }
}
