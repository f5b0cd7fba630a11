//! What journals may cost in uploads: a budget per peer and one for all.
//!
//! BU1 over any time, what one peer is sent is at most its rate times that time and one burst, unless a
//! single send exceeds the burst; so for all peers. BU2 a budget delays, it refuses nothing: whatever it is
//! asked for may go at the latest when all that was taken before is paid back. BU3 a clock that goes back
//! gives nothing, and nothing waits for it to come forward again. BU4 numbers are exact: no rounding adds up.
//! BU5 a peer that owes nothing takes no memory.
//! Pure: no clock, integers only. Called by the component before it sends a journal.

use std::collections::BTreeMap;

use super::envelope::SizeClass;
use crate::error::{Error, Result, Status};
use crate::types::NodeId;

/// Bytes of a message besides the blob: type and length (BOLT 1).
pub const MESSAGE_OVERHEAD_BYTES: u64 = 4;
/// Bytes of a message on the wire besides itself: its length, and two tags (BOLT 8).
pub const TRANSPORT_OVERHEAD_BYTES: u64 = 34;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// A burst is what comes in in so many parts of a day.
const BURST_PARTS_OF_DAY: u64 = 8;
/// Two: else a send that chance put earlier would wait, and the cadence would be slower than it is set.
const UPLOADS_BURST: u64 = 2;

/// Bytes that one blob of this class takes on the wire.
pub const fn upload_bytes(class: SizeClass) -> u64 {
    class.bytes() as u64 + MESSAGE_OVERHEAD_BYTES + TRANSPORT_OVERHEAD_BYTES
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetOptions {
    /// Bytes a day to one peer.
    pub peer_bytes_per_day: u64,
    /// Bytes a day to all peers.
    pub bytes_per_day: u64,
    /// Blobs a minute to one peer. BOLT 1 lets a provider keep no more than one.
    pub peer_uploads_per_minute: u64,
}

impl Default for BudgetOptions {
    fn default() -> BudgetOptions {
        BudgetOptions {
            peer_bytes_per_day: 30_000_000,
            bytes_per_day: 200_000_000,
            peer_uploads_per_minute: 1,
        }
    }
}

/// How much was taken and is not paid back yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    /// In parts of one: a period's worth of milliseconds is one unit, so that each pays back `rate` parts.
    owed: u128,
    at_ms: u64,
}

/// Units that come in over a period, and the most that may be owed without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    per_period: u64,
    period_ms: u64,
    /// In parts, as what is owed.
    burst: u128,
}

impl Rate {
    fn bytes_per_day(bytes: u64) -> Rate {
        let burst = u128::from(bytes) * u128::from(DAY_MS / BURST_PARTS_OF_DAY);
        Rate { per_period: bytes, period_ms: DAY_MS, burst }
    }

    fn uploads_per_minute(uploads: u64) -> Rate {
        let burst = u128::from(UPLOADS_BURST) * u128::from(MINUTE_MS);
        Rate { per_period: uploads, period_ms: MINUTE_MS, burst }
    }

    fn parts(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.period_ms)
    }
}

impl Bucket {
    const FULL: Bucket = Bucket { owed: 0, at_ms: 0 };

    /// After a clock went back, time counts from there: else nothing would be paid back for as long.
    fn look(&mut self, now_ms: u64) {
        self.at_ms = self.at_ms.min(now_ms);
    }

    fn owed_at(&self, rate: Rate, now_ms: u64) -> u128 {
        let paid_back = u128::from(now_ms.saturating_sub(self.at_ms)) * u128::from(rate.per_period);
        self.owed.saturating_sub(paid_back)
    }

    /// When so many units may be taken: what is owed then stays within the burst, or nothing is owed before.
    fn ready_ms(&self, rate: Rate, now_ms: u64, units: u64) -> u64 {
        let owed = self.owed_at(rate, now_ms);
        let may_owe = rate.burst.saturating_sub(rate.parts(units));
        let wait_ms = owed.saturating_sub(may_owe).div_ceil(u128::from(rate.per_period));
        now_ms.saturating_add(u64::try_from(wait_ms).unwrap_or(u64::MAX))
    }

    fn take(&mut self, rate: Rate, now_ms: u64, units: u64) {
        let owed = self.owed_at(rate, now_ms).saturating_add(rate.parts(units));
        *self = Bucket { owed, at_ms: now_ms };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PeerBuckets {
    bytes: Bucket,
    uploads: Bucket,
}

impl PeerBuckets {
    const FULL: PeerBuckets = PeerBuckets { bytes: Bucket::FULL, uploads: Bucket::FULL };
}

/// What an upload is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upload {
    /// At its time.
    Regular,
    /// Something cannot wait: it neither waits for the uploads of a minute nor counts among them. How often
    /// this happens is bounded elsewhere, and its bytes count.
    Urgent,
}

/// The budget of all uploads of journals.
#[derive(Debug, Clone)]
pub struct Budget {
    peer_bytes: Rate,
    peer_uploads: Rate,
    all_bytes: Rate,
    all: Bucket,
    peers: BTreeMap<NodeId, PeerBuckets>,
}

impl Budget {
    /// A budget that nothing was taken from.
    pub fn new(options: BudgetOptions) -> Result<Budget> {
        let rates =
            [options.peer_bytes_per_day, options.bytes_per_day, options.peer_uploads_per_minute];
        if rates.contains(&0) {
            let why = "a budget of nothing would never let the last state go";
            return Err(Error::new(Status::InvalidArgument, why));
        }
        Ok(Budget {
            peer_bytes: Rate::bytes_per_day(options.peer_bytes_per_day),
            peer_uploads: Rate::uploads_per_minute(options.peer_uploads_per_minute),
            all_bytes: Rate::bytes_per_day(options.bytes_per_day),
            all: Bucket::FULL,
            peers: BTreeMap::new(),
        })
    }

    /// When so many bytes may go to a peer if nothing else is sent before: now, or later.
    pub fn ready_ms(&mut self, peer: NodeId, now_ms: u64, bytes: u64, upload: Upload) -> u64 {
        self.all.look(now_ms);
        let all_ms = self.all.ready_ms(self.all_bytes, now_ms, bytes);
        let Some(buckets) = self.peers.get_mut(&peer) else {
            return all_ms;
        };
        buckets.bytes.look(now_ms);
        buckets.uploads.look(now_ms);
        let bytes_ms = all_ms.max(buckets.bytes.ready_ms(self.peer_bytes, now_ms, bytes));
        match upload {
            Upload::Urgent => bytes_ms,
            Upload::Regular => bytes_ms.max(buckets.uploads.ready_ms(self.peer_uploads, now_ms, 1)),
        }
    }

    /// Notes that so many bytes went to a peer, in time or not.
    pub fn take(&mut self, peer: NodeId, now_ms: u64, bytes: u64, upload: Upload) {
        self.all.take(self.all_bytes, now_ms, bytes);
        let (peer_bytes, peer_uploads) = (self.peer_bytes, self.peer_uploads);
        self.peers.retain(|_, buckets| {
            buckets.bytes.look(now_ms);
            buckets.uploads.look(now_ms);
            buckets.bytes.owed_at(peer_bytes, now_ms) > 0
                || buckets.uploads.owed_at(peer_uploads, now_ms) > 0
        });
        let buckets = self.peers.entry(peer).or_insert(PeerBuckets::FULL);
        buckets.bytes.take(peer_bytes, now_ms, bytes);
        if upload == Upload::Regular {
            buckets.uploads.take(peer_uploads, now_ms, 1);
        }
    }

    /// Peers that owe something, as of the last send.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }
}
