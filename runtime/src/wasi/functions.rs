//! The functions of WASI preview 1 as host functions: one table of their
//! signatures, and how one call is passed on.

use super::{Exit, MODULE, WasiCtx, WasiError};
use crate::{
    Caller, Func, FuncType, HostError, Imports, StoreContext, ValType, Value, current_stack,
};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};
use wasi_common::clocks::WasiClocks;
use wasi_common::snapshots::preview_1::wasi_snapshot_preview1 as preview1;
use wiggle::{GuestError, GuestMemory, anyhow};

/// Offers every function of WASI preview 1 as `wasi_snapshot_preview1`.
///
/// They use the memory that the calling instance exports as `memory`. The call
/// into a program that ends itself returns the error [`Exit`].
pub fn add_to_imports(imports: &mut Imports, store: &mut StoreContext, ctx: WasiCtx) {
    add_all(imports, store, &ctx);
    let ty = FuncType::new([ValType::I32], []);
    let proc_exit = Func::new(store, ty, |_, args, _| match *args {
        // wasi-common would refuse codes from 126 on.
        [Value::I32(code)] => Err(Exit(code as u32).into()),
        _ => unreachable!("arguments fit the type"),
    });
    imports.define(MODULE, "proc_exit", proc_exit);
    let WasiCtx(shared) = ctx;
    let clock_time_get = Func::wrap(store, move |caller, params: (i32, i64, i32)| {
        let name = "clock_time_get";
        let memory = memory(caller, name)?;
        if tell_time(&shared.clocks, memory, params).is_some() {
            return Ok(0);
        }
        let (clock, precision, place) = params;
        let (mut memory, mut shared) = (GuestMemory::Unshared(memory), shared.clone());
        run(name, preview1::clock_time_get(&mut shared, &mut memory, clock, precision, place))
    });
    imports.define(MODULE, "clock_time_get", clock_time_get);
}

/// `clock_time_get` where nothing is wrong. Programs call it more often than any other
/// function, and wiggle's way there takes longer than the clock.
fn tell_time(
    clocks: &WasiClocks,
    memory: &mut [u8],
    (clock, precision, place): (i32, i64, i32),
) -> Option<()> {
    const REALTIME: i32 = 0;
    const MONOTONIC: i32 = 1;
    let place = place as u32 as usize;
    let bytes = memory.get_mut(place..)?.first_chunk_mut().filter(|_| place.is_multiple_of(8))?;
    let precision = Duration::from_nanos(precision as u64);
    let time = match clock {
        REALTIME => {
            let now = clocks.system().ok()?.now(precision).into_std();
            now.duration_since(SystemTime::UNIX_EPOCH).ok()?
        }
        MONOTONIC => {
            let clock = clocks.monotonic().ok()?;
            clock.abs_clock.now(precision).duration_since(clock.creation_time)
        }
        _ => return None,
    };
    *bytes = u64::try_from(time.as_nanos()).ok()?.to_le_bytes();
    Some(())
}

/// Declares functions that return an error code.
macro_rules! functions {
    ($(fn $name:ident($($param:ident: $ty:ident),*);)*) => {
        fn add_all(imports: &mut Imports, store: &mut StoreContext, ctx: &WasiCtx) {
            $(
                let WasiCtx(shared) = ctx.clone();
                let func = Func::wrap(store, move |caller, ($($param,)*): ($($ty,)*)| {
                    let name = stringify!($name);
                    let mut memory = GuestMemory::Unshared(memory(caller, name)?);
                    let mut shared = shared.clone();
                    run(name, preview1::$name(&mut shared, &mut memory, $($param),*))
                });
                imports.define(MODULE, stringify!($name), func);
            )*
        }
    };
}

functions! {
    fn args_get(argv: i32, buf: i32);
    fn args_sizes_get(count: i32, size: i32);
    fn environ_get(environ: i32, buf: i32);
    fn environ_sizes_get(count: i32, size: i32);
    fn clock_res_get(clock: i32, resolution: i32);
    fn fd_advise(fd: i32, offset: i64, len: i64, advice: i32);
    fn fd_allocate(fd: i32, offset: i64, len: i64);
    fn fd_close(fd: i32);
    fn fd_datasync(fd: i32);
    fn fd_fdstat_get(fd: i32, stat: i32);
    fn fd_fdstat_set_flags(fd: i32, flags: i32);
    fn fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64);
    fn fd_filestat_get(fd: i32, stat: i32);
    fn fd_filestat_set_size(fd: i32, size: i64);
    fn fd_filestat_set_times(fd: i32, accessed: i64, modified: i64, flags: i32);
    fn fd_pread(fd: i32, iovs: i32, iovs_len: i32, offset: i64, size: i32);
    fn fd_prestat_get(fd: i32, prestat: i32);
    fn fd_prestat_dir_name(fd: i32, path: i32, path_len: i32);
    fn fd_pwrite(fd: i32, iovs: i32, iovs_len: i32, offset: i64, size: i32);
    fn fd_read(fd: i32, iovs: i32, iovs_len: i32, size: i32);
    fn fd_readdir(fd: i32, buf: i32, buf_len: i32, cookie: i64, size: i32);
    fn fd_renumber(fd: i32, to: i32);
    fn fd_seek(fd: i32, offset: i64, whence: i32, position: i32);
    fn fd_sync(fd: i32);
    fn fd_tell(fd: i32, position: i32);
    fn fd_write(fd: i32, iovs: i32, iovs_len: i32, size: i32);
    fn path_create_directory(fd: i32, path: i32, path_len: i32);
    fn path_filestat_get(fd: i32, flags: i32, path: i32, path_len: i32, stat: i32);
    fn path_filestat_set_times(
        fd: i32,
        flags: i32,
        path: i32,
        path_len: i32,
        accessed: i64,
        modified: i64,
        time_flags: i32
    );
    fn path_link(
        old_fd: i32,
        old_flags: i32,
        old_path: i32,
        old_path_len: i32,
        new_fd: i32,
        new_path: i32,
        new_path_len: i32
    );
    fn path_open(
        fd: i32,
        lookup_flags: i32,
        path: i32,
        path_len: i32,
        open_flags: i32,
        rights_base: i64,
        rights_inheriting: i64,
        fd_flags: i32,
        opened: i32
    );
    fn path_readlink(fd: i32, path: i32, path_len: i32, buf: i32, buf_len: i32, size: i32);
    fn path_remove_directory(fd: i32, path: i32, path_len: i32);
    fn path_rename(
        old_fd: i32,
        old_path: i32,
        old_path_len: i32,
        new_fd: i32,
        new_path: i32,
        new_path_len: i32
    );
    fn path_symlink(
        old_path: i32,
        old_path_len: i32,
        fd: i32,
        new_path: i32,
        new_path_len: i32
    );
    fn path_unlink_file(fd: i32, path: i32, path_len: i32);
    fn poll_oneoff(subscriptions: i32, events: i32, subscriptions_len: i32, events_len: i32);
    fn proc_raise(signal: i32);
    fn sched_yield();
    fn random_get(buf: i32, buf_len: i32);
    fn sock_accept(fd: i32, flags: i32, accepted: i32);
    fn sock_recv(fd: i32, iovs: i32, iovs_len: i32, flags: i32, size: i32, out_flags: i32);
    fn sock_send(fd: i32, iovs: i32, iovs_len: i32, flags: i32, size: i32);
    fn sock_shutdown(fd: i32, how: i32);
}

/// The memory that `function` works on.
fn memory<'a>(caller: &'a mut Caller, function: &'static str) -> Result<&'a mut [u8], HostError> {
    match caller.memory() {
        Some(memory) => Ok(memory.data_mut(caller.store())),
        None => Err(failed(function, "the module exports no memory named `memory`".into())),
    }
}

/// Runs a call to its end: the synchronous implementation never waits for
/// another task.
fn run(
    function: &'static str,
    call: impl Future<Output = anyhow::Result<i32>>,
) -> Result<i32, HostError> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(code)) => Ok(code),
        Poll::Ready(Err(error)) => Err(failed(function, explain(&error))),
        Poll::Pending => Err(failed(function, "it would wait for ever".into())),
    }
}

fn failed(function: &'static str, reason: String) -> HostError {
    WasiError { function, reason, stack: current_stack() }.into()
}

/// The error in the program's words, if it is about the program's memory.
fn explain(error: &anyhow::Error) -> String {
    let mut cause = error.downcast_ref::<GuestError>();
    while let Some(GuestError::InFunc { err, .. }) = cause {
        cause = Some(err);
    }
    match cause {
        Some(GuestError::PtrOutOfBounds(region)) => {
            format!("{} bytes at {:#x} are outside of the memory", region.len, region.start)
        }
        Some(GuestError::PtrOverflow) => "a pointer is outside of the memory".into(),
        Some(GuestError::PtrNotAligned(region, align)) => {
            format!("the pointer {:#x} is not aligned to {align} bytes", region.start)
        }
        Some(other) => other.to_string(),
        None => format!("{error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasi::WasiCtxBuilder;
    use crate::{CallError, Config, Extern, Store};

    fn call(name: &str, args: &[Value]) -> HostError {
        let mut store = Store::new(Config::default());
        let mut imports = Imports::new();
        add_to_imports(&mut imports, &mut store, WasiCtxBuilder::new().build());
        let Some(Extern::Func(func)) = imports.get(MODULE, name) else { panic!("no {name}") };
        match func.call(&mut store, args) {
            Err(CallError::Host(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_exit_code_comes_through() {
        for code in [0, 1, 125, 126, 255, 256, -1] {
            let exit = call("proc_exit", &[Value::I32(code)]).downcast::<Exit>().unwrap();
            assert_eq!(*exit, Exit(code as u32));
        }
    }

    #[test]
    fn a_missing_memory_is_named() {
        let error = call("sched_yield", &[]).to_string();
        assert_eq!(
            error,
            "WASI function `sched_yield`: the module exports no memory named `memory`"
        );
    }

    #[test]
    fn wrong_pointers_are_explained() {
        let ctx = WasiCtxBuilder::new().build();
        let mut memory = vec![0; 65536];
        let mut reason = |at| {
            let mut memory = GuestMemory::Unshared(&mut memory);
            let mut ctx = ctx.0.clone();
            run("f", preview1::clock_time_get(&mut ctx, &mut memory, 0, 0, at))
                .map_err(|error| error.downcast::<WasiError>().unwrap().reason)
        };
        assert_eq!(reason(8).unwrap(), 0);
        assert_eq!(reason(65532).unwrap_err(), "8 bytes at 0xfffc are outside of the memory");
        assert_eq!(reason(-8).unwrap_err(), "8 bytes at 0xfffffff8 are outside of the memory");
        assert_eq!(reason(12).unwrap_err(), "the pointer 0xc is not aligned to 8 bytes");
    }

    #[test]
    fn the_short_way_to_the_time_is_that_of_wiggle() {
        let WasiCtx(mut ctx) = WasiCtxBuilder::new().build();
        let mut bytes = vec![0; 65536];
        let time = |bytes: &[u8]| u64::from_le_bytes(*bytes[8..].first_chunk().unwrap());
        for clock in [0, 1] {
            tell_time(&ctx.clocks, &mut bytes, (clock, 0, 8)).unwrap();
            let short = time(&bytes);
            let mut memory = GuestMemory::Unshared(&mut bytes);
            let long = preview1::clock_time_get(&mut ctx, &mut memory, clock, 0, 8);
            assert_eq!(run("f", long).unwrap(), 0);
            assert!((short..short + 60_000_000_000).contains(&time(&bytes)), "{short}");
        }
        // What is wrong, and the clocks that are not there, are for wiggle to explain.
        for wrong in [(1, 0, 12), (1, 0, 65532), (0, 0, 65536), (1, 0, -8), (2, 0, 8), (9, 0, 8)] {
            assert_eq!(tell_time(&ctx.clocks, &mut bytes, wrong), None);
        }
    }
}
