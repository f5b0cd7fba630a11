//! The node's own backup at its peers: handing it out, getting it back, and recovering from it.

use lnkeep::backup::keys::Secret;
use lnkeep::backup::{Action, PeerState};
use lnkeep::recovery::crawl::{Candidate, Next, PeerResult};
use lnkeep::recovery::{Recovery, RecoveryOptions};
use lnkeep::{NodeId, Status};

use crate::life::{Control, Life, Lived};
use crate::peers::{Kept, Manner};

/// What a node restores from: its number, and bytes that follow from it.
fn payload_of(version: u64) -> Vec<u8> {
    let mut payload = version.to_le_bytes().to_vec();
    payload.resize(200 + (version % 9 * 60) as usize, version as u8);
    payload
}

fn version_of(payload: &[u8]) -> Option<u64> {
    let version = u64::from_le_bytes(payload.get(..8)?.try_into().ok()?);
    (payload == payload_of(version)).then_some(version)
}

impl Life {
    /// After a start: what was lost is recovered first, and only then anything is sent.
    pub fn begin_backup(&mut self) -> Lived<()> {
        let report = self.node().backup.report();
        if report.is_blocked && !self.peers.is_behind {
            return self.broken("wrong", "the backup is blocked and nothing was lost".into());
        }
        if report.is_blocked || report.is_fresh && self.peers.is_behind {
            self.recover_from_peers()?;
        }
        self.set_payload()
    }

    fn set_payload(&mut self) -> Lived<()> {
        self.peers.version += 1;
        let set = self.node().backup.set_payload(&payload_of(self.peers.version));
        self.done("set_payload", set)
    }

    pub fn talk_about_backups(&mut self) -> Lived<()> {
        let index = self.dice.below(self.peers.all.len() as u64) as usize;
        if !self.peers.all[index].is_connected {
            return self.meet(index);
        }
        match self.dice.below(8) {
            0 => {
                let gone = self.node().backup.disconnected(self.peers.all[index].id);
                self.done("disconnected", gone)?;
                self.peers.all[index].is_connected = false;
                Ok(())
            }
            1 => self.set_payload(),
            2 => self.misbehave(index),
            _ => self.send_what_is_due(),
        }
    }

    fn misbehave(&mut self, index: usize) -> Lived<()> {
        if self.control == Control::Dropper {
            self.peers.all.iter_mut().for_each(|peer| peer.kept.clear());
        } else if self.peers.all[index].manner == Manner::Forgetful {
            self.peers.all[index].kept.clear();
        }
        Ok(())
    }

    /// What a peer returns when it connects.
    fn returned_by(&mut self, index: usize) -> Option<Kept> {
        let peer = &self.peers.all[index];
        let newest = peer.kept.last().cloned();
        match peer.manner {
            Manner::Liar if self.dice.one_in(3) => peer.kept.first().cloned(),
            Manner::Liar if self.dice.one_in(4) => {
                Some(Kept { blob: vec![index as u8; 1_024], version: 0 })
            }
            _ => newest,
        }
    }

    fn meet(&mut self, index: usize) -> Lived<()> {
        let (id, now_ms) = (self.peers.all[index].id, self.now_ms);
        let connected = self.node().backup.connected(now_ms, id, true);
        self.done("connected", connected)?;
        self.peers.all[index].is_connected = true;
        let returned = self.returned_by(index);
        let concluded = match &returned {
            Some(kept) => self.node().backup.retrieval(now_ms, id, &kept.blob),
            None => self.node().backup.reestablish_begun(now_ms, id),
        };
        let concluded = self.done("what a peer returned", concluded)?;
        if let Some(error) = concluded.failure {
            return self.broken("status", format!("a conclusion was not written: {error}"));
        }
        self.digest.add(u64::from(concluded.action.number()) << 8 | concluded.peer.state as u64);
        if self.peers.all[index].manner == Manner::Honest {
            self.expect_honest(index, &returned, concluded.peer.state)?;
        }
        if concluded.action == Action::AlertStateLoss {
            if !self.peers.is_behind {
                return self.broken("wrong", format!("a state loss by peer {index} that was none"));
            }
            return self.recover_from_peers();
        }
        Ok(())
    }

    /// A peer that keeps what it was given is never said to have lost or damaged it.
    fn expect_honest(
        &mut self,
        index: usize,
        returned: &Option<Kept>,
        state: PeerState,
    ) -> Lived<()> {
        let is_blamed = matches!(
            state,
            PeerState::Lost | PeerState::Stale | PeerState::Corrupt | PeerState::Unreadable
        );
        if is_blamed && self.control != Control::Dropper {
            return self
                .broken("wrong", format!("peer {index} is honest and said to be {state:?}"));
        }
        if state == PeerState::Committed
            && let Some(kept) = returned
        {
            self.peers.confirmed = self.peers.confirmed.max(kept.version);
            self.counts.confirmed += 1;
            if self.control == Control::Dropper && self.dice.one_in(2) {
                self.peers.all.iter_mut().for_each(|peer| peer.kept.clear());
            }
        }
        Ok(())
    }

    fn send_what_is_due(&mut self) -> Lived<()> {
        let now_ms = self.now_ms;
        let ticked = self.node().backup.tick(now_ms);
        let ticked = self.done("tick of the backup", ticked)?;
        if let Some(error) = ticked.failure {
            return self.broken("status", format!("a conclusion was not written: {error}"));
        }
        for (id, _, action) in ticked.actions {
            if action == Action::Send {
                self.send(id)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, id: NodeId) -> Lived<()> {
        let (now_ms, height) = (self.now_ms, self.height);
        let sealed = self.node().backup.seal(now_ms, id, height);
        let sealed = match self.answered("seal", sealed)? {
            Ok(sealed) => sealed,
            Err(Status::StateLoss) if self.peers.is_behind => return Ok(()),
            Err(status) => return self.broken("status", format!("due, and refused: {status:?}")),
        };
        let standing = self.node().backup.standing();
        let instance = self.done("standing", standing)?.instance;
        let sum = crc32c::crc32c(&sealed.blob);
        let before = self.peers.sealed.insert((instance, sealed.seq), sum);
        if before.is_some_and(|before| before != sum) {
            let fact = format!("number {} carries two different blobs", sealed.seq);
            return self.broken("repeated", fact);
        }
        let version = self.peers.version;
        if let Some(peer) = self.peers.all.iter_mut().find(|peer| peer.id == id) {
            peer.kept.push(Kept { blob: sealed.blob, version });
            if peer.kept.len() > 4 {
                peer.kept.remove(0);
            }
        }
        Ok(())
    }

    /// A session over all peers, and the node goes on with what it gives.
    pub fn recover_from_peers(&mut self) -> Lived<()> {
        self.counts.recoveries += 1;
        let session = self.recover_session();
        let (version, seq_floor) = match session {
            Ok(found) => found,
            Err(fact) => return self.broken("restore", fact),
        };
        self.digest.add(version << 32 ^ seq_floor);
        let adopted = self.node().backup.adopt(seq_floor);
        self.done("adopt", adopted)?;
        Ok(())
    }

    /// Number of the payload that peers restore, 0 for none; and the floor for what comes after.
    fn recover_session(&mut self) -> Result<(u64, u64), String> {
        let text = |error: lnkeep::Error| error.to_string();
        let secret = Secret::new(self.choices.secret);
        let options = RecoveryOptions::default();
        let mut session = Recovery::begin(&secret, options).map_err(text)?;
        let candidates: Vec<Candidate> = self
            .peers
            .all
            .iter()
            .map(|peer| Candidate { node: peer.id, is_announced: true, address: Vec::new() })
            .collect();
        session.add_candidates(&candidates).map_err(text)?;
        let mut now_ms = self.now_ms;
        // Whoever cannot be reached three times is not waited for.
        let mut failures = std::collections::BTreeMap::new();
        loop {
            match session.next_peer(now_ms) {
                Next::None => break,
                Next::Wait { until_ms } => now_ms = until_ms,
                Next::Ask(ask) => {
                    let failed: &mut u32 = failures.entry(ask.node).or_default();
                    if *failed < 2 && self.dice.one_in(6) {
                        *failed += 1;
                        session.peer_result(now_ms, ask.node, PeerResult::Failed);
                    } else {
                        self.ask(&mut session, ask.node, now_ms)?;
                    }
                }
            }
            if self.dice.one_in(5) {
                let exported = session.export();
                session = Recovery::resume(&secret, options, &exported).map_err(text)?;
            }
        }
        let honest = self.peers.all.iter().filter(|peer| peer.manner == Manner::Honest);
        let kept = honest.filter_map(|peer| peer.kept.last().map(|kept| kept.version)).max();
        let wanted = kept.unwrap_or(0).max(self.peers.confirmed);
        let version = match session.payload(true) {
            Ok(payload) => {
                version_of(payload.payload()).ok_or("the payload is not what was sent")?
            }
            Err(error) if error.status() == Status::NotEnoughShares => 0,
            Err(error) => return Err(error.to_string()),
        };
        if version < wanted {
            return Err(format!("payload {version} was restored, and {wanted} was restorable"));
        }
        let adoption = session.finish(true).map_err(text)?;
        Ok((version, adoption.seq_floor))
    }

    fn ask(&mut self, session: &mut Recovery, node: NodeId, now_ms: u64) -> Result<(), String> {
        let Some(index) = self.peers.all.iter().position(|peer| peer.id == node) else {
            return Err("a stranger is to be asked".into());
        };
        session.peer_result(now_ms, node, PeerResult::Connected);
        match self.returned_by(index) {
            Some(kept) => {
                session.feed(node, &kept.blob).map_err(|error| error.to_string())?;
            }
            None => session.peer_result(now_ms, node, PeerResult::NoBlob),
        }
        Ok(())
    }

    /// The end of a life: everything once more, nothing is in use, and what was restorable still is.
    pub fn last_check(&mut self) -> Lived<()> {
        self.check_everything("at the end")?;
        self.resolve_everything()?;
        match self.recover_session() {
            Ok(_) => Ok(()),
            Err(fact) => self.broken("restore", fact),
        }
    }
}
