//! Tests of the recovery: what comes back whoever lies, the crawl, the bytes of a saved session.

mod crawl;
mod export;
mod htlcs;
mod restore;
mod session;
mod shares;
mod shares_broken;
mod world;
