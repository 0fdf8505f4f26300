//! Profiles of threads.

use crate::{Compiled, allocations, call};
use std::io::ErrorKind;
use std::sync::mpsc::channel;
use std::thread;
use wasmrun::{
    Config, Func, FuncType, Imports, Instance, Module, ProfileFormat, Profiler, Store, Value,
};

const WORK: &str = r#"(module $work
    (import "env" "again" (func $again))
    (memory 1)
    (func $spin (export "spin") (param $n i32)
        (loop $next
            (i32.store (i32.const 8) (i32.rotl (i32.load (i32.const 8)) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $through (export "through") (param $n i32)
        (call $again)
        (call $spin (local.get $n))))"#;

/// A store with an instance of [`WORK`] that calls `again` of the host.
fn work(
    module: &Module,
    again: impl Fn(&mut wasmrun::Caller<'_>) + Send + 'static,
) -> (Store, Instance) {
    let mut store = Store::new(Config::default());
    let again = Func::new(&mut store, FuncType::new([], []), move |caller, _, _| {
        again(caller);
        Ok(())
    });
    let mut imports = Imports::new();
    imports.define("env", "again", again);
    let instance = Instance::new(&mut store, module, &imports).unwrap();
    (store, instance)
}

fn folded(profile: &wasmrun::Profile) -> String {
    let mut text = Vec::new();
    profile.write(ProfileFormat::Folded, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn wasm_in_the_host_in_wasm_is_one_stack() {
    let file = Compiled::text(WORK);
    let (mut store, instance) = work(&file.load(), move |caller| {
        let instance = caller.instance().unwrap();
        let spin = instance.func(caller.store(), "spin").unwrap();
        spin.call(caller.store(), &[Value::I32(100_000_000)]).unwrap();
    });
    let profiler = Profiler::start(1000).unwrap();
    call(&mut store, instance, "through", &[Value::I32(1)]);
    let profile = profiler.stop();
    assert!(profile.samples() > 20);
    let text = folded(&profile);
    let line = text.lines().find(|line| line.contains(";spin;0x"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    let through = line.find("through;").unwrap();
    let host = line.find("::call_host [").unwrap();
    let enter = line.find("::switch::enter [").unwrap();
    assert!(through == 0 && host > through && enter > host, "{line}");
    assert!(line.find(";spin;").unwrap() > enter, "{line}");
}

#[test]
fn what_was_unloaded_still_has_names() {
    let profiler = Profiler::start(1000).unwrap();
    for _ in 0..2 {
        let file = Compiled::text(WORK);
        let (mut store, instance) = work(&file.load(), |_| ());
        call(&mut store, instance, "spin", &[Value::I32(30_000_000)]);
    }
    let text = folded(&profiler.stop());
    // Where in it, only the file could tell.
    assert!(text.lines().any(|line| line.starts_with("spin ")), "{text}");
}

#[test]
fn threads_have_profiles_of_their_own() {
    let file = Compiled::text(WORK);
    thread::scope(|scope| {
        for name in ["spin", "through"] {
            let file = &file;
            scope.spawn(move || {
                let (mut store, instance) = work(&file.load(), |_| ());
                let profiler = Profiler::start(500).unwrap();
                call(&mut store, instance, name, &[Value::I32(50_000_000)]);
                let text = folded(&profiler.stop());
                assert_eq!(text.contains("through;spin;0x"), name == "through", "{text}");
                assert!(text.contains("spin;0x"), "{text}");
            });
        }
    });
}

#[test]
fn one_thread_has_one_profiler_at_a_time() {
    for rate in [0, 10_001, u32::MAX] {
        assert_eq!(Profiler::start(rate).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let first = Profiler::start(1000).unwrap();
    assert!(Profiler::start(1000).is_err());
    drop(first);
    Profiler::start(1000).unwrap().stop();
}

#[test]
fn a_profiler_outlives_its_thread() {
    let file = Compiled::text(WORK);
    let module = file.load();
    let (sender, profiler) = channel();
    let thread = thread::spawn(move || {
        let (mut store, instance) = work(&module, |_| ());
        let profiler = Profiler::start(1000).unwrap();
        call(&mut store, instance, "spin", &[Value::I32(50_000_000)]);
        sender.send(profiler).unwrap();
    });
    let profiler: Profiler = profiler.recv().unwrap();
    thread.join().unwrap();
    assert!(folded(&profiler.stop()).contains("spin;0x"));
}

#[test]
fn sampling_allocates_nothing() {
    let file = Compiled::text(WORK);
    let (mut store, instance) = work(&file.load(), |_| ());
    let func = instance.func(&store, "spin").unwrap();
    let mut allocated = || {
        let before = allocations::count();
        func.call(&mut store, &[Value::I32(100_000_000)]).unwrap();
        allocations::count() - before
    };
    allocated();
    let without = allocated();
    let profiler = Profiler::start(1000).unwrap();
    assert_eq!(allocated(), without);
    assert!(profiler.stop().samples() > 20);
}
