//! Room for what a host or a peer made large. Rust ends the process that cannot have memory, and no peer may do
//! that to us: O1 what is copied from outside is asked for first, and refused with BUSY.

use crate::error::{Error, Result, Status};

/// Whether so many bytes are to be had now. An allocation right after it that fails all the same is one that
/// another thread was quicker for.
///
/// # Errors
/// `Busy`.
pub(crate) fn check_room(bytes: usize) -> Result<()> {
    Vec::<u8>::new()
        .try_reserve_exact(bytes)
        .map_err(|_| Error::new(Status::Busy, format!("no memory for {bytes} bytes")))
}
