//! The first contents of memories as whole pages, which instantiation maps from
//! the file instead of copying segments. Knows nothing of ELF.

use crate::module::{Data, SegmentMode, WasmModule};
use std::collections::BTreeMap;
use wasm2so_abi::{ConstOpcode, IMAGE_PAGE, WASM_PAGE_SIZE};

const PAGE: usize = IMAGE_PAGE as usize;

/// Pages without data that are written nonetheless, because another mapping
/// costs more.
const GAP: u64 = 16;

/// Most runs of pages; each is a mapping of its own.
const MAX_RUNS: usize = 64;

/// Bytes that the image may always have; one larger than this and twice the
/// segments is not worth its place in the file.
const ALWAYS: u64 = 256 << 10;

/// What is laid out.
#[derive(Default)]
pub struct Image {
    /// Pages, ascending by memory and address.
    pub runs: Vec<Run>,
    /// Data segments from here on are not in it, nor are passive ones.
    pub end: usize,
}

/// Pages that follow each other in a memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the memory.
    pub memory: u32,
    /// Address of the first byte.
    pub address: u64,
    /// Contents, whole pages.
    pub bytes: Vec<u8>,
}

/// Lays out the data segments before the first one that must wait for the
/// instance: it may not fit, its place is not known, or others see it.
pub fn lay_out(module: &WasmModule<'_>) -> Image {
    let waits = |data| matches!(place(module, data), Place::Later);
    let end = module.datas.iter().position(waits).unwrap_or(module.datas.len());
    let placed = module.datas[..end].iter().filter_map(|data| match place(module, data) {
        Place::At(memory, start) if !data.bytes.is_empty() => Some((memory, start, data.bytes)),
        _ => None,
    });
    let (mut pages, mut size) = (0, 0);
    for (_, start, bytes) in placed.clone() {
        pages += (start + bytes.len() as u64).div_ceil(IMAGE_PAGE) - start / IMAGE_PAGE;
        size += bytes.len() as u64;
    }
    if pages * IMAGE_PAGE > ALWAYS + 2 * size {
        return Image::default();
    }

    let mut contents: BTreeMap<(u32, u64), Box<[u8; PAGE]>> = BTreeMap::new();
    for (memory, mut at, mut bytes) in placed {
        while !bytes.is_empty() {
            let within = (at % IMAGE_PAGE) as usize;
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE - within));
            let page = contents.entry((memory, at / IMAGE_PAGE));
            let page = page.or_insert_with(|| Box::new([0; PAGE]));
            page[within..within + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            bytes = rest;
        }
    }
    contents.retain(|_, page| page.iter().any(|&byte| byte != 0));
    let runs = join(contents);
    if runs.len() > MAX_RUNS { Image::default() } else { Image { runs, end } }
}

fn join(pages: BTreeMap<(u32, u64), Box<[u8; PAGE]>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for ((memory, page), contents) in pages {
        let address = page * IMAGE_PAGE;
        let near = |run: &&mut Run| {
            run.memory == memory
                && address - (run.address + run.bytes.len() as u64) <= GAP * IMAGE_PAGE
        };
        match runs.last_mut().filter(near) {
            Some(run) => {
                run.bytes.resize((address - run.address) as usize, 0);
                run.bytes.extend_from_slice(&contents[..]);
            }
            None => runs.push(Run { memory, address, bytes: contents.to_vec() }),
        }
    }
    runs
}

/// Where a data segment goes.
enum Place {
    /// Nowhere by itself.
    Nowhere,
    /// Into this memory, to this address, which can be told now.
    At(u32, u64),
    /// Only the instance can tell.
    Later,
}

fn place(module: &WasmModule<'_>, data: &Data<'_>) -> Place {
    let SegmentMode::Active { target, offset } = &data.mode else { return Place::Nowhere };
    let [step] = &offset[..] else { return Place::Later };
    if step.opcode != ConstOpcode::Value || *target < module.imported_memories {
        return Place::Later;
    }
    let start = u64::from(step.bits as u32);
    let size = module.memories[*target as usize].limits.min.saturating_mul(WASM_PAGE_SIZE);
    match start.checked_add(data.bytes.len() as u64) {
        Some(end) if end <= size => Place::At(*target, start),
        _ => Place::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Image {
        let wasm = wat::parse_str(text).unwrap();
        lay_out(&crate::module::parse(&wasm).unwrap())
    }

    fn places(image: &Image) -> Vec<(u32, u64, usize)> {
        image.runs.iter().map(|run| (run.memory, run.address, run.bytes.len() / PAGE)).collect()
    }

    #[test]
    fn later_segments_overwrite_earlier_ones_across_pages() {
        let image = image(
            r#"(module (memory 1) (data (i32.const 4094) "abcd") (data "passive")
                (data (i32.const 4095) "XY"))"#,
        );
        assert_eq!((places(&image), image.end), (vec![(0, 0, 2)], 3));
        assert_eq!(&image.runs[0].bytes[4093..4099], b"\0aXYd\0");
    }

    #[test]
    fn it_ends_at_what_only_the_instance_can_tell() {
        let end = |rest: &str| {
            let text = format!(
                r#"(module (import "" "" (global $g i32)) (memory 1) (data (i32.const 0) "a")
                    {rest} (data (i32.const 0) "b"))"#
            );
            let image = image(&text);
            (image.end, image.runs[0].bytes[0])
        };
        assert_eq!(end(""), (2, b'b'));
        assert_eq!(end(r#"(data (i32.const 65535) "aa")"#), (1, b'a'));
        assert_eq!(end(r#"(data (i32.const 65537) "")"#), (1, b'a'));
        assert_eq!(end(r#"(data (i32.const -1) "a")"#), (1, b'a'));
        assert_eq!(end(r#"(data (global.get $g) "a")"#), (1, b'a'));
        let imported = image(r#"(module (import "" "m" (memory 1)) (data (i32.const 0) "a"))"#);
        assert_eq!((imported.end, imported.runs.len()), (0, 0));
    }

    #[test]
    fn what_is_empty_takes_no_room() {
        let image = image(
            r#"(module (memory 65536) (data (i32.const 0) "a") (data (i32.const 8192) "b")
                (data (i32.const 4096) "\00\00") (data (i32.const 1048576) "\00")
                (data (i32.const -1) "c") (data (i32.const 7) ""))"#,
        );
        assert_eq!(places(&image), [(0, 0, 3), (0, (1 << 32) - IMAGE_PAGE, 1)]);
    }

    #[test]
    fn scattered_bytes_are_left_to_be_copied() {
        let scattered = |count: usize, step: usize| {
            let datas: String =
                (0..count).map(|i| format!("(data (i32.const {}) \"x\")", i * step)).collect();
            let image = image(&format!("(module (memory 1000) {datas})"));
            (image.runs.len(), image.end)
        };
        assert_eq!(scattered(40, 1 << 20), (40, 40));
        assert_eq!(scattered(65, 1 << 17), (0, 0));
        assert_eq!(scattered(2000, 1 << 14), (0, 0));
    }
}
