//! The base of segment GS, where compiled modules may keep that of their memory
//! while they run. Entry thunks leave it there. That is to be undone where there
//! is wasm code further out, whose memory was in GS, or a host that uses GS: on
//! Linux that is Wine and its like, from a thread's start.

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

/// Whether the host uses it on this thread, which has not run wasm yet.
pub(super) fn is_in_use() -> bool {
    *IS_OURS && read() != 0
}

/// What is in it, to be put back; nothing if there is no need.
#[derive(Clone, Copy)]
pub(super) struct GsBase(Option<u64>);

impl GsBase {
    /// What is in it now.
    pub(super) fn save(needed: bool) -> Self {
        GsBase((needed && *IS_OURS).then(read))
    }

    /// Puts it back.
    pub(super) fn restore(self) {
        if let Some(base) = self.0
            && base != read()
        {
            // SAFETY: the instruction is allowed, and this is what other code on
            // this thread had there.
            unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
        }
    }
}

/// What is in it; the instruction is allowed.
fn read() -> u64 {
    let base;
    // SAFETY: it only reads.
    unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}
