//! DWARF of a file in memory, asked for the functions at an address. Knows
//! neither where the file is from nor what its addresses mean.

use std::slice;

use addr2line::{Context, Frame};
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

/// What DWARF is read from.
pub(super) type Reader = EndianSlice<'static, LittleEndian>;

/// DWARF, and the file that it borrows from.
pub(super) type Opened<T> = (Dwarf<Reader>, Box<T>);

/// The DWARF of `file`, in whose bytes `parse` finds how to find sections by
/// their names in ELF; `None` if there is no line table.
///
/// # Errors
/// It is malformed.
///
/// # Safety
/// The first result, and what is made of it, borrows from the second, which must
/// outlive it.
pub(super) unsafe fn open<T, F>(
    file: T,
    parse: impl FnOnce(&'static [u8]) -> Option<F>,
) -> Result<Option<Opened<T>>, gimli::Error>
where
    T: AsRef<[u8]>,
    F: Fn(&str) -> Option<&'static [u8]>,
{
    let file = Box::new(file);
    let bytes = (*file).as_ref();
    // SAFETY: the bytes do not move, and live as long as the caller promises.
    let bytes: &'static [u8] = unsafe { slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
    let Some(find) = parse(bytes) else { return Ok(None) };
    if find(SectionId::DebugLine.name()).is_none() {
        return Ok(None);
    }
    let section =
        |id: SectionId| Ok(EndianSlice::new(find(id.name()).unwrap_or_default(), LittleEndian));
    Ok(Some((Dwarf::load(section)?, file)))
}

/// The debug information of a file.
pub(super) struct DebugInfo {
    // Before the file that it borrows from.
    context: Context<Reader>,
    _file: Box<dyn Send>,
}

impl DebugInfo {
    /// That of `file`; see [`open`].
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
        // SAFETY: both are fields of the result, in this order.
        let Some((dwarf, file)) = (unsafe { open(file, parse)? }) else { return Ok(None) };
        Ok(Some(DebugInfo { context: Context::from_dwarf(dwarf)?, _file: file }))
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
