//! What an execution came to, whichever engine ran it, and how two of them
//! are compared.

use std::fmt;
use wasmrun::{TrapCode, Value};

/// An entry of a stack trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A wasm function, and the offset in the module of what it executes.
    Wasm {
        /// Its index.
        function: Option<u32>,
        /// Of its instruction.
        offset: Option<u32>,
    },
    /// Host functions that called wasm.
    Host,
    /// So many frames were not kept.
    Omitted(u64),
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned these values.
    Returned(Vec<Value>),
    /// It trapped, with these frames, innermost first.
    Trapped(TrapCode, Vec<Frame>),
    /// The program ended itself with this code.
    Exited(u32),
    /// It did not end soon, or cannot be run at all: nothing can be said.
    Unusable(String),
}

/// An execution.
#[derive(Clone, Debug)]
pub struct Execution {
    /// How it ended.
    pub outcome: Outcome,
    /// What it left in the exported memories and globals.
    pub state: Vec<(String, State)>,
    /// The values of the locals of the frames, if they were kept.
    pub locals: Vec<Vec<Option<Value>>>,
}

/// What an export holds at the end.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// A memory.
    Memory(Vec<u8>),
    /// A global; of a reference only whether it is null.
    Global(Value),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Global(value) => value.fmt(f),
            State::Memory(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A trap, exact: its kind and the number of frames.
    Exact(TrapCode, usize),
    /// The stack overflowed; only that was compared.
    Overflow,
    /// No trap, and the same results.
    NoTrap,
    /// Nothing could be compared.
    Skipped(String),
    /// They differ: in this.
    Wrong(String),
}

/// Compares what was reported with the truth.
pub fn judge(truth: &Execution, reported: &Execution) -> Verdict {
    let overflow = |execution: &Execution| {
        matches!(execution.outcome, Outcome::Trapped(TrapCode::StackOverflow, _))
    };
    match &truth.outcome {
        Outcome::Unusable(reason) => return Verdict::Skipped(reason.clone()),
        _ if overflow(truth) && overflow(reported) => return Verdict::Overflow,
        // Their stacks are of different sizes.
        _ if overflow(truth) || overflow(reported) => {
            return Verdict::Skipped("only one of the stacks overflows".to_owned());
        }
        _ => {}
    }
    if truth.outcome != reported.outcome {
        return Verdict::Wrong("what happened".to_owned());
    }
    if truth.state.len() != reported.state.len() {
        return Verdict::Wrong("the exports".to_owned());
    }
    for ((name, truth), (_, reported)) in truth.state.iter().zip(&reported.state) {
        match (truth, reported) {
            (State::Memory(a), State::Memory(b)) if a != b => {
                let first = a.iter().zip(b).position(|(a, b)| a != b);
                return Verdict::Wrong(format!("memory {name:?}, first at {first:#x?}"));
            }
            _ if truth != reported => {
                return Verdict::Wrong(format!("global {name:?}: {truth:?}, not {reported:?}"));
            }
            _ => {}
        }
    }
    match &truth.outcome {
        Outcome::Trapped(code, frames) => Verdict::Exact(*code, frames.len()),
        _ => Verdict::NoTrap,
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Wasm { function, offset } => {
                let function = function.map_or("?".to_owned(), |index| index.to_string());
                let offset = offset.map_or("?".to_owned(), |offset| format!("{offset:#x}"));
                write!(f, "{offset} in function {function}")
            }
            Frame::Host => f.write_str("host"),
            Frame::Omitted(count) => write!(f, "{count} omitted"),
        }
    }
}

/// The lines that show an execution.
fn lines(execution: &Execution) -> Vec<String> {
    match &execution.outcome {
        Outcome::Trapped(code, frames) => {
            let frames = frames.iter().map(Frame::to_string);
            std::iter::once(code.message().to_owned()).chain(frames).collect()
        }
        other => vec![format!("{other:?}")],
    }
}

/// Both executions side by side; lines that differ are marked.
pub fn side_by_side(truth: &Execution, reported: &Execution) -> String {
    let (truth, reported) = (lines(truth), lines(reported));
    let mut text = format!("  {:<40} reported\n", "recorded");
    for row in 0..truth.len().max(reported.len()) {
        let cell = |lines: &[String]| lines.get(row).cloned().unwrap_or_default();
        let (truth, reported) = (cell(&truth), cell(&reported));
        let mark = if truth == reported { ' ' } else { '!' };
        text += &format!("{mark} {truth:<40} {reported}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap(code: TrapCode, offsets: &[u32]) -> Execution {
        let frame =
            |&offset: &u32| Frame::Wasm { function: Some(offset >> 8), offset: Some(offset) };
        let frames = offsets.iter().map(frame).collect();
        Execution { outcome: Outcome::Trapped(code, frames), state: Vec::new(), locals: Vec::new() }
    }

    #[test]
    fn every_difference_is_seen() {
        let truth = trap(TrapCode::Unreachable, &[0x123, 0x245]);
        assert_eq!(judge(&truth, &truth.clone()), Verdict::Exact(TrapCode::Unreachable, 2));
        for other in [
            trap(TrapCode::MemoryOutOfBounds, &[0x123, 0x245]),
            trap(TrapCode::Unreachable, &[0x123]),
            trap(TrapCode::Unreachable, &[0x124, 0x245]),
            trap(TrapCode::Unreachable, &[0x123, 0x246]),
            trap(TrapCode::Unreachable, &[0x245, 0x123]),
        ] {
            assert!(matches!(judge(&truth, &other), Verdict::Wrong(_)), "{other:?}");
        }
        let global = |n| vec![("g".to_owned(), State::Global(Value::I32(n)))];
        let with = |n| Execution { state: global(n), ..truth.clone() };
        assert!(matches!(judge(&with(1), &with(2)), Verdict::Wrong(_)));
    }

    #[test]
    fn of_overflows_only_the_kind_counts() {
        let overflow = |offset| trap(TrapCode::StackOverflow, &[offset]);
        assert_eq!(judge(&overflow(1), &overflow(2)), Verdict::Overflow);
        let other = trap(TrapCode::Unreachable, &[1]);
        assert!(matches!(judge(&overflow(1), &other), Verdict::Skipped(_)));
    }
}
