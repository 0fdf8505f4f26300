//! Every way in which wasm code can trap, declared once.

/// As the `detail` of the `trap` builtin: there is none, or it is not known.
pub const NO_DETAIL: u64 = u64::MAX;

macro_rules! trap_codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $message:literal;)*) => {
        /// Why execution of wasm code stopped.
        ///
        /// The number is what compiled code passes to the `trap` builtin.
        /// Messages are those of the WebAssembly test suite.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum TrapCode {
            $($(#[$meta])* $name = $code,)*
        }

        impl TrapCode {
            /// Every code, in ascending order.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name),*];

            /// The inverse of `code as u32`.
            pub const fn from_u32(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(TrapCode::$name),)*
                    _ => None,
                }
            }

            /// The message shown to users, without the `wasm trap: ` prefix.
            pub const fn message(self) -> &'static str {
                match self {
                    $(TrapCode::$name => $message,)*
                }
            }
        }

        pub(crate) const fn hash_layout(hash: crate::Hash) -> crate::Hash {
            let hash = hash.text("TrapCode");
            $(let hash = hash.text(stringify!($name)).number($code);)*
            hash
        }
    };
}

trap_codes! {
    /// `unreachable` was executed.
    Unreachable = 1, "unreachable";
    /// A linear-memory access, or a bulk operation on one, outside its bounds.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// A table access, or a bulk operation on one, outside its bounds.
    TableOutOfBounds = 3, "out of bounds table access";
    /// `call_indirect` with an index outside the table.
    UndefinedElement = 4, "undefined element";
    /// `call_indirect` through a null element.
    UninitializedElement = 5, "uninitialized element";
    /// `call_indirect` through a function of another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// Integer division or remainder by zero.
    IntegerDivideByZero = 7, "integer divide by zero";
    /// Signed division of the least integer by -1, or a float out of the
    /// range of the integer type it is converted to.
    IntegerOverflow = 8, "integer overflow";
    /// A NaN converted to an integer.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The wasm stack is used up. Raised by the runtime, from a guard page.
    StackOverflow = 10, "call stack exhausted";
}
