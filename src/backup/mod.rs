//! Backup.

pub mod envelope;
pub mod keys;
pub mod rules;
