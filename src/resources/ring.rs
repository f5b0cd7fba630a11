//! The entries that wait to be written: a ring of fixed size between many callers and one writer.
//!
//! RG1 room is claimed before anything is decided, so that a decision is never made that could not be
//! journalled. RG2 numbers are given in order and without gaps, and the writer takes only what every number
//! before it has arrived: what is written is a prefix. RG3 no lock: callers of different channels do not
//! meet. Called by `engine` (claims, appends) and `journal` (takes).

use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::{ENTRY_WORDS, Entry};
use crate::error::{Error, Result, Status};
use crate::memory::slice_of;

/// One cache line. Its stamp is one more than the number of the entry that it holds.
#[repr(align(64))]
struct Slot {
    stamp: AtomicU64,
    words: [AtomicU64; ENTRY_WORDS],
}

/// Keeps counters of callers and writer on different cache lines.
#[repr(align(128))]
struct Apart(AtomicU64);

pub(super) struct Ring {
    slots: Box<[Slot]>,
    /// Number of the next entry.
    next: Apart,
    /// Numbers that callers may use, given and claimed.
    claimed: Apart,
    /// Everything below was taken by the writer.
    taken: Apart,
}

/// Room for some entries; what is not used is given back.
pub(super) struct Claim<'ring> {
    ring: &'ring Ring,
    entries: u64,
}

impl Ring {
    /// A ring for a power of two of entries, whose first will have number 0.
    ///
    /// # Errors
    /// `Busy` without memory for it.
    pub(super) fn new(entries: u32) -> Result<Ring> {
        let slot = |_| Slot {
            stamp: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Ok(Ring {
            slots: slice_of(entries.next_power_of_two() as usize, slot)?,
            next: Apart(AtomicU64::new(0)),
            claimed: Apart(AtomicU64::new(0)),
            taken: Apart(AtomicU64::new(0)),
        })
    }

    /// Gives the first entry another number, before there is one.
    pub(super) fn begin_at(&mut self, first: u64) {
        for counter in [&mut self.next, &mut self.claimed, &mut self.taken] {
            *counter.0.get_mut() = first;
        }
    }

    fn slot(&self, number: u64) -> &Slot {
        &self.slots[number as usize & (self.slots.len() - 1)]
    }

    /// Claims room, all or nothing.
    ///
    /// # Errors
    /// `Busy`: nothing was decided.
    pub(super) fn claim(&self, entries: u64) -> Result<Claim<'_>> {
        let claimed = self.claimed.0.fetch_add(entries, Ordering::Relaxed) + entries;
        let claim = Claim { ring: self, entries };
        // The writer may have passed the numbers of a claim that was delayed here. Of all claims under way,
        // the last one to be counted has proved that there is room for all.
        let waiting = claimed.saturating_sub(self.taken.0.load(Ordering::Acquire));
        if waiting <= self.slots.len() as u64 {
            return Ok(claim);
        }
        drop(claim);
        let fact =
            "the journal of the resources waits for the disk; nothing was decided, ask again";
        Err(Error::new(Status::Busy, fact))
    }

    /// Number of the entry that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next.0.load(Ordering::SeqCst)
    }

    /// Entries that were given a number and not taken.
    pub(super) fn waiting(&self) -> u64 {
        self.next().saturating_sub(self.taken.0.load(Ordering::Acquire))
    }

    pub(super) fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Takes entries in order, up to the first that has not arrived. For one thread alone.
    pub(super) fn take(&self, max: usize, mut with: impl FnMut([u64; ENTRY_WORDS])) -> u64 {
        let first = self.taken.0.load(Ordering::Relaxed);
        let mut number = first;
        while number - first < max as u64 {
            let slot = self.slot(number);
            if slot.stamp.load(Ordering::Acquire) != number + 1 {
                break;
            }
            with(std::array::from_fn(|word| slot.words[word].load(Ordering::Relaxed)));
            number += 1;
        }
        self.taken.0.store(number, Ordering::Release);
        number - first
    }

    /// Number of the entry that is taken next.
    pub(super) fn taken(&self) -> u64 {
        self.taken.0.load(Ordering::Relaxed)
    }
}

impl<'ring> Claim<'ring> {
    /// Claims more, all or nothing; what was claimed before is given back with a refusal.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn grow(self, entries: u64) -> Result<Claim<'ring>> {
        let mut more = self.ring.claim(entries)?;
        let mut before = self;
        more.entries += std::mem::take(&mut before.entries);
        Ok(more)
    }

    /// Gives entries the next numbers and hands them to the writer; answers the last number. To be called
    /// while the channels that they are about are locked, so that numbers rise with what happened to them.
    pub(super) fn append(&mut self, entries: &[Entry]) -> u64 {
        let count = entries.len() as u64;
        assert!(count <= self.entries, "room was claimed (RG1)");
        self.entries -= count;
        let first = self.ring.next.0.fetch_add(count, Ordering::SeqCst);
        for (number, entry) in (first..).zip(entries) {
            let slot = self.ring.slot(number);
            for (word, value) in slot.words.iter().zip(entry.to_words()) {
                word.store(value, Ordering::Relaxed);
            }
            slot.stamp.store(number + 1, Ordering::Release);
        }
        first + count - 1
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.entries != 0 {
            self.ring.claimed.0.fetch_sub(self.entries, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ShortChannelId;

    fn entry(number: u64) -> Entry {
        Entry::RemoveChannel { channel: ShortChannelId(number), is_gone: false }
    }

    #[test]
    fn a_full_ring_refuses_before_anything_is_decided_and_gives_unused_room_back() {
        let mut ring = Ring::new(4).unwrap();
        ring.begin_at(100);
        let mut claim = ring.claim(3).unwrap();
        assert_eq!(claim.append(&[entry(1)]), 100);
        assert_eq!(ring.claim(2).err().unwrap().status(), Status::Busy);
        drop(claim);
        assert_eq!(ring.claim(3).unwrap().append(&[entry(2), entry(3), entry(4)]), 103);
        assert_eq!(ring.claim(1).err().unwrap().status(), Status::Busy);
        let mut taken = Vec::new();
        assert_eq!(ring.take(2, |words| taken.push(words)), 2);
        assert!(ring.claim(2).is_ok());
        assert_eq!(ring.take(9, |words| taken.push(words)), 2);
        let numbers: Vec<_> = taken.into_iter().map(|words| words[1]).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }

    #[test]
    fn what_many_threads_append_is_taken_once_and_in_the_order_of_its_numbers() {
        const THREADS: u64 = 4;
        const EACH: u64 = 20_000;
        let ring = Ring::new(256).unwrap();
        let mut taken = Vec::new();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let ring = &ring;
                scope.spawn(move || {
                    for number in 0..EACH {
                        loop {
                            if let Ok(mut claim) = ring.claim(2) {
                                claim.append(&[entry(thread << 32 | number)]);
                                break;
                            }
                            std::thread::yield_now();
                        }
                    }
                });
            }
            while (taken.len() as u64) < THREADS * EACH {
                ring.take(64, |words| taken.push(words[1]));
            }
        });
        for thread in 0..THREADS {
            let of_thread: Vec<_> = taken.iter().filter(|word| **word >> 32 == thread).collect();
            assert!(of_thread.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(of_thread.len() as u64, EACH);
        }
    }
}
