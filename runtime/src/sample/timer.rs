//! Stacks of a thread in proportion to the CPU time that it uses: its own timers make
//! it walk its stack, into a [`Ring`].
//!
//! The kernel's timers of CPU time are exact about what is sampled, but it looks at
//! them in its tick only: on many systems 250 times a second. Those of the monotonic
//! clock are as fine as one wants, and as long as a thread runs without waiting for
//! anything both clocks tell the same. So that is what is used; and as soon as the
//! thread was seen to have waited, a timer of CPU time takes over, until it comes: a
//! thread that waits is not disturbed more than once, and no CPU time is taken for
//! that of the place where it waits.
//!
//! (A thread that sleeps and sends signals would be as fine, but costs 15 to 25 µs for
//! each; and `perf_event_open` is forbidden to most processes on Debian and in
//! containers.)

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::mem::{self, MaybeUninit, zeroed};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{io, ptr, thread};

use libc::{clockid_t, itimerspec, sigevent, siginfo_t, sigval, timer_t, timespec, ucontext_t};

use super::ring::{Head, Ring};
use super::{signal, target};
use crate::activation::{self, Activation};
use crate::native_stack;
use crate::unwind::Walker;
use crate::unwind::arch::Registers;

thread_local! {
    /// This thread's. No destructor, no lazy initialisation: a signal handler
    /// reads it.
    static CURRENT: Cell<*const Sampled> = const { Cell::new(ptr::null()) };
}

/// A thread that is sampled, or was.
pub(crate) struct Sampled {
    /// Where the samples are.
    pub(crate) ring: Ring,
    native_stack: Range<u64>,
    running: AtomicBool,
    /// Whether the handler is at work.
    busy: AtomicBool,
    /// Intervals of CPU time that no sample in the ring stands for.
    uncounted: AtomicU64,
    /// The handler's.
    work: UnsafeCell<Work>,
}

// SAFETY: only the thread's own signal handler uses `work` while it is `running`, and
// only `start`, on that thread, before that.
unsafe impl Sync for Sampled {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Sampled {}

struct Work {
    walker: Walker,
    /// In nanoseconds.
    interval: u64,
    /// CPU time that samples stand for, in nanoseconds.
    counted: u64,
    /// How often the thread had waited.
    waits: i64,
    /// CPU time at the end of the last sample, in nanoseconds.
    ended: u64,
    /// Which timer is armed.
    armed: Clock,
    timers: [timer_t; 2],
}

/// What a timer goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Monotonic,
    Cpu,
}

impl Clock {
    const BOTH: [(Clock, clockid_t); 2] =
        [(Clock::Monotonic, libc::CLOCK_MONOTONIC), (Clock::Cpu, libc::CLOCK_THREAD_CPUTIME_ID)];

    /// What signals of such a timer carry.
    fn value(self, sampled: *const Sampled) -> *mut c_void {
        sampled.wrapping_byte_add(self as usize).cast_mut().cast()
    }
}

/// Samples the thread that made it, until it is dropped.
pub(crate) struct Timers {
    sampled: Arc<Sampled>,
    start: (u64, u64),
    _timers: [Timer; 2],
}

impl Timers {
    /// Starts to sample this thread, by `signal`, each time that it has used as much
    /// CPU time as `interval`.
    ///
    /// # Errors
    /// Those of the system; it is being sampled already.
    pub(crate) fn start(signal: c_int, interval: Duration) -> io::Result<Self> {
        signal::install(signal)?;
        let sampled = current()?;
        if sampled.running.load(Ordering::Acquire) {
            return Err(io::Error::other("the thread is being sampled already"));
        }
        let [monotonic, cpu] = Clock::BOTH
            .map(|(clock, id)| Timer::new(id, signal, clock.value(Arc::as_ptr(&sampled))));
        let timers = [monotonic?, cpu?];
        // What nobody took from the last time.
        while sampled.ring.pop(|_, _| {}).is_some() {}
        let interval = interval.as_nanos() as u64;
        let start = (now(libc::CLOCK_MONOTONIC), now(libc::CLOCK_THREAD_CPUTIME_ID));
        // SAFETY: it is not running, and this is its thread.
        let work = unsafe { &mut *sampled.work.get() };
        work.interval = interval;
        work.counted = start.1;
        work.waits = waits();
        work.armed = Clock::Monotonic;
        work.timers = [timers[0].0, timers[1].0];
        sampled.uncounted.store(0, Ordering::Relaxed);
        sampled.running.store(true, Ordering::SeqCst);
        work.arm(interval, interval);
        Ok(Timers { sampled, start, _timers: timers })
    }

    /// When it was started: nanoseconds on the monotonic clock and of the thread's CPU
    /// time.
    pub(crate) fn start_times(&self) -> (u64, u64) {
        self.start
    }

    /// The thread.
    pub(crate) fn sampled(&self) -> &Arc<Sampled> {
        &self.sampled
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.sampled.running.store(false, Ordering::SeqCst);
        // The handler may use the timers.
        while self.sampled.busy.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        if CURRENT.get() == Arc::as_ptr(&self.sampled) {
            // SAFETY: it is not running, and this is its thread.
            let work = unsafe { &*self.sampled.work.get() };
            let left = now(libc::CLOCK_THREAD_CPUTIME_ID).saturating_sub(work.counted);
            self.sampled.uncounted.store(left / work.interval, Ordering::Relaxed);
        }
    }
}

/// What the calling thread is sampled by; prepares it.
fn current() -> io::Result<Arc<Sampled>> {
    /// The thread's own reference; given up at its end.
    struct Owner(Cell<Option<Arc<Sampled>>>);
    impl Drop for Owner {
        fn drop(&mut self) {
            CURRENT.set(ptr::null());
        }
    }
    thread_local! {
        static OWNER: Owner = const { Owner(Cell::new(None)) };
    }
    let ending = |_| io::Error::other("the thread is ending");
    OWNER
        .try_with(|owner| {
            let sampled = match owner.0.take() {
                Some(sampled) => sampled,
                None => {
                    activation::prepare_thread()?;
                    let Range { start, end } = native_stack::bounds();
                    Arc::new(Sampled {
                        ring: Ring::new(),
                        native_stack: start as u64..end as u64,
                        running: AtomicBool::new(false),
                        busy: AtomicBool::new(false),
                        uncounted: AtomicU64::new(0),
                        work: UnsafeCell::new(Work {
                            walker: Walker::new(),
                            interval: 0,
                            counted: 0,
                            waits: 0,
                            ended: 0,
                            armed: Clock::Monotonic,
                            timers: [ptr::null_mut(); 2],
                        }),
                    })
                }
            };
            owner.0.set(Some(sampled.clone()));
            CURRENT.set(Arc::as_ptr(&sampled));
            Ok(sampled)
        })
        .map_err(ending)?
}

/// In a signal handler: whether the signal is of one of this thread's timers; if so,
/// takes a sample of its stack as it was when it was interrupted, if one is due.
pub(super) fn answer(info: &siginfo_t, context: &ucontext_t) -> bool {
    if info.si_code != libc::SI_TIMER {
        return false;
    }
    let current = CURRENT.get();
    // SAFETY: a timer's signal has a value; the thread keeps `current` until it sets
    // this to null.
    let (value, sampled) = unsafe { (info.si_value().sival_ptr, current.as_ref()) };
    let of_value = |&(clock, _): &(Clock, clockid_t)| value == clock.value(current);
    let (Some(sampled), Some((clock, _))) = (sampled, Clock::BOTH.into_iter().find(of_value))
    else {
        return false;
    };
    sampled.busy.store(true, Ordering::SeqCst);
    if sampled.running.load(Ordering::SeqCst) {
        // SAFETY: this is the handler; its signal is blocked meanwhile.
        sampled.tick(clock, context, unsafe { &mut *sampled.work.get() });
    }
    sampled.busy.store(false, Ordering::SeqCst);
    true
}

impl Sampled {
    /// How many intervals of CPU time passed without a sample, and were left to the
    /// next one, which has not come.
    pub(crate) fn uncounted(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    /// A timer has run out.
    fn tick(&self, clock: Clock, context: &ucontext_t, work: &mut Work) {
        let cpu = now(libc::CLOCK_THREAD_CPUTIME_ID);
        let due = cpu.saturating_sub(work.counted) / work.interval;
        if clock != work.armed {
            // Too late.
            return;
        }
        let waits = waits();
        let has_waited = mem::replace(&mut work.waits, waits) != waits;
        match clock {
            // It may be doing so now: only CPU time can tell.
            Clock::Monotonic if has_waited => {
                work.arm(0, 0);
                work.armed = Clock::Cpu;
                let left = (work.counted + work.interval).saturating_sub(cpu);
                return work.arm(left.max(1), 0);
            }
            Clock::Monotonic => {}
            Clock::Cpu => {
                work.armed = Clock::Monotonic;
                work.arm(work.interval, work.interval);
            }
        }
        // Where samples cost more than lies between them, the program goes on, too.
        if due == 0 || cpu.saturating_sub(work.ended) < work.interval / 2 {
            return;
        }
        let weight = due.try_into().unwrap_or(u32::MAX);
        let head = Head { time: now(libc::CLOCK_MONOTONIC), cpu, weight, complete: true };
        let mut native = target::native_stack_in_use(context, &self.native_stack);
        if native.is_empty()
            && let Some(activation) = Activation::innermost()
            && self.native_stack.contains(&activation.native_stack_pointer())
        {
            native = activation.native_stack_pointer()..self.native_stack.end;
        }
        let registers = Registers::interrupted(context);
        let walker = &mut work.walker;
        if self.ring.push(head, |visit| {
            walker.walk_with_host(registers, native, |frame, _| visit(frame));
        }) {
            work.counted += due * work.interval;
            self.uncounted.store(0, Ordering::Relaxed);
        } else {
            self.uncounted.store(due, Ordering::Relaxed);
        }
        work.ended = now(libc::CLOCK_THREAD_CPUTIME_ID);
    }
}

impl Work {
    /// Arms the timer that is to be armed: to run out after `first` nanoseconds, then
    /// each `next`; 0 is never.
    fn arm(&self, first: u64, next: u64) {
        let time = |nanoseconds: u64| timespec {
            tv_sec: (nanoseconds / 1_000_000_000).cast_signed(),
            tv_nsec: (nanoseconds % 1_000_000_000).cast_signed(),
        };
        let setting = itimerspec { it_value: time(first), it_interval: time(next) };
        // SAFETY: the timers exist while it is running; the function is
        // async-signal-safe. It fails for no valid timer and time.
        unsafe {
            libc::timer_settime(self.timers[self.armed as usize], 0, &setting, ptr::null_mut())
        };
    }
}

/// A timer of the thread that made it; deleted when it is dropped.
struct Timer(timer_t);

// SAFETY: a name for something of the process.
unsafe impl Send for Timer {}

impl Timer {
    fn new(clock: clockid_t, signal: c_int, value: *mut c_void) -> io::Result<Self> {
        let mut timer = MaybeUninit::uninit();
        // SAFETY: all zeroes is a valid `sigevent`; valid pointers; the timer is there
        // if there is no error.
        unsafe {
            let mut event: sigevent = zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_notify_thread_id = libc::gettid();
            event.sigev_signo = signal;
            event.sigev_value = sigval { sival_ptr: value };
            match libc::timer_create(clock, &mut event, timer.as_mut_ptr()) {
                0 => Ok(Timer(timer.assume_init())),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: made in `new`, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// A clock's time in nanoseconds. Safe to call in a signal handler.
fn now(clock: clockid_t) -> u64 {
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer; these clocks exist.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// How often this thread has waited for something. Safe to call in a signal handler.
fn waits() -> i64 {
    // SAFETY: all zeroes is a valid `rusage`; a valid pointer.
    unsafe {
        let mut usage: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage.ru_nvcsw
    }
}
