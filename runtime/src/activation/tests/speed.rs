//! How long entering, leaving and tracing take. Run in release mode with
//! `--ignored --nocapture speed`.

use std::hint::black_box;
use std::time::Instant;

use super::*;
use crate::unwind::record::Recorder;

fn measure(name: &str, times: u32, mut f: impl FnMut()) {
    let best = (0..7).map(|_| {
        let start = Instant::now();
        (0..times).for_each(|_| f());
        start.elapsed() / times
    });
    println!("{name}: {:?}", best.min().unwrap());
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let machine = Machine::new();
    let (entry, code) = machine.function("unreachable");
    let mut slot = Slot([0; 16]);
    let context = ptr::from_ref(&machine).cast_mut().cast();
    // SAFETY: a function of `module.c`, with the context that it expects.
    measure("enter and return", 1_000_000, || unsafe {
        slot.0[0] = 0;
        assert!(enter(&machine.running, STACK, false, entry, code, context, &mut slot).is_ok());
    });
    let trap = |name, arguments| match machine.run(name, arguments) {
        Err(Exit::Trap(trap)) => trap,
        _ => panic!("no trap"),
    };
    measure("trap by builtin", 10_000, || drop(black_box(trap("unreachable", [1, 0]))));
    measure("trap by signal", 10_000, || drop(black_box(trap("outer", [0x20000, 0]))));
    measure("trap by signal, symbolised", 1_000, || {
        black_box(trap("outer", [0x20000, 0]).frames());
    });
    measure("stack overflow, 8192 frames", 100, || drop(trap("recurse", [1 << 40, 0])));
    let _ = Machine::run_host("call_host", |_| {
        let mut recorder = Recorder::new();
        measure("walk, 1 frame", 100_000, || {
            recorder.record_from_host(Activation::innermost());
        });
        Ok(())
    });
    const CALLS: u32 = 1_000_000;
    measure("host call", 1, || {
        assert!(Machine::run_host("calls_host_often", |_| Ok(())).is_ok());
    });
    println!("(of {CALLS} host calls)");
}
