//! What a wasm file itself says of its instructions: the judge of every offset
//! that we report. Decodes the file; knows nothing of what is compiled from it.
#![allow(dead_code, missing_docs)]

use std::ops::Range;
use wasmparser::{Name, Operator, Parser, Payload};

/// A module's functions, by wasm offset.
pub struct Truth<'a> {
    pub imported_functions: u32,
    /// Those the module defines, in order.
    pub functions: Vec<Function<'a>>,
}

pub struct Function<'a> {
    pub index: u32,
    pub name: Option<&'a str>,
    /// From the declaration of locals to behind the last `end`.
    pub body: Range<u64>,
    /// In order, each with the offset of its opcode's first byte.
    pub operators: Vec<(u64, Operator<'a>)>,
}

impl<'a> Truth<'a> {
    pub fn of(wasm: &'a [u8]) -> Self {
        let mut truth = Truth { imported_functions: 0, functions: Vec::new() };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("a valid module") {
                Payload::ImportSection(imports) => {
                    let imports = imports.into_imports().map(|i| i.expect("a valid import"));
                    let functions =
                        imports.filter(|i| matches!(i.ty, wasmparser::TypeRef::Func(_)));
                    truth.imported_functions = functions.count() as u32;
                }
                Payload::CodeSectionEntry(body) => {
                    let range = body.range();
                    let reader = body.get_operators_reader().expect("a valid body");
                    let operators = reader.into_iter_with_offsets().map(|operator| {
                        let (operator, offset) = operator.expect("a valid operator");
                        (offset, operator)
                    });
                    truth.functions.push(Function {
                        index: truth.imported_functions + truth.functions.len() as u32,
                        name: None,
                        body: range,
                        operators: operators.collect(),
                    });
                }
                Payload::CustomSection(section) => {
                    if let wasmparser::KnownCustom::Name(names) = section.as_known() {
                        truth.set_names(names);
                    }
                }
                _ => {}
            }
        }
        truth
    }

    fn set_names(&mut self, names: wasmparser::NameSectionReader<'a>) {
        for subsection in names {
            let Name::Function(map) = subsection.expect("valid names") else { continue };
            for naming in map {
                let naming = naming.expect("valid names");
                if let Some(defined) = naming.index.checked_sub(self.imported_functions) {
                    self.functions[defined as usize].name = Some(naming.name);
                }
            }
        }
    }

    /// The function of this name.
    pub fn named(&self, name: &str) -> &Function<'a> {
        let function = self.functions.iter().find(|f| f.name == Some(name));
        function.unwrap_or_else(|| panic!("the module has a function `{name}`"))
    }

    /// The function with this index, if the module defines it.
    pub fn function(&self, index: u32) -> Option<&Function<'a>> {
        self.functions.get(index.checked_sub(self.imported_functions)? as usize)
    }

    /// Whether a function's body starts at `offset`.
    pub fn starts(&self, offset: u64) -> bool {
        self.functions.binary_search_by_key(&offset, |f| f.body.start).is_ok()
    }

    /// The function and the operator whose opcode is at `offset`.
    pub fn at(&self, offset: u64) -> Option<(&Function<'a>, &Operator<'a>)> {
        let place = self.functions.partition_point(|f| f.body.end <= offset);
        let function = self.functions.get(place)?;
        let operators = &function.operators;
        let place = operators.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        Some((function, &operators[place].1))
    }
}

impl Function<'_> {
    /// Offset of the `nth` operator, from 0, that wasmparser calls `mnemonic`.
    pub fn nth(&self, mnemonic: &str, nth: usize) -> u64 {
        let mut found = self.operators.iter().filter(|(_, o)| self::mnemonic(o) == mnemonic);
        let (offset, _) =
            found.nth(nth).unwrap_or_else(|| panic!("{:?} has no {mnemonic} {nth}", self.name));
        *offset
    }
}

/// wasmparser's name of an operator: `I32Load`.
pub fn mnemonic(operator: &Operator<'_>) -> String {
    let text = format!("{operator:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text[..end].to_owned()
}
