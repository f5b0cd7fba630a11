//! The sleep of the journal's thread alone: whoever appends and asks for nothing is written all the same.

use std::sync::Arc;

use shuttle::rand::Rng;

use super::entry::Entry;
use super::journal::Journal;
use crate::types::ShortChannelId;

/// Turns of the others after which what waits has to be written.
const TURNS: u32 = 300;
const ROOM: u32 = 8;

fn append(journal: &Journal, number: u64) {
    let entry = Entry::RemoveChannel { channel: ShortChannelId(number), is_gone: false };
    let mut claim = journal.ring.claim(1).expect("the ring has room");
    let given = claim.append(&[entry]);
    drop(claim);
    journal.appended(given);
}

/// The thread that writes, without a store: what it takes is durable.
fn write(journal: &Journal, taken: &mut Vec<u64>) {
    loop {
        let is_last = journal.wait_for_work();
        journal.ring.take(ROOM as usize, |words| taken.push(words[1]));
        journal.advance(journal.ring.taken());
        if is_last {
            return;
        }
    }
}

/// One schedule.
pub fn run() {
    let appenders: u64 = shuttle::rand::thread_rng().gen_range(1..=3);
    let journal = Arc::new(Journal::new(ROOM).expect("memory for a few entries"));
    let writing = Arc::clone(&journal);
    let writer = std::thread::spawn(move || {
        let mut taken = Vec::new();
        write(&writing, &mut taken);
        writing.finish(None);
        taken
    });
    let threads: Vec<_> = (0..appenders)
        .map(|number| {
            let journal = Arc::clone(&journal);
            std::thread::spawn(move || append(&journal, number))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("an appender"));
    let mut turns = 0;
    while journal.durable_below() < appenders {
        turns += 1;
        assert!(turns < TURNS, "what was appended is never written");
        std::thread::yield_now();
    }
    journal.end();
    journal.wait_for_end().expect("nothing failed");
    let mut taken = writer.join().expect("the writer");
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..appenders), "each is taken once");
}
