//! The layout hash: a fingerprint of the contract that nobody has to maintain.

/// FNV-1a, 64 bits, in `const` form.
/// Source: Fowler/Noll/Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>.
#[derive(Clone, Copy)]
pub struct Hash(u64);

impl Hash {
    /// The hash of nothing.
    pub const fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    /// Adds the bytes and the length of `text`.
    pub const fn text(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self.number(bytes.len() as u64)
    }

    /// Adds a number, little-endian.
    pub const fn number(mut self, value: u64) -> Self {
        let bytes = value.to_le_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self
    }

    const fn byte(self, byte: u8) -> Self {
        Hash((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// The value so far.
    pub const fn finish(self) -> u64 {
        self.0
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

/// Declares a `repr(C)` structure of the contract and, beside it, the hash of
/// its field names, types, offsets and size.
macro_rules! abi_struct {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)*
    }) => {
        $(#[$meta])*
        #[repr(C)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: $ty,)*
        }

        impl $name {
            pub(crate) const fn hash_layout(hash: $crate::Hash) -> $crate::Hash {
                let hash = hash.text(stringify!($name)).number(size_of::<$name>() as u64);
                $(let hash = hash
                    .text(stringify!($field))
                    .text(stringify!($ty))
                    .number(core::mem::offset_of!($name, $field) as u64);)*
                hash
            }
        }
    };
}
pub(crate) use abi_struct;

/// Fingerprint of the whole contract: two builds whose hashes are equal agree
/// on every offset, builtin and trap code.
pub const fn layout_hash() -> u64 {
    let h = Hash::new().number(crate::ABI_VERSION as u64);
    let h = crate::vmctx::hash_layout(h);
    let h = crate::descriptor::hash_layout(h);
    let h = crate::builtins::hash_layout(h);
    let h = crate::trap::hash_layout(h);
    h.number(crate::MEMORY_RESERVATION).finish()
}
