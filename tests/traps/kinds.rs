//! Everything that traps: one wasm operator a line, with operands that decide
//! at run time whether and how.

use wasmrun::TrapCode::{self, *};

/// Wasm code with one operator that may trap.
pub struct Kind {
    /// wasmparser's name of the operator.
    pub operator: &'static str,
    /// The code; leaves nothing on the stack. Reads the local `$x` (i32).
    pub site: String,
    /// An `$x` with which it does not trap.
    pub good: i32,
    /// Those with which it does, and how.
    pub bad: Vec<(i32, TrapCode)>,
}

/// All kinds. The module around them has a memory `$m` of one page, a passive
/// segment `$d` of 16 bytes, globals `$count` and `$sink` (i32), and a table `$t` of 8 elements: a function of type
/// `$v`, one of another type, nulls; a passive segment `$e` of one element.
pub fn all() -> Vec<Kind> {
    let mut kinds = vec![kind(
        "Unreachable",
        "(if (local.get $x) (then (unreachable)))",
        0,
        &[(1, Unreachable)],
    )];
    divisions(&mut kinds);
    conversions(&mut kinds);
    loads(&mut kinds);
    stores(&mut kinds);
    bulk(&mut kinds);
    tables(&mut kinds);
    kinds
}

fn kind(operator: &'static str, site: &str, good: i32, bad: &[(i32, TrapCode)]) -> Kind {
    Kind { operator, site: site.to_owned(), good, bad: bad.to_vec() }
}

/// A kind whose value is used, or not: dropped values must trap, too.
fn value(
    operator: &'static str,
    drop: bool,
    site: &str,
    good: i32,
    bad: &[(i32, TrapCode)],
) -> Kind {
    let site = match drop {
        true => format!("(drop {site})"),
        false => format!("(global.set $sink {site})"),
    };
    kind(operator, &site, good, bad)
}

fn divisions(kinds: &mut Vec<Kind>) {
    let table = [
        ("I32DivS", "(i32.div_s (i32.const 0x80000000) X)"),
        ("I32DivU", "(i32.div_u (i32.const 7) X)"),
        ("I32RemS", "(i32.rem_s (i32.const 7) X)"),
        ("I32RemU", "(i32.rem_u (i32.const 7) X)"),
        ("I64DivS", "(i64.div_s (i64.const 0x8000000000000000) (i64.extend_i32_s X))"),
        ("I64DivU", "(i64.div_u (i64.const 7) (i64.extend_i32_s X))"),
        ("I64RemS", "(i64.rem_s (i64.const 7) (i64.extend_i32_s X))"),
        ("I64RemU", "(i64.rem_u (i64.const 7) (i64.extend_i32_s X))"),
    ];
    for (operator, site) in table {
        let site = site.replace('X', "(local.get $x)");
        let used = match &operator[..3] {
            "I64" => format!("(i32.wrap_i64 {site})"),
            _ => site.clone(),
        };
        let mut bad = vec![(0, IntegerDivideByZero)];
        if operator.ends_with("DivS") {
            bad.push((-1, IntegerOverflow));
        }
        kinds.push(value(operator, false, &used, 1, &bad));
        kinds.push(value(operator, true, &site, 1, &bad));
    }
}

fn conversions(kinds: &mut Vec<Kind>) {
    let bits = |value: f32| value.to_bits() as i32;
    let bad = [
        (bits(f32::NAN), InvalidConversionToInteger),
        (bits(3e38), IntegerOverflow),
        (bits(-3e38), IntegerOverflow),
        (bits(f32::INFINITY), IntegerOverflow),
    ];
    let table = [
        ("I32TruncF32S", "(i32.trunc_f32_s F32)"),
        ("I32TruncF32U", "(i32.trunc_f32_u F32)"),
        ("I32TruncF64S", "(i32.trunc_f64_s F64)"),
        ("I32TruncF64U", "(i32.trunc_f64_u F64)"),
        ("I64TruncF32S", "(i64.trunc_f32_s F32)"),
        ("I64TruncF32U", "(i64.trunc_f32_u F32)"),
        ("I64TruncF64S", "(i64.trunc_f64_s F64)"),
        ("I64TruncF64U", "(i64.trunc_f64_u F64)"),
    ];
    for (operator, site) in table {
        let site = site
            .replace("F64", "(f64.promote_f32 F32)")
            .replace("F32", "(f32.reinterpret_i32 (local.get $x))");
        kinds.push(value(operator, true, &site, bits(7.5), &bad));
    }
}

fn loads(kinds: &mut Vec<Kind>) {
    let beyond = [(0x10000, MemoryOutOfBounds), (-1, MemoryOutOfBounds)];
    let across = [(0xffff, MemoryOutOfBounds), (0x10000, MemoryOutOfBounds)];
    let table = [
        ("I32Load", "(i32.load X)"),
        ("I32Load8S", "(i32.load8_s X)"),
        ("I32Load8U", "(i32.load8_u X)"),
        ("I32Load16S", "(i32.load16_s X)"),
        ("I32Load16U", "(i32.load16_u X)"),
        ("I64Load", "(i64.load X)"),
        ("I64Load8S", "(i64.load8_s X)"),
        ("I64Load8U", "(i64.load8_u X)"),
        ("I64Load16S", "(i64.load16_s X)"),
        ("I64Load16U", "(i64.load16_u X)"),
        ("I64Load32S", "(i64.load32_s X)"),
        ("I64Load32U", "(i64.load32_u X)"),
        ("F32Load", "(f32.load X)"),
        ("F64Load", "(f64.load X)"),
        ("V128Load", "(v128.load X)"),
        ("V128Load8x8S", "(v128.load8x8_s X)"),
        ("V128Load16x4U", "(v128.load16x4_u X)"),
        ("V128Load32x2S", "(v128.load32x2_s X)"),
        ("V128Load8Splat", "(v128.load8_splat X)"),
        ("V128Load64Splat", "(v128.load64_splat X)"),
        ("V128Load32Zero", "(v128.load32_zero X)"),
        ("V128Load16Lane", "(v128.load16_lane 3 X (v128.const i64x2 1 2))"),
    ];
    for (operator, site) in table {
        let site = site.replace('X', "(local.get $x)");
        let bad = if operator.contains("Load8S") || operator.contains("Load8U") {
            beyond
        } else {
            across
        };
        kinds.push(value(operator, true, &site, 8, &bad));
    }
    // Users that the access is folded into.
    let table = [
        ("I32Load", "(i32.add (i32.load X) (global.get $count))"),
        ("I32Load8U", "(i32.eqz (i32.load8_u X))"),
        ("I32Load16S", "(i32.mul (i32.load16_s X) (i32.const 40))"),
        ("I64Load", "(i64.lt_u (i64.load X) (i64.extend_i32_u (global.get $count)))"),
        ("F64Load", "(i32.trunc_sat_f64_s (f64.sqrt (f64.load X)))"),
        ("F32Load", "(f32.lt (f32.load X) (f32.convert_i32_s (global.get $count)))"),
        (
            "V128Load",
            "(i32x4.extract_lane 2 (i32x4.add (v128.load X) (i32x4.splat (local.get $x))))",
        ),
        ("I32Load", "(i32.load offset=0xffe8 (i32.and (local.get $x) (i32.const 0xff)))"),
    ];
    for (operator, site) in table {
        let site = site.replace('X', "(local.get $x)");
        kinds.push(value(operator, false, &site, 8, &beyond[1..]));
    }
    let site = "(if (local.get $x) (then (drop (i32.load offset=0xffffffff (local.get $x)))))";
    kinds.push(kind("I32Load", site, 0, &[(-1, MemoryOutOfBounds), (1, MemoryOutOfBounds)]));
}

fn stores(kinds: &mut Vec<Kind>) {
    let beyond = [(0x10000, MemoryOutOfBounds), (-1, MemoryOutOfBounds)];
    let across = [(0xffff, MemoryOutOfBounds), (0x10000, MemoryOutOfBounds)];
    let table = [
        ("I32Store", "(i32.store X (i32.const 5))"),
        ("I32Store8", "(i32.store8 X X)"),
        ("I32Store16", "(i32.store16 X (i32.const 5))"),
        ("I64Store", "(i64.store X (i64.const 5))"),
        ("I64Store8", "(i64.store8 X (i64.const 5))"),
        ("I64Store16", "(i64.store16 X (i64.const 5))"),
        ("I64Store32", "(i64.store32 X (i64.extend_i32_s X))"),
        ("F32Store", "(f32.store X (f32.const 5))"),
        ("F64Store", "(f64.store X (f64.const 5))"),
        ("V128Store", "(v128.store X (v128.const i64x2 1 2))"),
        ("V128Store8Lane", "(v128.store8_lane 5 X (i8x16.splat X))"),
        ("V128Store64Lane", "(v128.store64_lane 1 X (v128.const i64x2 1 2))"),
        // Read-modify-write in one instruction.
        ("I32Load", "(i32.store X (i32.add (i32.load X) (i32.const 3)))"),
        ("I64Load8U", "(i64.store8 X (i64.or (i64.load8_u X) (i64.const 3)))"),
    ];
    for (operator, site) in table {
        let site = site.replace('X', "(local.get $x)");
        let bad = if operator.contains('8') { beyond } else { across };
        kinds.push(kind(operator, &site, 8, &bad));
    }
}

fn bulk(kinds: &mut Vec<Kind>) {
    let bad = [(0xfff9, MemoryOutOfBounds), (-1, MemoryOutOfBounds)];
    let segment = [(9, MemoryOutOfBounds), (-1, MemoryOutOfBounds)];
    let table = [
        ("MemoryCopy", "(memory.copy X (i32.const 16) (i32.const 8))", bad),
        ("MemoryCopy", "(memory.copy (i32.const 16) X (i32.const 8))", bad),
        ("MemoryCopy", "(memory.copy (i32.const 16) (i32.const 8) X)", bad),
        ("MemoryFill", "(memory.fill X (i32.const 3) (i32.const 8))", bad),
        ("MemoryFill", "(memory.fill (i32.const 8) (i32.const 3) X)", bad),
        ("MemoryInit", "(memory.init $d X (i32.const 0) (i32.const 8))", bad),
        ("MemoryInit", "(memory.init $d (i32.const 0) X (i32.const 8))", segment),
        ("MemoryInit", "(memory.init $d (i32.const 0) (i32.const 8) X)", segment),
    ];
    for (operator, site, bad) in table {
        kinds.push(kind(operator, &site.replace('X', "(local.get $x)"), 7, &bad));
    }
}

fn tables(kinds: &mut Vec<Kind>) {
    let bad = [(8, TableOutOfBounds), (-1, TableOutOfBounds)];
    let segment = [(2, TableOutOfBounds), (-1, TableOutOfBounds)];
    let table = [
        ("TableGet", "(drop (table.get $t X))", 7, bad),
        ("TableGet", "(global.set $sink (ref.is_null (table.get $t X)))", 7, bad),
        ("TableSet", "(table.set $t X (ref.null func))", 7, bad),
        ("TableSet", "(table.set $t X (table.get $t (i32.const 0)))", 7, bad),
        ("TableCopy", "(table.copy $t $t X (i32.const 3) (i32.const 1))", 7, bad),
        ("TableCopy", "(table.copy $t $t (i32.const 3) X (i32.const 1))", 7, bad),
        ("TableFill", "(table.fill $t X (ref.null func) (i32.const 1))", 7, bad),
        ("TableInit", "(table.init $t $e X (i32.const 0) (i32.const 1))", 7, bad),
        ("TableInit", "(table.init $t $e (i32.const 7) (i32.const 0) X)", 1, segment),
    ];
    for (operator, site, good, bad) in table {
        kinds.push(kind(operator, &site.replace('X', "(local.get $x)"), good, &bad));
    }
    let bad = [
        (8, UndefinedElement),
        (-1, UndefinedElement),
        (7, UninitializedElement),
        (1, IndirectCallTypeMismatch),
    ];
    kinds.push(kind("CallIndirect", "(call_indirect $t (type $v) (local.get $x))", 0, &bad));
}
