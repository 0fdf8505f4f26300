//! The rules that every machine instruction of every function must keep, by
//! what the wasm says of the offset in its row.

use crate::chains::Chains;
use crate::fields::Fields;
use crate::image::{Function, Image, Label, function_index};
use crate::machine::{Machine, Memory, decode};
use crate::operators::{self, Touch};
use crate::support::callees::Callees;
use crate::support::truth::{Truth, mnemonic};
use iced_x86::{FlowControl, Formatter, GasFormatter, Mnemonic};
use wasmparser::Operator;

/// What was seen.
#[derive(Debug, Default)]
pub struct Counts {
    pub functions: usize,
    pub instructions: usize,
    pub accesses: u64,
    /// Accesses of linear memory that cannot trap.
    pub proved: usize,
    /// Other instructions that touch memory.
    pub others: usize,
    pub calls: u64,
    /// Of them, those that raise a trap.
    pub traps: usize,
    pub tail_jumps: u64,
    /// Accesses and calls that are in an inlined function.
    pub inlined: usize,
    pub rows: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.functions += other.functions;
        self.instructions += other.instructions;
        self.accesses += other.accesses;
        self.proved += other.proved;
        self.others += other.others;
        self.calls += other.calls;
        self.traps += other.traps;
        self.tail_jumps += other.tail_jumps;
        self.inlined += other.inlined;
        self.rows += other.rows;
    }
}

/// An audit of one file.
pub struct Audit<'a> {
    pub image: &'a Image<'a>,
    pub truth: &'a Truth<'a>,
    pub chains: &'a Chains<'a>,
    pub callees: &'a Callees<'a>,
    pub fields: &'a Fields,
    pub counts: Counts,
    pub violations: Vec<String>,
}

type Rule = Result<(), String>;

/// Fails with `what` unless `holds`.
fn demand(holds: bool, what: &str) -> Rule {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Audit<'_> {
    /// Audits the whole file.
    pub fn run(&mut self) {
        for function in &self.image.functions {
            self.counts.functions += 1;
            let mut before = None;
            for machine in decode(self.image, function) {
                self.counts.instructions += 1;
                if let Err(what) = self.check(function, &machine, before.as_ref()) {
                    self.complain(function, &machine, &what);
                }
                before = Some(machine);
            }
        }
        for row in &self.image.rows {
            self.counts.rows += 1;
            let known =
                row.line == 0 || self.truth.at(row.line).is_some() || self.truth.starts(row.line);
            if !known {
                self.violations
                    .push(format!("{:#x}: row {:#x} is no offset", row.address, row.line));
            }
        }
    }

    fn complain(&mut self, function: &Function<'_>, machine: &Machine, what: &str) {
        let mut text = String::new();
        GasFormatter::new().format(&machine.instruction, &mut text);
        let address = machine.instruction.ip();
        let line = self.image.line(address);
        let operator = self.truth.at(line).map_or("nothing".to_owned(), |(_, o)| mnemonic(o));
        self.violations.push(format!(
            "{address:#x} in {}: `{text}` at {line:#x} ({operator}): {what}",
            function.name
        ));
    }

    fn check(
        &mut self,
        function: &Function<'_>,
        machine: &Machine,
        before: Option<&Machine>,
    ) -> Rule {
        let Machine { instruction, memory, through_table } = machine;
        let address = instruction.ip();
        let line = self.image.line(address);
        let operator = self.truth.at(line).map(|(_, operator)| operator);
        demand(!instruction.is_invalid(), "no instruction")?;
        if instruction.mnemonic() == Mnemonic::Ud2 {
            // Never reached: it is in the branch in which a load traps.
            let after_load = before.is_some_and(|before| self.is_load_at(before, line));
            return demand(after_load, "no instruction of ours");
        }

        match (memory, self.label(address)?) {
            (Some(memory), Some(Label::Access)) => {
                self.counts.accesses += 1;
                access(operator.ok_or("an access at no operator")?, memory)?;
                self.chain(function, address, line)?;
            }
            (Some(memory), Some(Label::Proved)) => {
                self.counts.proved += 1;
                demand(!memory.in_file, "touches something else than linear memory")?;
            }
            (Some(memory), Some(Label::Other)) => {
                self.counts.others += 1;
                self.other(operator, memory)?;
            }
            (Some(_), None) => return Err("touches memory unseen".to_owned()),
            (None, Some(Label::Access | Label::Proved)) => {
                return Err("an access without memory".to_owned());
            }
            (None, _) => {}
        }

        match instruction.flow_control() {
            FlowControl::Call => {
                let target = self.image.target(instruction.near_branch_target());
                let target = target.ok_or("a call of nothing")?;
                self.counts.calls += 1;
                self.counts.traps += usize::from(target == "wasm2so.trap");
                let operator = operator.ok_or("a call at no operator")?;
                demand(
                    self.is_call_of(operator, target),
                    "a call that the operator does not make",
                )?;
                self.chain(function, address, line)
            }
            FlowControl::IndirectCall => {
                self.counts.calls += 1;
                let operator = operator.ok_or("a call at no operator")?;
                demand(self.calls_pointer(operator), "a call that the operator does not make")?;
                self.chain(function, address, line)
            }
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if function.range.contains(&target) {
                    return Ok(());
                }
                self.counts.tail_jumps += 1;
                let target = self.image.target(target).ok_or("a jump to nowhere")?;
                demand(self.tail_calls(operator, target), "leaves the function")
            }
            FlowControl::IndirectBranch if !through_table => {
                self.counts.tail_jumps += 1;
                demand(self.tail_calls_pointer(operator), "leaves the function")
            }
            _ => Ok(()),
        }
    }

    /// What the compiler takes the instruction at `address` for.
    fn label(&self, address: u64) -> Result<Option<Label>, String> {
        match self.image.labels.get(&address).map(Vec::as_slice) {
            None => Ok(None),
            Some([label]) => Ok(Some(*label)),
            Some(_) => Err("several labels".to_owned()),
        }
    }

    /// Whether `machine` only reads linear memory, for the operator at `line`.
    fn is_load_at(&self, machine: &Machine, line: u64) -> bool {
        let address = machine.instruction.ip();
        matches!(self.label(address), Ok(Some(Label::Access)))
            && machine.memory.as_ref().is_some_and(|memory| memory.reads && !memory.writes)
            && self.image.line(address) == line
    }

    fn chain(&mut self, function: &Function<'_>, address: u64, line: u64) -> Rule {
        let length = self.chains.check(address, function.index, line)?;
        self.counts.inlined += usize::from(length > 1);
        Ok(())
    }

    /// What is no access must not be one: it reads a constant, a table, or a
    /// field of the instance that the operator needs.
    fn other(&self, operator: Option<&Operator<'_>>, memory: &Memory) -> Rule {
        let Memory { displacement, size, .. } = *memory;
        demand(!memory.in_gs, "touches linear memory unseen")?;
        if memory.writes {
            let is_result =
                self.fields.results_in_memory && !memory.indexed && displacement % 16 == 0;
            return demand(is_result && !memory.reads, "writes unseen");
        }
        if memory.in_file {
            return Ok(());
        }
        if operator.is_some_and(operators::reads_table) && size == 8 {
            return Ok(());
        }
        // Of a table that is in the file; perhaps hoisted.
        let may_call = operator.is_none_or(|o| matches!(o, Operator::CallIndirect { .. }));
        if may_call && size == 4 && memory.indexed {
            return Ok(());
        }
        demand(!memory.indexed, "reads an array unseen")?;
        // A row without operator: hoisted, or in the prologue.
        let known = match operator.is_none_or(operators::reads_instance) {
            true => self.fields.is_any(displacement, size),
            false => self.fields.is_operand(displacement, size),
        };
        // LLVM may give the check before a loop the loop's row.
        let checks_loop = matches!(operator, Some(Operator::Loop { .. }))
            && self.fields.is_memory_size(displacement, size);
        demand(known || checks_loop, "reads no field of the instance")
    }

    /// Whether code of `operator` may call the function with symbol `target`.
    fn is_call_of(&self, operator: &Operator<'_>, target: &str) -> bool {
        match target {
            "wasm2so.trap" => operators::traps_by_call(operator),
            "memmove" | "memcpy" => matches!(operator, Operator::MemoryCopy { .. }),
            "memset" => matches!(operator, Operator::MemoryFill { .. }),
            _ => match target.strip_prefix("wasm2so.") {
                Some(builtin) => operators::calls_builtin(operator, builtin),
                None => {
                    function_index(target).is_some_and(|callee| self.callees.has(operator, callee))
                }
            },
        }
    }

    /// Whether it calls what it finds in the instance, or in a table.
    fn calls_pointer(&self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Call { function_index } => self.is_imported(*function_index),
            Operator::CallIndirect { .. } => true,
            _ => false,
        }
    }

    fn tail_calls(&self, operator: Option<&Operator<'_>>, target: &str) -> bool {
        let adapted = target.starts_with("wasm2so.adapt.");
        match operator {
            Some(Operator::ReturnCall { function_index: index }) => {
                function_index(target) == Some(*index) || self.is_imported(*index) && adapted
            }
            Some(Operator::ReturnCallIndirect { .. }) => adapted,
            _ => false,
        }
    }

    fn tail_calls_pointer(&self, operator: Option<&Operator<'_>>) -> bool {
        match operator {
            Some(Operator::ReturnCall { function_index }) => self.is_imported(*function_index),
            Some(Operator::ReturnCallIndirect { .. }) => true,
            _ => false,
        }
    }

    fn is_imported(&self, function: u32) -> bool {
        function < self.truth.imported_functions
    }
}

/// An access does what its operator does: the same way, as wide.
fn access(operator: &Operator<'_>, memory: &Memory) -> Rule {
    let touch = operators::touch(operator).ok_or("an access at an operator that has none")?;
    let (fits, size) = match touch {
        // Perhaps together with the store that follows.
        Touch::Load(size) => (memory.reads, Some(size)),
        Touch::Store(size) => (memory.writes && !memory.reads, Some(size)),
        // In pieces as the compiler likes.
        Touch::Bulk => (true, None),
        Touch::Variable => (memory.writes && !memory.reads, None),
    };
    demand(fits, "reads or writes as the operator does not")?;
    demand(size.is_none_or(|size| size == memory.size), "as wide as the operator is not")
}
