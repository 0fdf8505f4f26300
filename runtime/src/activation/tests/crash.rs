//! Faults that are no traps: they end the process, or go to the handler that
//! was there before, as if there were none of ours. Each in a process of its own.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, exit};

use super::*;

const CHILD: &str = "WASMRUN_TEST_CRASH";

/// Runs the case `name` of [`child`].
fn crash(name: &str) -> ExitStatus {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "activation::tests::crash::child", "--ignored", "--test-threads=1"])
        .env(CHILD, name)
        .env(MODULE_FILE, MODULE.code.code().path())
        .output()
        .unwrap();
    child.status
}

#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let Ok(case) = std::env::var(CHILD) else { return };
    // SAFETY: ends the process early, at worst.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    match &*case {
        "wild" => drop(Machine::new().run("wild", [0x1000, 0])),
        "host" => {
            let _ = Machine::run_host("call_host", |machine| {
                // SAFETY: none: this is the fault.
                unsafe { machine.memory.add(MEMORY.0).read_volatile() };
                Ok(())
            });
        }
        "host stack" => {
            #[expect(unconditional_recursion)]
            fn overflow(n: u64) -> u64 {
                let room = std::hint::black_box([n; 100]);
                overflow(n + 1) + room[7]
            }
            let _ = Machine::run_host("call_host", |_| {
                overflow(0);
                Ok(())
            });
        }
        "outside" => {
            let machine = Machine::new();
            assert!(machine.run("unreachable", [0, 0]).is_ok());
            // SAFETY: none: this is the fault.
            unsafe { machine.memory.add(MEMORY.0).read_volatile() };
        }
        "sent" => {
            // SAFETY: no requirements.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
            let _ = Machine::run_host("call_host", |_| {
                // SAFETY: no requirements.
                unsafe { libc::raise(libc::SIGSEGV) };
                Ok(())
            });
        }
        "ignored" => {
            // SAFETY: no requirements.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_IGN) };
            let result = Machine::run_host("call_host", |_| {
                // SAFETY: no requirements.
                unsafe { libc::raise(libc::SIGSEGV) };
                Ok(())
            });
            assert!(result.is_ok());
            exit(42);
        }
        "previous" => {
            unsafe extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, _: *mut c_void) {
                // SAFETY: the handler's arguments.
                let address = unsafe { (*info).si_addr() } as usize;
                let expected = (signal, address) == (libc::SIGSEGV, 0x1234);
                // SAFETY: no requirements.
                unsafe { libc::_exit(if expected { 42 } else { 1 }) };
            }
            // SAFETY: a handler of the right type.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut());
            }
            // Traps do not get there.
            the_builtin_is_a_trap();
            an_access_out_of_bounds_is_a_trap();
            drop(Machine::new().run("wild", [0x1234, 0]));
        }
        case => panic!("no case `{case}`"),
    }
    exit(0);
}

#[test]
fn a_wild_pointer_in_wasm_crashes() {
    assert_eq!(crash("wild").signal(), Some(libc::SIGSEGV));
}

#[test]
fn a_host_function_outside_memory_crashes() {
    assert_eq!(crash("host").signal(), Some(libc::SIGSEGV));
    assert_eq!(crash("outside").signal(), Some(libc::SIGSEGV));
}

#[test]
fn a_native_stack_overflow_is_reported_by_std() {
    assert_eq!(crash("host stack").signal(), Some(libc::SIGABRT));
}

#[test]
fn a_signal_that_was_sent_is_not_a_fault() {
    assert_eq!(crash("sent").signal(), Some(libc::SIGSEGV));
    assert_eq!(crash("ignored").code(), Some(42));
}

#[test]
fn the_previous_handler_gets_the_rest() {
    assert_eq!(crash("previous").code(), Some(42));
}
