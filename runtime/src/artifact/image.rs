//! Where the memories' image is in the file that a module was loaded from.

use super::elf::Checked;
use crate::image::{Image, ImageId, Run};
use std::ops::Range;
use std::sync::Arc;
use wasm2so_abi::{IMAGE_PAGE, ImageRun};

/// The images of a module that is mapped at `loaded`, one for each memory that
/// has one. `file` was found at the module's path.
///
/// The loader opened that path by itself. If it found another file (this one may
/// have taken its place; or the loader had the other already), then the images
/// are in no file that we have.
pub(super) fn find(
    runs: &'static [ImageRun],
    file: Checked,
    loaded: &Range<u64>,
    bias: u64,
) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    if runs.is_empty() {
        return images;
    }
    let usable = rustix::param::page_size() as u64 == IMAGE_PAGE && is_loaded(&file, loaded);
    let offset = |run: &ImageRun| file.offset_of((run.bytes.start.get() as u64).wrapping_sub(bias));
    let offsets: Option<Vec<u64>> = runs.iter().map(offset).collect();
    let offsets = offsets.filter(|_| usable);
    let file = offsets.as_ref().map(|_| Arc::new(file.into_file()));
    for (index, run) in runs.iter().enumerate() {
        if images.last().is_none_or(|image| image.memory != run.memory) {
            let (id, file) = (ImageId::new(), file.clone());
            images.push(Image { memory: run.memory, id, file, runs: Vec::new() });
        }
        let image = images.last_mut().expect("there is one now");
        // SAFETY: the module is mapped as long as its images are in use.
        let bytes = unsafe { run.bytes.as_slice() };
        let offset = offsets.as_ref().map_or(0, |offsets| offsets[index]);
        image.runs.push(Run { address: run.address as usize, offset, bytes });
    }
    images
}

/// Whether the file is what the loader mapped: its first page says where
/// everything is, and holds the build ID, which tells contents apart.
fn is_loaded(file: &Checked, loaded: &Range<u64>) -> bool {
    let len = file.head().len().min((loaded.end - loaded.start) as usize);
    // SAFETY: the loader mapped the object's first page there.
    let header = unsafe { std::slice::from_raw_parts(loaded.start as *const u8, len) };
    file.head()[..len] == *header
}
