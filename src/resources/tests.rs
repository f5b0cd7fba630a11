//! Tests of the resources: what the units' own tests do not see.

mod core;
mod crash;
mod faults;
mod hostile;
mod world;
