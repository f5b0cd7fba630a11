//! Tests of peer storage: the rules, a model beside rules and store, crashes, threads, damage, bounds.

mod adversary;
mod bounds;
mod damage;
mod model;
mod refinement;
mod rules;
mod threads;
mod world;
