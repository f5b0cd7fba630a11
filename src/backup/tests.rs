//! Tests of the backup: the envelope byte by byte, and the rules over every reachable state.

mod adversary;
mod budget;
mod envelope;
mod htlcs;
mod journal;
mod journal_cost;
mod object;
mod roster;
mod rules;
mod rules_broken;
mod share;
mod stripe;
mod walk;
