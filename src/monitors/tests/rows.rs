//! What is durable, as plain maps: rows, how an entry changes them, how damages do, and what an open finds.

use std::collections::BTreeMap;

use super::super::channel::{Block, Body, Channel, Damage, OutputClass, Payload, Stage};
use super::super::plan::ManagerMark;
use super::super::session::Found;
use super::super::{LastClose, MonitorsOptions};
use super::core::{Flaw, Report};
use crate::types::ChannelId;

/// What a crash keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Durable {
    pub(super) epoch: u64,
    pub(super) commit_sequence: u64,
    pub(super) generation: Option<u64>,
    /// Whether the last session was closed; `None` before the first.
    pub(super) closed: Option<bool>,
    /// The manager, which commit wrote it, and whether its bytes are garbled.
    pub(super) manager: Option<(Payload, u64, bool)>,
    pub(super) channels: BTreeMap<ChannelId, Stored>,
    /// A damage took the generation, and no commit gave another one since.
    pub(super) generation_is_lost: bool,
    /// Ids that are never used again, and the commits that purged them.
    pub(super) purged: BTreeMap<ChannelId, u64>,
    /// Tags and payloads of durable outputs by number; a garbled one has neither.
    pub(super) outputs: BTreeMap<u64, (u64, Payload)>,
    pub(super) last_output_id: u64,
}

/// A durable channel with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) stage: Stage,
    pub(super) base_id: u64,
    pub(super) latest_id: u64,
    pub(super) base_bytes: u64,
    pub(super) advanced_at: u64,
    pub(super) block: Block,
    pub(super) row_is_garbled: bool,
    pub(super) base: Base,
    /// Updates by id, and whether one cannot be read.
    pub(super) updates: BTreeMap<u64, (Payload, bool)>,
}

/// What is stored of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    Whole(Payload),
    Garbled,
    Missing,
}

/// How a damage changes the rows of a closed store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tamper {
    DropUpdate(ChannelId, u64),
    AddUpdate(ChannelId, u64, Payload),
    GarbleUpdate(ChannelId, u64),
    GarbleSnapshot(ChannelId),
    DropSnapshot(ChannelId),
    GarbleRow(ChannelId),
    DropManager,
    GarbleManager,
    OldManager(u64, Payload),
    GarbleOutput(u64),
    GarbleState,
}

impl Durable {
    /// One entry, as the contract says it.
    pub(super) fn apply(&mut self, body: &Body, commit_sequence: u64, flaw: Option<Flaw>) {
        if let Body::New { channel, update_id, snapshot, block } = body {
            let stored = Stored::new(*update_id, snapshot.clone(), *block, commit_sequence);
            let known = self.channels.insert(*channel, stored);
            assert!(known.is_none(), "an id is used once (MC2)");
        }
        if let Body::Output { class: OutputClass::Durable, tag, payload } = body {
            self.last_output_id += 1;
            if flaw != Some(Flaw::StoresNoOutput) {
                self.outputs.insert(self.last_output_id, (*tag, payload.clone()));
            }
        }
        let Some(stored) = body.channel().and_then(|channel| self.channels.get_mut(&channel))
        else {
            return;
        };
        match body {
            Body::Update { update_id, update, .. } => {
                stored.updates.insert(*update_id, (update.clone(), false));
                stored.latest_id = *update_id;
            }
            Body::Snapshot { update_id, snapshot, block, .. } => {
                let forgets = flaw == Some(Flaw::SnapshotForgetsUpdates);
                if forgets || stored.damage().is_some() {
                    stored.updates.clear();
                    stored.latest_id = *update_id;
                }
                stored.updates.retain(|id, _| id > update_id);
                stored.row_is_garbled = false;
                stored.base = Base::Whole(snapshot.clone());
                (stored.base_id, stored.base_bytes) = (*update_id, snapshot.len());
                stored.block = block.unwrap_or(stored.block);
            }
            Body::Archive { .. } => stored.stage = Stage::Archived,
            Body::New { .. } | Body::Output { .. } => {}
        }
        if body.advances() {
            stored.advanced_at = commit_sequence;
        }
    }

    pub(super) fn damage(&mut self, tamper: &Tamper) {
        fn of<'a>(
            channels: &'a mut BTreeMap<ChannelId, Stored>,
            channel: &ChannelId,
        ) -> &'a mut Stored {
            channels.get_mut(channel).expect("a stored channel")
        }
        let channels = &mut self.channels;
        match tamper {
            Tamper::DropUpdate(channel, update_id) => {
                of(channels, channel).updates.remove(update_id).expect("a stored update");
            }
            Tamper::AddUpdate(channel, update_id, update) => {
                let updates = &mut of(channels, channel).updates;
                updates.insert(*update_id, (update.clone(), false));
            }
            Tamper::GarbleUpdate(channel, update_id) => {
                let updates = &mut of(channels, channel).updates;
                updates.get_mut(update_id).expect("a stored update").1 = true;
            }
            Tamper::GarbleSnapshot(channel) => of(channels, channel).base = Base::Garbled,
            Tamper::DropSnapshot(channel) => of(channels, channel).base = Base::Missing,
            Tamper::GarbleRow(channel) => of(channels, channel).lose_row(),
            Tamper::DropManager => self.manager = None,
            Tamper::GarbleManager => self.manager.as_mut().expect("a stored manager").2 = true,
            Tamper::OldManager(number, bytes) => {
                self.manager = Some((bytes.clone(), *number, false));
            }
            Tamper::GarbleOutput(output_id) => {
                self.outputs.insert(*output_id, (0, Payload(Vec::new().into())));
            }
            Tamper::GarbleState => self.lose_state(),
        }
        // The tip of a channel without its row is the last update that is found.
        let without_row = self.channels.values_mut().filter(|stored| stored.row_is_garbled);
        without_row.for_each(Stored::lose_row);
    }

    /// The row of the counters cannot be read: the greatest number of another row is the last commit.
    fn lose_state(&mut self) {
        let found = self.found();
        let advanced = found.channels.values().map(|known| known.advanced_at);
        let named = advanced.chain(self.purged.values().copied());
        self.commit_sequence = named.chain(found.manager.commit_sequence).max().unwrap_or(0);
        (self.generation, self.generation_is_lost, self.closed) = (None, true, Some(false));
    }

    pub(super) fn update(&self, channel: ChannelId, update_id: u64) -> Option<Vec<u8>> {
        let (update, _) = self.channels.get(&channel)?.updates.get(&update_id)?;
        Some(update.0.to_vec())
    }

    /// What an open finds, by the contract's words.
    pub(super) fn found(&self) -> Found {
        let channels = self.channels.iter();
        let readable = self.manager.as_ref().filter(|(_, _, is_garbled)| !is_garbled);
        let manager = ManagerMark {
            commit_sequence: readable.map(|(_, number, _)| *number),
            generation: self.generation,
            generation_is_lost: self.generation_is_lost,
        };
        Found {
            channels: channels.map(|(id, stored)| (*id, stored.facts())).collect(),
            purged: self.purged.keys().copied().collect(),
            commit_sequence: self.commit_sequence,
            manager,
            last_output_id: self.last_output_id,
        }
    }

    pub(super) fn report(&self, found: &Found, options: &MonitorsOptions) -> Report {
        let active = found.channels.iter().filter(|(_, known)| known.stage == Stage::Active);
        let damaged = active.clone().filter_map(|(id, known)| Some((*id, known.damage?)));
        let has_manager = !options.external_manager && !options.manager_optional;
        let latest = active.clone().map(|(_, known)| known.advanced_at).max();
        let written = found.manager.commit_sequence;
        let is_garbled = self.manager.as_ref().is_some_and(|(_, _, is_garbled)| *is_garbled);
        Report {
            commit_sequence: self.commit_sequence,
            last_close: match self.closed {
                None => LastClose::New,
                Some(true) => LastClose::Clean,
                Some(false) => LastClose::Unclean,
            },
            damaged: damaged.collect(),
            manager_missing: has_manager && (is_garbled || (latest.is_some() && written.is_none())),
            manager_behind: (options.external_manager && self.generation_is_lost)
                || (has_manager && written.is_some_and(|written| latest > Some(written))),
            outputs: self.outputs.len() as u64,
        }
    }
}

impl Stored {
    pub(super) fn new(update_id: u64, snapshot: Payload, block: Block, advanced_at: u64) -> Stored {
        Stored {
            stage: Stage::Active,
            base_id: update_id,
            latest_id: update_id,
            base_bytes: snapshot.len(),
            advanced_at,
            block,
            row_is_garbled: false,
            base: Base::Whole(snapshot),
            updates: BTreeMap::new(),
        }
    }

    /// What is known of a channel whose row cannot be read: its snapshot, and its updates.
    fn lose_row(&mut self) {
        let tip = self.updates.keys().next_back().copied().unwrap_or(0);
        (self.base_id, self.latest_id, self.base_bytes, self.advanced_at) = (tip, tip, 0, 0);
        (self.stage, self.block, self.row_is_garbled) = (Stage::Active, Block::default(), true);
    }

    /// The first damage in the order of the contract.
    pub(super) fn damage(&self) -> Option<Damage> {
        let inside = self.base_id + 1..=self.latest_id;
        let within = self.updates.keys().filter(|id| inside.contains(id)).count() as u64;
        let unreadable = self.updates.values().any(|(_, is_garbled)| *is_garbled);
        if self.base == Base::Missing {
            Some(Damage::MissingSnapshot)
        } else if self.base == Base::Garbled || self.row_is_garbled || unreadable {
            Some(Damage::Checksum)
        } else if within != self.latest_id - self.base_id {
            Some(Damage::UpdateGap)
        } else if within != self.updates.len() as u64 {
            Some(Damage::OrphanUpdate)
        } else {
            None
        }
    }

    /// Bytes of each update as far as it can be read.
    pub(super) fn lengths(&self) -> impl Iterator<Item = u64> + '_ {
        self.updates.values().map(|(update, is_garbled)| if *is_garbled { 0 } else { update.len() })
    }

    pub(super) fn facts(&self) -> Channel {
        let mut known = Channel::new(self.base_id, self.base_bytes, self.block);
        (known.stage, known.latest_id) = (self.stage, self.latest_id);
        known.advanced_at = self.advanced_at;
        known.damage = self.damage().filter(|_| self.stage == Stage::Active);
        known.update_bytes = self.lengths().map(|bytes| bytes as u32).collect();
        known.update_bytes_sum = self.lengths().sum();
        known
    }
}
