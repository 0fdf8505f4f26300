//! The first contents of memories and tables, checked against these.

use super::{Contents, missing_reference};
use crate::error::Malformed;
use wasm2so_abi::{ExternKind, IMAGE_PAGE, NULL_FUNCTION, ValType, WASM_PAGE_SIZE};

impl Contents {
    /// Checks that the image fits the memories, and that it can be mapped.
    pub(super) fn check_image(&self) -> Result<(), Malformed> {
        let imported = self.imported(ExternKind::Memory);
        for run in self.image {
            let defined = (run.memory as usize).checked_sub(imported);
            let memory = defined.and_then(|index| self.memories.get(index));
            let memory =
                memory.ok_or(Malformed::Index { what: "memory of image", index: run.memory })?;
            let size = memory.min.saturating_mul(WASM_PAGE_SIZE);
            let fits = run.address.checked_add(run.bytes.len).is_some_and(|end| end <= size);
            let parts = [run.address, run.bytes.len, run.bytes.start.get().addr() as u64];
            if !fits || parts.iter().any(|part| !part.is_multiple_of(IMAGE_PAGE)) {
                return Err(Malformed::Image);
            }
        }
        Ok(())
    }

    /// Checks that the tables' images fit them.
    ///
    /// # Safety
    /// As for [`Contents::read`].
    pub(super) unsafe fn check_table_images(&self) -> Result<(), Malformed> {
        let imported = self.imported(ExternKind::Table);
        for image in self.table_images {
            let defined = (image.table as usize).checked_sub(imported);
            let table = defined.and_then(|index| self.tables.get(index));
            let wrong = Malformed::Index { what: "table of image", index: image.table };
            let table = table.filter(|table| table.element == ValType::FuncRef).ok_or(wrong)?;
            if image.functions.len > table.min {
                return Err(Malformed::Image);
            }
            // SAFETY: passed on to the caller.
            self.check_places(unsafe { image.functions.as_slice() })?;
        }
        Ok(())
    }

    /// Checks places among the references.
    pub(super) fn check_places(&self, places: &[u32]) -> Result<(), Malformed> {
        let end = self.referenced.len() as u32;
        match places.iter().find(|&&place| place >= end && place != NULL_FUNCTION) {
            Some(&place) => Err(missing_reference(place)),
            None => Ok(()),
        }
    }

    /// First contents of table `index`, as places among the references or
    /// [`NULL_FUNCTION`]; null where there is nothing more.
    pub(crate) fn table_image(&self, index: u32) -> &'static [u32] {
        let image = self.table_images.iter().find(|image| image.table == index);
        // SAFETY: checked when loaded, and mapped as long as `self` is used.
        image.map_or(&[], |image| unsafe { image.functions.as_slice() })
    }
}
