//! Checks the LLVM that is installed and builds the C++ shim against it.

use std::process::Command;
use std::{env, fs};

fn main() {
    let wanted =
        fs::read_to_string("llvm-version.txt").expect("llvm-version.txt is part of the repository");
    let wanted = wanted.trim();
    println!("cargo:rerun-if-changed=llvm-version.txt");
    println!("cargo:rerun-if-changed=src/llvm/shim");
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
        .files(
            [
                "addressing",
                "aligning",
                "alone",
                "bounds",
                "chasing",
                "checks",
                "choosing",
                "climbing",
                "codegen",
                "conversions",
                "forwarding",
                "gate",
                "link",
                "multiplying",
                "narrowing",
                "optimise",
                "reaching",
                "sitevalues",
                "vanishing",
                "variableflow",
                "variables",
                "versioning",
                "widening",
            ]
            .map(|name| format!("src/llvm/shim/{name}.cpp")),
        )
        .compile("wasm2so_shim");

    println!("cargo:rustc-link-search=native={}", llvm(&config, "--libdir", wanted));
    println!("cargo:rustc-link-lib=static=lldELF");
    println!("cargo:rustc-link-lib=static=lldCommon");
    // inkwell is told not to link LLVM.
    println!("cargo:rustc-link-lib=dylib=LLVM-{wanted}");
    println!("cargo:rustc-link-lib=dylib=z");
    println!("cargo:rustc-link-lib=dylib=zstd");
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
