//! Value types and how results travel.

/// A WebAssembly value type; the number is its binary encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValType {
    /// 32-bit integer.
    I32 = 0x7f,
    /// 64-bit integer.
    I64 = 0x7e,
    /// 32-bit float.
    F32 = 0x7d,
    /// 64-bit float.
    F64 = 0x7c,
    /// 128-bit vector.
    V128 = 0x7b,
    /// Pointer to a [`VmFuncRef`](crate::VmFuncRef), or null.
    FuncRef = 0x70,
    /// Opaque pointer-sized host value, or null.
    ExternRef = 0x6f,
}

impl ValType {
    /// The inverse of `self as u8`.
    pub const fn from_u8(code: u8) -> Option<Self> {
        Some(match code {
            0x7f => ValType::I32,
            0x7e => ValType::I64,
            0x7d => ValType::F32,
            0x7c => ValType::F64,
            0x7b => ValType::V128,
            0x70 => ValType::FuncRef,
            0x6f => ValType::ExternRef,
            _ => return None,
        })
    }

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::FuncRef => "funcref",
            ValType::ExternRef => "externref",
        }
    }

    /// Whether a value of this type travels in a vector register.
    pub const fn in_vector_register(self) -> bool {
        matches!(self, ValType::F32 | ValType::F64 | ValType::V128)
    }
}

/// How a wasm-convention function hands back its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnStyle {
    /// No result.
    Void,
    /// One result, returned as it is.
    Direct,
    /// Several results that fit two integer and two vector registers, returned
    /// as an LLVM structure: in RAX and RDX, XMM0 and XMM1 on x86-64.
    Registers,
    /// Results are stored, each in its own [`Slot`](crate::Slot), through a
    /// pointer passed right after vmctx. LLVM would do the same behind our
    /// back (sret demotion), but then could not tail-call.
    Memory,
}

impl ReturnStyle {
    /// The style of a function with these results.
    pub const fn of(results: &[ValType]) -> Self {
        let mut vectors = 0;
        let mut index = 0;
        while index < results.len() {
            vectors += results[index].in_vector_register() as usize;
            index += 1;
        }
        match results.len() {
            0 => ReturnStyle::Void,
            1 => ReturnStyle::Direct,
            n if vectors <= 2 && n - vectors <= 2 => ReturnStyle::Registers,
            _ => ReturnStyle::Memory,
        }
    }
}
