//! What traces say when a module's file was stripped, split or replaced.

use std::fs;

use super::*;

/// Runs `command` in a directory of its own that has `module.so`, then loads the
/// module and traps in it.
fn trace_after(name: &str, command: &str, after_loading: &str) -> String {
    let directory = MODULE.code.code().path().with_file_name(name);
    fs::create_dir_all(&directory).unwrap();
    fs::copy(MODULE.code.code().path(), directory.join("module.so")).unwrap();
    let run = |command| {
        let status = Command::new("sh").args(["-ec", command]).current_dir(&directory).status();
        assert!(status.unwrap().success());
    };
    run(command);
    let module = Box::leak(Box::new(load(directory.join("module.so"))));
    run(after_loading);
    let (message, trace) = trap_of(Machine::of(module).run("outer", [0x20000, 0]));
    assert_eq!(message, "out of bounds memory access (address 0x20000, memory size 0x20000)");
    trace
}

const SPLIT: &str = "objcopy --only-keep-debug module.so module.debug; strip module.so;";
const EXACT: &str = "leaf+10 inlined*+10 outer+10";
const UNKNOWN: &str = "leaf+? outer+?";

#[test]
fn debug_information_may_be_in_another_file() {
    let link = format!("{SPLIT} objcopy --add-gnu-debuglink=module.debug module.so");
    assert_eq!(trace_after("split", &link, ""), EXACT);
    let elsewhere = format!("{link}; mkdir .debug; mv module.debug .debug");
    assert_eq!(trace_after("split-elsewhere", &elsewhere, ""), EXACT);
    // One that belongs to another build.
    let other = "printf 'void f(void) {}' | gcc -g -shared -Wl,--build-id -o module.debug -x c -";
    assert_eq!(trace_after("split-other", &format!("{link}; {other}"), ""), UNKNOWN);
}

#[test]
fn without_debug_information_functions_are_known_by_address() {
    assert_eq!(trace_after("stripped", "strip module.so", ""), UNKNOWN);
}

#[test]
fn a_replaced_file_is_not_trusted() {
    let replace = "gcc -g -shared -Wl,--build-id -o new.so -x c /dev/null; mv new.so module.so";
    assert_eq!(trace_after("replaced", "", replace), UNKNOWN);
    assert_eq!(trace_after("removed", "", "rm module.so"), UNKNOWN);
}
