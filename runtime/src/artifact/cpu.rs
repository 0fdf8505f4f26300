//! Which CPU features this machine has, by LLVM's names.

use crate::activation::gs;

/// Those of `features` that this machine lacks or this file does not know.
pub(super) fn missing<'a>(features: impl Iterator<Item = &'a str>) -> Vec<String> {
    features.filter(|name| has(name) != Some(true)).map(str::to_owned).collect()
}

/// Where LLVM's name is not that of Rust, Rust's follows in parentheses.
macro_rules! detect {
    ($macro:ident, $name:expr; $($llvm:tt $(($rust:tt))?),* $(,)?) => {
        match $name {
            $($llvm => Some(detect!(@ $macro $llvm $($rust)?)),)*
            _ => None,
        }
    };
    (@ $macro:ident $llvm:tt $rust:tt) => { std::arch::$macro!($rust) };
    (@ $macro:ident $llvm:tt) => { std::arch::$macro!($llvm) };
}

/// Whether the machine has the feature; `None` if the name is unknown.
#[cfg(target_arch = "x86_64")]
fn has(name: &str) -> Option<bool> {
    match name {
        // Part of every x86-64.
        "cmov" | "cx8" | "fxsr" | "mmx" | "sse" | "sse2" | "x87" | "64bit" => Some(true),
        // The CPU having it is not enough: the kernel must allow it.
        "fsgsbase" => Some(gs::is_ours()),
        _ => detect!(is_x86_feature_detected, name;
            "sse3", "ssse3", "sse4.1", "sse4.2", "sse4a", "popcnt", "lzcnt", "bmi"("bmi1"), "bmi2",
            "movbe", "adx", "aes", "pclmul"("pclmulqdq"), "rdrnd"("rdrand"), "rdseed", "sha",
            "cx16"("cmpxchg16b"), "f16c", "fma", "avx", "avx2", "xsave", "xsavec", "xsaveopt",
            "xsaves", "gfni", "vaes", "vpclmulqdq", "avx512f", "avx512cd", "avx512bw", "avx512dq",
            "avx512vl", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bitalg",
            "avx512vpopcntdq", "avx512bf16", "avx512fp16", "avxvnni",
            "avxvnniint8", "avxvnniint16", "avxifma", "avxneconvert",
        ),
    }
}

/// Whether the machine has the feature; `None` if the name is unknown.
#[cfg(target_arch = "aarch64")]
fn has(name: &str) -> Option<bool> {
    detect!(is_aarch64_feature_detected, name;
        "neon", "fp-armv8"("fp"), "lse", "crc", "aes", "sha2", "sha3", "fullfp16"("fp16"),
        "dotprod", "rdm", "rcpc", "i8mm", "bf16", "jsconv", "sve", "sve2",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused() {
        assert_eq!(missing(["avx1024", "sse2"].into_iter()), ["avx1024"]);
    }
}
