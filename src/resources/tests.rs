//! Tests of the resources: single calls, hostile ones, a model, threads, and crashes at every write.

mod controls;
mod core;
mod crash;
mod faults;
mod hostile;
mod model;
mod model_calls;
mod model_run;
mod refinement;
mod scarcity;
mod session;
mod threads;
mod traffic;
mod world;
