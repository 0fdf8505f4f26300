//! Descriptors that are sound, and such that are not.

use super::*;
use abi::Relative;

/// Sets an array, for as long as the process runs.
fn set<T: 'static>(array: &mut Array<T>, items: Vec<T>) {
    array.set(items.leak());
}

fn set_functions(module: &mut ModuleDescriptor, type_index: u32) {
    let function = Function {
        code: Relative::NULL,
        local_code: Relative::NULL,
        tail_code: Relative::NULL,
        type_index,
        reserved: 0,
        body_start: 0,
        body_end: 1,
    };
    let functions = vec![function].leak();
    functions[0].code.set(std::ptr::dangling());
    module.functions.set(functions);
}

/// A module of one type, `(i32) -> ()`, without thunks, and one function; then
/// changed.
fn descriptor(change: fn(&mut ModuleDescriptor)) -> &'static ModuleDescriptor {
    let types =
        vec![abi::FuncType { params: Array::EMPTY, results: Array::EMPTY, entry: Relative::NULL }];
    let types = types.leak();
    set(&mut types[0].params, vec![ValType::I32 as u8]);
    let descriptor = Box::leak(Box::new(ModuleDescriptor {
        preamble: abi::Preamble::CURRENT,
        producer: Array::EMPTY,
        name: Array::EMPTY,
        file_name: Array::EMPTY,
        cpu_features: Array::EMPTY,
        counts: VmCounts { types: 1, ..VmCounts::default() },
        start: NULL_FUNCTION,
        code_section_start: 0,
        types: Array::EMPTY,
        imports: Array::EMPTY,
        exports: Array::EMPTY,
        functions: Array::EMPTY,
        function_names: Array::EMPTY,
        tables: Array::EMPTY,
        memories: Array::EMPTY,
        globals: Array::EMPTY,
        referenced: Array::EMPTY,
        elems: Array::EMPTY,
        datas: Array::EMPTY,
        image: Array::EMPTY,
        table_images: Array::EMPTY,
    }));
    descriptor.types.set(types);
    set_functions(descriptor, 0);
    change(descriptor);
    descriptor
}

fn read(change: fn(&mut ModuleDescriptor)) -> Result<Contents, Malformed> {
    // SAFETY: leaked, and so are all arrays.
    unsafe { Contents::read(descriptor(change)) }
}

#[test]
fn a_sound_module_is_read() {
    let contents = read(|_| ()).ok().unwrap();
    assert_eq!(contents.types, [FuncType::new([ValType::I32], [])]);
    assert_eq!((contents.type_index(0), contents.type_index(1)), (Some(0), None));
}

#[test]
fn a_module_that_contradicts_itself_is_refused() {
    let error = |change| read(change).err();
    assert_eq!(error(|m| m.counts.memories = 1), Some(Malformed::Counts));
    let type_7 = Malformed::Index { what: "type", index: 7 };
    assert_eq!(error(|m| set_functions(m, 7)), Some(type_7));
    let reference = |m: &mut ModuleDescriptor| {
        set(&mut m.referenced, vec![0]);
        m.counts.referenced = 1;
    };
    assert_eq!(error(reference), Some(Malformed::Thunk(0)));
    assert_eq!(error(|m| m.start = 0), Some(missing_reference(0)));
    let image = |m: &mut ModuleDescriptor| {
        let run = ImageRun { memory: 1, reserved: 0, address: 0, bytes: Array::EMPTY };
        set(&mut m.image, vec![run]);
    };
    let memory_1 = Malformed::Index { what: "memory of image", index: 1 };
    assert_eq!(error(image), Some(memory_1));
    let table_image = |m: &mut ModuleDescriptor| {
        let images = vec![TableImage { table: 0, reserved: 0, functions: Array::EMPTY }].leak();
        set(&mut images[0].functions, vec![0]);
        m.table_images.set(images);
    };
    let table_0 = Malformed::Index { what: "table of image", index: 0 };
    assert_eq!(error(table_image), Some(table_0));
    let export = |m: &mut ModuleDescriptor| {
        set(&mut m.exports, vec![abi::Export { name: Array::EMPTY, kind: 9, index: 0 }]);
    };
    let kind_9 = Malformed::Code { what: "kind of import or export", code: 9 };
    assert_eq!(error(export), Some(kind_9));
}
