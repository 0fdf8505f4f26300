//! The target machine and the optimisation pipeline.

use crate::error::Error;
use crate::llvm::sys;
use crate::module::WasmModule;
use crate::options::OptLevel;
use inkwell::OptimizationLevel;
use inkwell::module::Module;
use inkwell::targets::{
    CodeModel, RelocMode, Target, TargetMachine, TargetMachineOptions, TargetTriple,
};
use std::ffi::CString;
use wasm2so_abi::WASM_PAGE_SIZE;

/// The only target for now.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What compiled code may use of the processor, resolved from `--cpu`.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// LLVM's name of the processor.
    pub name: String,
    /// LLVM's feature string: what the host lacks of `name`, taken away.
    pub features: String,
}

/// Features that the runtime checks for, LLVM's names; those of `x86-64-v2`
/// are the least that is compiled for.
const CHECKED: &[&str] = &[
    "sse3",
    "ssse3",
    "sse4.1",
    "sse4.2",
    "popcnt",
    "cx16",
    "avx",
    "avx2",
    "bmi",
    "bmi2",
    "f16c",
    "fma",
    "lzcnt",
    "movbe",
    "adx",
    "aes",
    "pclmul",
    "sha",
    "gfni",
    "vaes",
    "vpclmulqdq",
    "avx512f",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512vl",
    "avx512vbmi",
    "avx512vbmi2",
    "avx512vnni",
    "avx512bitalg",
    "avx512vpopcntdq",
    "avx512ifma",
    "avx512bf16",
    "avx512fp16",
    "avxvnni",
    "avxvnniint8",
    "avxvnniint16",
    "avxifma",
    "avxneconvert",
    "sse4a",
    "fsgsbase",
];

/// Features that LLVM would use unasked but the runtime cannot check for: not
/// used.
const UNCHECKED: &[&str] = &[
    "avx10.1",
    "avx10.2",
    "ccmp",
    "cf",
    "egpr",
    "fma4",
    "ndd",
    "nf",
    "ppx",
    "push2pop2",
    "tbm",
    "xop",
    "zu",
];

/// What LLVM knows of processors that is not used: where loads of 32 bytes are slow
/// (Sandy Bridge, Ivy Bridge), it splits those of a `memory.copy` and loses whose
/// they are.
const UNWANTED: &[&str] = &["slow-unaligned-mem-32"];

/// Dividing 64 bits takes several times as long as dividing 32, so that it pays to see
/// first whether those are enough: LLVM says so of all processors of Intel and AMD.
const SLOW_DIVISION: &str = "idivq-to-divl";

/// What came with faster dividers, or after them (Ice Lake, Zen 3).
const FAST_DIVISION: &str = "vaes";

impl Cpu {
    /// `native`, or one of LLVM's processor names.
    ///
    /// # Errors
    /// [`Error::Cpu`] for an unknown name, or one without SSE4.1.
    pub fn resolve(name: &str) -> Result<Self, Error> {
        sys::initialize();
        let mut cpu = if name == "native" {
            Cpu {
                name: TargetMachine::get_host_cpu_name().to_string(),
                features: TargetMachine::get_host_cpu_features().to_string(),
            }
        } else {
            Cpu { name: name.to_owned(), features: String::new() }
        };
        // The processor having it is not enough: the kernel must allow it.
        const HWCAP2_FSGSBASE: usize = 1 << 1;
        if name == "native" && rustix::param::linux_hwcap().1 & HWCAP2_FSGSBASE == 0 {
            cpu.features += ",-fsgsbase";
        }
        let available = sys::cpu_features(TRIPLE, &cpu.name, &cpu.features).ok_or_else(|| {
            Error::Cpu { name: name.to_owned(), problem: "LLVM knows no such processor" }
        })?;
        let has = |feature: &str| available.iter().any(|f| f == feature);
        if !has("sse4.1") {
            return Err(Error::Cpu { name: name.to_owned(), problem: "it lacks SSE4.1" });
        }
        let untrue = has(FAST_DIVISION).then_some(&SLOW_DIVISION);
        let unused = UNCHECKED.iter().chain(UNWANTED).chain(untrue);
        for feature in unused.filter(|f| has(f)) {
            let comma = if cpu.features.is_empty() { "" } else { "," };
            cpu.features += &format!("{comma}-{feature}");
        }
        Ok(cpu)
    }

    /// Whether programs may set the base of segment GS.
    pub fn has_gs_base(&self) -> bool {
        self.required_features().contains(&"fsgsbase")
    }

    /// Features that the code may use and the runtime has to check for,
    /// LLVM's names, in a fixed order.
    pub fn required_features(&self) -> Vec<&'static str> {
        let available = sys::cpu_features(TRIPLE, &self.name, &self.features).unwrap_or_default();
        CHECKED.iter().copied().filter(|c| available.iter().any(|f| f == c)).collect()
    }
}

/// Makes a target machine: one per thread.
pub fn machine(cpu: &Cpu, level: OptLevel) -> TargetMachine {
    sys::initialize();
    let triple = TargetTriple::create(TRIPLE);
    let options = TargetMachineOptions::new()
        .set_cpu(&cpu.name)
        .set_features(&cpu.features)
        .set_level(match level {
            OptLevel::O0 | OptLevel::Og => OptimizationLevel::None,
            OptLevel::O1 => OptimizationLevel::Less,
            OptLevel::O2 => OptimizationLevel::Default,
            OptLevel::O3 => OptimizationLevel::Aggressive,
        })
        .set_reloc_mode(RelocMode::PIC)
        .set_code_model(CodeModel::Default);
    Target::from_triple(&triple)
        .ok()
        .and_then(|t| t.create_target_machine_from_options(&triple, options))
        .expect("LLVM was built for x86-64")
}

/// Passes for optimising levels, in LLVM's notation.
///
/// Producers of wasm have optimised already: what is left to do is what
/// translation (SSA) and inlining across wasm functions open up. On real
/// programs this makes code as fast as `default<O3>` does, in half the time. (The first
/// passes are no sweep of their own: a function still is in the cache when calls in it
/// are inlined. What a shard has borrowed for that goes then.)
///
/// What is not here keeps traces exact: `simplifycfg` without sinking what two
/// branches have in common, which would leave one call with no location; no
/// `tailcallelim`, after which code generation makes jumps of calls; no
/// merging of functions, which would share a name in a trace.
const OPTIMISE: &str = "\
    cgscc(function<eager-inv>(sroa<modify-cfg>,early-cse,simplifycfg,\
    wide-multiply),\
    inline,function-attrs),\
    elim-avail-extern,\
    function(\
    early-cse,forward-values,jump-threading,correlated-propagation,simplifycfg,\
    instcombine<no-verify-fixpoint>,reassociate,\
    loop-mssa(loop-rotate,hoist-invariants,simple-loop-unswitch<no-nontrivial;trivial>),\
    loop(simplify-counters,loop-deletion,loop-unroll-full),\
    gvn,remove-stores,\
    LOOPS\
    simplifycfg,instcombine<no-verify-fixpoint>,fast-conversions,chase-pointers,\
    reduce-versioned),\
    globaldce";

/// Passes for loops in which `version-loops` has made accesses plain, which the
/// passes before could do nothing with: structures of two numbers become vectors, loops
/// over scalars ones over vectors, loops over wasm's vectors ones over the processor's.
/// They see such a loop alone, with those around it: to go over the whole function once
/// more took up to a fifth of the time. Loops of unknown counts are unrolled here alone:
/// no other got faster.
const VERSIONED: &str = "\
    early-cse<memssa>,instcombine<no-verify-fixpoint>,\
    loop-mssa(licm<allowspeculation>),gvn,\
    pack-structures,widen-vectors,loop-vectorize,loop-load-elim,\
    instcombine<no-verify-fixpoint>,simplifycfg,\
    slp-vectorizer,vector-combine,early-cse<memssa>,\
    instcombine<no-verify-fixpoint>,loop-mssa(licm<allowspeculation>),loop-unroll";

/// Runs the passes of `level` on a part, `llvm`, of `module`.
///
/// # Errors
/// [`Error::Llvm`] with what LLVM says.
pub fn optimise(
    llvm: &Module<'_>,
    module: &WasmModule<'_>,
    machine: &TargetMachine,
    level: OptLevel,
) -> Result<(), Error> {
    let pipeline = match level {
        OptLevel::O0 | OptLevel::Og => "default<O0>".to_owned(),
        OptLevel::O1 => OPTIMISE.replace("LOOPS", ""),
        OptLevel::O2 | OptLevel::O3 => OPTIMISE.replace("LOOPS", "version-loops,"),
    };
    // LLVM's name of a level is ours.
    let versioned = format!("{VERSIONED}<{level:?}>");
    let [pipeline, versioned] = [pipeline, versioned].map(|p| CString::new(p).expect("no NUL"));
    let minimums: Vec<u64> =
        module.memories.iter().map(|memory| memory.limits.min * WASM_PAGE_SIZE).collect();
    sys::optimise(llvm, machine, [&pipeline, &versioned], &module.vm_layout(), &minimums)
        .map_err(Error::Llvm)
}
