//! Tests of the backup: the envelope byte by byte, and the rules over every reachable state.

mod adversary;
mod envelope;
mod rules;
mod rules_broken;
mod walk;
