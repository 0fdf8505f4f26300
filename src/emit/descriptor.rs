//! The object that says what the module is: `wasm2so_abi::ModuleDescriptor`
//! and everything it points at, as constant data without addresses.

use super::image::{self, Image};
use super::kept::Kept;
use super::shards::Plan;
use super::table_image::{self, TableImages};
use super::thunks;
use crate::llvm::target::Cpu;
use crate::module::{
    ConstExpr, ElemItems, ExternType, Global, Limits, Memory, SegmentMode, Table, WasmModule,
};
use object::write::{Object, Relocation, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope,
};
use std::collections::HashMap;
use std::mem::offset_of;
use wasm2so_abi as abi;
use wasm2so_abi::ExternKind;

/// Where a pointer points.
#[derive(Clone)]
enum Target {
    /// Into the descriptor's own data.
    Data(u64),
    /// Into the read-only bytes.
    Bytes(u64),
    /// Into the memories' image.
    Image(u64),
    /// At a function of another object.
    Code(String),
}

/// A structure of the ABI being written: its bytes, and its pointers by offset.
struct Record {
    bytes: Vec<u8>,
    pointers: Vec<(usize, Target)>,
}

impl Record {
    /// All zero, as large as `T`.
    fn new<T>() -> Self {
        Record { bytes: vec![0; size_of::<T>()], pointers: Vec::new() }
    }

    fn put(mut self, offset: usize, value: &[u8]) -> Self {
        self.bytes[offset..offset + value.len()].copy_from_slice(value);
        self
    }

    fn u32(self, offset: usize, value: u32) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    fn u64(self, offset: usize, value: u64) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    fn pointer(mut self, offset: usize, target: Target) -> Self {
        self.pointers.push((offset, target));
        self
    }

    /// An [`abi::Array`] at `offset`.
    fn array(self, offset: usize, (target, len): (Target, u64)) -> Self {
        let this = self.u64(offset + offset_of!(abi::Array<u8>, len), len);
        if len == 0 {
            return this;
        }
        this.pointer(offset + offset_of!(abi::Array<u8>, start), target)
    }

    /// A nested structure at `offset`.
    fn nested(mut self, offset: usize, inner: Record) -> Self {
        self.bytes[offset..offset + inner.bytes.len()].copy_from_slice(&inner.bytes);
        self.pointers.extend(inner.pointers.into_iter().map(|(at, to)| (offset + at, to)));
        self
    }
}

/// Writes the descriptor of `module` as an ELF object, which has the sections
/// `kept` too.
pub fn write(
    module: &WasmModule<'_>,
    file_name: &str,
    cpu: &Cpu,
    plan: &Plan,
    kept: &[Kept<'_>],
) -> Vec<u8> {
    let mut writer = Writer::default();
    let root = writer.module(module, file_name, cpu, plan);
    let root = writer.records(vec![root]).0;
    let Target::Data(root) = root else { unreachable!("records are data") };
    writer.finish(root, kept)
}

#[derive(Default)]
struct Writer {
    data: Vec<u8>,
    pointers: Vec<(u64, Target)>,
    bytes: Vec<u8>,
    image: Vec<u8>,
    strings: HashMap<String, u64>,
}

impl Writer {
    /// Appends records one after the other, as an array.
    fn records(&mut self, records: Vec<Record>) -> (Target, u64) {
        self.data.resize(self.data.len().next_multiple_of(align_of::<u128>()), 0);
        let start = self.data.len() as u64;
        let count = records.len() as u64;
        for record in records {
            let at = self.data.len() as u64;
            self.pointers.extend(record.pointers.into_iter().map(|(o, t)| (at + o as u64, t)));
            self.data.extend(record.bytes);
        }
        (Target::Data(start), count)
    }

    fn read_only(&mut self, bytes: &[u8]) -> (Target, u64) {
        // Segments are copied with wide moves; let them start aligned.
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        (Target::Bytes(start), bytes.len() as u64)
    }

    fn string(&mut self, text: &str) -> (Target, u64) {
        let start = *self.strings.entry(text.to_owned()).or_insert_with(|| {
            let start = self.bytes.len() as u64;
            self.bytes.extend_from_slice(text.as_bytes());
            start
        });
        (Target::Bytes(start), text.len() as u64)
    }

    fn numbers(&mut self, numbers: &[u32]) -> (Target, u64) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        (self.read_only(&bytes).0, numbers.len() as u64)
    }

    fn module(
        &mut self,
        module: &WasmModule<'_>,
        file_name: &str,
        cpu: &Cpu,
        plan: &Plan,
    ) -> Record {
        use abi::ModuleDescriptor as D;
        let name = module.names.module.filter(|n| !n.is_empty()).unwrap_or_else(|| {
            file_name.strip_suffix(".wasm").or(file_name.strip_suffix(".wat")).unwrap_or(file_name)
        });
        let features = cpu
            .required_features()
            .iter()
            .map(|feature| Record::new::<abi::Str>().array(0, self.string(feature)))
            .collect();
        let mut record = Record::new::<D>()
            .nested(offset_of!(D, preamble), preamble())
            .array(offset_of!(D, producer), self.string(crate::PRODUCER))
            .array(offset_of!(D, name), self.string(name))
            .array(offset_of!(D, file_name), self.string(file_name))
            .array(offset_of!(D, cpu_features), self.records(features))
            .nested(offset_of!(D, counts), counts(&module.counts()))
            .u32(offset_of!(D, start), module.start.unwrap_or(abi::NULL_FUNCTION))
            .u64(offset_of!(D, code_section_start), module.code_section_start)
            .array(offset_of!(D, referenced), self.numbers(&module.referenced));
        let image = image::lay_out(module);
        let table_images = table_image::lay_out(module);
        for (offset, array) in [
            (offset_of!(D, types), self.types(module)),
            (offset_of!(D, imports), self.imports(module)),
            (offset_of!(D, exports), self.exports(module)),
            (offset_of!(D, functions), self.functions(module, plan)),
            (offset_of!(D, function_names), self.function_names(module)),
            (offset_of!(D, tables), self.tables(module)),
            (offset_of!(D, memories), self.memories(module)),
            (offset_of!(D, globals), self.globals(module)),
            (offset_of!(D, elems), self.elems(module, table_images.end)),
            (offset_of!(D, datas), self.datas(module, image.end)),
            (offset_of!(D, image), self.image(image)),
            (offset_of!(D, table_images), self.table_images(table_images)),
        ] {
            record = record.array(offset, array);
        }
        record
    }

    fn types(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        use abi::FuncType as F;
        let entries = thunks::entry_types(module);
        let mut records = Vec::new();
        for (index, signature) in (0..).zip(&module.types) {
            let codes = |types: &[abi::ValType]| types.iter().map(|&t| t as u8).collect::<Vec<_>>();
            let mut record = Record::new::<F>()
                .array(offset_of!(F, params), self.read_only(&codes(&signature.params)))
                .array(offset_of!(F, results), self.read_only(&codes(&signature.results)));
            if entries.contains(&index) {
                let thunk = Target::Code(thunks::entry_symbol(index));
                record = record.pointer(offset_of!(F, entry), thunk);
            }
            records.push(record);
        }
        self.records(records)
    }

    fn imports(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        use abi::Import as I;
        let mut records = Vec::new();
        for import in &module.imports {
            let ty = match import.ty {
                ExternType::Function(ty) => extern_type(ExternKind::Function, ty),
                ExternType::Table(table) => table_type(table),
                ExternType::Memory(memory) => memory_type(memory),
                ExternType::Global(global) => global_type(global),
            };
            records.push(
                Record::new::<I>()
                    .array(offset_of!(I, module), self.string(import.module))
                    .array(offset_of!(I, name), self.string(import.name))
                    .nested(offset_of!(I, ty), ty),
            );
        }
        self.records(records)
    }

    fn exports(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        use abi::Export as E;
        let mut records = Vec::new();
        for export in &module.exports {
            records.push(
                Record::new::<E>()
                    .array(offset_of!(E, name), self.string(export.name))
                    .u32(offset_of!(E, kind), export.kind as u32)
                    .u32(offset_of!(E, index), export.index),
            );
        }
        self.records(records)
    }

    fn functions(&mut self, module: &WasmModule<'_>, plan: &Plan) -> (Target, u64) {
        use abi::Function as F;
        let mut records = Vec::new();
        for (index, body) in module.defined_functions().zip(&module.bodies) {
            let mut record = Record::new::<F>()
                .u32(offset_of!(F, type_index), module.functions[index as usize])
                .u64(offset_of!(F, body_start), body.range.start)
                .u64(offset_of!(F, body_end), body.range.end);
            if module.referenced.binary_search(&index).is_ok() {
                let symbol = module.names.symbol(index);
                let way_in = match plan.conventions.wrapped() {
                    true => thunks::wrapper_symbol(index),
                    false => symbol.clone(),
                };
                record = record.pointer(offset_of!(F, code), Target::Code(way_in.clone()));
                record = match plan.conventions.tail_calls {
                    true => record
                        .pointer(offset_of!(F, local_code), Target::Code(way_in))
                        .pointer(offset_of!(F, tail_code), Target::Code(symbol)),
                    false => record.pointer(offset_of!(F, local_code), Target::Code(symbol)),
                };
            }
            records.push(record);
        }
        self.records(records)
    }

    fn function_names(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        use abi::FunctionName as N;
        let mut records = Vec::new();
        for (&index, name) in &module.names.functions {
            records.push(
                Record::new::<N>()
                    .u32(offset_of!(N, index), index)
                    .array(offset_of!(N, name), self.string(name)),
            );
        }
        self.records(records)
    }

    fn tables(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        let defined = &module.tables[module.imported_tables as usize..];
        self.records(defined.iter().map(|&t| table_type(t)).collect())
    }

    fn memories(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        let defined = &module.memories[module.imported_memories as usize..];
        self.records(defined.iter().map(|&m| memory_type(m)).collect())
    }

    fn globals(&mut self, module: &WasmModule<'_>) -> (Target, u64) {
        use abi::Global as G;
        let defined = &module.globals[module.imported_globals as usize..];
        let mut records = Vec::new();
        for (&global, init) in defined.iter().zip(&module.global_inits) {
            records.push(
                Record::new::<G>()
                    .nested(offset_of!(G, ty), global_type(global))
                    .array(offset_of!(G, init), self.const_expr(init)),
            );
        }
        self.records(records)
    }

    /// Active segments before `imaged` are in the tables' images.
    fn elems(&mut self, module: &WasmModule<'_>, imaged: usize) -> (Target, u64) {
        use abi::Elem as E;
        let mut records = Vec::new();
        for (index, elem) in module.elems.iter().enumerate() {
            if index < imaged && matches!(elem.mode, SegmentMode::Active { .. }) {
                let mode = abi::SegmentMode::Imaged as u32;
                records.push(Record::new::<E>().u32(offset_of!(E, mode), mode));
                continue;
            }
            let (mode, target, offset) = self.segment_mode(&elem.mode);
            let record = Record::new::<E>()
                .u32(offset_of!(E, mode), mode as u32)
                .u32(offset_of!(E, table), target)
                .array(offset_of!(E, offset), offset);
            records.push(match &elem.items {
                ElemItems::Functions(functions) => {
                    let places: Vec<u32> =
                        functions.iter().map(|&function| module.funcref_place(function)).collect();
                    record.array(offset_of!(E, items), self.numbers(&places))
                }
                ElemItems::Expressions(expressions) => {
                    let arrays = expressions
                        .iter()
                        .map(|e| Record::new::<abi::ConstExpr>().array(0, self.const_expr(e)))
                        .collect();
                    record.array(offset_of!(E, exprs), self.records(arrays))
                }
            });
        }
        self.records(records)
    }

    /// Active segments before `imaged` are in the image.
    fn datas(&mut self, module: &WasmModule<'_>, imaged: usize) -> (Target, u64) {
        use abi::Data as D;
        let mut records = Vec::new();
        for (index, data) in module.datas.iter().enumerate() {
            let record = Record::new::<D>();
            if index < imaged && matches!(data.mode, SegmentMode::Active { .. }) {
                records.push(record.u32(offset_of!(D, mode), abi::SegmentMode::Imaged as u32));
                continue;
            }
            let (mode, target, offset) = self.segment_mode(&data.mode);
            records.push(
                record
                    .u32(offset_of!(D, mode), mode as u32)
                    .u32(offset_of!(D, memory), target)
                    .array(offset_of!(D, offset), offset)
                    .array(offset_of!(D, bytes), self.read_only(data.bytes)),
            );
        }
        self.records(records)
    }

    fn image(&mut self, image: Image) -> (Target, u64) {
        use abi::ImageRun as R;
        let mut records = Vec::new();
        for run in image.runs {
            let start = self.image.len() as u64;
            let len = run.bytes.len() as u64;
            self.image.extend(run.bytes);
            records.push(
                Record::new::<R>()
                    .u32(offset_of!(R, memory), run.memory)
                    .u64(offset_of!(R, address), run.address)
                    .array(offset_of!(R, bytes), (Target::Image(start), len)),
            );
        }
        self.records(records)
    }

    fn table_images(&mut self, images: TableImages) -> (Target, u64) {
        use abi::TableImage as T;
        let mut records = Vec::new();
        for (table, functions) in images.tables {
            records.push(
                Record::new::<T>()
                    .u32(offset_of!(T, table), table)
                    .array(offset_of!(T, functions), self.numbers(&functions)),
            );
        }
        self.records(records)
    }

    fn segment_mode(&mut self, mode: &SegmentMode) -> (abi::SegmentMode, u32, (Target, u64)) {
        match mode {
            SegmentMode::Passive => (abi::SegmentMode::Passive, 0, (Target::Data(0), 0)),
            SegmentMode::Declared => (abi::SegmentMode::Declared, 0, (Target::Data(0), 0)),
            SegmentMode::Active { target, offset } => {
                (abi::SegmentMode::Active, *target, self.const_expr(offset))
            }
        }
    }

    fn const_expr(&mut self, expr: &ConstExpr) -> (Target, u64) {
        use abi::ConstOp as C;
        let records = expr.iter().map(|op| {
            Record::new::<C>()
                .u32(offset_of!(C, opcode), op.opcode as u32)
                .u32(offset_of!(C, index), op.index)
                .put(offset_of!(C, bits), &op.bits.to_le_bytes())
        });
        self.records(records.collect())
    }

    /// The object, with the sections `kept`.
    fn finish(self, root: u64, kept: &[Kept<'_>]) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let name = b".rodata.descriptor".to_vec();
        let data = object.add_section(Vec::new(), name, SectionKind::ReadOnlyData);
        let bytes = object.add_section(Vec::new(), b".rodata".to_vec(), SectionKind::ReadOnlyData);
        object.append_section_data(bytes, &self.bytes, 16);
        let data_symbol = object.section_symbol(data);
        let bytes_symbol = object.section_symbol(bytes);
        let image = (!self.image.is_empty()).then(|| {
            let name = abi::IMAGE_SECTION.as_bytes().to_vec();
            let image = object.add_section(Vec::new(), name, SectionKind::ReadOnlyData);
            object.append_section_data(image, &self.image, abi::IMAGE_PAGE);
            object.section_symbol(image)
        });
        let size = self.data.len() as u64 - root;
        object.append_section_data(data, &self.data, 16);
        object.add_symbol(Symbol {
            name: abi::ROOT_SYMBOL.as_bytes().to_vec(),
            value: root,
            size,
            kind: SymbolKind::Data,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(data),
            flags: SymbolFlags::None,
        });

        let mut code: HashMap<String, SymbolId> = HashMap::new();
        for (offset, target) in self.pointers {
            let (symbol, addend) = match target {
                Target::Data(at) => (data_symbol, at as i64),
                Target::Bytes(at) => (bytes_symbol, at as i64),
                Target::Image(at) => (image.expect("there is an image"), at as i64),
                Target::Code(name) => {
                    let symbol = *code
                        .entry(name)
                        .or_insert_with_key(|name| object.add_symbol(undefined(name)));
                    (symbol, 0)
                }
            };
            let flags = RelocationFlags::Elf { r_type: object::elf::R_X86_64_PC64 };
            object
                .add_relocation(data, Relocation { offset, symbol, addend, flags })
                .expect("it is one of ELF");
        }
        for Kept { name, bytes } in kept {
            let name = name.clone().into_bytes();
            let section = object.add_section(Vec::new(), name, SectionKind::Other);
            object.append_section_data(section, bytes, 1);
        }
        object.write().expect("an object in memory can be written")
    }
}

fn undefined(name: &str) -> Symbol {
    Symbol {
        name: name.as_bytes().to_vec(),
        value: 0,
        size: 0,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Undefined,
        flags: SymbolFlags::None,
    }
}

fn preamble() -> Record {
    use abi::Preamble as P;
    let current = P::CURRENT;
    Record::new::<P>()
        .put(offset_of!(P, magic), &current.magic)
        .u32(offset_of!(P, abi_version), current.abi_version)
        .u64(offset_of!(P, layout_hash), current.layout_hash)
}

fn counts(counts: &abi::VmCounts) -> Record {
    use abi::VmCounts as C;
    Record::new::<C>()
        .u32(offset_of!(C, memories), counts.memories)
        .u32(offset_of!(C, tables), counts.tables)
        .u32(offset_of!(C, imported_functions), counts.imported_functions)
        .u32(offset_of!(C, imported_globals), counts.imported_globals)
        .u32(offset_of!(C, defined_globals), counts.defined_globals)
        .u32(offset_of!(C, types), counts.types)
        .u32(offset_of!(C, referenced), counts.referenced)
}

fn extern_type(kind: ExternKind, ty: u32) -> Record {
    use abi::ExternType as T;
    Record::new::<T>().u32(offset_of!(T, kind), kind as u32).u32(offset_of!(T, ty), ty)
}

fn limits(record: Record, limits: Limits) -> Record {
    use abi::{ExternType as T, Limits as L};
    let at = offset_of!(T, limits);
    record
        .u64(at + offset_of!(L, min), limits.min)
        .u64(at + offset_of!(L, max), limits.max.unwrap_or(abi::NO_MAXIMUM))
}

fn table_type(table: Table) -> Record {
    limits(extern_type(ExternKind::Table, table.element as u32), table.limits)
}

fn memory_type(memory: Memory) -> Record {
    limits(extern_type(ExternKind::Memory, 0), memory.limits)
}

fn global_type(global: Global) -> Record {
    extern_type(ExternKind::Global, global.ty as u32)
        .u32(offset_of!(abi::ExternType, mutable), global.mutable.into())
}
