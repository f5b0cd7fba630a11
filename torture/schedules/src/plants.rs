//! Errors that the harness plants and must find: what a change of lnkeep by mistake could look like.

/// One edit of lnkeep's source, and the subject that has to find it.
#[allow(dead_code)] // the build script and the program use different parts
pub struct Plant {
    pub name: &'static str,
    pub subject: &'static str,
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub kind: Kind,
}

/// What an armed plant does with the text it was planted at.
#[allow(dead_code)]
pub enum Kind {
    /// Statements: others stand there instead.
    Instead,
    /// An expression: another one stands there instead.
    Value,
    /// Statements come before it.
    Before,
}

#[allow(dead_code)]
impl Plant {
    /// The text that does what it did until the plant of this number is armed.
    pub fn armed(&self, number: usize) -> String {
        let (from, to) = (self.from, self.to);
        let is_armed = format!("if crate::plants::is_armed({number})");
        match self.kind {
            Kind::Instead => format!("{is_armed} {{ {to}\n}} else {{ {from}\n}}"),
            Kind::Value => format!("({is_armed} {{ {to} }} else {{ {from} }})"),
            Kind::Before => format!("{is_armed} {{ {to} }}\n{from}"),
        }
    }
}

const HANDLE: &str = "ffi/handle.rs";
const QUEUE: &str = "store/queue.rs";
const EVENTS: &str = "events/mod.rs";
const JOURNAL: &str = "resources/journal.rs";

pub const PLANTS: [Plant; 18] = [
    Plant {
        name: "close_waits_for_nobody",
        subject: "handle",
        file: HANDLE,
        from: "wait_until_left(slot);",
        to: "",
        kind: Kind::Instead,
    },
    Plant {
        name: "close_waits_for_one_shard",
        subject: "handle",
        file: HANDLE,
        from: "slot.inside.iter()",
        to: "slot.inside[..1].iter()",
        kind: Kind::Value,
    },
    Plant {
        name: "two_closes_win",
        subject: "handle",
        file: HANDLE,
        from: "closed.is_err()",
        to: "false",
        kind: Kind::Value,
    },
    Plant {
        name: "a_generation_comes_again",
        subject: "handle",
        file: HANDLE,
        from: "slot.generation.fetch_add(1, Ordering::Relaxed)",
        to: "slot.generation.load(Ordering::Relaxed)",
        kind: Kind::Value,
    },
    Plant {
        name: "checked_first_counted_second",
        subject: "handle",
        file: HANDLE,
        from: "    let shard = shard_of_this_thread();\n",
        to: "if slot.open.load(Ordering::SeqCst) != bits { return Err(bad()); }
            let shard = shard_of_this_thread();
            slot.inside[shard].0.fetch_add(1, Ordering::SeqCst);
            return Ok(Inside { slot, shard });",
        kind: Kind::Before,
    },
    Plant {
        name: "a_push_wakes_nobody",
        subject: "queue",
        file: QUEUE,
        from: "drop(waiting);\n        self.changed.notify_one();",
        to: "drop(waiting);",
        kind: Kind::Instead,
    },
    Plant {
        name: "a_close_wakes_nobody",
        subject: "queue",
        file: QUEUE,
        from: "self.changed.notify_all();",
        to: "",
        kind: Kind::Instead,
    },
    Plant {
        name: "a_closing_queue_takes_more",
        subject: "queue",
        file: QUEUE,
        from: "return Err(Status::Closed.into());",
        to: "",
        kind: Kind::Instead,
    },
    Plant {
        name: "an_answer_wakes_nobody",
        subject: "queue",
        file: "store/mod.rs",
        from: "self.filled.notify_one();",
        to: "",
        kind: Kind::Instead,
    },
    Plant {
        name: "answered_before_the_commit",
        subject: "queue",
        file: "store/writer.rs",
        from: "            match self.commit(&mut batch[..most]) {",
        to: "for submission in batch.drain(1..most) {
                let outcomes = submission.commands.iter().map(|_| Ok(super::batch::Reply::done()));
                (submission.answer)(outcomes.collect());
            }
            most = 1;",
        kind: Kind::Before,
    },
    Plant {
        name: "a_take_silences_last",
        subject: "events",
        file: EVENTS,
        from: "        if let Some(first) = first.filter(|first| *first > position.saturating_add(1)) {",
        to: "self.bell.doorbell.silence();",
        kind: Kind::Before,
    },
    Plant {
        name: "every_second_commit_rings",
        subject: "events",
        file: EVENTS,
        from: "self.rung_for.fetch_max(newest, Ordering::Relaxed)",
        to: "self.rung_for.fetch_max(newest + 1, Ordering::Relaxed)",
        kind: Kind::Value,
    },
    Plant {
        name: "an_open_does_not_look",
        subject: "events",
        file: EVENTS,
        from: "events.newest()? > registered.value",
        to: "false",
        kind: Kind::Value,
    },
    Plant {
        name: "what_is_left_does_not_ring",
        subject: "events",
        file: EVENTS,
        from: "events.truncate(max);\n            self.bell.doorbell.ring();",
        to: "events.truncate(max);",
        kind: Kind::Instead,
    },
    Plant {
        name: "asleep_without_a_second_look",
        subject: "wake",
        file: JOURNAL,
        from: "            // Whoever appended before this store did not see it.",
        to: "self.called.wait(&mut progress);
            self.is_asleep.store(false, Ordering::SeqCst);
            continue;",
        kind: Kind::Before,
    },
    Plant {
        name: "an_append_wakes_nobody",
        subject: "wake",
        file: JOURNAL,
        from: "drop(progress);\n            self.called.notify_one();",
        to: "drop(progress);",
        kind: Kind::Instead,
    },
    Plant {
        name: "durable_before_the_commit",
        subject: "journal",
        file: "resources/scribe.rs",
        from: "            let puts = self.unwritten.iter().map(put).collect();",
        to: "if let Some((last, _)) = self.unwritten.last() {
            self.journal.advance(last.first + last.entries);
        }",
        kind: Kind::Before,
    },
    Plant {
        name: "a_slot_is_ready_before_its_words",
        subject: "journal",
        file: "resources/ring.rs",
        from: "            for (word, value) in slot.words.iter().zip(entry.to_words()) {",
        to: "slot.stamp.store(number + 1, Ordering::Release);",
        kind: Kind::Before,
    },
];

/// None is armed but in a control.
#[allow(dead_code)]
static ARMED: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(usize::MAX);

#[allow(dead_code)]
pub fn arm(number: usize) {
    ARMED.store(number, core::sync::atomic::Ordering::Relaxed);
}

#[allow(dead_code)]
pub fn is_armed(number: usize) -> bool {
    ARMED.load(core::sync::atomic::Ordering::Relaxed) == number
}
