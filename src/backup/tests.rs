//! Tests of the backup: the envelope byte by byte, and the rules over every reachable state.

mod adversary;
mod budget;
mod choose;
mod choose_broken;
mod choose_world;
mod diversity;
mod envelope;
mod htlcs;
mod journal;
mod journal_cost;
mod object;
mod roster;
mod rules;
mod rules_broken;
mod score;
mod share;
mod stripe;
mod stripes_adversary;
mod stripes_walk;
mod uptime;
mod walk;
