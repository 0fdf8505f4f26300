//! Address space that is set aside first and filled later.
//!
//! Memories and large tables live in one, so that their base never moves. What
//! one used is emptied and kept for the next: the kernel takes its time to make
//! and unmake mappings. Knows nothing of WebAssembly.

mod mapping;
mod pagemap;

use crate::error::ResourceError;
use crate::image::{Image, ImageId};
use mapping::Mapping;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A range of addresses, inaccessible but for its committed start.
pub(crate) struct Reservation(Option<Mapping>);

impl Reservation {
    /// Reserves at least `len` bytes for a `what` and makes the first `committed`
    /// accessible: with the contents of `image`, elsewhere zero.
    pub(crate) fn new(
        len: usize,
        committed: usize,
        image: Option<&Image>,
        what: &'static str,
    ) -> Result<Self, ResourceError> {
        assert!(committed <= len, "commit within the reservation");
        let len = whole_pages(len.max(1));
        let committed = whole_pages(committed);
        let wanted = image.map(|image| image.id);
        let mut mapping = match take(len, committed, wanted) {
            Some(mut mapping) => {
                if mapping.image() != wanted && mapping.image().is_some()
                    || mapping.committed() > committed
                {
                    mapping.renew(committed, what)?;
                }
                mapping
            }
            // Those that wait may be what keeps the kernel from giving another.
            None => Mapping::new(len, what).or_else(|_| {
                kept().clear();
                Mapping::new(len, what)
            })?,
        };
        mapping.commit(committed, what)?;
        if let Some(image) = image
            && mapping.image() != wanted
        {
            mapping.show(image);
        }
        Ok(Reservation(Some(mapping)))
    }

    /// Makes the first `len` bytes accessible; new ones are zero.
    pub(crate) fn commit(&mut self, len: usize, what: &'static str) -> Result<(), ResourceError> {
        let mapping = self.0.as_mut().expect("present until dropped");
        assert!(len <= mapping.len(), "commit within the reservation");
        mapping.commit(whole_pages(len), what)
    }

    /// Makes zero of what is committed.
    pub(crate) fn clear(&mut self, what: &'static str) -> Result<(), ResourceError> {
        let mapping = self.0.as_mut().expect("present until dropped");
        mapping.renew(mapping.committed(), what)
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.mapping().base()
    }

    pub(crate) fn len(&self) -> usize {
        self.mapping().len()
    }

    fn mapping(&self) -> &Mapping {
        self.0.as_ref().expect("present until dropped")
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(mapping) = self.0.take()
            && mapping.committed() <= MAX_COMMITTED
            && mapping.empty()
        {
            let mut kept = kept();
            if kept.len() < MAX_KEPT {
                kept.push(mapping);
            }
        }
    }
}

/// Mappings that are kept; a program that has more at a time frees what is above.
const MAX_KEPT: usize = 64;

/// Bytes beyond which a mapping is not kept: its page tables are, and take up a
/// 512th.
const MAX_COMMITTED: usize = 256 << 20;

static KEPT: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Mapping>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that was kept: at best what is wanted already, or else fresh memory of
/// that size, or any.
fn take(len: usize, committed: usize, image: Option<ImageId>) -> Option<Mapping> {
    let rank = |mapping: &Mapping| match mapping.image() {
        has if has == image && mapping.committed() == committed => 0,
        None if mapping.committed() <= committed => 1,
        _ => 2,
    };
    let mut kept = kept();
    let fits = kept.iter().enumerate().rev().filter(|(_, mapping)| mapping.len() == len);
    let (place, _) = fits.min_by_key(|(_, mapping)| rank(mapping))?;
    Some(kept.swap_remove(place))
}

/// Lets go of the mappings that still show `image`.
pub(crate) fn forget(image: ImageId) {
    kept().retain(|mapping| mapping.image() != Some(image));
}

fn whole_pages(len: usize) -> usize {
    len.next_multiple_of(rustix::param::page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_comes_back_empty() {
        let page = rustix::param::page_size();
        // A length that no other test asks for.
        let len = 77 * page;
        let reserve = |committed| Reservation::new(len, committed, None, "test").unwrap();
        let bytes = |reservation: &Reservation, len| {
            // SAFETY: committed, and nobody else has it.
            unsafe { std::slice::from_raw_parts_mut(reservation.base(), len) }
        };
        let mut first = reserve(page);
        first.commit(3 * page, "test").unwrap();
        bytes(&first, 3 * page).fill(1);
        let base = first.base();
        drop(first);
        for committed in [3 * page, page, 2 * page, 0] {
            let next = reserve(committed);
            assert_eq!(next.base(), base);
            assert!(bytes(&next, committed).iter().all(|&byte| byte == 0));
            bytes(&next, committed).fill(1);
        }
        let (mut one, other) = (reserve(page), reserve(page));
        assert_ne!(one.base(), other.base());
        bytes(&one, page).fill(1);
        one.clear("test").unwrap();
        assert!(bytes(&one, page).iter().all(|&byte| byte == 0));
    }
}
