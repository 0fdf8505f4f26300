//! Checks the LLVM that is installed and builds the C++ shim against it.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

const SHIM: &str = "src/llvm/shim";

/// What is compiled in one go, because nine tenths of a file's time are LLVM's headers:
/// what works on IR, and what works on machine code. (Precompiled, GCC takes as long
/// to read them.) Files must not define the same name in anonymous namespaces.
const UNITS: [(&str, &[&str]); 2] = [
    (
        "ir",
        &[
            "alone",
            "bounds",
            "chasing",
            "checks",
            "choosing",
            "climbing",
            "conversions",
            "forwarding",
            "gate",
            "link",
            "multiplying",
            "narrowing",
            "optimise",
            "vanishing",
            "versioning",
            "widening",
        ],
    ),
    (
        "machine",
        &[
            "addressing",
            "aligning",
            "codegen",
            "reaching",
            "sitevalues",
            "variableflow",
            "variables",
        ],
    ),
];

fn main() {
    let wanted =
        fs::read_to_string("llvm-version.txt").expect("llvm-version.txt is part of the repository");
    let wanted = wanted.trim();
    println!("cargo:rerun-if-changed=llvm-version.txt");
    println!("cargo:rerun-if-changed={SHIM}");
    println!("cargo:rerun-if-env-changed=LLVM_CONFIG");
    println!("cargo:rustc-env=WASM2SO_LLVM_VERSION={wanted}");

    let config = env::var("LLVM_CONFIG").unwrap_or_else(|_| format!("llvm-config-{wanted}"));
    let version = llvm(&config, "--version", wanted);
    if version.split('.').next() != Some(wanted) {
        fail(&format!("{config} is LLVM {version}"), wanted);
    }
    let include = llvm(&config, "--includedir", wanted);
    if !fs::exists(format!("{include}/lld/Common/Driver.h")).unwrap_or(false) {
        fail(&format!("the LLD headers are missing from {include}"), wanted);
    }

    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .flag("-fno-rtti")
        .flag("-fno-exceptions")
        // LLVM's own headers are not ours to warn about.
        .flag(format!("-isystem{include}"))
        .define("__STDC_CONSTANT_MACROS", None)
        .define("__STDC_FORMAT_MACROS", None)
        .define("__STDC_LIMIT_MACROS", None)
        .include(SHIM)
        .files(UNITS.iter().map(|(name, files)| unit(name, files)))
        .compile("wasm2so_shim");

    println!("cargo:rustc-link-search=native={}", llvm(&config, "--libdir", wanted));
    println!("cargo:rustc-link-lib=static=lldELF");
    println!("cargo:rustc-link-lib=static=lldCommon");
    // inkwell is told not to link LLVM.
    println!("cargo:rustc-link-lib=dylib=LLVM-{wanted}");
    println!("cargo:rustc-link-lib=dylib=z");
    println!("cargo:rustc-link-lib=dylib=zstd");
}

/// Writes the source that includes all of `files`.
fn unit(name: &str, files: &[&str]) -> PathBuf {
    let out = env::var_os("OUT_DIR").expect("set by cargo");
    let path = PathBuf::from(out).join(name).with_extension("cpp");
    let includes = files.iter().map(|file| format!("#include \"{file}.cpp\"\n"));
    fs::write(&path, includes.collect::<String>()).expect("OUT_DIR can be written");
    path
}

/// What `llvm-config` answers.
fn llvm(config: &str, question: &str, wanted: &str) -> String {
    match Command::new(config).arg(question).output() {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => fail(&format!("{config} was not found"), wanted),
    }
}

fn fail(what: &str, wanted: &str) -> ! {
    panic!(
        "\n\nwasm2so needs LLVM {wanted} and its LLD library, but {what}.\n\
         On Debian: run scripts/setup, or\n    \
         apt-get install llvm-{wanted}-dev liblld-{wanted}-dev libzstd-dev zlib1g-dev\n\
         Elsewhere: set LLVM_CONFIG to the llvm-config of LLVM {wanted}.\n"
    )
}
