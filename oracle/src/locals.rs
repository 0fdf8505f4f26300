//! The values of locals in frames of traps: where the code is optimised, each is what
//! it is where all are kept (`-Og`), or missing.

use crate::trace::{Execution, Outcome};
use std::fmt;

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Locals {
    /// All locals of all frames.
    pub all: usize,
    /// Of those, how many have a value where all are kept.
    pub kept: usize,
    /// Of those, how many have one in optimised code.
    pub known: usize,
}

impl Locals {
    /// Compares the locals of a trap with what they are; tells the first that is wrong.
    pub fn compare(&mut self, truth: &Execution, reported: &Execution) -> Option<String> {
        let (Outcome::Trapped(_, frames), true) =
            (&truth.outcome, truth.outcome == reported.outcome)
        else {
            return None;
        };
        let mut wrong = None;
        for (depth, frame) in frames.iter().enumerate() {
            let (truth, reported) = (&truth.locals[depth], &reported.locals[depth]);
            if truth.len() != reported.len() {
                let (kept, found) = (truth.len(), reported.len());
                wrong.get_or_insert(format!("#{depth} {frame} has {found} locals of {kept}"));
            }
            for (index, (truth, reported)) in truth.iter().zip(reported).enumerate() {
                self.all += 1;
                self.kept += usize::from(truth.is_some());
                self.known += usize::from(reported.is_some());
                if reported.is_some() && truth != reported {
                    let what = format!("#{depth} {frame}, local {index}");
                    let (truth, reported) = (show(truth), show(reported));
                    wrong.get_or_insert(format!("{what} is {truth}, not {reported}"));
                }
            }
        }
        wrong
    }
}

fn show(value: &Option<wasmrun::Value>) -> String {
    value.map_or("missing".to_owned(), |value| format!("{value:?}"))
}

impl fmt::Display for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Locals { all, kept, known } = self;
        write!(f, "{all} locals, {kept} kept by -Og, {known} known in optimised code")
    }
}
