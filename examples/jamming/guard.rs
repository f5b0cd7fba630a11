//! What a routing node asks before it forwards an HTLC, and what it sees of its own state.

use std::path::Path;

/// Whose rules protect the routing nodes. The channels' own limits hold under each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    None,
    Compat,
    Strict,
}

impl Protection {
    pub const ALL: [Protection; 3] = [Protection::None, Protection::Compat, Protection::Strict];

    pub fn name(self) -> &'static str {
        match self {
            Protection::None => "none",
            Protection::Compat => "compat",
            Protection::Strict => "strict",
        }
    }
}

/// Where a node's guard keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Nowhere: it lives as long as the run.
    Memory,
    /// In its store, so that the node may restart.
    Journal,
}

/// An HTLC that arrived and asks to leave; or, in a list of those that have left, one that did.
/// Then `incoming_accountable` is the signal that it left with.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub incoming: u64,
    pub outgoing: u64,
    pub htlc_id: u64,
    pub incoming_amount_msat: u64,
    pub outgoing_amount_msat: u64,
    pub incoming_cltv_expiry: u32,
    pub block_height: u32,
    pub incoming_accountable: bool,
    /// What the node advertises for this forward; the HTLC may pay more.
    pub policy_fee_msat: u64,
    pub unix_secs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Forward { accountable: bool },
    Fail,
}

/// A forward of the past, for a node that begins to keep reputation.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    pub incoming: u64,
    pub outgoing: u64,
    pub fee_msat: u64,
    pub added_unix_secs: u64,
    pub settled_unix_secs: u64,
}

/// What a node's guard knows about one channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelState {
    /// As the outgoing channel.
    pub reputation_msat: i64,
    /// As the incoming channel: the threshold for whoever is to be reached through it.
    pub revenue_msat: i64,
    /// As the incoming channel, slots in use and allotted: general, congestion, protected.
    pub slots: [(u32, u32); 3],
}

/// A node's protection. One node has one; it is told every HTLC of the node.
pub trait Guard {
    fn open_channel(&mut self, channel: u64, htlcs_max: u16, in_flight_msat: u64, unix_secs: u64);
    /// Forwards before the node began to keep reputation, oldest first.
    fn import(&mut self, past: &[Past]);
    fn add(&mut self, ask: &Ask) -> Answer;
    fn resolve(
        &mut self,
        incoming: u64,
        outgoing: u64,
        htlc_id: u64,
        settled: bool,
        unix_secs: u64,
    );
    /// The process ends and starts again while these HTLCs are pending.
    fn restart(&mut self, live: &[Ask], unix_secs: u64);
    /// None if the guard keeps no state.
    fn state(&self, channel: u64, unix_secs: u64) -> Option<ChannelState>;
}

/// Forwards everything; what the network does today.
struct Unprotected;

impl Guard for Unprotected {
    fn open_channel(&mut self, _: u64, _: u16, _: u64, _: u64) {}

    fn import(&mut self, _: &[Past]) {}

    fn add(&mut self, ask: &Ask) -> Answer {
        Answer::Forward { accountable: ask.incoming_accountable }
    }

    fn resolve(&mut self, _: u64, _: u64, _: u64, _: bool, _: u64) {}

    fn restart(&mut self, _: &[Ask], _: u64) {}

    fn state(&self, _: u64, _: u64) -> Option<ChannelState> {
        None
    }
}

/// A guard for one node. `folder` is the node's own, and `salt` what its secrets come from.
pub fn new(
    protection: Protection,
    keeping: Keeping,
    folder: &Path,
    salt: [u8; 32],
) -> Result<Box<dyn Guard>, String> {
    match protection {
        Protection::None => Ok(Box::new(Unprotected)),
        Protection::Compat | Protection::Strict => {
            let kept = crate::library::open(protection, keeping, folder, salt)?;
            Ok(Box::new(kept))
        }
    }
}
