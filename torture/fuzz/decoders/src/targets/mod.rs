//! The targets, by what the bytes are.

pub mod carried;
pub mod files;
pub mod foreign_blobs;
pub mod resumed;
pub mod rows;
