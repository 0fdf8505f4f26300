//! What wasm operators do, as far as an audit asks.

use crate::support::truth::mnemonic;
use wasmparser::Operator;

/// What an operator touches that traps or that the host sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// So many bytes of linear memory.
    Load(usize),
    /// So many bytes of linear memory.
    Store(usize),
    /// A range of linear memory.
    Bulk,
    /// A global or a table element is written.
    Variable,
}

pub fn touch(operator: &Operator<'_>) -> Option<Touch> {
    match operator {
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => return Some(Touch::Bulk),
        Operator::GlobalSet { .. } | Operator::TableSet { .. } => return Some(Touch::Variable),
        _ => {}
    }
    let name = mnemonic(operator);
    let (ty, shape) = name.split_at_checked(name.find("Load").or(name.find("Store"))?)?;
    let load = shape.starts_with("Load");
    let shape = shape.trim_start_matches("Load").trim_start_matches("Store");
    let digits = shape.find(|c: char| !c.is_ascii_digit()).unwrap_or(shape.len());
    let bytes = match (&shape[..digits], ty) {
        // As in `Load8x8S`: eight bytes that are widened.
        _ if shape[digits..].starts_with('x') => 8,
        ("", "I32" | "F32") => 4,
        ("", "I64" | "F64") => 8,
        ("", "V128") => 16,
        (bits, _) => bits.parse::<usize>().ok()? / 8,
    };
    Some(if load { Touch::Load(bytes) } else { Touch::Store(bytes) })
}

/// Whether it checks something itself, and raises a trap.
pub fn traps_by_call(operator: &Operator<'_>) -> bool {
    let name = mnemonic(operator);
    let arithmetic = ["Div", "Rem", "Trunc"]
        .iter()
        .any(|part| name[3..].starts_with(part) && name.starts_with('I') && !name.contains("Sat"));
    arithmetic
        || matches!(
            operator,
            Operator::Unreachable
                | Operator::CallIndirect { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::MemoryCopy { .. }
                | Operator::MemoryFill { .. }
                | Operator::MemoryInit { .. }
                | Operator::TableGet { .. }
                | Operator::TableSet { .. }
                | Operator::TableCopy { .. }
                | Operator::TableFill { .. }
                | Operator::TableInit { .. }
        )
}

/// Whether the runtime does it, or rarely a part of it, by the builtin of this
/// name.
pub fn calls_builtin(operator: &Operator<'_>, name: &str) -> bool {
    match operator {
        Operator::MemoryGrow { .. } => name == "memory_grow",
        Operator::MemoryInit { .. } => name == "memory_init",
        Operator::DataDrop { .. } => name == "data_drop",
        Operator::TableGet { .. }
        | Operator::CallIndirect { .. }
        | Operator::ReturnCallIndirect { .. } => name == "table_get",
        Operator::TableGrow { .. } => name == "table_grow",
        Operator::TableCopy { .. } => name == "table_copy",
        // Null replaces what it could stand for.
        Operator::TableFill { .. } | Operator::TableSet { .. } => name == "table_fill",
        Operator::TableInit { .. } => name == "table_init",
        Operator::ElemDrop { .. } => name == "elem_drop",
        Operator::RefFunc { .. } => name == "bind_function",
        _ => false,
    }
}

/// Whether it reads elements of a table, or a read is folded into it.
pub fn reads_table(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::TableGet { .. }
            | Operator::RefIsNull
            | Operator::CallIndirect { .. }
            | Operator::ReturnCallIndirect { .. }
    )
}

/// Whether it needs more of the instance than memory bases and globals.
pub fn reads_instance(operator: &Operator<'_>) -> bool {
    reads_table(operator)
        || matches!(
            operator,
            Operator::Call { .. }
                | Operator::ReturnCall { .. }
                | Operator::GlobalGet { .. }
                | Operator::GlobalSet { .. }
                | Operator::MemorySize { .. }
                | Operator::MemoryCopy { .. }
                | Operator::MemoryFill { .. }
                | Operator::TableSize { .. }
                | Operator::TableSet { .. }
                | Operator::RefFunc { .. }
        )
}
