//! Commands for debuggers, in their own language. They know nothing of how files
//! are laid out but what the debug information says.

/// For gdb 13 and later.
pub const GDB: &str = concat!(
    include_str!("wasm_gdb.py"),
    include_str!("source_gdb.py"),
    include_str!("values_gdb.py")
);

/// For lldb 16 and later; for sources, 17.
pub const LLDB: &str = concat!(include_str!("wasm_lldb.py"), include_str!("values_lldb.py"));

/// The section in which gdb looks for commands.
pub const GDB_SECTION: &str = ".debug_gdb_scripts";

/// What is in it: Python text with a name, by which gdb runs it once only. (See
/// "The .debug_gdb_scripts section" in gdb's manual.)
pub fn gdb_section() -> Vec<u8> {
    const PYTHON_TEXT: u8 = 4;
    [&[PYTHON_TEXT], "wasm2so\n".as_bytes(), GDB.as_bytes(), &[0]].concat()
}
