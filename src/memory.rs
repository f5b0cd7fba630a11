//! Room for what a host or a peer made large. Rust ends the process that cannot have memory, and no peer may
//! bring that about: what is copied from outside is asked for first, and refused with BUSY.

use std::collections::TryReserveError;

use crate::error::{Error, Result, Status};

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Error {
        Error::new(Status::Busy, "no memory for a longer list")
    }
}

/// A copy of bytes from outside.
///
/// # Errors
/// `Busy`.
pub(crate) fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = with_room(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// An empty vector that holds so many items without another allocation.
///
/// # Errors
/// `Busy`.
pub(crate) fn with_room<Item>(items: usize) -> Result<Vec<Item>> {
    let mut empty = Vec::new();
    let bytes = items.saturating_mul(size_of::<Item>());
    empty.try_reserve_exact(items).map_err(|_| no_memory(bytes))?;
    Ok(empty)
}

/// What an iterator gives, in a vector.
///
/// # Errors
/// `Busy`.
pub(crate) fn collected<Item>(items: impl ExactSizeIterator<Item = Item>) -> Result<Vec<Item>> {
    let mut all = with_room(items.len())?;
    all.extend(items);
    Ok(all)
}

/// A slice of so many items, each made from its index.
///
/// # Errors
/// `Busy`.
pub(crate) fn slice_of<Item>(items: usize, item: impl FnMut(usize) -> Item) -> Result<Box<[Item]>> {
    let mut slice = with_room(items)?;
    slice.extend((0..items).map(item));
    Ok(slice.into_boxed_slice())
}

/// Adds an item.
///
/// # Errors
/// `Busy`; the vector is as it was.
pub(crate) fn push<Item>(items: &mut Vec<Item>, item: Item) -> Result<()> {
    items.try_reserve(1)?;
    items.push(item);
    Ok(())
}

/// Makes a vector this long, with zeros where it had nothing.
///
/// # Errors
/// `Busy`; the vector is as it was.
pub(crate) fn resize(bytes: &mut Vec<u8>, length: usize) -> Result<()> {
    let more = length.saturating_sub(bytes.len());
    bytes.try_reserve_exact(more).map_err(|_| no_memory(length))?;
    bytes.resize(length, 0);
    Ok(())
}

/// Whether so many bytes are to be had now, where what copies them cannot ask itself. Another thread may be
/// quicker.
///
/// # Errors
/// `Busy`.
pub(crate) fn check_room(bytes: usize) -> Result<()> {
    with_room::<u8>(bytes).map(drop)
}

fn no_memory(bytes: usize) -> Error {
    Error::new(Status::Busy, format!("no memory for {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::{check_room, copied};
    use crate::error::{Class, Status};

    /// The story: a node handed over its manager of 2.3 MB while memory was short. The copy could not be had,
    /// and Rust ended the process, in the midst of whatever its other threads did. BUSY is an answer.
    #[test]
    fn what_no_memory_is_left_for_is_busy_and_ends_nobody() {
        let no_room = check_room(isize::MAX as usize).unwrap_err();
        assert_eq!(no_room.status(), Status::Busy);
        assert_eq!(no_room.class(), Class::Retry);
        assert!(check_room(0).is_ok());
        assert!(check_room(4096).is_ok());
        assert_eq!(copied(b"manager").unwrap(), b"manager");
    }
}
