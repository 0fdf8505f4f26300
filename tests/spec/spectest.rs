//! The host module that the suite's modules import from.

use wasmrun::ValType::{F32, F64, I32, I64};
use wasmrun::{
    Func, FuncType, Global, Imports, Memory, MemoryType, StoreContext, Table, TableType, ValType,
    Value,
};

const NAME: &str = "spectest";

/// Imports with nothing but this module.
pub fn imports(store: &mut StoreContext) -> anyhow::Result<Imports> {
    let mut imports = Imports::new();
    let functions: [(&str, &[ValType]); 7] = [
        ("print", &[]),
        ("print_i32", &[I32]),
        ("print_i64", &[I64]),
        ("print_f32", &[F32]),
        ("print_f64", &[F64]),
        ("print_i32_f32", &[I32, F32]),
        ("print_f64_f64", &[F64, F64]),
    ];
    for (name, params) in functions {
        let ty = FuncType::new(params, []);
        imports.define(NAME, name, Func::new(store, ty, |_, _, _| Ok(())));
    }
    let globals = [
        ("global_i32", Value::from(666_i32)),
        ("global_i64", Value::from(666_i64)),
        ("global_f32", Value::from(666.6_f32)),
        ("global_f64", Value::from(666.6_f64)),
    ];
    for (name, value) in globals {
        imports.define(NAME, name, Global::new(store, false, value)?);
    }
    let ty = TableType { element: ValType::FuncRef, min: 10, max: Some(20) };
    imports.define(NAME, "table", Table::new(store, ty, Value::FuncRef(None))?);
    imports.define(NAME, "memory", Memory::new(store, MemoryType { min: 1, max: Some(2) })?);
    Ok(imports)
}
