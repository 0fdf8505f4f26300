//! The programs that are measured, and how they are built: for this machine in
//! the ways that may be fastest, and as wasm with and without SIMD.

use anyhow::{Context, Result, ensure};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// A program, built.
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// For this machine: the flags, and the file.
    pub natives: Vec<(&'static str, PathBuf)>,
    /// As wasm: whether it may use SIMD, and the file.
    pub modules: Vec<(Simd, PathBuf)>,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its standard input, if it reads any.
    pub stdin: Option<PathBuf>,
}

/// Where a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `tests/programs`.
    Real,
    /// `kernels/`.
    Kernel,
}

/// Whether clang may use wasm's 128-bit vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// It may not.
    Without,
    /// It may, and does so by itself where it finds that faster.
    With,
}

/// A program in `kernels/`.
struct Kernel {
    name: &'static str,
    /// Its argument: half a second to a second of native code.
    size: u32,
    /// A few milliseconds.
    quick: u32,
}

const fn kernel(name: &'static str, size: u32, quick: u32) -> Kernel {
    Kernel { name, size, quick }
}

const KERNELS: &[Kernel] = &[
    kernel("base64", 3_500, 20),
    kernel("bigint", 40_000, 2_000),
    kernel("blend", 60_000, 200),
    kernel("chacha20", 6_000_000, 30_000),
    kernel("crc32", 3_000, 20),
    kernel("dispatch", 20_000, 100),
    kernel("dot", 12_000, 50),
    kernel("fannkuch", 12_000_000, 50_000),
    kernel("fft", 6_000, 20),
    kernel("fib", 42, 25),
    kernel("floydwarshall", 1_000, 100),
    kernel("frames", 25, 15),
    kernel("hashtable", 20_000_000, 100_000),
    kernel("heat3d", 300, 1),
    kernel("hostcalls", 8_000_000, 20_000),
    kernel("indirect", 24_000, 100),
    kernel("json", 450, 2),
    kernel("list", 10_000, 50),
    kernel("lu", 1_700, 150),
    kernel("lz", 160, 1),
    kernel("mandelbrot", 2_000, 100),
    kernel("matmul", 1_400, 150),
    kernel("memcpy", 6_000_000, 20_000),
    kernel("mergesort", 6_000_000, 30_000),
    kernel("modpow", 5_000_000, 20_000),
    kernel("nbody", 10_000_000, 50_000),
    kernel("nqueens", 15, 8),
    kernel("nussinov", 1_500, 150),
    kernel("primes", 1_500_000, 5_000),
    kernel("resample", 7_000, 20),
    kernel("sha256", 1_000_000, 5_000),
    kernel("sieve", 160, 1),
    kernel("sort", 8_000_000, 50_000),
    kernel("spectralnorm", 3_500, 200),
    kernel("strsearch", 450, 2),
    kernel("tree", 10_000, 40),
];

/// Programs that `tests/programs/build` builds.
const REAL: &[&str] = &[
    "brotli",
    "bzip2",
    "lua",
    "lz4",
    "oniguruma",
    "quickjs",
    "rust",
    "secp256k1",
    "sqlite",
    "zlib",
    "zstd",
];

/// A fused multiply-add rounds once where wasm rounds twice, and would make
/// native checksums differ.
const NATIVE: &[(&str, &str, &[&str])] = &[
    ("-O3", "native", &["-O3", "-ffp-contract=off"]),
    ("-march=native", "march", &["-O3", "-ffp-contract=off", "-march=native"]),
];

const WASM: &[&str] = &[
    "--target=wasm32-wasi",
    "--sysroot=/usr",
    "--no-wasm-opt",
    // Of the target's name; newer ones are unknown to older compilers.
    "-Wno-deprecated",
    "-O3",
    "-Wl,-z,stack-size=8388608",
    "-Wl,--stack-first",
];

/// Builds, in a folder below `output`, all programs whose name contains one of
/// `only`; if that is empty, all.
///
/// # Errors
/// When one cannot be built, or no name fits.
pub fn build(output: &Path, only: &[String], quick: bool) -> Result<Vec<Program>> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part));
    let folder = output.join("programs");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut programs = Vec::new();
    // Compiling them takes too long for `quick`.
    if !quick && REAL.iter().any(|name| wanted(name)) {
        programs = build_real(&folder)?;
        programs.retain(|program| wanted(&program.name));
    }
    for kernel in KERNELS.iter().filter(|kernel| wanted(kernel.name)) {
        programs.push(build_kernel(kernel, &folder, quick)?);
    }
    ensure!(!programs.is_empty(), "no program's name contains `{}`", only.join("` or `"));
    Ok(programs)
}

fn build_real(folder: &Path) -> Result<Vec<Program>> {
    let script = Path::new(FOLDER).join("../tests/programs/build");
    // Shared with the tests, as building them takes a while.
    let built = Path::new(FOLDER).join("../target/programs");
    execute(Command::new(script).arg(&built).args(REAL))?;
    let program = |&name: &&str| {
        let file = |extension| built.join(format!("{name}.{extension}"));
        // What engines compile belongs to the measurement.
        let wasm = folder.join(name).with_extension("wasm");
        fs::copy(file("wasm"), &wasm).with_context(|| {
            format!("cannot copy {} to {}", file("wasm").display(), wasm.display())
        })?;
        let arguments = match file("args") {
            path if path.exists() => fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?,
            _ => String::new(),
        };
        Ok(Program {
            name: name.to_owned(),
            kind: Kind::Real,
            natives: vec![("-O2", file("native"))],
            modules: vec![(Simd::Without, wasm)],
            arguments: arguments.lines().map(str::to_owned).collect(),
            stdin: Some(file("stdin")).filter(|path| path.exists()),
        })
    };
    REAL.iter().map(program).collect()
}

fn build_kernel(kernel: &Kernel, folder: &Path, quick: bool) -> Result<Program> {
    let &Kernel { name, size, quick: tiny } = kernel;
    let source = Path::new(FOLDER).join("kernels").join(name).with_extension("c");
    let mut natives = Vec::new();
    for &(label, extension, flags) in NATIVE {
        let file = folder.join(name).with_extension(extension);
        compile(&source, &file, flags)?;
        natives.push((label, file));
    }
    let mut modules = Vec::new();
    for (simd, stem, flags) in [
        (Simd::Without, name.to_owned(), WASM.to_vec()),
        (Simd::With, format!("{name}-simd"), [WASM, &["-msimd128"]].concat()),
    ] {
        let file = folder.join(stem).with_extension("wasm");
        compile(&source, &file, &flags)?;
        modules.push((simd, file));
    }
    let arguments = vec![if quick { tiny } else { size }.to_string()];
    Ok(Program {
        name: name.to_owned(),
        kind: Kind::Kernel,
        natives,
        modules,
        arguments,
        stdin: None,
    })
}

/// Compiles a kernel, unless the result is newer than what it is made from.
fn compile(source: &Path, output: &Path, flags: &[&str]) -> Result<()> {
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    // This program has the flags.
    let inputs = [source.to_owned(), source.with_file_name("kernel.h"), env::current_exe()?];
    if modified(output) > inputs.iter().map(|input| modified(input)).max().flatten() {
        return Ok(());
    }
    let clang = concat!("clang-", include_str!("../../llvm-version.txt")).trim();
    execute(Command::new(clang).args(flags).arg(source).arg("-o").arg(output).arg("-lm"))
}

fn execute(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    // What it says is no part of the report.
    command.stdout(std::io::stderr());
    let status = command.status().with_context(|| {
        format!("cannot run {name}; scripts/setup --test installs what is needed")
    })?;
    ensure!(status.success(), "{name}: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_is_listed() {
        let entries = fs::read_dir(Path::new(FOLDER).join("kernels")).expect("there are kernels");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut found: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|e| e == "c"))
            .filter_map(|p| stem(&p))
            .collect();
        found.sort();
        assert_eq!(found, KERNELS.iter().map(|kernel| kernel.name).collect::<Vec<_>>());
    }
}
