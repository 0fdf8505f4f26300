//! LLVM types of wasm values and signatures.

use crate::module::Signature;
use inkwell::AddressSpace;
use inkwell::context::ContextRef;
use inkwell::types::{
    BasicType, BasicTypeEnum, FloatType, FunctionType, IntType, PointerType, StructType, VectorType,
};
use wasm2so_abi::{ReturnStyle, ValType};

/// LLVM's number of the wasm convention: the C convention, but for `vmctx`; see
/// `wasm2so_abi`.
pub const WASM_CONVENTION: u32 = 0;

/// LLVM's number of the tail convention: `tailcc`, under which a call marked
/// `musttail` never grows the stack, whatever the two signatures.
pub const TAIL_CONVENTION: u32 = 18;

/// LLVM's number of a convention for calls that are hardly ever made:
/// `preserve_mostcc`, under which callers keep what is in nearly all registers.
pub const RARE_CONVENTION: u32 = 14;

/// LLVM's address space of x86's segment GS.
const GS_ADDRESS_SPACE: u16 = 256;

/// The types in use, made once per context.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub struct Types<'ctx> {
    pub i1: IntType<'ctx>,
    pub i8: IntType<'ctx>,
    pub i16: IntType<'ctx>,
    pub i32: IntType<'ctx>,
    pub i64: IntType<'ctx>,
    pub f32: FloatType<'ctx>,
    pub f64: FloatType<'ctx>,
    pub ptr: PointerType<'ctx>,
    /// What x86 adds the base of segment GS to.
    pub gs_ptr: PointerType<'ctx>,
    /// How a v128 travels; operations cast to the shape they need.
    pub v128: VectorType<'ctx>,
    pub i8x16: VectorType<'ctx>,
    pub i16x8: VectorType<'ctx>,
    pub i32x4: VectorType<'ctx>,
    pub i64x2: VectorType<'ctx>,
    pub f32x4: VectorType<'ctx>,
    pub f64x2: VectorType<'ctx>,
    context: ContextRef<'ctx>,
}

impl<'ctx> Types<'ctx> {
    /// The types of `context`.
    pub fn new(context: ContextRef<'ctx>) -> Self {
        let (i8, i16, i32, i64) =
            (context.i8_type(), context.i16_type(), context.i32_type(), context.i64_type());
        let (f32, f64) = (context.f32_type(), context.f64_type());
        Types {
            i1: context.bool_type(),
            i8,
            i16,
            i32,
            i64,
            f32,
            f64,
            ptr: context.ptr_type(AddressSpace::default()),
            gs_ptr: context.ptr_type(AddressSpace::from(GS_ADDRESS_SPACE)),
            // Casts between it and f64x2 would hide patterns of floats from LLVM
            // if its lanes were as wide.
            v128: i8.vec_type(16),
            i8x16: i8.vec_type(16),
            i16x8: i16.vec_type(8),
            i32x4: i32.vec_type(4),
            i64x2: i64.vec_type(2),
            f32x4: f32.vec_type(4),
            f64x2: f64.vec_type(2),
            context,
        }
    }

    /// The context they live in.
    pub fn context(&self) -> ContextRef<'ctx> {
        self.context
    }

    /// The type of a wasm value.
    pub fn value(&self, ty: ValType) -> BasicTypeEnum<'ctx> {
        match ty {
            ValType::I32 => self.i32.into(),
            ValType::I64 => self.i64.into(),
            ValType::F32 => self.f32.into(),
            ValType::F64 => self.f64.into(),
            ValType::V128 => self.v128.into(),
            ValType::FuncRef | ValType::ExternRef => self.ptr.into(),
        }
    }

    /// The structure that several results are returned in.
    pub fn results(&self, results: &[ValType]) -> StructType<'ctx> {
        let fields: Vec<_> = results.iter().map(|&t| self.value(t)).collect();
        self.context.struct_type(&fields, false)
    }

    /// A wasm-convention function type: vmctx, the result pointer when results
    /// travel through memory, the parameters.
    pub fn function(&self, signature: &Signature) -> FunctionType<'ctx> {
        let style = ReturnStyle::of(&signature.results);
        let mut params = vec![self.ptr.into()];
        if style == ReturnStyle::Memory {
            params.push(self.ptr.into());
        }
        params.extend(
            signature
                .params
                .iter()
                .map(|&t| inkwell::types::BasicMetadataTypeEnum::from(self.value(t))),
        );
        match style {
            ReturnStyle::Void | ReturnStyle::Memory => {
                self.context.void_type().fn_type(&params, false)
            }
            ReturnStyle::Direct => self.value(signature.results[0]).fn_type(&params, false),
            ReturnStyle::Registers => self.results(&signature.results).fn_type(&params, false),
        }
    }
}
