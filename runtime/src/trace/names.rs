//! Names as people read them: demangled, and harmless to a terminal.
//! Knows nothing of frames.

use std::borrow::Cow;

/// The name in the source language when `name` is a mangled Rust or C++ name;
/// C++ parameters only when `signature`. Control characters are escaped, for
/// names come from the module and end up in a terminal.
pub(super) fn readable(name: &str, signature: bool) -> Cow<'_, str> {
    match demangle(name, signature) {
        Some(demangled) => Cow::Owned(escape_controls(&demangled).into_owned()),
        None => escape_controls(name),
    }
}

/// The name in the source language, with nothing escaped.
pub(super) fn demangled(name: &str) -> Cow<'_, str> {
    demangle(name, false).map_or(Cow::Borrowed(name), Cow::Owned)
}

/// The text without control characters.
pub(super) fn escape_controls(name: &str) -> Cow<'_, str> {
    if !name.contains(char::is_control) {
        return Cow::Borrowed(name);
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    Cow::Owned(name.chars().map(escape).collect())
}

#[cfg(feature = "cli")]
fn demangle(name: &str, signature: bool) -> Option<String> {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return Some(format!("{rust:#}"));
    }
    // A plain C name such as `i` would be a valid mangled *type*.
    if !name.starts_with("_Z") {
        return None;
    }
    // The name is untrusted: bound the work.
    const DEPTH: u32 = 160;
    let parse = cpp_demangle::ParseOptions::default().recursion_limit(DEPTH);
    let symbol = cpp_demangle::Symbol::new_with_options(name, &parse).ok()?;
    let mut print = cpp_demangle::DemangleOptions::new().recursion_limit(DEPTH);
    if !signature {
        print = print.no_params().no_return_type();
    }
    symbol.demangle_with_options(&print).ok()
}

#[cfg(not(feature = "cli"))]
fn demangle(_name: &str, _signature: bool) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay() {
        for name in ["main", "i", "operator", "", "$f5", "été"] {
            assert_eq!(readable(name, false), name);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(readable("a\x1b[2Jb\n", true), r"a\u{1b}[2Jb\n");
    }

    #[cfg(feature = "cli")]
    #[test]
    fn rust_and_cpp_are_demangled() {
        let rust = "_ZN4core9panicking5panic17h0123456789abcdefE";
        assert_eq!(readable(rust, false), "core::panicking::panic");
        assert_eq!(readable("_RNvC6_123foo3bar", false), "123foo::bar");
        let cpp = "_ZNSt6vectorIiSaIiEE9push_backERKi";
        assert_eq!(readable(cpp, false), "std::vector<int, std::allocator<int> >::push_back");
        assert_eq!(
            readable(cpp, true),
            "std::vector<int, std::allocator<int> >::push_back(int const&)"
        );
        assert_eq!(readable("_Znonsense", false), "_Znonsense");
    }
}
