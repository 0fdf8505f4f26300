//! The base of segment GS, where compiled modules may keep that of their memory
//! while they run. They put back what was there, except when wasm is left early.

use std::arch::asm;
use std::sync::LazyLock;

/// Whether the kernel lets programs read and write it; otherwise no module that
/// does so is loaded.
static IS_OURS: LazyLock<bool> = LazyLock::new(|| {
    const HWCAP2_FSGSBASE: usize = 1 << 1;
    rustix::param::linux_hwcap().1 & HWCAP2_FSGSBASE != 0
});

/// See [`IS_OURS`].
pub(crate) fn is_ours() -> bool {
    *IS_OURS
}

/// What is in it, to be put back.
#[derive(Clone, Copy)]
pub(super) struct GsBase(Option<u64>);

impl GsBase {
    /// What is in it now.
    pub(super) fn save() -> Self {
        GsBase(IS_OURS.then(|| {
            let base;
            // SAFETY: the instruction is allowed, and only reads.
            unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
            base
        }))
    }

    /// Puts it back.
    pub(super) fn restore(self) {
        if let Some(base) = self.0 {
            // SAFETY: the instruction is allowed, and this is what other code on
            // this thread had there.
            unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
        }
    }
}
