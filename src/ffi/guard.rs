//! The gate every export passes: no panic leaves it, a forked child is turned away, errors become numbers.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::args;
use super::status::{LNKEEP_DONE, lnkeep_status};
use super::types::lnkeep_error;
use crate::error::{Error, Result, Status};
use crate::os;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static QUIET_HOOK: Once = Once::new();

/// A panic inside the library is answered as a status, so its message must not appear in the host's
/// output. Panics elsewhere go to the hook that was there before.
fn install_quiet_hook() {
    QUIET_HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let inside = INSIDE.try_with(Cell::get).unwrap_or(true);
            let thread = std::thread::current();
            let ours = thread.name().is_some_and(|name| name.starts_with("lnkeep-"));
            if !inside && !ours {
                before(panic);
            }
        }));
    });
}

/// Runs the body of an export.
///
/// # Safety
/// `err` is NULL or points to a readable and writable `lnkeep_error` whose `size` is set.
pub(super) unsafe fn guarded(
    err: *mut lnkeep_error,
    body: impl FnOnce() -> Result<lnkeep_status>,
) -> lnkeep_status {
    install_quiet_hook();
    let outside = INSIDE.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: promised by the caller.
        unsafe { args::check_error(err) }?;
        if os::is_forked_child() {
            return Err(Status::Forked.into());
        }
        body()
    }));
    let answer = answer.unwrap_or_else(|_| {
        Err(Error::new(Status::Internal, "a bug of lnkeep was caught; please report it"))
    });
    INSIDE.set(outside);
    let status = match &answer {
        Ok(status) => *status,
        Err(error) => error.status().number(),
    };
    // SAFETY: promised by the caller; `fill_error` checks size and alignment itself.
    unsafe { args::fill_error(err, answer.as_ref().err()) };
    status
}

/// As [`guarded`], for bodies without a status of class ALREADY.
///
/// # Safety
/// As for [`guarded`].
pub(super) unsafe fn guarded_done(
    err: *mut lnkeep_error,
    body: impl FnOnce() -> Result<()>,
) -> lnkeep_status {
    // SAFETY: promised by the caller.
    unsafe { guarded(err, || body().map(|()| LNKEEP_DONE)) }
}
