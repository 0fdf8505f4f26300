//! DWARF of a file in memory, asked for the functions at an address. Knows
//! neither where the file is from nor what its addresses mean.

use std::slice;

use addr2line::{Context, Frame};
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

/// What DWARF is read from.
pub(super) type Reader = EndianSlice<'static, LittleEndian>;

/// The debug information of a file.
pub(super) struct DebugInfo {
    // Before the file that it borrows from.
    context: Context<Reader>,
    _file: Box<dyn Send>,
}

impl DebugInfo {
    /// That of `file`, in whose bytes `parse` finds how to find sections by
    /// their names in ELF; `None` if there is no line table.
    ///
    /// # Errors
    /// It is malformed.
    pub(super) fn read<T, F>(
        file: T,
        parse: impl FnOnce(&'static [u8]) -> Option<F>,
    ) -> Result<Option<Self>, gimli::Error>
    where
        T: AsRef<[u8]> + Send + 'static,
        F: Fn(&str) -> Option<&'static [u8]>,
    {
        let file = Box::new(file);
        let bytes = (*file).as_ref();
        // SAFETY: the bytes live, and do not move, as long as what borrows from
        // them: both are fields of the result.
        let bytes: &'static [u8] = unsafe { slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
        let Some(find) = parse(bytes) else { return Ok(None) };
        if find(SectionId::DebugLine.name()).is_none() {
            return Ok(None);
        }
        let section =
            |id: SectionId| Ok(EndianSlice::new(find(id.name()).unwrap_or_default(), LittleEndian));
        let context = Context::from_dwarf(Dwarf::load(section)?)?;
        Ok(Some(DebugInfo { context, _file: file }))
    }

    /// Shows `visit` the functions at an address, innermost first.
    ///
    /// # Errors
    /// What there is of this place is malformed; some may have been shown.
    pub(super) fn visit(
        &self,
        address: u64,
        mut visit: impl FnMut(Frame<'_, Reader>),
    ) -> Result<(), gimli::Error> {
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        while let Some(frame) = frames.next()? {
            visit(frame);
        }
        Ok(())
    }

    /// Where the compiler ran that made what is at an address.
    pub(super) fn directory(&self, address: u64) -> Option<String> {
        let unit = self.context.find_dwarf_and_unit(address).skip_all_loads()?;
        Some(unit.comp_dir?.to_string_lossy().into_owned())
    }
}
