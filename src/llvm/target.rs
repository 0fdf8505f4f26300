//! The target machine and the optimisation pipeline.

use crate::error::Error;
use crate::llvm::sys;
use crate::options::OptLevel;
use inkwell::OptimizationLevel;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::{
    CodeModel, RelocMode, Target, TargetMachine, TargetMachineOptions, TargetTriple,
};

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
];

impl Cpu {
    /// `native`, or one of LLVM's processor names.
    ///
    /// # Errors
    /// [`Error::Cpu`] for an unknown name, or one without SSE4.1.
    pub fn resolve(name: &str) -> Result<Self, Error> {
        sys::initialize();
        let cpu = if name == "native" {
            Cpu {
                name: TargetMachine::get_host_cpu_name().to_string(),
                features: TargetMachine::get_host_cpu_features().to_string(),
            }
        } else {
            Cpu { name: name.to_owned(), features: String::new() }
        };
        let available = sys::cpu_features(TRIPLE, &cpu.name, &cpu.features).ok_or_else(|| {
            Error::Cpu { name: name.to_owned(), problem: "LLVM knows no such processor" }
        })?;
        if !available.iter().any(|f| f == "sse4.1") {
            return Err(Error::Cpu { name: name.to_owned(), problem: "it lacks SSE4.1" });
        }
        Ok(cpu)
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
            OptLevel::O0 => OptimizationLevel::None,
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

/// Runs LLVM's own pipeline for `level`.
///
/// # Errors
/// [`Error::Llvm`] with what LLVM says.
pub fn optimise(
    module: &Module<'_>,
    machine: &TargetMachine,
    level: OptLevel,
) -> Result<(), Error> {
    let pipeline = match level {
        // Nothing at all: `optnone` code goes straight to the code generator.
        OptLevel::O0 => "default<O0>",
        OptLevel::O1 => "default<O1>",
        OptLevel::O2 => "default<O2>",
        OptLevel::O3 => "default<O3>",
    };
    let options = PassBuilderOptions::create();
    // Accesses are volatile, so vectorisers find nothing to work on.
    options.set_loop_vectorization(false);
    options.set_loop_slp_vectorization(false);
    options.set_loop_interleaving(false);
    options.set_loop_unrolling(level >= OptLevel::O2);
    // Two functions that share code would share a name in every trace.
    options.set_merge_functions(false);
    let _options = sys::options_in_force();
    module.run_passes(pipeline, machine, options).map_err(|e| Error::Llvm(e.to_string()))
}
