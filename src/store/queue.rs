//! What waits for the writer: two lanes, first in first out, bounded.
//!
//! Q1 a full queue refuses at once; it never grows, and refuses what it has no memory for. Q2 a batch is all
//! urgent work up to its caps plus one slice of bulk, at least one bulk submission if any waits; less without
//! memory for it. Q3 a submission is never split over commits.
//! Q4 after `close`, what was accepted is still answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::batch::{Command, Cost, Lane, Outcome};
use crate::error::{Error, Result, Status};
use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX, BULK_BYTES_MAX};
use crate::memory::with_room;

/// Whether operations of one submission stand or fall together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// One outcome each; a refused one spoils nobody else.
    Independent,
    /// All or none: one refusal and none is applied.
    Atomic,
}

/// Takes the outcomes after the commit; runs on the writer thread, must be short and must not panic.
pub(crate) type Answer = Box<dyn FnOnce(Vec<Outcome>) + Send>;

/// Operations that enter one commit together.
pub(crate) struct Submission {
    pub(crate) commands: Vec<Arc<dyn Command>>,
    pub(crate) grouping: Grouping,
    pub(crate) lane: Lane,
    /// Has room for an outcome of each command: who submits asks for it, so that the writer cannot run out of
    /// memory over it, and so that one caller's want of it is nobody else's.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) answer: Answer,
}

impl Submission {
    /// # Errors
    /// `Busy` without memory for the outcomes.
    pub(crate) fn new(
        commands: Vec<Arc<dyn Command>>,
        grouping: Grouping,
        answer: Answer,
    ) -> Result<Submission> {
        let bulk = commands.iter().any(|command| command.lane() == Lane::Bulk);
        let lane = if bulk { Lane::Bulk } else { Lane::Urgent };
        let outcomes = with_room(commands.len())?;
        Ok(Submission { commands, grouping, lane, outcomes, answer })
    }

    /// Nothing to apply: answered when everything before it in its lane is durable.
    pub(crate) fn barrier(lane: Lane, answer: Answer) -> Submission {
        let (commands, outcomes) = (Vec::new(), Vec::new());
        Submission { commands, grouping: Grouping::Independent, lane, outcomes, answer }
    }

    pub(crate) fn cost(&self) -> Cost {
        self.commands.iter().map(|command| command.cost()).fold(
            Cost { rows: 0, bytes: 0 },
            |sum, cost| Cost {
                rows: sum.rows.saturating_add(cost.rows),
                bytes: sum.bytes.saturating_add(cost.bytes),
            },
        )
    }

    /// Gives every operation the same error. What the commands held is free before anybody is answered.
    pub(crate) fn refuse(mut self, error: &Error) {
        self.refuse_all(error);
        drop(self.commands);
        (self.answer)(self.outcomes);
    }

    /// Sets the same error as the outcome of every operation.
    pub(crate) fn refuse_all(&mut self, error: &Error) {
        self.outcomes.clear();
        self.outcomes.resize_with(self.commands.len(), || Err(error.clone()));
    }
}

#[derive(Default)]
struct Waiting {
    urgent: VecDeque<Submission>,
    bulk: VecDeque<Submission>,
    operations: usize,
    closing: bool,
}

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    operations_max: usize,
}

/// What the writer woke up for.
pub(crate) enum Taken {
    Batch(Vec<Submission>),
    /// Nothing came for a while: time for housekeeping.
    Idle,
    Closed,
}

impl Queue {
    pub(crate) fn new(operations_max: usize) -> Queue {
        Queue { waiting: Mutex::default(), changed: Condvar::new(), operations_max }
    }

    /// Whether nothing more is accepted.
    pub(crate) fn is_closing(&self) -> bool {
        self.waiting.lock().closing
    }

    pub(crate) fn push(&self, submission: Submission) -> Result<()> {
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            return Err(Status::Closed.into());
        }
        // Work without operations is a barrier of the library itself and needs no room; one submission always
        // has room in an empty queue, or a small limit would refuse it for ever.
        let operations = submission.commands.len();
        let full = waiting.operations + operations > self.operations_max;
        if operations != 0 && waiting.operations != 0 && full {
            return Err(Error::new(
                Status::Busy,
                format!("{} operations wait for the disk; nothing was applied", waiting.operations),
            ));
        }
        let lane = match submission.lane {
            Lane::Urgent => &mut waiting.urgent,
            Lane::Bulk => &mut waiting.bulk,
        };
        lane.try_reserve(1)?;
        lane.push_back(submission);
        waiting.operations += operations;
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for work and takes one batch of it.
    pub(crate) fn take(&self, patience: Duration) -> Taken {
        let mut waiting = self.waiting.lock();
        while waiting.urgent.is_empty() && waiting.bulk.is_empty() {
            if waiting.closing {
                return Taken::Closed;
            }
            if self.changed.wait_for(&mut waiting, patience).timed_out() {
                return Taken::Idle;
            }
        }
        let mut batch = Vec::new();
        take_lane(&mut waiting.urgent, &mut batch, BATCH_OPS_MAX, BATCH_BYTES_MAX as u64);
        take_lane(&mut waiting.bulk, &mut batch, BATCH_OPS_MAX, BULK_BYTES_MAX as u64);
        let taken: usize = batch.iter().map(|submission| submission.commands.len()).sum();
        waiting.operations -= taken;
        Taken::Batch(batch)
    }

    pub(crate) fn depth(&self) -> usize {
        self.waiting.lock().operations
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().closing = true;
        self.changed.notify_all();
    }

    /// Everything that waits, for a store that cannot go on.
    pub(crate) fn drain(&self) -> impl Iterator<Item = Submission> + use<> {
        let mut waiting = self.waiting.lock();
        waiting.operations = 0;
        let urgent = std::mem::take(&mut waiting.urgent);
        let bulk = std::mem::take(&mut waiting.bulk);
        urgent.into_iter().chain(bulk)
    }
}

fn take_lane(
    lane: &mut VecDeque<Submission>,
    batch: &mut Vec<Submission>,
    operations_max: usize,
    bytes_max: u64,
) {
    let (mut operations, mut bytes, mut first) = (0, 0u64, true);
    while let Some(next) = lane.front() {
        operations += next.commands.len();
        bytes = bytes.saturating_add(next.cost().bytes);
        if !first && (operations > operations_max || bytes > bytes_max) {
            return;
        }
        // What there is no room for comes with the next batch.
        if batch.try_reserve(1).is_err() && !batch.is_empty() {
            return;
        }
        first = false;
        batch.extend(lane.pop_front());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::batch::{Batch, Reply, Space};

    struct Work {
        lane: Lane,
        bytes: u64,
    }

    impl Command for Work {
        fn apply(&self, _batch: &mut Batch<'_>) -> Outcome {
            Ok(Reply::done())
        }
        fn cost(&self) -> Cost {
            Cost { rows: 1, bytes: self.bytes }
        }
        fn lane(&self) -> Lane {
            self.lane
        }
        fn space(&self) -> Space {
            Space::Grows
        }
    }

    fn submission(lane: Lane, bytes: u64) -> Submission {
        Submission::new(
            vec![Arc::new(Work { lane, bytes })],
            Grouping::Independent,
            Box::new(|_| ()),
        )
        .unwrap()
    }

    fn taken(queue: &Queue) -> usize {
        match queue.take(Duration::ZERO) {
            Taken::Batch(batch) => batch.len(),
            Taken::Idle | Taken::Closed => 0,
        }
    }

    #[test]
    fn a_full_queue_answers_busy_and_keeps_nothing() {
        let queue = Queue::new(2);
        queue.push(submission(Lane::Urgent, 1)).unwrap();
        queue.push(submission(Lane::Urgent, 1)).unwrap();
        let error = queue.push(submission(Lane::Urgent, 1)).unwrap_err();
        assert_eq!(error.status(), Status::Busy);
        assert_eq!((queue.depth(), taken(&queue), queue.depth()), (2, 2, 0));
    }

    #[test]
    fn bulk_takes_one_slice_beside_all_urgent_work_and_never_starves() {
        let queue = Queue::new(100);
        for _ in 0..3 {
            queue.push(submission(Lane::Bulk, 2 * BULK_BYTES_MAX as u64)).unwrap();
            queue.push(submission(Lane::Urgent, 1)).unwrap();
        }
        assert_eq!(taken(&queue), 4);
        assert_eq!(taken(&queue), 1);
        assert_eq!(taken(&queue), 1);
        assert_eq!(taken(&queue), 0);
    }

    #[test]
    fn a_closed_queue_gives_out_what_it_accepted_and_takes_no_more() {
        let queue = Queue::new(10);
        queue.push(submission(Lane::Urgent, 1)).unwrap();
        queue.close();
        let error = queue.push(submission(Lane::Urgent, 1)).unwrap_err();
        assert_eq!(error.status(), Status::Closed);
        assert_eq!(taken(&queue), 1);
        assert!(matches!(queue.take(Duration::ZERO), Taken::Closed));
    }
}
