//! Tests of peer storage.
