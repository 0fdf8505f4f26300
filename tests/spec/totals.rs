//! How many directives of each kind passed at each level.

use std::collections::BTreeMap;
use std::fmt;
use wasm2so::options::OptLevel;
use wast::WastDirective;

/// What a directive demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A module compiles, loads, links and starts.
    Module,
    /// An instance can be imported from.
    Register,
    /// A call returns.
    Action,
    /// A call returns these values.
    Return,
    /// A call, or instantiation, traps for this reason.
    Trap,
    /// A call uses up the stack.
    Exhaustion,
    /// A module does not validate.
    Invalid,
    /// A module cannot be decoded or parsed.
    Malformed,
    /// A module's imports are missing or do not fit.
    Unlinkable,
    /// Something that no file of these suites has.
    Unknown,
}

impl Kind {
    pub fn of(directive: &WastDirective<'_>) -> Kind {
        match directive {
            WastDirective::Module(_) => Kind::Module,
            WastDirective::Register { .. } => Kind::Register,
            WastDirective::Invoke(_) => Kind::Action,
            WastDirective::AssertReturn { .. } => Kind::Return,
            WastDirective::AssertTrap { .. } => Kind::Trap,
            WastDirective::AssertExhaustion { .. } => Kind::Exhaustion,
            WastDirective::AssertInvalid { .. } => Kind::Invalid,
            WastDirective::AssertMalformed { .. } => Kind::Malformed,
            WastDirective::AssertUnlinkable { .. } => Kind::Unlinkable,
            _ => Kind::Unknown,
        }
    }

    fn is_assertion(self) -> bool {
        !matches!(self, Kind::Module | Kind::Register | Kind::Action)
    }
}

#[derive(Default)]
pub struct Totals(BTreeMap<OptLevel, BTreeMap<Kind, Count>>);

#[derive(Clone, Copy, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Totals {
    pub fn count(&mut self, level: OptLevel, kind: Kind, passed: bool) {
        self.0.entry(level).or_default().entry(kind).or_default().add(passed);
    }
}

impl Count {
    fn add(&mut self, passed: bool) {
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (level, kinds) in &self.0 {
            writeln!(f, "-{level:?}{:>16} {:>7}", "passed", "failed")?;
            let mut assertions = Count::default();
            for (&kind, &count) in kinds {
                line(f, &format!("{kind:?}").to_lowercase(), count)?;
                if kind.is_assertion() {
                    assertions.passed += count.passed;
                    assertions.failed += count.failed;
                }
            }
            line(f, "assertions", assertions)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, count: Count) -> fmt::Result {
    writeln!(f, "  {name:<10} {:>6} {:>7}", count.passed, count.failed)
}
