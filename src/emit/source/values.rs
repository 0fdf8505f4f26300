//! Which values a function's wasm locals have where, as far as its structure tells:
//! a number for each value, a new one wherever several may meet. Positions are as
//! the wasm's DWARF counts them. Knows nothing of DWARF.
//!
//! What optimising compilers say of variables in wasm is often wrong, and here is
//! how much of it is believed. They let many variables have one local after one
//! another, and do not always say where one ends: a variable has the value that the
//! local has where the variable comes to be there, not what is put there later. They
//! say what holds from somewhere on to the end of the text, not of the paths from
//! there: it holds inside the innermost construct. They do not keep the order of
//! calls and assignments in a basic block: where a variable changes, none of its
//! values is sure.

use super::ranges::Ranges;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use wasmparser::{FunctionBody, Operator};

/// Changes of values that are followed, at most: so many for each byte of a body.
/// Deep nesting can make more.
const CHANGES_PER_BYTE: usize = 64;

/// The values of a function's locals.
#[derive(Debug, Default)]
pub struct Values {
    body: Range<u64>,
    /// By local: from where on it has another value, ascending, and which; 0 is what
    /// it has at first.
    changes: HashMap<u32, Vec<(u64, u32)>>,
    /// By local: the values that instructions give it.
    given: HashMap<u32, Vec<u32>>,
    /// Where a local was set by an instruction that leaves the value on the stack.
    tees: HashSet<(u32, u64)>,
    /// Blocks, loops and arms of conditions, by their starts.
    constructs: Vec<Construct>,
    /// Where basic blocks start, ascending.
    blocks: Vec<u64>,
    /// Where instructions end that do more than compute, ascending.
    effects: Vec<u64>,
    params: u32,
    /// It is too intricate.
    unknown: bool,
}

#[derive(Debug)]
struct Construct {
    range: Range<u64>,
    is_loop: bool,
    /// Place of what it is in.
    outer: Option<usize>,
}

/// Reads a body.
struct Reading {
    values: Values,
    /// What encloses the instruction, innermost last: the construct's place, unless
    /// it is the function, and locals that are set in it.
    open: Vec<(Option<usize>, BTreeSet<u32>)>,
    next: u32,
    left: usize,
}

impl Values {
    /// Those in `body`, of a function with so many parameters; the file has position
    /// 0 at `code_start`.
    pub fn of(body: &FunctionBody<'_>, params: u32, code_start: u64) -> Self {
        let range = body.range();
        let range = range.start - code_start..range.end - code_start;
        let bytes = usize::try_from(range.end - range.start).unwrap_or(0);
        let mut reading = Reading {
            values: Values { body: range.clone(), params, ..Values::default() },
            open: Vec::new(),
            next: 0,
            left: bytes.saturating_mul(CHANGES_PER_BYTE),
        };
        match reading.read(body, code_start) {
            Some(()) => reading.values,
            None => Values { body: range, unknown: true, ..Values::default() },
        }
    }

    /// Where in `range` a local still has the value that it has where that starts.
    ///
    /// Nowhere, if that is behind a `local.tee`: there, LLVM also says what holds
    /// only later.
    pub fn same(&self, local: u32, range: &Range<u64>) -> Ranges {
        if self.unknown || self.tees.contains(&(local, range.start)) {
            return Vec::new();
        }
        let changes = self.changes_of(local);
        let before = changes.partition_point(|(at, _)| *at <= range.start);
        let number = before.checked_sub(1).map_or(0, |place| changes[place].1);
        self.with(local, number, range)
    }

    /// Where a local has the value that a description means which is for all of the
    /// function: the only one, or the only one that it is given.
    pub fn only(&self, local: u32) -> Ranges {
        if self.unknown {
            return Vec::new();
        }
        match self.given.get(&local).map_or(&[][..], Vec::as_slice) {
            [] => vec![self.body.clone()],
            [number] => self.with(local, *number, &self.body),
            _ => Vec::new(),
        }
    }

    /// The part of `range` in which what is said of it holds on all paths; what is
    /// said is that a variable has a value which it has from the start on.
    ///
    /// If it is one of several values, not where it takes turns with another one.
    pub fn settled(&self, range: &Range<u64>, several: bool) -> Range<u64> {
        let mut end = range.end;
        if let Some(inner) = self.around(range.start).next() {
            end = end.min(inner.range.end);
        }
        // The value is another one when such a loop starts again.
        let turns = |outer: &&Construct| outer.is_loop && outer.range.start > range.start;
        if let Some(outer) = self.around(range.end).filter(turns).last() {
            end = end.min(outer.range.start);
        }
        if !several {
            return range.start..end;
        }
        let next = self.blocks.partition_point(|at| *at < range.start);
        let start = self.blocks.get(next).copied().unwrap_or(self.body.end);
        let last = self.blocks.partition_point(|at| *at <= range.end);
        if end == range.end && end < self.body.end {
            end = last.checked_sub(1).map_or(self.body.start, |place| self.blocks[place]);
        }
        start..end.max(start)
    }

    /// Whether a local has one value only each time that the function runs, besides
    /// that of other locals before they are set.
    pub fn is_steady(&self, local: u32) -> bool {
        let given = self.given.get(&local).map_or(&[][..], Vec::as_slice);
        let changes = self.changes_of(local);
        !self.unknown
            && match *given {
                [] => true,
                [number] if local >= self.params => changes
                    .iter()
                    .find(|(_, of)| *of == number)
                    .is_some_and(|(after, _)| !self.is_repeated(after - 1)),
                _ => false,
            }
    }

    /// Whether a local is a parameter, which has its value from the start on.
    pub fn is_parameter(&self, local: u32) -> bool {
        local < self.params
    }

    /// Whether a position may be in a loop; one elsewhere may.
    pub fn is_repeated(&self, at: u64) -> bool {
        self.unknown || !self.body.contains(&at) || self.around(at).any(|outer| outer.is_loop)
    }

    /// Whether, once the instruction at `at` is reached, the next that does more than
    /// compute is the one at `site`.
    pub fn leads_to(&self, at: u64, site: u64) -> bool {
        let next = |at| self.effects.partition_point(|end| *end <= at);
        !self.unknown && at <= site && next(at) == next(site)
    }

    /// The constructs that a position is in, innermost first.
    fn around(&self, at: u64) -> impl Iterator<Item = &Construct> {
        let before = self.constructs.partition_point(|c| c.range.start <= at);
        let outer = |&place: &usize| self.constructs[place].outer;
        std::iter::successors(before.checked_sub(1), outer)
            .map(|place| &self.constructs[place])
            .filter(move |construct| construct.range.contains(&at))
    }

    fn changes_of(&self, local: u32) -> &[(u64, u32)] {
        self.changes.get(&local).map_or(&[], Vec::as_slice)
    }

    /// Where in `range` a local has value `number`.
    fn with(&self, local: u32, number: u32, range: &Range<u64>) -> Ranges {
        let mut found: Ranges = Vec::new();
        let mut add = |start: u64, end: u64, of: u32| {
            let part = start.max(range.start)..end.min(range.end);
            if of == number && part.start < part.end {
                found.push(part);
            }
        };
        let (mut start, mut current) = (0, 0);
        for &(at, of) in self.changes_of(local) {
            add(start, at, current);
            (start, current) = (at, of);
        }
        add(start, u64::MAX, current);
        found
    }
}

impl Reading {
    fn read(&mut self, body: &FunctionBody<'_>, code_start: u64) -> Option<()> {
        let mut loops = sets_in_loops(body, &mut self.left)?.into_iter();
        let mut operators = body.get_operators_reader().ok()?;
        self.open.push((None, BTreeSet::new()));
        while !operators.eof() {
            let at = operators.original_position() - code_start;
            let operator = operators.read().ok()?;
            let after = operators.original_position() - code_start;
            let opcode = usize::try_from(at - self.values.body.start).ok();
            if opcode.and_then(|place| body.as_bytes().get(place)).is_none_or(|op| !computes(*op)) {
                self.values.effects.push(after);
            }
            match operator {
                Operator::LocalSet { local_index: local } => self.set(local, after)?,
                Operator::LocalTee { local_index: local } => {
                    self.set(local, after)?;
                    self.values.tees.insert((local, after));
                }
                Operator::Block { .. } | Operator::If { .. } => self.open(after, false),
                Operator::Loop { .. } => {
                    self.meet(&loops.next()?, after)?;
                    self.open(after, true);
                }
                Operator::Else => {
                    let set = self.close(at)?;
                    self.meet(&set, after)?;
                    self.open(after, false);
                    self.open.last_mut()?.1 = set;
                }
                Operator::End => {
                    let set = self.close(at)?;
                    self.meet(&set, after)?;
                    if let Some(outer) = self.open.last_mut() {
                        outer.1.extend(set);
                    }
                }
                Operator::Br { .. }
                | Operator::BrIf { .. }
                | Operator::BrTable { .. }
                | Operator::Return
                | Operator::Unreachable => {}
                _ => continue,
            }
            if !matches!(operator, Operator::LocalSet { .. } | Operator::LocalTee { .. }) {
                self.values.blocks.push(after);
            }
        }
        Some(())
    }

    fn open(&mut self, at: u64, is_loop: bool) {
        let outer = self.open.last().and_then(|(place, _)| *place);
        self.open.push((Some(self.values.constructs.len()), BTreeSet::new()));
        self.values.constructs.push(Construct { range: at..u64::MAX, is_loop, outer });
    }

    /// Ends the innermost construct; tells the locals that are set in it.
    fn close(&mut self, at: u64) -> Option<BTreeSet<u32>> {
        let (place, set) = self.open.pop()?;
        if let Some(place) = place {
            self.values.constructs[place].range.end = at;
        }
        Some(set)
    }

    fn set(&mut self, local: u32, after: u64) -> Option<()> {
        self.change(local, after)?;
        self.values.given.entry(local).or_default().push(self.next);
        self.open.last_mut()?.1.insert(local);
        Some(())
    }

    /// Several values may meet in each of `locals`.
    fn meet(&mut self, locals: &BTreeSet<u32>, at: u64) -> Option<()> {
        locals.iter().try_for_each(|&local| self.change(local, at))
    }

    fn change(&mut self, local: u32, at: u64) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        self.next += 1;
        self.values.changes.entry(local).or_default().push((at, self.next));
        Some(())
    }
}

/// Whether an instruction only takes, computes and leaves operands, and locals.
fn computes(opcode: u8) -> bool {
    // drop, select; local.get to global.get; constants and numbers. Divisions may
    // trap, but change nothing.
    matches!(opcode, 0x1a..=0x1c | 0x20..=0x23 | 0x41..=0xc4)
}

/// The locals that are set in each loop, in the order of their starts.
fn sets_in_loops(body: &FunctionBody<'_>, left: &mut usize) -> Option<Vec<BTreeSet<u32>>> {
    let mut found: Vec<BTreeSet<u32>> = Vec::new();
    // Of each thing that is open, whether it is a loop.
    let mut open = vec![false];
    let mut loops: Vec<usize> = Vec::new();
    for operator in body.get_operators_reader().ok()? {
        match operator.ok()? {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                if let Some(&innermost) = loops.last() {
                    found[innermost].insert(local_index);
                }
            }
            Operator::Block { .. } | Operator::If { .. } => open.push(false),
            Operator::Loop { .. } => {
                open.push(true);
                loops.push(found.len());
                found.push(BTreeSet::new());
            }
            Operator::End => {
                let was_loop = open.pop()?;
                let inner = if was_loop { loops.pop()? } else { continue };
                if let Some(&outer) = loops.last() {
                    *left = left.checked_sub(found[inner].len())?;
                    let set = found[inner].clone();
                    found[outer].extend(set);
                }
            }
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values in the function of a module in text form, and its body's position.
    fn values(text: &str) -> (Values, u64) {
        let wasm = wat::parse_str(text).expect("it is well-formed");
        let mut payloads = wasmparser::Parser::new(0).parse_all(&wasm);
        let body = payloads.find_map(|payload| match payload {
            Ok(wasmparser::Payload::CodeSectionEntry(body)) => Some(body),
            _ => None,
        });
        let body = body.expect("it has a function");
        let start = body.range().start;
        let ops = body.get_operators_reader().unwrap().original_position();
        (Values::of(&body, 2, start), ops - start)
    }

    #[test]
    fn values_end_where_others_may_be() {
        let text = "(module (func (param i32 i32)
            local.get 0 local.set 1     ;; 4 bytes
            block                       ;; 2
              i32.const 5 local.set 0   ;; 4
              nop                       ;; 1
            end                         ;; 1
            nop))";
        let (values, at) = values(text);
        let range = |start, end| at + start..at + end;
        assert_eq!(values.same(0, &range(0, 12)), [range(0, 10)]);
        assert_eq!(values.same(0, &range(10, 13)), [range(10, 12)]);
        assert_eq!(values.same(1, &range(4, 13)), [range(4, 13)]);
        let (all, rest) = (0..at + 14, range(4, 14));
        assert_eq!(values.only(2), [all]);
        assert_eq!(values.only(1), [rest]);
        // What is said in the block holds in the block.
        assert_eq!(values.settled(&range(0, 12), false), range(0, 12));
        assert_eq!(values.settled(&range(6, 12), false), range(6, 11));
        assert_eq!(values.settled(&range(0, 12), true), range(6, 12));
    }

    #[test]
    fn loops_bring_values_back() {
        let text = "(module (func (param i32)
            nop                         ;; 1
            loop                        ;; 2
              nop                       ;; 1
              i32.const 5 local.tee 0   ;; 4
              br_if 0                   ;; 2
            end))";
        let (values, at) = values(text);
        let range = |start, end| at + start..at + end;
        assert_eq!(values.same(0, &range(0, 11)), [range(0, 3)]);
        assert_eq!(values.same(0, &range(3, 10)), [range(3, 8)]);
        assert!(values.same(0, &range(8, 10)).is_empty());
        assert_eq!(values.settled(&range(0, 8), false), range(0, 3));
        assert_eq!(values.settled(&range(4, 10), true), range(10, 10));
    }
}
