//! The network, which no crash of the node touches: what became of each HTLC that ever left.

use std::collections::BTreeMap;

use crate::dice::Dice;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Pending,
    Settled,
    Failed,
}

/// An HTLC that left.
#[derive(Clone, Debug)]
pub struct Htlc {
    pub hash: u64,
    pub amount_msat: u64,
    /// The channel and the update that carried it.
    pub channel: u64,
    pub update: u64,
    pub fate: Fate,
    pub resolves_ms: u64,
    settles: bool,
}

#[derive(Default)]
pub struct Wire {
    pub htlcs: BTreeMap<u64, Htlc>,
    /// HTLCs of a database that was lost or rolled back: the node is not held to them any more.
    pub orphans: BTreeMap<u64, Htlc>,
    pub dispatched: u64,
}

/// What the peer of a channel does not understand.
pub struct Refused(pub &'static str, pub String);

impl Wire {
    /// The peer takes an HTLC, or one again that it took before.
    pub fn take(
        &mut self,
        attempt: u64,
        (channel, update): (u64, u64),
        (hash, amount_msat, limit_msat): (u64, u64, u64),
        now_ms: u64,
        dice: &mut Dice,
    ) -> Result<(), Refused> {
        if let Some(known) = self.htlcs.get(&attempt).or(self.orphans.get(&attempt)) {
            if (known.channel, known.update) == (channel, update) {
                return Ok(());
            }
            let fact = format!(
                "attempt {attempt} left in channel {} update {}, and again in channel {channel} \
                 update {update}",
                known.channel, known.update
            );
            return Err(Refused("granted twice", fact));
        }
        let out: u64 = self
            .htlcs
            .values()
            .filter(|htlc| htlc.hash == hash && htlc.fate != Fate::Failed)
            .map(|htlc| htlc.amount_msat)
            .sum();
        if out + amount_msat > limit_msat {
            let fact =
                format!("payment {hash} of {limit_msat} msat has {out} and {amount_msat} out");
            return Err(Refused("paid twice", fact));
        }
        // Most resolve soon, some hang for days.
        let delay_ms = match dice.below(10) {
            0..6 => dice.between(1, 30_000),
            6..9 => dice.between(60_000, 7_200_000),
            _ => dice.between(86_400_000, 14 * 86_400_000),
        };
        self.dispatched += 1;
        self.htlcs.insert(
            attempt,
            Htlc {
                hash,
                amount_msat,
                channel,
                update,
                fate: Fate::Pending,
                resolves_ms: now_ms + delay_ms,
                settles: dice.percent(55),
            },
        );
        Ok(())
    }

    pub fn advance(&mut self, now_ms: u64) {
        let due = |htlc: &&mut Htlc| htlc.fate == Fate::Pending && htlc.resolves_ms <= now_ms;
        for htlc in self.htlcs.values_mut().filter(due) {
            htlc.fate = if htlc.settles { Fate::Settled } else { Fate::Failed };
        }
    }

    pub fn fate(&self, attempt: u64) -> Option<Fate> {
        self.htlcs.get(&attempt).or(self.orphans.get(&attempt)).map(|htlc| htlc.fate)
    }

    /// The database that let these out is lost.
    pub fn abandon(&mut self, keeps: impl Fn(u64) -> bool) {
        let all = std::mem::take(&mut self.htlcs);
        let (kept, lost) = all.into_iter().partition(|(attempt, _)| keeps(*attempt));
        self.htlcs = kept;
        self.orphans.extend::<BTreeMap<u64, Htlc>>(lost);
    }
}
