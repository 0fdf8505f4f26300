//! Stacks, kept as a tree: each begins as one that differs from it only further
//! in. Knows nothing of time or of names.

use std::collections::HashMap;
use std::sync::Arc;

use crate::unwind::code::Code;

/// Names a stack: its innermost frame.
pub(super) type StackId = u32;

/// In [`Stack::pc`]: outer frames that were not recorded.
pub(super) const DEEPER: u64 = 0;

/// A frame on top of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stack {
    /// The frames around it; they come before it in [`Stacks::all`].
    pub(super) outer: Option<StackId>,
    /// An address in the machine instruction; or [`DEEPER`].
    pub(super) pc: u64,
}

/// All stacks that were seen, and all that they consist of.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    all: Vec<Stack>,
    ids: HashMap<Stack, StackId>,
    /// Keeps addresses unique: these stay loaded.
    modules: Vec<Arc<Code>>,
    /// Those of the stack that is being added, innermost first.
    frames: Vec<u64>,
}

impl Stacks {
    /// Begins a stack.
    pub(super) fn begin(&mut self) {
        self.frames.clear();
    }

    /// Adds the next outer frame of it, with its module if that is not the last one's.
    pub(super) fn push(&mut self, pc: u64, module: Option<Arc<Code>>) {
        self.frames.push(pc);
        if let Some(module) = module
            && !self.modules.iter().any(|known| Arc::ptr_eq(known, &module))
        {
            self.modules.push(module);
        }
    }

    /// Adds the stack of these frames, of which there must be one; unless it is
    /// `complete`, there are more of them further out.
    pub(super) fn finish(&mut self, complete: bool) -> StackId {
        if !complete {
            self.frames.push(DEEPER);
        }
        let mut outer = None;
        for &pc in self.frames.iter().rev() {
            let stack = Stack { outer, pc };
            let id = *self.ids.entry(stack).or_insert_with(|| {
                self.all.push(stack);
                self.all.len() as StackId - 1
            });
            outer = Some(id);
        }
        outer.expect("it has a frame")
    }

    /// All stacks, by their ids.
    pub(super) fn all(&self) -> &[Stack] {
        &self.all
    }

    /// The module around an address.
    pub(super) fn module(&self, pc: u64) -> Option<&Arc<Code>> {
        self.modules.iter().find(|module| module.range().contains(&pc))
    }

    /// All modules that were seen.
    pub(super) fn modules(&self) -> &[Arc<Code>] {
        &self.modules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(stacks: &mut Stacks, pcs: &[u64], complete: bool) -> StackId {
        stacks.begin();
        pcs.iter().for_each(|pc| stacks.push(*pc, None));
        stacks.finish(complete)
    }

    #[test]
    fn stacks_share_what_they_have_in_common() {
        let mut stacks = Stacks::default();
        let one = insert(&mut stacks, &[7, 5, 3], true);
        assert_eq!(insert(&mut stacks, &[7, 5, 3], true), one);
        let other = insert(&mut stacks, &[8, 5, 3], true);
        assert_eq!(stacks.all().len(), 4);
        let outer = |stacks: &Stacks, id: StackId| stacks.all()[id as usize].outer;
        assert!(one != other && outer(&stacks, one) == outer(&stacks, other));
        assert_eq!(Some(insert(&mut stacks, &[5, 3], true)), outer(&stacks, one));
        let cut = insert(&mut stacks, &[7, 5, 3], false);
        assert_ne!(cut, one);
        assert_eq!(stacks.all()[4], Stack { outer: None, pc: DEEPER });
    }
}
