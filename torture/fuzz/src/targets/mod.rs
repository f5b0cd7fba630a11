//! The targets. Where a promise is more than "never panics", a reference written from the format alone,
//! without regard to speed, says what has to come out.

pub mod consumer;
mod consumer_reference;
pub mod envelope;
pub mod provider;
mod provider_reference;
pub mod wire;
