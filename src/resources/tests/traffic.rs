//! Random calls of a forwarding node: what a seed makes of the channels and HTLCs that are there.

use super::session::{Dice, START_SECS, id};
use crate::ShortChannelId;
use crate::resources::{
    AddRequest, ChannelLimits, ChannelView, ForwardRow, LiveHtlc, Mode, PendingView,
    ResolveRequest, Upgrade,
};

/// Channels that the calls are about.
pub(super) const CHANNELS: u64 = 6;

pub(super) struct Traffic {
    pub(super) dice: Dice,
    pub(super) mode: Mode,
    pub(super) now_secs: u64,
    next_htlc_id: u64,
}

impl Traffic {
    pub(super) fn new(seed: u64, mode: Mode) -> Traffic {
        Traffic { dice: Dice::new(seed), mode, now_secs: START_SECS, next_htlc_id: 0 }
    }

    /// Mostly a little later; sometimes days later, sometimes earlier.
    pub(super) fn unix_secs(&mut self) -> u64 {
        self.now_secs += self.dice.below(8);
        match self.dice.below(60) {
            0 => self.now_secs += self.dice.below(900_000),
            1 => return self.now_secs - self.dice.below(5_000),
            _ => {}
        }
        self.now_secs
    }

    /// An id of the small set that is opened, closed and opened again.
    pub(super) fn channel(&mut self) -> ShortChannelId {
        id((1 + self.dice.below(CHANNELS)) << 40)
    }

    pub(super) fn limits(&mut self) -> ChannelLimits {
        let slots = match (self.mode, self.dice.below(4)) {
            (Mode::Strict, 0) => 1 + self.dice.below(14),
            (_, 1) => 12 + self.dice.below(5),
            (_, 2) => 30 + self.dice.below(40),
            _ => 12 + self.dice.below(472),
        };
        let msat = match (self.mode, self.dice.below(8)) {
            (Mode::Strict, 0) => slots + self.dice.below(1_000_000),
            (_, 1) => 1_000_000 + self.dice.below(1_000_000_000_000),
            _ => 1_000_000 + self.dice.below(30_000_000),
        };
        ChannelLimits { max_in_flight_msat: msat, max_accepted_htlcs: slots as u16 }
    }

    /// Mostly a small part of a channel, sometimes most of it, sometimes more than all.
    fn amount_msat(&mut self) -> u64 {
        match self.dice.below(12) {
            0 => self.dice.below(10),
            1..=3 => self.dice.below(16_000_000),
            4 => self.dice.below(1_000_000_000_000),
            _ => self.dice.below(700_000),
        }
    }

    pub(super) fn add(&mut self, channels: &[ChannelView], pending: &[PendingView]) -> AddRequest {
        let incoming = self.channel();
        let known = channels.iter().find(|channel| channel.channel == incoming);
        let amount_msat = match known {
            // Too much for one bucket, and not for all of them.
            Some(known) if self.dice.one_in(6) => {
                self.dice.below(known.limits.max_in_flight_msat / 2 + 1)
            }
            _ => self.amount_msat(),
        };
        let fee_msat = match self.dice.below(6) {
            0 => 0,
            1 => self.dice.below(200_000),
            _ => self.dice.below(900),
        };
        self.next_htlc_id += 1;
        let upgrades = [Upgrade::Unknown, Upgrade::Present, Upgrade::Absent];
        let block_height = 800_000;
        let mut request = AddRequest {
            incoming,
            outgoing: self.channel(),
            htlc_id: self.next_htlc_id,
            incoming_amount_msat: amount_msat,
            outgoing_amount_msat: amount_msat.saturating_sub(fee_msat),
            incoming_cltv_expiry: block_height + 1 + self.dice.below(20) as u32,
            block_height,
            incoming_accountable: self.dice.one_in(3),
            upgrade: if self.dice.one_in(3) {
                upgrades[self.dice.below(3) as usize]
            } else {
                upgrades[0]
            },
            policy_fee_msat: self.dice.one_in(4).then(|| self.dice.below(600)),
            unix_secs: self.unix_secs(),
        };
        self.spoil(&mut request, pending);
        request
    }

    /// Makes some requests a repeat, another HTLC of a known id, or wrong.
    fn spoil(&mut self, request: &mut AddRequest, pending: &[PendingView]) {
        match (self.dice.below(40), self.dice.pick(pending)) {
            (0, Some(known)) => {
                (request.incoming, request.htlc_id) = (known.incoming, known.htlc_id);
                (request.outgoing, request.incoming_amount_msat) =
                    (known.outgoing, known.incoming_amount_msat);
                request.outgoing_amount_msat = known.incoming_amount_msat;
            }
            (1, Some(known)) => {
                (request.incoming, request.htlc_id) = (known.incoming, known.htlc_id);
            }
            (2, _) => request.outgoing_amount_msat = request.incoming_amount_msat + 1,
            (3, _) => request.block_height = request.incoming_cltv_expiry,
            _ => {}
        }
    }

    pub(super) fn resolve(&mut self, pending: &[PendingView]) -> ResolveRequest {
        let known = self.dice.pick(pending);
        let unix_secs = self.unix_secs();
        let settled = !self.dice.one_in(3);
        match known {
            Some(known) if !self.dice.one_in(40) => ResolveRequest {
                incoming: known.incoming,
                outgoing: known.outgoing,
                htlc_id: known.htlc_id,
                settled,
                unix_secs: match self.dice.below(10) {
                    0 => known.added_unix_secs.saturating_sub(self.dice.below(3)),
                    1 | 2 => unix_secs.max(known.added_unix_secs) + self.dice.below(4_000),
                    3..=7 => known.added_unix_secs + self.dice.below(100),
                    _ => unix_secs,
                },
            },
            _ => ResolveRequest {
                incoming: self.channel(),
                outgoing: self.channel(),
                htlc_id: self.dice.below(self.next_htlc_id + 1),
                settled,
                unix_secs,
            },
        }
    }

    /// What a node might say that it has: most of what is known, and some that is not.
    pub(super) fn live(&mut self, pending: &[PendingView], new: u64) -> Vec<LiveHtlc> {
        let mut live = Vec::new();
        for known in pending {
            if self.dice.one_in(4) {
                continue;
            }
            live.push(LiveHtlc {
                incoming: known.incoming,
                outgoing: known.outgoing,
                htlc_id: known.htlc_id,
                incoming_amount_msat: known.incoming_amount_msat,
                outgoing_amount_msat: known.incoming_amount_msat,
                incoming_cltv_expiry: 800_010,
                block_height: 800_000,
                outgoing_accountable: known.outgoing_accountable,
                added_unix_secs: known.added_unix_secs,
            });
        }
        for _ in 0..new {
            self.next_htlc_id += 1;
            let incoming_amount_msat = self.amount_msat();
            live.push(LiveHtlc {
                incoming: self.channel(),
                outgoing: self.channel(),
                htlc_id: self.next_htlc_id,
                incoming_amount_msat,
                outgoing_amount_msat: self.dice.below(incoming_amount_msat + 1),
                incoming_cltv_expiry: 800_000 + self.dice.below(30) as u32,
                block_height: 800_000,
                outgoing_accountable: self.dice.one_in(2),
                added_unix_secs: self.unix_secs(),
            });
        }
        live
    }

    /// A past in which some channels earned much, most of it as outgoing ones.
    pub(super) fn history(&mut self) -> Vec<ForwardRow> {
        let rows = 1 + self.dice.below(30);
        (0..rows)
            .map(|_| {
                let added_unix_secs = self.now_secs - self.dice.below(20_000_000);
                ForwardRow {
                    incoming: if self.dice.one_in(8) { self.channel() } else { id(7) },
                    outgoing: self.channel(),
                    fee_msat: self.dice.below(40_000_000),
                    added_unix_secs,
                    settled_unix_secs: (added_unix_secs + self.dice.below(120))
                        .saturating_sub(u64::from(self.dice.one_in(20)) * 60),
                }
            })
            .collect()
    }
}

/// Channels that may take new HTLCs.
pub(super) fn open_channels(channels: &[ChannelView]) -> usize {
    channels.iter().filter(|channel| !channel.is_closing).count()
}
