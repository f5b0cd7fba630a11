//! Checks of what a caller passed, and the way back.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;

use super::types::{
    LNKEEP_ERROR_HAS_CHANNEL, LNKEEP_ERROR_HAS_VALUE, lnkeep_attempt_key, lnkeep_bytes,
    lnkeep_error, lnkeep_outcome,
};
use crate::error::{Error, Result, Status};
use crate::limits::BLOB_BYTES_MAX;
use crate::memory::check_room;
use crate::store::Outcome;
use crate::types::{AttemptKey, Namespace};

/// What is smaller is not more than the call itself takes.
const LARGE_BYTES: usize = 4096;

pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Status::InvalidArgument, message)
}

fn check_pointer<T>(pointer: *const T, name: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(invalid(format!("{name} is NULL")));
    }
    if !pointer.is_aligned() {
        return Err(invalid(format!("{name} is misaligned")));
    }
    Ok(())
}

/// # Safety
/// A pointer that is not NULL and is aligned points to a readable `T` for the whole call.
pub(super) unsafe fn input<'call, T>(pointer: *const T, name: &str) -> Result<&'call T> {
    check_pointer(pointer, name)?;
    // SAFETY: checked above as far as possible, promised by the caller for the rest.
    Ok(unsafe { &*pointer })
}

/// # Safety
/// A pointer that is not NULL and is aligned points to `len` readable `T` for the whole call.
pub(super) unsafe fn inputs<'call, T>(
    pointer: *const T,
    len: usize,
    name: &str,
) -> Result<&'call [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check_pointer(pointer, name)?;
    let bytes = len.checked_mul(std::mem::size_of::<T>());
    if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(invalid(format!("the length of {name} exceeds the address space")));
    }
    // SAFETY: checked above as far as possible, promised by the caller for the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// # Safety
/// A pointer that is not NULL points to `len` readable bytes for the whole call.
pub(super) unsafe fn bytes<'call>(view: lnkeep_bytes, name: &str) -> Result<&'call [u8]> {
    // SAFETY: promised by the caller.
    let bytes = unsafe { inputs(view.ptr, view.len, name)? };
    // A message, blob or file of a peer is copied on its way, by what cannot answer that there is no room.
    // What is longer than any may be is refused by the limit of what it is.
    if (LARGE_BYTES..=BLOB_BYTES_MAX).contains(&bytes.len()) {
        check_room(bytes.len())?;
    }
    Ok(bytes)
}

/// An output that will be written only on success.
pub(super) struct Output<T>(*mut T);

impl<T> Output<T> {
    /// # Safety
    /// A pointer that is not NULL and is aligned points to a writable `T` for the whole call.
    pub(super) unsafe fn required(pointer: *mut T, name: &str) -> Result<Output<T>> {
        check_pointer(pointer, name)?;
        Ok(Output(pointer))
    }

    /// # Safety
    /// As for [`Output::required`]; NULL means that the caller does not want it.
    pub(super) unsafe fn optional(pointer: *mut T, name: &str) -> Result<Output<T>> {
        if !pointer.is_null() {
            check_pointer(pointer, name)?;
        }
        Ok(Output(pointer))
    }

    /// Sets what has to be made first, unless the caller does not want it.
    pub(super) fn set_with(&self, make: impl FnOnce() -> T) {
        if !self.0.is_null() {
            self.set(make());
        }
    }

    pub(super) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: promised at construction.
            unsafe { self.0.write(value) };
        }
    }
}

/// A structure that begins with its size: what the caller has of it, the rest zero.
///
/// # Safety
/// A pointer that is not NULL and is aligned points to a `size_t`, and to as many readable bytes as it says.
/// `T` starts with a `size_t` and is valid for all-zero bytes and any bytes a C program may write.
pub(super) unsafe fn sized<T: Copy>(pointer: *const T, name: &str) -> Result<T> {
    // SAFETY: an all-zero T is valid, as promised.
    let mut ours: T = unsafe { std::mem::zeroed() };
    if pointer.is_null() {
        return Ok(ours);
    }
    check_pointer(pointer, name)?;
    // SAFETY: T starts with a size_t, and the caller promised that it is readable.
    let theirs = unsafe { pointer.cast::<usize>().read() };
    let known = std::mem::size_of::<T>();
    if !(std::mem::size_of::<usize>()..=65_536).contains(&theirs) {
        return Err(invalid(format!("{name}.size is {theirs}; use its _INIT macro")));
    }
    // SAFETY: the caller promised `theirs` readable bytes.
    let source = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), theirs) };
    if source.get(known..).is_some_and(|tail| tail.iter().any(|byte| *byte != 0)) {
        return Err(Error::new(
            Status::Unsupported,
            format!("{name} sets a field that this library does not know"),
        ));
    }
    let copied = theirs.min(known);
    // SAFETY: both sides have `copied` bytes and do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), (&raw mut ours).cast(), copied) };
    Ok(ours)
}

/// As [`sized`], for a structure that must be given.
///
/// # Safety
/// As for [`sized`].
pub(super) unsafe fn sized_required<T: Copy>(pointer: *const T, name: &str) -> Result<T> {
    check_pointer(pointer, name)?;
    // SAFETY: promised by the caller.
    unsafe { sized(pointer, name) }
}

/// An array of structures that begin with their size: the first one's size is the way to the next.
///
/// # Safety
/// As for [`sized`], for the whole array.
pub(super) unsafe fn sized_inputs<T: Copy>(
    first: *const T,
    len: usize,
    name: &str,
) -> Result<Vec<T>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    check_pointer(first, name)?;
    // SAFETY: T starts with a size_t, and the caller promised that it is readable.
    let stride = unsafe { first.cast::<usize>().read() };
    // Before the second one is touched: a length that no memory has is a mistake that can be seen.
    if stride.checked_mul(len).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(invalid(format!("the length of {name} exceeds the address space")));
    }
    let mut all = Vec::new();
    for index in 0..len {
        let one = first.cast::<u8>().wrapping_add(stride * index).cast::<T>();
        // SAFETY: the element lies in the array that the caller promised; `sized` checks its alignment.
        unsafe {
            check_pointer(one, name)?;
            if one.cast::<usize>().read() != stride {
                return Err(invalid(format!("{name} has structures of different sizes")));
            }
            all.push(sized(one, name)?);
        }
    }
    Ok(all)
}

/// Writes a structure that begins with its size, as far as the caller's reaches.
pub(super) struct SizedOutput<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Copy> SizedOutput<T> {
    /// # Safety
    /// A pointer that is not NULL and is aligned points to a `size_t` and to as many writable bytes.
    pub(super) unsafe fn new(pointer: *mut T, name: &str) -> Result<SizedOutput<T>> {
        check_pointer(pointer, name)?;
        // SAFETY: promised by the caller.
        let size = unsafe { pointer.cast::<usize>().read() };
        if !(std::mem::size_of::<usize>()..=65_536).contains(&size) {
            return Err(invalid(format!("{name}.size is {size}; use its _INIT macro")));
        }
        Ok(SizedOutput { pointer, size })
    }

    /// # Safety
    /// As for [`SizedOutput::new`]; NULL means that the caller does not want it.
    pub(super) unsafe fn optional(pointer: *mut T, name: &str) -> Result<Option<SizedOutput<T>>> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: promised by the caller.
        unsafe { SizedOutput::new(pointer, name) }.map(Some)
    }

    /// Writes `value` but its size, which stays the caller's. Bytes beyond what this library knows stay.
    pub(super) fn set(&self, value: T) {
        let head = std::mem::size_of::<usize>();
        let end = self.size.min(std::mem::size_of::<T>());
        // SAFETY: the caller has `size` writable bytes, and `value` is at least `end` long.
        unsafe {
            let source = (&raw const value).cast::<u8>().add(head);
            std::ptr::copy_nonoverlapping(source, self.pointer.cast::<u8>().add(head), end - head);
        }
    }
}

pub(super) fn flags(given: u32, known: u32, name: &str) -> Result<()> {
    let unknown = given & !known;
    if unknown == 0 {
        Ok(())
    } else {
        Err(invalid(format!("{name} has unknown bits {unknown:#x}")))
    }
}

pub(super) fn reserved(given: u32, name: &str) -> Result<()> {
    if given == 0 { Ok(()) } else { Err(invalid(format!("{name} must be 0, not {given}"))) }
}

/// A yes or no from C.
pub(super) fn truth(given: u32, name: &str) -> Result<bool> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid(format!("{name} is 0 or 1, not {given}"))),
    }
}

/// Pointer to the first of some elements, NULL without any: what dangles is no pointer for a Go stack.
pub(super) fn first<T>(elements: &[T]) -> *const T {
    if elements.is_empty() { std::ptr::null() } else { elements.as_ptr() }
}

pub(super) fn key(key: &lnkeep_attempt_key) -> AttemptKey {
    AttemptKey::new(Namespace(key.namespace_bytes), key.id)
}

pub(super) fn c_key(key: AttemptKey) -> lnkeep_attempt_key {
    lnkeep_attempt_key { namespace_bytes: key.namespace.0, id: key.id.0 }
}

/// The namespace of 16 bytes; NULL means the default one.
///
/// # Safety
/// A pointer that is not NULL points to 16 readable bytes.
pub(super) unsafe fn namespace(pointer: *const u8) -> Namespace {
    if pointer.is_null() {
        return Namespace::default();
    }
    // SAFETY: promised by the caller; bytes need no alignment.
    Namespace(unsafe { pointer.cast::<[u8; 16]>().read() })
}

/// # Safety
/// A pointer that is not NULL points to a NUL-terminated string.
pub(super) unsafe fn path(pointer: *const c_char, name: &str) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    check_pointer(pointer, name)?;
    // SAFETY: promised by the caller.
    let path = unsafe { CStr::from_ptr(pointer) };
    if path.is_empty() {
        return Err(invalid(format!("{name} is empty")));
    }
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(path.to_bytes())))
}

pub(super) fn c_outcome(outcome: &Outcome) -> lnkeep_outcome {
    match outcome {
        Ok(reply) => lnkeep_outcome {
            status: reply.status.number(),
            os_errno: 0,
            flags: reply.flags,
            reserved: 0,
            value: reply.value,
            event_sequence: reply.event_sequence,
        },
        Err(error) => lnkeep_outcome {
            status: error.status().number(),
            os_errno: error.os_errno(),
            flags: 0,
            reserved: 0,
            value: error.value().unwrap_or(0),
            event_sequence: 0,
        },
    }
}

/// # Safety
/// `err` is NULL or points to a readable `size_t`.
pub(super) unsafe fn check_error(err: *mut lnkeep_error) -> Result<()> {
    if err.is_null()
        || (err.is_aligned() && {
            // SAFETY: not NULL, aligned, and promised by the caller.
            let size = unsafe { (*err).size };
            size >= std::mem::size_of::<lnkeep_error>()
        })
    {
        return Ok(());
    }
    Err(invalid("err.size is not set; start with LNKEEP_ERROR_INIT"))
}

/// Writes the detail of a call, or clears it after a success.
///
/// # Safety
/// `err` is NULL or points to a `size_t` and to as many writable bytes as it says.
pub(super) unsafe fn fill_error(err: *mut lnkeep_error, error: Option<&Error>) {
    // SAFETY: promised by the caller.
    if err.is_null() || unsafe { check_error(err) }.is_err() {
        return;
    }
    // SAFETY: not NULL, aligned and large enough.
    let err = unsafe { &mut *err };
    err.status = error.map_or(0, |error| error.status().number());
    err.os_errno = error.map_or(0, Error::os_errno);
    let (value, channel) = (error.and_then(Error::value), error.and_then(Error::channel));
    let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    err.value = value.unwrap_or(0);
    err.present = flag(value.is_some(), LNKEEP_ERROR_HAS_VALUE)
        | flag(channel.is_some(), LNKEEP_ERROR_HAS_CHANNEL);
    err.reserved = 0;
    err.channel_id = channel.map_or([0; 32], |channel| channel.0);
    err.message = [0; 240];
    let message = error.map_or("", Error::message);
    let end = message.floor_char_boundary(err.message.len() - 1);
    for (to, from) in err.message.iter_mut().zip(&message.as_bytes()[..end]) {
        *to = *from as c_char;
    }
}
