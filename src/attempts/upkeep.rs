//! Work on many attempts: acknowledging a prefix, cleaning, recovery after a restart, retention, restores.
//!
//! Each goes in steps of bounded size, so that attempts of other threads are never held up for long; a crash
//! between two steps leaves a state that the same call carries on from. Part of [`Attempts`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::commands::{
    self, AckStep, AcknowledgeRestore, CLEAN_STEP_ROWS, CleanStep, Retention, STEP_ROWS,
    SetExternal, SweepStep,
};
use super::record::NamespaceRow;
use super::rules::{Circuit, Now, Profile, Recovery, Retain, Rollback};
use super::table::{self, Loaded};
use super::{Attempts, Cleaned, Operation, Recovered, query, rules};
use crate::error::{Error, Result, Status};
use crate::store::{Grouping, Reply};
use crate::types::{AttemptKey, Namespace};

impl Attempts {
    /// Acknowledges every final record of a namespace with an id below `below`, in bounded steps. Answers
    /// how many. The next call starts at the lowest record that was not final: a host whose ids rise pays for
    /// what is in flight, not for its history. A record made later below that mark is not seen.
    ///
    /// # Errors
    /// The store's errors; steps done before an error stay done.
    pub fn ack_below(&self, namespace: Namespace, below: u64) -> Result<u64> {
        commands::refuse_reserved(namespace)?;
        let mut from =
            self.store.read(|view| Ok(table::namespace_row(view, namespace)?.acked_below))?;
        let mut acked = 0;
        let mut lowest_open = None;
        loop {
            let (keys, next) = self.store.read(|view| {
                let (mut keys, more) = query::keys_from(view, namespace, from, STEP_ROWS)?;
                let next = keys.last().filter(|_| more).map(|last| last.id.0 + 1);
                keys.retain(|key| key.id.0 < below);
                if lowest_open.is_none() {
                    lowest_open = query::first_not_final(view, &keys)?;
                }
                Ok((keys, next.filter(|next| *next < below)))
            })?;
            let mark = lowest_open.unwrap_or(next.unwrap_or(below));
            let step = AckStep { keys, acked_below: (namespace, mark) };
            acked += self.store.submit_one(step)?.value;
            match next {
                Some(next) => from = next,
                None => return Ok(acked),
            }
        }
    }

    /// Removes every finished record of a namespace that is not in `keep`, in bounded steps. Pending ones
    /// are kept (removed under `lnd_compat`), unreadable ones kept and reported (removed under `lnd_compat`).
    ///
    /// # Errors
    /// The store's errors; steps done before an error stay done.
    pub fn clean(
        &self,
        namespace: Namespace,
        keep: &HashSet<u64>,
        retain: Retain,
    ) -> Result<Cleaned> {
        commands::refuse_reserved(namespace)?;
        let mut cleaned = Cleaned::default();
        let mut from = 0;
        loop {
            let (keys, more) =
                self.store.read(|view| query::keys_from(view, namespace, from, CLEAN_STEP_ROWS))?;
            let Some(last) = keys.last().map(|key| key.id.0) else {
                return Ok(cleaned);
            };
            let doomed: Vec<_> = keys.into_iter().filter(|key| !keep.contains(&key.id.0)).collect();
            cleaned.unreadable.extend(self.unreadable_of(&doomed)?);
            let leftovers = Arc::clone(&self.shared.leftovers);
            let step = CleanStep { profile: self.profile, keys: doomed, retain, leftovers };
            cleaned.removed += self.store.submit_one(step)?.value;
            if !more {
                return Ok(cleaned);
            }
            from = last + 1;
        }
    }

    fn unreadable_of(&self, keys: &[AttemptKey]) -> Result<Vec<u64>> {
        if self.profile == Profile::Lnd {
            return Ok(Vec::new());
        }
        self.store.read(|view| {
            let mut unreadable = Vec::new();
            for key in keys {
                if matches!(table::load(view, *key)?, Loaded::Unreadable) {
                    unreadable.push(key.id.0);
                }
            }
            Ok(unreadable)
        })
    }

    /// Decides about the pending attempts of a namespace after a restart; may be called at any time.
    ///
    /// By default only attempts of earlier opens are looked at. `include_current_epoch` asserts that no
    /// dispatcher is between init and send. `circuits` is the host's complete circuit map; a host that marks
    /// may pass `None`.
    ///
    /// # Errors
    /// `InvalidArgument` when the host does not mark and passes no circuits; the store's errors, with
    /// attempts rolled back so far staying so.
    pub fn recover(
        &self,
        namespace: Namespace,
        circuits: Option<&HashMap<u64, Circuit>>,
        include_current_epoch: bool,
    ) -> Result<Recovered> {
        commands::refuse_reserved(namespace)?;
        self.refuse_blind_recovery(namespace, circuits.is_some())?;
        let now = Now {
            epoch: self.store.report().epoch,
            doubt_below_epoch: self.store.doubt_below_epoch(),
            ..Now::default()
        };
        let mut recovered = Recovered::default();
        let mut doomed = Vec::new();
        recovered.unreadable = self.each_pending(namespace, |attempt| {
            let id = attempt.key.id.0;
            let circuit = circuits.and_then(|circuits| circuits.get(&id).copied());
            match rules::recover(attempt, circuit, now, include_current_epoch) {
                Recovery::Keep => {}
                Recovery::RollBack => doomed.push(attempt.key),
                Recovery::Unresolved => recovered.unresolved.push(id),
            }
        })?;
        for keys in doomed.chunks(STEP_ROWS) {
            recovered.failed.extend(self.roll_back(keys)?);
        }
        Ok(recovered)
    }

    /// Rolls back what is still pending; what was resolved or handed off meanwhile is left alone.
    fn roll_back(&self, keys: &[AttemptKey]) -> Result<Vec<u64>> {
        let operations =
            keys.iter().map(|key| Operation::FailPending(*key, Rollback::default())).collect();
        let outcomes = self.submit(operations, Grouping::Independent)?;
        let mut failed = Vec::new();
        for (key, outcome) in keys.iter().zip(outcomes) {
            match outcome {
                Ok(_) => failed.push(key.id.0),
                Err(error) if error.class() == crate::Class::Refused => {}
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    fn refuse_blind_recovery(&self, namespace: Namespace, has_circuits: bool) -> Result<()> {
        if has_circuits {
            return Ok(());
        }
        let row = self.store.read(|view| table::namespace_row(view, namespace))?;
        let unmarked = row.flags & NamespaceRow::UNMARKED_RESULT != 0;
        if !self.shared.options.unmarked_host && !unmarked {
            return Ok(());
        }
        let why = if unmarked {
            "results came from the network for attempts never marked as handed off"
        } else {
            "the host does not mark"
        };
        Err(Error::new(
            Status::InvalidArgument,
            format!("{why}; recovery needs the complete circuit list"),
        ))
    }

    /// Runs one bounded step of retention: acknowledged records past their time become tombstones, tombstones
    /// past theirs are forgotten. Answers how many; call again until 0.
    ///
    /// # Errors
    /// The store's errors.
    pub fn sweep(&self) -> Result<u64> {
        let options = &self.shared.options;
        let retention = Retention {
            acked_secs: options.acked_retention_secs,
            tombstone_secs: options.tombstone_retention_secs,
            tombstones_max: options.tombstones_max,
        };
        if retention == Retention::default() {
            return self.store.read(|_| Ok(0));
        }
        Ok(self.store.submit_one(SweepStep { retention })?.value)
    }

    /// Takes the external router's mark away, so that a local open is possible again.
    ///
    /// # Errors
    /// `EntriesExist` while any record remains, tombstones and every namespace included; the store's errors.
    pub fn disable_external(&self) -> Result<Reply> {
        self.store.submit_one(SetExternal(false))
    }

    /// Ends the refusal of new ids after a restore or a copy. Every namespace that has records needs a floor:
    /// one above the greatest id that may ever have been used. Ids below it without a record stay refused,
    /// and allocations start above every floor. Floors only rise,
    /// and are raised also when nothing waits for it.
    ///
    /// # Errors
    /// `InvalidArgument` when a namespace with records is missing; the store's errors.
    pub fn acknowledge_restore(&self, floors: &[(Namespace, u64)]) -> Result<Reply> {
        floors.iter().try_for_each(|(namespace, _)| commands::refuse_reserved(*namespace))?;
        self.store.submit_one(AcknowledgeRestore { floors: floors.to_vec() })
    }
}
