//! Channels: updates and snapshots that wait for a commit with the manager, and what may leave after it.

use lnkeep::Grouping;
use lnkeep::attempts::Operation;
use lnkeep::monitors::{Block, OutputClass, Urgency};

use crate::disk;
use crate::life::{Control, End, Life, Lived};
use crate::model::{Channel, Entry, Model, Record, channel_id, key};

const CHANNELS_MAX: usize = 6;

impl Life {
    pub fn use_channels(&mut self) -> Lived<()> {
        match self.dice.below(10) {
            0..5 => {
                let Some(channel) = self.open_channel()? else { return Ok(()) };
                self.queue_update(channel, 0)
            }
            5 => self.queue_snapshot(),
            6 => self.acknowledge_output(),
            7 if self.dice.one_in(6) => self.archive(),
            _ => self.commit_channels(Vec::new()),
        }
    }

    /// The channel as it is in memory, with what is queued.
    fn in_memory(&self, number: u64) -> Channel {
        let mut channel = self.model.channels.get(&number).cloned().unwrap_or_default();
        for entry in &self.queued {
            match entry {
                Entry::New(new) if *new == number => channel.latest = 1,
                Entry::Update { channel: of, update, attempt } if *of == number => {
                    channel.apply(*update, &Channel::update(*update, *attempt));
                }
                Entry::Archive(of) if *of == number => channel.is_archived = true,
                _ => {}
            }
        }
        channel
    }

    /// An open channel, a new one if there are few; `None` when the power is gone or none can be had.
    pub fn open_channel(&mut self) -> Lived<Option<u64>> {
        let mut known: Vec<u64> = self.model.channels.keys().copied().collect();
        known.extend(self.queued.iter().filter_map(|entry| match entry {
            Entry::New(channel) => Some(*channel),
            _ => None,
        }));
        known.sort_unstable();
        known.dedup();
        let open: Vec<u64> =
            known.into_iter().filter(|number| !self.in_memory(*number).is_archived).collect();
        let wants_new = open.len() < 3 || open.len() < CHANNELS_MAX && self.dice.one_in(12);
        if !wants_new {
            return Ok(self.dice.pick(&open).copied());
        }
        let number = self.next_channel;
        self.next_channel += 1;
        let first = Channel { latest: 1, ..Channel::default() }.snapshot();
        let block = Block { height: self.height, hash: [0; 32] };
        let queued =
            self.node().monitors.queue_new(channel_id(number), 1, &first, block, Urgency::Ordinary);
        self.done("queue new", queued)?;
        self.queued.push(Entry::New(number));
        Ok(Some(number))
    }

    /// An update, and with it the message that depends on it.
    pub fn queue_update(&mut self, channel: u64, attempt: u64) -> Lived<()> {
        let update = self.in_memory(channel).latest + 1;
        let bytes = Channel::update(update, attempt);
        let queued = self.node().monitors.queue_update(
            channel_id(channel),
            update,
            &bytes,
            Urgency::Ordinary,
        );
        self.done("queue update", queued)?;
        self.queued.push(Entry::Update { channel, update, attempt });
        let class = match attempt == 0 && self.dice.one_in(3) {
            true => OutputClass::Durable,
            false => OutputClass::Volatile,
        };
        let tag = self.next_tag;
        self.next_tag += 1;
        let payload = [channel, update, attempt].map(u64::to_le_bytes).concat();
        let queued = self.node().monitors.queue_output(class, tag, &payload);
        self.done("queue output", queued)?;
        self.queued.push(Entry::Output { class, tag });
        if self.control == Control::Hasty && attempt != 0 {
            self.hand_to_peer(channel, update, attempt)?;
        }
        Ok(())
    }

    fn queue_snapshot(&mut self) -> Lived<()> {
        let wanted = self.node().monitors.need_snapshot();
        let wanted = self.done("need_snapshot", wanted)?;
        let wanted: Vec<u64> = wanted
            .iter()
            .map(|id| u64::from_be_bytes(id.0[..8].try_into().expect("eight bytes")))
            .collect();
        let any = self.open_channel()?;
        let Some(number) = self.dice.pick(&wanted).copied().or(any) else { return Ok(()) };
        let channel = self.in_memory(number);
        let bytes = channel.snapshot();
        let queued = self.node().monitors.queue_snapshot(
            channel_id(number),
            channel.latest,
            &bytes,
            None,
            Urgency::Ordinary,
        );
        if self.answered("queue snapshot", queued)?.is_ok() {
            self.queued.push(Entry::Snapshot);
        }
        Ok(())
    }

    fn archive(&mut self) -> Lived<()> {
        let Some(number) = self.open_channel()? else { return Ok(()) };
        let has_htlcs = self.in_memory(number).htlcs.iter().any(|(_, attempt)| {
            self.wire.fate(*attempt).is_none_or(|fate| fate == crate::wire::Fate::Pending)
        });
        if has_htlcs {
            return Ok(());
        }
        let queued = self.node().monitors.queue_archive(channel_id(number));
        self.done("queue archive", queued)?;
        self.queued.push(Entry::Archive(number));
        Ok(())
    }

    fn acknowledge_output(&mut self) -> Lived<()> {
        let known: Vec<(u64, u64)> = self.output_ids.iter().map(|(tag, id)| (*tag, *id)).collect();
        let Some((tag, id)) = self.dice.pick(&known).copied() else { return Ok(()) };
        let done = self.node().monitors.acknowledge(id);
        self.done("acknowledge", done)?;
        self.output_ids.remove(&tag);
        self.acknowledged.insert(tag);
        Ok(())
    }

    /// Captures, serialises the manager, and commits both; perhaps with marks of attempts, as one.
    pub fn commit_channels(&mut self, marks: Vec<u64>) -> Lived<()> {
        let capture = self.node().monitors.capture();
        let capture = self.done("capture", capture)?;
        let captured = self.queued.clone();
        if self.dice.one_in(4) && marks.is_empty() {
            // Something happens while the manager is serialised: it is left for the next commit.
            if let Some(channel) = self.open_channel()? {
                self.queue_update(channel, 0)?;
            }
        }
        self.manager_generation += 1;
        let mut after = self.model.clone();
        let manager = self.serialise(&after, &captured);
        after.commit(&captured, &manager, &self.acknowledged);
        for id in &marks {
            after.parts.get_mut(id).expect("a known attempt").record = Record::HandedOff;
        }
        let view: Vec<_> = after
            .channels
            .iter()
            .filter(|(_, channel)| !channel.is_archived)
            .map(|(number, channel)| (channel_id(*number), channel.latest))
            .collect();
        if marks.is_empty() {
            self.change("commit", after, |node| {
                node.monitors.commit(capture, Some(&manager), &view)
            })?;
        } else {
            self.change("commit with marks", after, |node| {
                let mut operations = Vec::new();
                for id in &marks {
                    operations.push(node.attempts.operation(Operation::MarkHandedOff(key(*id)))?);
                }
                operations.push(node.monitors.operation(capture, Some(&manager), &view)?);
                let outcomes = node.store.apply(operations, Grouping::Atomic)?;
                outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
            })?;
        }
        self.queued.drain(..captured.len());
        self.acknowledged.clear();
        self.let_out(&captured)
    }

    /// The manager names the tip of each channel, as of its capture.
    fn serialise(&self, before: &Model, captured: &[Entry]) -> Vec<u8> {
        let mut after = before.clone();
        after.commit(captured, &[], &self.acknowledged);
        let mut bytes = self.manager_generation.to_le_bytes().to_vec();
        for (number, channel) in &after.channels {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&channel.latest.to_le_bytes());
        }
        bytes
    }

    /// What may leave is what was committed, in its order, and nothing else.
    fn let_out(&mut self, committed: &[Entry]) -> Lived<()> {
        let taken = self.node().monitors.take_outputs(1_000);
        let taken = self.done("take outputs", taken)?;
        let wanted: Vec<u64> = committed
            .iter()
            .filter_map(|entry| match entry {
                Entry::Output { tag, .. } => Some(*tag),
                _ => None,
            })
            .collect();
        let tags: Vec<u64> = taken.iter().map(|output| output.tag).collect();
        if tags != wanted {
            let fact = format!("outputs {tags:?} may leave, and {wanted:?} were committed");
            return self.broken("output", fact);
        }
        if self.dice.one_in(24) && !self.is_calm && !tags.is_empty() {
            // The power goes before the messages do.
            disk::kill();
            return Err(End::Died);
        }
        for output in taken {
            if let Some(id) = output.output_id {
                self.output_ids.insert(output.tag, id);
            }
            let number = |at: usize| {
                u64::from_le_bytes(output.payload[at * 8..at * 8 + 8].try_into().expect("eight"))
            };
            let (channel, update, attempt) = (number(0), number(1), number(2));
            let durable = self.model.channels.get(&channel).map_or(0, |known| known.latest);
            if update > durable {
                let fact = format!("update {update} of channel {channel} leaves at {durable}");
                return self.broken("output", fact);
            }
            if attempt != 0 {
                self.hand_to_peer(channel, update, attempt)?;
            }
        }
        Ok(())
    }
}
