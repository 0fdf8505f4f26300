//! A progress bar for compilations that take long enough to want one.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Smaller modules compile before a bar could be read.
const WORTH_A_BAR: usize = 128 << 10;

/// Shown on standard error when that is a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    /// For a module of this many bytes.
    pub fn new(wasm_bytes: usize) -> Self {
        let bar = if wasm_bytes < WORTH_A_BAR {
            ProgressBar::hidden()
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        };
        bar.set_style(
            ProgressStyle::with_template("compiling {bar:30} {pos}/{len} {elapsed}")
                .expect("the template is well-formed"),
        );
        Bar(bar)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl wasm2so::Progress for Bar {
    fn total(&self, count: usize) {
        self.0.set_length(count as u64);
        self.0.tick();
    }

    fn step(&self) {
        self.0.inc(1);
    }
}
