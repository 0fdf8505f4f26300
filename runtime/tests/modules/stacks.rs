//! Traces through several modules, instances and host functions.

use crate::Compiled;
use std::sync::{Arc, Mutex};
use wasmrun::trace::{Format, Trace};
use wasmrun::{
    CallError, Config, Frame, Func, FuncType, HostError, Imports, Instance, Store, current_stack,
};

/// `name@module+offset` of each frame, with `host` between.
pub fn words(frames: &[Frame]) -> String {
    let words = frames.iter().map(|frame| match frame {
        Frame::Host => "host".to_owned(),
        Frame::Omitted(count) => format!("<{count}>"),
        Frame::Wasm(frame) => {
            let name = frame.func_name.as_deref().unwrap_or("?");
            let offset = frame.func_offset.map_or("?".into(), |offset| offset.to_string());
            format!("{name}@{}+{offset}", frame.module.name())
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

const LOW: &str = r#"(module $low
    (import "env" "look" (func $look))
    (memory 1)
    (func $load (export "load") (param i32) (result i32)
        (i32.load (local.get 0)))
    (func $show (export "show") (call $look)))"#;

const HIGH: &str = r#"(module $high
    (import "low" "load" (func $load (param i32) (result i32)))
    (import "low" "show" (func $show))
    (table 1 funcref) (elem (i32.const 0) $load)
    (func $direct (export "direct") (result i32)
        (i32.add (i32.const 1) (call $load (i32.const -4))))
    (func $indirect (export "indirect") (result i32)
        (i32.add (i32.const 1)
            (call_indirect (param i32) (result i32) (i32.const -4) (i32.const 0))))
    (func $shows (export "shows") (call $show) nop))"#;

/// The store, and an instance of [`HIGH`] linked to one of [`LOW`].
fn linked(
    files: &[Compiled; 2],
    look: impl Fn(&mut wasmrun::Caller<'_>) -> Result<(), HostError> + Send + 'static,
) -> (Store, Instance) {
    let mut store = Store::new(Config::default());
    let look = Func::new(&mut store, FuncType::new([], []), move |caller, _, _| look(caller));
    let mut imports = Imports::new();
    imports.define("env", "look", look);
    let low = Instance::new(&mut store, &files[0].load(), &imports).unwrap();
    imports.define_instance(&store, "low", low);
    let high = Instance::new(&mut store, &files[1].load(), &imports).unwrap();
    (store, high)
}

#[test]
fn a_trap_in_another_module_names_both() {
    let files = [Compiled::text(LOW), Compiled::text(HIGH)];
    let (mut store, high) = linked(&files, |_| Ok(()));
    for name in ["direct", "indirect"] {
        let func = high.func(&store, name).unwrap();
        let Err(CallError::Trap(trap)) = func.call(&mut store, &[]) else { panic!("no trap") };
        let call = if name == "direct" { 5 } else { 7 };
        assert_eq!(words(trap.frames()), format!("load@low+3 {name}@high+{call}"));
        let show = |format| Trace::from(&trap).display(format, false).to_string();
        let short = show(Format::Short);
        assert!(short.contains("load in low\n") && short.contains(" in high\n"), "{short}");
        let full = show(Format::Full);
        assert!(full.contains("\n     low, function 1+0x3, module.so+0x"), "{full}");
        assert!(full.contains("\n     high, function "), "{full}");
        let json = show(Format::Json);
        assert!(json.contains(r#""module":"low","name":"load","function":1,"#), "{json}");
        assert!(json.contains(r#""module":"high","name":""#), "{json}");
    }
}

#[test]
fn a_host_function_sees_all_callers() {
    let files = [Compiled::text(LOW), Compiled::text(HIGH)];
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (mut store, high) = linked(&files, {
        let seen = seen.clone();
        move |caller| {
            let instance = caller.instance().unwrap();
            seen.lock().unwrap().push(current_stack());
            // The host calls wasm again, once: there are two host functions then.
            let show = instance.func(caller.store(), "show").unwrap();
            if seen.lock().unwrap().len() == 1 {
                show.call(caller.store(), &[])?;
                assert_eq!(words(&current_stack()), words(&seen.lock().unwrap()[0]));
            }
            Ok(())
        }
    });
    assert!(current_stack().is_empty());
    high.func(&store, "shows").unwrap().call(&mut store, &[]).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(words(&seen[0]), "host show@low+1 shows@high+1");
    assert_eq!(words(&seen[1]), "host show@low+1 host show@low+1 shows@high+1");
    let full = Trace::of_stack("here", &seen[1]).display(Format::Full, false).to_string();
    assert_eq!(full.matches("     -- host --\n").count(), 2, "{full}");
    let json = Trace::of_stack("here", &seen[1]).display(Format::Json, false).to_string();
    assert_eq!(json.matches(r#"{"host":true}"#).count(), 2, "{json}");
}

#[test]
fn instances_of_one_module_share_its_name() {
    let file = Compiled::text(
        r#"(module $twice
            (import "env" "next" (func $next))
            (func $step (export "step") (call $next) nop))"#,
    );
    let mut store = Store::new(Config::default());
    let last =
        Func::new(&mut store, FuncType::new([], []), |_, _, _| Err(words(&current_stack()).into()));
    let module = file.load();
    let mut next = last;
    for _ in 0..3 {
        let mut imports = Imports::new();
        imports.define("env", "next", next);
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        next = instance.func(&store, "step").unwrap();
    }
    let Err(CallError::Host(error)) = next.call(&mut store, &[]) else { panic!("no error") };
    assert_eq!(error.to_string(), "host step@twice+1 step@twice+1 step@twice+1");
}
