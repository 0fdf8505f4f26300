//! WebAssembly values as they are written on a command line and printed. Knows
//! nothing of functions.

use anyhow::{Context, Result, anyhow, bail, ensure};
use std::fmt::{Display, LowerExp};
use wasmrun::{ValType, Value};

/// The value of type `ty` that `text` stands for.
pub fn parse(text: &str, ty: ValType) -> Result<Value> {
    let value = match ty {
        ValType::I32 => integer(text, 32).map(|bits| Value::from(bits as u32)),
        ValType::I64 => integer(text, 64).map(|bits| Value::from(bits as u64)),
        ValType::F32 => float(text).map(|v: f32| Value::from(v)),
        ValType::F64 => float(text).map(|v: f64| Value::from(v)),
        ValType::V128 => vector(text).map(Value::from),
        ValType::FuncRef | ValType::ExternRef => null(text).map(|()| Value::default_of(ty)),
    };
    value.with_context(|| format!("`{text}` is not a value of type {}", ty.name()))
}

/// The value as [`parse`] reads it.
pub fn show(value: &Value) -> String {
    // `Display` alone would write 1e300 with 300 zeroes.
    match *value {
        Value::F32(bits) => shorter(f32::from_bits(bits)),
        Value::F64(bits) => shorter(f64::from_bits(bits)),
        _ => value.to_string(),
    }
}

fn shorter(float: impl Display + LowerExp) -> String {
    let (plain, scientific) = (format!("{float}"), format!("{float:e}"));
    if plain.len() <= scientific.len().max(20) { plain } else { scientific }
}

/// The low `bits` bits of an integer, signed or not, decimal or `0x…`.
fn integer(text: &str, bits: u32) -> Result<u128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(rest) => (rest, 16),
        None => (digits, 10),
    };
    // Rust's own parser would take a second sign.
    ensure!(digits.chars().all(|c| c.is_digit(radix)), "expected digits");
    let magnitude = u128::from_str_radix(digits, radix)?;
    let most = if negative { 1 << (bits - 1) } else { u128::MAX >> (128 - bits) };
    ensure!(magnitude <= most, "does not fit {bits} bits");
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    Ok(value & u128::MAX >> (128 - bits))
}

fn float<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| anyhow!("expected a number, inf or nan"))
}

/// `0x…`, or lanes from the first: `1,2,3,4`, `f64x2:0.5,1`.
fn vector(text: &str) -> Result<u128> {
    if !text.contains([',', ':']) {
        ensure!(text.starts_with("0x"), "expected 0x… or lanes such as i32x4:1,2,3,4");
        return integer(text, 128);
    }
    let (shape, lanes) = text.split_once(':').unwrap_or(("i32x4", text));
    let (ty, width) = match shape {
        "i8x16" => (None, 8),
        "i16x8" => (None, 16),
        "i32x4" => (None, 32),
        "i64x2" => (None, 64),
        "f32x4" => (Some(ValType::F32), 32),
        "f64x2" => (Some(ValType::F64), 64),
        _ => bail!("unknown shape `{shape}`"),
    };
    let count = 128 / width;
    let lanes: Vec<&str> = lanes.split(',').map(str::trim).collect();
    ensure!(lanes.len() == count as usize, "{shape} has {count} lanes, not {}", lanes.len());
    lanes.iter().rev().try_fold(0, |bits: u128, lane| {
        let lane = match ty {
            None => integer(lane, width)?,
            Some(ValType::F32) => float::<f32>(lane)?.to_bits().into(),
            Some(_) => float::<f64>(lane)?.to_bits().into(),
        };
        Ok(bits.unbounded_shl(width) | lane)
    })
}

fn null(text: &str) -> Result<()> {
    ensure!(text == "null", "only null can be given for a reference");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let table = [
            ("0", ValType::I32, Value::I32(0)),
            ("-1", ValType::I32, Value::I32(-1)),
            ("+7", ValType::I32, Value::I32(7)),
            ("4294967295", ValType::I32, Value::I32(-1)),
            ("-2147483648", ValType::I32, Value::I32(i32::MIN)),
            ("0xdeadBEEF", ValType::I32, Value::I32(0xdeadbeefu32 as i32)),
            ("-0x10", ValType::I64, Value::I64(-16)),
            ("18446744073709551615", ValType::I64, Value::I64(-1)),
            ("1.5", ValType::F32, Value::from(1.5f32)),
            ("-inf", ValType::F64, Value::from(f64::NEG_INFINITY)),
            ("1e300", ValType::F64, Value::from(1e300f64)),
            ("nan", ValType::F64, Value::from(f64::NAN)),
            ("0x10", ValType::V128, Value::V128(16)),
            ("1,2,3,-1", ValType::V128, Value::V128(0xffffffff_00000003_00000002_00000001)),
            ("i64x2:1, 0x2", ValType::V128, Value::V128(1 | 2 << 64)),
            ("f64x2:0,1", ValType::V128, Value::V128(u128::from(1f64.to_bits()) << 64)),
            ("null", ValType::FuncRef, Value::FuncRef(None)),
        ];
        for (text, ty, expected) in table {
            assert_eq!(parse(text, ty).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_short() {
        let table = [
            (0.0, "0"),
            (-1.5, "-1.5"),
            (1e15, "1000000000000000"),
            (1e300, "1e300"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (float, text) in table {
            assert_eq!(show(&Value::from(float)), text);
            assert_eq!(parse(text, ValType::F64).unwrap(), Value::from(float));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let table = [
            ("", ValType::I32),
            ("-", ValType::I32),
            ("--1", ValType::I32),
            ("0x-1", ValType::I32),
            ("1.5", ValType::I32),
            ("4294967296", ValType::I32),
            ("-2147483649", ValType::I32),
            ("one", ValType::F64),
            ("12", ValType::V128),
            ("1,2,3", ValType::V128),
            ("i8x16:1,2,3,4", ValType::V128),
            ("i7x3:1,2,3", ValType::V128),
            ("7", ValType::ExternRef),
        ];
        for (text, ty) in table {
            let error = parse(text, ty).unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is not a value of type {}", ty.name()));
        }
    }
}
