//! A restart of the reference: channels are written whole and read again, pending HTLCs are fed to `add_htlc`
//! once more, as the node knows them.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::average::{AggregatedAverage, DecayingAverage};
use super::{AddHtlc, Channel, Config, REVENUE_WINDOWS, ReferenceManager, Refusal, State, Verdict};

/// Verdicts up to the first error, and the error.
pub struct Replayed {
    pub verdicts: Vec<Verdict>,
    pub aborted_by: Option<Refusal>,
}

impl ReferenceManager {
    /// Limits, averages, marks, closed flags and the salt; no HTLC, no slot, no bucket's use.
    pub fn encode(&self) -> Vec<u8> {
        let state = self.state.lock();
        let mut bytes = Vec::with_capacity(40 + state.channels.len() * 128);
        bytes.extend(self.node_salt);
        bytes.extend((state.channels.len() as u64).to_le_bytes());
        for (scid, channel) in &state.channels {
            let (reputation, reputation_at) = channel.reputation.raw();
            let (revenue, revenue_at, revenue_start) = channel.revenue.raw();
            bytes.extend(scid.to_le_bytes());
            bytes.extend(channel.max_in_flight_msat.to_le_bytes());
            bytes.extend(channel.max_accepted_htlcs.to_le_bytes());
            bytes.push(u8::from(channel.closed));
            bytes.extend(reputation.to_le_bytes());
            bytes.extend(reputation_at.to_le_bytes());
            bytes.extend(revenue.to_le_bytes());
            bytes.extend(revenue_at.to_le_bytes());
            bytes.extend(revenue_start.to_le_bytes());
            bytes.extend((channel.misuse.len() as u64).to_le_bytes());
            for (outgoing, unix_secs) in &channel.misuse {
                bytes.extend(outgoing.to_le_bytes());
                bytes.extend(unix_secs.to_le_bytes());
            }
        }
        bytes
    }

    /// What `encode` wrote, under parameters that the caller knows. None if it is not whole or refused.
    pub fn decode(config: Config, bytes: &[u8]) -> Option<ReferenceManager> {
        let mut bytes = Bytes(bytes);
        let node_salt = bytes.take()?;
        let mut channels = BTreeMap::new();
        for _ in 0..bytes.number()? {
            let scid = bytes.number()?;
            channels.insert(scid, decode_channel(&config, scid, &mut bytes)?);
        }
        let state = Mutex::new(State { channels, ..State::default() });
        let whole = bytes.0.is_empty() && config.is_valid();
        whole.then_some(ReferenceManager { config, node_salt, state })
    }

    /// Decides the pending HTLCs anew; the first error ends it.
    pub fn replay(&self, htlcs: &[AddHtlc]) -> Replayed {
        let mut state = self.state.lock();
        let mut verdicts = Vec::with_capacity(htlcs.len());
        for htlc in htlcs {
            match self.add_locked(&mut state.channels, htlc) {
                Ok(verdict) => {
                    if verdict == Verdict::Fail {
                        state.failed_replays.insert((htlc.incoming, htlc.htlc_id));
                    }
                    verdicts.push(verdict);
                }
                Err(refusal) => return Replayed { verdicts, aborted_by: Some(refusal) },
            }
        }
        Replayed { verdicts, aborted_by: None }
    }
}

fn decode_channel(config: &Config, scid: u64, bytes: &mut Bytes<'_>) -> Option<Channel> {
    let max_in_flight_msat = bytes.number()?;
    let max_accepted_htlcs = u16::from_le_bytes(bytes.take()?);
    let (mut channel, _) = Channel::new(scid, config, max_in_flight_msat, max_accepted_htlcs, 0)?;
    channel.closed = bytes.take::<1>()? == [1];
    let reputation = i64::from_le_bytes(bytes.take()?);
    let window_secs = config.reputation_window_secs();
    channel.reputation = DecayingAverage::stored(window_secs, reputation, bytes.number()?);
    let revenue = (i64::from_le_bytes(bytes.take()?), bytes.number()?);
    let (window_secs, start_unix_secs) = (config.revenue_window_secs, bytes.number()?);
    channel.revenue =
        AggregatedAverage::stored(window_secs, REVENUE_WINDOWS, start_unix_secs, revenue);
    for _ in 0..bytes.number()? {
        let outgoing = bytes.number()?;
        channel.misuse.insert(outgoing, bytes.number()?);
    }
    Some(channel)
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take()?))
    }
}
