//! Times what two engines do, by turns, so that what else the machine does meets
//! both. Knows nothing of engines.

use std::time::{Duration, Instant};

/// Does something as often as it is told, and says how long that took.
pub type Work<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;

/// Least time of one measurement.
const LEAST: Duration = Duration::from_millis(1);

/// Measurements of each; the shortest counts, as nothing makes work faster than
/// it is.
const ROUNDS: usize = 150;

/// Work whose every turn is a call of `turn`.
pub fn turns<'a, T>(mut turn: impl FnMut() -> T + 'a) -> Work<'a> {
    Box::new(move |times| {
        let start = Instant::now();
        for _ in 0..times {
            std::hint::black_box(turn());
        }
        start.elapsed()
    })
}

/// Nanoseconds of one turn of each.
pub fn compare(works: &mut [Work<'_>]) -> Vec<f64> {
    let times: Vec<u64> = works.iter_mut().map(calibrate).collect();
    let mut best = vec![f64::INFINITY; works.len()];
    for _ in 0..ROUNDS {
        for ((work, &times), best) in works.iter_mut().zip(&times).zip(&mut best) {
            *best = best.min(work(times).as_nanos() as f64 / times as f64);
        }
    }
    best
}

/// How often to turn for a measurement.
fn calibrate(work: &mut Work<'_>) -> u64 {
    let mut times = 1;
    while work(times) < LEAST {
        times *= 2;
    }
    times
}
