//! The reader of bytes that lnkeep's records are decoded with.

#[path = "../../../src/store/bytes.rs"]
pub(crate) mod bytes;
