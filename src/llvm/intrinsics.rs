//! LLVM intrinsics, by name in one table, declared on first use.

use inkwell::intrinsics::Intrinsic as LlvmIntrinsic;
use inkwell::module::Module;
use inkwell::types::BasicTypeEnum;
use inkwell::values::FunctionValue;

macro_rules! intrinsics {
    ($($variant:ident = $name:literal,)*) => {
        /// An LLVM intrinsic that translation uses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Intrinsic { $($variant,)* }

        impl Intrinsic {
            const fn name(self) -> &'static str {
                match self { $(Intrinsic::$variant => $name,)* }
            }
        }
    };
}

intrinsics! {
    Abs = "llvm.abs",
    ArithmeticFence = "llvm.arithmetic.fence",
    Ceil = "llvm.ceil",
    CopySign = "llvm.copysign",
    CountLeadingZeros = "llvm.ctlz",
    CountOnes = "llvm.ctpop",
    CountTrailingZeros = "llvm.cttz",
    Fabs = "llvm.fabs",
    Floor = "llvm.floor",
    FloatToSignedSat = "llvm.fptosi.sat",
    FloatToUnsignedSat = "llvm.fptoui.sat",
    FunnelShiftLeft = "llvm.fshl",
    FunnelShiftRight = "llvm.fshr",
    MemoryMove = "llvm.memmove",
    MemorySet = "llvm.memset",
    RoundEven = "llvm.roundeven",
    SaturatingAddSigned = "llvm.sadd.sat",
    SaturatingAddUnsigned = "llvm.uadd.sat",
    SaturatingSubSigned = "llvm.ssub.sat",
    SaturatingSubUnsigned = "llvm.usub.sat",
    SignedMax = "llvm.smax",
    SignedMin = "llvm.smin",
    SquareRoot = "llvm.sqrt",
    Truncate = "llvm.trunc",
    UnsignedMax = "llvm.umax",
    UnsignedMin = "llvm.umin",
    X86ByteShuffle = "llvm.x86.ssse3.pshuf.b.128",
    X86ReadGsBase = "llvm.x86.rdgsbase.64",
    X86RoundedMultiplyHigh = "llvm.x86.ssse3.pmul.hr.sw.128",
    X86WriteGsBase = "llvm.x86.wrgsbase.64",
}

impl Intrinsic {
    /// The declaration for these overloaded types (none when the intrinsic is
    /// not overloaded).
    ///
    /// # Panics
    /// When LLVM does not know the name, or the types do not fit it.
    pub fn declare<'ctx>(
        self,
        module: &Module<'ctx>,
        types: &[BasicTypeEnum<'ctx>],
    ) -> FunctionValue<'ctx> {
        LlvmIntrinsic::find(self.name())
            .and_then(|i| i.get_declaration(module, types))
            .unwrap_or_else(|| panic!("LLVM has {} for {types:?}", self.name()))
    }
}
