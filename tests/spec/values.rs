//! Arguments and expected results, as the suite writes them.

use anyhow::{Result, bail};
use std::num::NonZeroU64;
use wasmrun::Value;
use wast::core::{
    AbstractHeapType, HeapType, NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore,
};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// The value of an argument.
pub fn argument(argument: &WastArg<'_>) -> Result<Value> {
    let WastArg::Core(argument) = argument else { bail!("{argument:?} is not of core wasm") };
    Ok(match argument {
        WastArgCore::I32(v) => Value::I32(*v),
        WastArgCore::I64(v) => Value::I64(*v),
        WastArgCore::F32(v) => Value::F32(v.bits),
        WastArgCore::F64(v) => Value::F64(v.bits),
        WastArgCore::V128(v) => vector(v),
        WastArgCore::RefNull(ty) => null(ty)?,
        WastArgCore::RefExtern(number) => external(*number),
        WastArgCore::RefHost(_) => bail!("{argument:?} is not of WebAssembly 2.0"),
    })
}

/// Whether `value` is what is expected.
pub fn matches(value: Value, expected: &WastRet<'_>) -> Result<bool> {
    let WastRet::Core(expected) = expected else { bail!("{expected:?} is not of core wasm") };
    Ok(match (expected, value) {
        (WastRetCore::F32(pattern), Value::F32(bits)) => f32_matches(bits, pattern),
        (WastRetCore::F64(pattern), Value::F64(bits)) => f64_matches(bits, pattern),
        (WastRetCore::V128(pattern), Value::V128(bits)) => v128_matches(bits, pattern),
        (WastRetCore::I32(v), _) => value == Value::I32(*v),
        (WastRetCore::I64(v), _) => value == Value::I64(*v),
        (WastRetCore::F32(_) | WastRetCore::F64(_) | WastRetCore::V128(_), _) => false,
        (WastRetCore::RefNull(Some(ty)), _) => value == null(ty)?,
        (WastRetCore::RefNull(None), _) => {
            matches!(value, Value::FuncRef(None) | Value::ExternRef(None))
        }
        (WastRetCore::RefExtern(Some(number)), _) => value == external(*number),
        (WastRetCore::RefExtern(None), _) => matches!(value, Value::ExternRef(Some(_))),
        (WastRetCore::RefFunc(None), _) => matches!(value, Value::FuncRef(Some(_))),
        _ => bail!("{expected:?} is not of WebAssembly 2.0"),
    })
}

fn f32_matches(bits: u32, pattern: &NanPattern<F32>) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(value) => bits == value.bits,
    }
}

fn f64_matches(bits: u64, pattern: &NanPattern<F64>) -> bool {
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(value) => bits == value.bits,
    }
}

fn v128_matches(bits: u128, pattern: &V128Pattern) -> bool {
    let is = |lanes| Value::V128(bits) == vector(&lanes);
    match pattern {
        V128Pattern::I8x16(lanes) => is(V128Const::I8x16(*lanes)),
        V128Pattern::I16x8(lanes) => is(V128Const::I16x8(*lanes)),
        V128Pattern::I32x4(lanes) => is(V128Const::I32x4(*lanes)),
        V128Pattern::I64x2(lanes) => is(V128Const::I64x2(*lanes)),
        V128Pattern::F32x4(lanes) => {
            lanes.iter().enumerate().all(|(i, lane)| f32_matches((bits >> (32 * i)) as u32, lane))
        }
        V128Pattern::F64x2(lanes) => {
            lanes.iter().enumerate().all(|(i, lane)| f64_matches((bits >> (64 * i)) as u64, lane))
        }
    }
}

fn vector(lanes: &V128Const) -> Value {
    Value::V128(u128::from_le_bytes(lanes.to_le_bytes()))
}

fn null(ty: &HeapType<'_>) -> Result<Value> {
    Ok(match ty {
        HeapType::Abstract { shared: false, ty: AbstractHeapType::Func } => Value::FuncRef(None),
        HeapType::Abstract { shared: false, ty: AbstractHeapType::Extern } => {
            Value::ExternRef(None)
        }
        _ => bail!("{ty:?} is not of WebAssembly 2.0"),
    })
}

/// The suite counts its external references from 0, which here is null.
fn external(number: u32) -> Value {
    Value::ExternRef(NonZeroU64::new(u64::from(number) + 1))
}
