//! Memories whose first contents are mapped from the module's file.

use crate::{Compiled, alone, call, module, trap};
use wasmrun::{
    Config, Imports, Instance, InstantiateError, Memory, MemoryType, Module, Store, Table,
    TableType, TrapCode, ValType, Value,
};

fn contents(store: &Store, instance: Instance) -> &[u8] {
    instance.memory(store, "memory").unwrap().data(store)
}

fn instantiate(store: &mut Store, module: &Module) -> Instance {
    Instance::new(store, module, &Imports::new()).unwrap()
}

/// Data across the end of a page, some of it overwritten, and far away.
const PAGES: &str = r#"(module
    (memory (export "memory") 3)
    (data (i32.const 4090) "0123456789")
    (data $passive "passive")
    (data (i32.const 4094) "abcd")
    (data $last (i32.const 196605) "end")
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "init") (param i32) (memory.init $last (i32.const 0) (i32.const 0) (local.get 0)))
    (func (export "passive") (memory.init $passive (i32.const 1) (i32.const 0) (i32.const 7)))
    (func (export "set") (param i32) (i32.store8 (local.get 0) (i32.const 33))))"#;

fn is_first(memory: &[u8]) -> bool {
    let data = [(4090, &b"0123abcd89"[..]), (196605, b"end")];
    let zeroes = [0..4090, 4100..196605, 196608..memory.len()];
    data.iter().all(|&(at, data)| memory[at..].starts_with(data))
        && zeroes.into_iter().all(|range| memory[range].iter().all(|&byte| byte == 0))
}

#[test]
fn segments_cross_pages_and_overwrite_each_other() {
    let (mut store, instance) = alone(PAGES);
    assert!(is_first(contents(&store, instance)));
    // The image's segments are dropped, as all active ones are; others are not.
    call(&mut store, instance, "init", &[Value::I32(0)]);
    let oob = TrapCode::MemoryOutOfBounds;
    assert_eq!(trap(&mut store, instance, "init", &[Value::I32(1)]), oob);
    call(&mut store, instance, "passive", &[]);
    assert_eq!(&contents(&store, instance)[..9], b"\0passive\0");
}

#[test]
fn a_memory_with_an_image_grows() {
    let (mut store, instance) = alone(PAGES);
    assert_eq!(call(&mut store, instance, "grow", &[Value::I32(2)]), [Value::I32(3)]);
    let memory = contents(&store, instance);
    assert!(memory.len() == 5 << 16 && is_first(memory));
    call(&mut store, instance, "set", &[Value::I32(3 << 16)]);
    assert_eq!(contents(&store, instance)[196605..196610], *b"end!\0");
}

#[test]
fn writes_are_seen_by_no_other_instance() {
    let module = module(PAGES);
    let mut store = Store::new(Config::default());
    let (one, other) = (instantiate(&mut store, &module), instantiate(&mut store, &module));
    for at in [4095, 196605, 8192] {
        call(&mut store, one, "set", &[Value::I32(at)]);
        assert_eq!(contents(&store, one)[at as usize], b'!');
    }
    assert!(is_first(contents(&store, other)));
    // Nor by those that come after and get the same address space.
    for round in 0..4 {
        let mut store = Store::new(Config::default());
        let instance = instantiate(&mut store, &module);
        assert!(is_first(contents(&store, instance)), "round {round}");
        instance.memory(&store, "memory").unwrap().data_mut(&mut store).fill(7);
        if round == 1 {
            call(&mut store, instance, "grow", &[Value::I32(1)]);
        }
    }
    // Not even by a module that has no image, or another.
    let (store, plain) = alone(r#"(module (memory (export "memory") 3))"#);
    assert!(contents(&store, plain).iter().all(|&byte| byte == 0));
    let (store, other) = alone(r#"(module (memory (export "memory") 2) (data (i32.const 1) "x"))"#);
    assert_eq!(contents(&store, other).iter().map(|&byte| u32::from(byte)).sum::<u32>(), 120);
}

#[test]
fn pages_that_were_only_read_may_stay() {
    // Every page of the image tells its number; there is memory beyond it.
    let data: String = (0..60)
        .map(|page| format!(r#"(data (i32.const {}) "{:03}")"#, page * 4096 + 9, page))
        .collect();
    let module = module(&format!(r#"(module (memory (export "memory") 5 20) {data})"#));
    let is_first = |memory: &[u8]| {
        memory.chunks(4096).enumerate().all(|(page, bytes)| {
            let number = if page < 60 { format!("{page:03}") } else { "\0\0\0".to_owned() };
            bytes[9..12] == *number.as_bytes()
                && bytes[..9].iter().chain(&bytes[12..]).all(|&byte| byte == 0)
        })
    };
    for round in 0..6 {
        let mut store = Store::new(Config::default());
        let memory = instantiate(&mut store, &module).memory(&store, "memory").unwrap();
        assert!(is_first(memory.data(&store)), "round {round}");
        if round % 3 == 2 {
            memory.grow(&mut store, 2).unwrap();
        }
        // More places than are asked for at once, in and beyond the image.
        let changed = memory.data_mut(&mut store).chunks_mut(4096).skip(round % 2).step_by(2);
        changed.for_each(|page| page[17 * round..].fill(7));
    }
}

/// A child has its parent's view of which pages are its own.
#[test]
fn a_child_sees_its_own_pages() {
    let module = module(PAGES);
    let write = || {
        let mut store = Store::new(Config::default());
        let memory = instantiate(&mut store, &module).memory(&store, "memory").unwrap();
        let first = is_first(memory.data(&store));
        memory.data_mut(&mut store).fill(7);
        first
    };
    assert!(write() && write());
    // SAFETY: the child only makes instances and ends. Other threads may hold
    // locks that it waits for; then the alarm ends it.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: nothing else sets an alarm.
        unsafe { libc::alarm(20) };
        let fine = write() && write() && write();
        // SAFETY: it ends at once.
        unsafe { libc::_exit(if fine { 0 } else { 1 }) };
    }
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: its own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(!libc::WIFEXITED(status) || libc::WEXITSTATUS(status) == 0, "{status:#x}");
}

#[test]
fn segments_are_applied_in_order_until_one_does_not_fit() {
    // What is left of the instance can be reached through the table.
    let attempt = |text: &str| {
        let mut store = Store::new(Config::default());
        let ty = TableType { element: ValType::FuncRef, min: 1, max: None };
        let table = Table::new(&mut store, ty, Value::FuncRef(None)).unwrap();
        let memory = Memory::new(&mut store, MemoryType { min: 1, max: None }).unwrap();
        let mut imports = Imports::new();
        imports.define("env", "table", table).define("env", "memory", memory);
        let text = format!(
            r#"(module
                (import "env" "table" (table 1 funcref))
                {text}
                (func $load (result i32) (i32.load (i32.const 0)))
                (elem (i32.const 0) $load))"#
        );
        let error = Instance::new(&mut store, &module(&text), &imports).unwrap_err();
        let InstantiateError::Trap(trap) = error else { panic!("{error}") };
        let load = table.get(&store, 0).unwrap();
        let Value::FuncRef(Some(load)) = load else { panic!("no function") };
        let Value::I32(found) = load.call(&mut store, &[]).unwrap()[0] else { unreachable!() };
        (trap.code(), found.to_le_bytes())
    };
    let data = |at, bytes| format!(r#"(data (i32.const {at}) "{bytes}")"#);
    let segments = [data(0, "ab"), data(65535, "xx"), data(1, "c")].concat();
    let trap = TrapCode::MemoryOutOfBounds;
    assert_eq!(attempt(&format!("(memory 1) {segments}")), (trap, *b"ab\0\0"));
    let imported = format!(r#"(import "env" "memory" (memory 1)) {segments}"#);
    assert_eq!(attempt(&imported), (trap, *b"ab\0\0"));
    // Elements come before all data.
    let elems = "(elem (i32.const 0) $load) (elem (i32.const 0) $load $load)";
    let text = format!(r#"(memory 1) {} {elems}"#, data(0, "ab"));
    assert_eq!(attempt(&text), (TrapCode::TableOutOfBounds, [0; 4]));
}

#[test]
fn the_file_may_be_deleted_or_replaced() {
    let compiled = Compiled::text(PAGES);
    let module = compiled.load();
    let other = Compiled::text(&PAGES.replace("0123456789", "##########"));
    std::fs::rename(other.path(), compiled.path()).unwrap();
    let check = |module: &Module| {
        let mut store = Store::new(Config::default());
        let instance = instantiate(&mut store, module);
        is_first(contents(&store, instance))
    };
    assert!(check(&module));
    // The loader has a file of this name already, and takes that one.
    let again = compiled.load();
    assert!(check(&again));
    drop(compiled);
    assert!(check(&module) && check(&again));
}

#[test]
fn data_is_in_the_file_once() {
    let mark: String = (0..200).map(|i| char::from(b'a' + (i * i % 23) as u8)).collect();
    let compiled =
        Compiled::text(&format!(r#"(module (memory 1) (data (i32.const 99) "{mark}"))"#));
    let file = std::fs::read(compiled.path()).unwrap();
    assert_eq!(file.windows(mark.len()).filter(|part| *part == mark.as_bytes()).count(), 1);
}
