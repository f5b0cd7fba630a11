//! The calls, one at a time, and what a restart finds.

use std::sync::Arc;

use crate::resources::{
    Ack, AddRequest, ChannelLimits, ChannelView, ForwardRow, LiveHtlc, Mode, PendingView, Reason,
    Removal, ResolveRequest, Resources, ResourcesOptions, Upgrade, Verdict,
};
use crate::store::{Store, StoreOptions};
use crate::{ShortChannelId, Status};

const NOW: u64 = 1_700_000_000;
const LIMITS: ChannelLimits =
    ChannelLimits { max_in_flight_msat: 1_000_000_000, max_accepted_htlcs: 50 };

fn id(number: u64) -> ShortChannelId {
    ShortChannelId(number)
}

fn options(mode: Mode) -> ResourcesOptions {
    ResourcesOptions { entropy: Some([5; 32]), ..ResourcesOptions::of_mode(mode) }
}

struct Node {
    directory: tempfile::TempDir,
    store: Arc<Store>,
    resources: Option<Resources>,
    options: ResourcesOptions,
}

impl Node {
    fn new(options: ResourcesOptions) -> Node {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory);
        let resources = Some(Resources::open(&store, options.clone()).unwrap());
        Node { directory, store, resources, options }
    }

    fn resources(&self) -> &Resources {
        self.resources.as_ref().unwrap()
    }

    fn restart(&mut self, crash: bool) {
        if crash {
            self.store.crash();
        }
        self.resources = None;
        drop(self.store.close());
        self.store = open(&self.directory);
        self.resources = Some(Resources::open(&self.store, self.options.clone()).unwrap());
    }

    fn everything(&self) -> (Vec<ChannelView>, Vec<PendingView>) {
        (self.resources().channels(NOW).unwrap(), self.resources().pending().unwrap())
    }

    fn add_channels(&self, count: u64) {
        for number in 1..=count {
            self.resources().add_channel(id(number), LIMITS, NOW).unwrap();
        }
    }
}

fn open(directory: &tempfile::TempDir) -> Arc<Store> {
    Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap()
}

fn request(incoming: u64, outgoing: u64, htlc_id: u64) -> AddRequest {
    AddRequest {
        incoming: id(incoming),
        outgoing: id(outgoing),
        htlc_id,
        incoming_amount_msat: 1_001_000,
        outgoing_amount_msat: 1_000_000,
        incoming_cltv_expiry: 800_080,
        block_height: 800_000,
        incoming_accountable: false,
        upgrade: Upgrade::Unknown,
        policy_fee_msat: None,
        unix_secs: NOW,
    }
}

fn resolve(incoming: u64, outgoing: u64, htlc_id: u64, settled: bool) -> ResolveRequest {
    ResolveRequest {
        incoming: id(incoming),
        outgoing: id(outgoing),
        htlc_id,
        settled,
        unix_secs: NOW + 10,
    }
}

#[test]
fn a_restart_and_a_crash_find_what_was_acknowledged() {
    for mode in [Mode::Strict, Mode::Compat] {
        let mut node = Node::new(options(mode));
        node.add_channels(4);
        for number in 0..200 {
            let (incoming, outgoing) = (number % 4 + 1, (number + 1) % 4 + 1);
            let answer = node.resources().add(&request(incoming, outgoing, number), Ack::Memory);
            if number % 3 == 0 && answer.unwrap().verdict == Verdict::Forward {
                let done = resolve(incoming, outgoing, number, number % 2 == 0);
                node.resources().resolve(&done, Ack::Memory).unwrap();
            }
        }
        let before = node.everything();
        node.restart(false);
        assert_eq!(node.everything(), before, "{mode:?} after a close");
        node.resources().sync().unwrap();
        node.restart(true);
        assert_eq!(node.everything(), before, "{mode:?} after a crash");
    }
}

#[test]
fn a_repeat_is_answered_as_one_and_changes_nothing() {
    let mut node = Node::new(options(Mode::Strict));
    node.add_channels(2);
    let first = node.resources().add(&request(1, 2, 7), Ack::Durable).unwrap();
    let before = node.everything();
    node.restart(true);
    let again = node.resources().add(&request(1, 2, 7), Ack::Durable).unwrap();
    assert!(again.already && !first.already);
    assert_eq!((again.bucket, again.verdict), (first.bucket, first.verdict));
    assert_eq!(node.everything(), before);
    let other = AddRequest { outgoing: id(1), ..request(1, 2, 7) };
    let refused = node.resources().add(&other, Ack::Memory).unwrap_err();
    assert_eq!(refused.status(), Status::DuplicateHtlc);

    let done = resolve(1, 2, 7, true);
    assert!(!node.resources().resolve(&done, Ack::Durable).unwrap().already);
    node.restart(true);
    assert!(node.resources().resolve(&done, Ack::Durable).unwrap().already);
    let other = ResolveRequest { settled: false, ..done };
    let refused = node.resources().resolve(&other, Ack::Memory).unwrap_err();
    assert_eq!(refused.status(), Status::UnknownHtlc);
    let (_, known) = node.resources().add_channel(id(1), LIMITS, NOW + 5).unwrap();
    assert!(known);
}

#[test]
fn a_closing_channel_goes_with_its_last_htlc() {
    let mut node = Node::new(options(Mode::Strict));
    node.add_channels(2);
    node.resources().add(&request(1, 2, 0), Ack::Memory).unwrap();
    assert_eq!(node.resources().remove_channel(id(1)).unwrap(), Removal::Closing);
    assert_eq!(node.resources().remove_channel(id(2)).unwrap(), Removal::Closing);
    let refused = node.resources().add(&request(1, 2, 1), Ack::Memory).unwrap_err();
    assert_eq!((refused.status(), refused.value()), (Status::ChannelClosing, Some(2)));
    node.restart(true);
    node.resources().resolve(&resolve(1, 2, 0, true), Ack::Durable).unwrap();
    assert!(node.everything().0.is_empty());
    node.restart(true);
    assert!(node.everything().0.is_empty());
    node.add_channels(1);
}

#[test]
fn a_channel_may_forward_to_itself() {
    let mut node = Node::new(options(Mode::Strict));
    node.add_channels(1);
    node.resources().add(&request(1, 1, 0), Ack::Memory).unwrap();
    node.resources().remove_channel(id(1)).unwrap();
    node.restart(false);
    assert_eq!(node.everything().0[0].pending_outgoing, 1);
    node.resources().resolve(&resolve(1, 1, 0, true), Ack::Memory).unwrap();
    assert!(node.everything().0.is_empty());
}

#[test]
fn a_dry_run_and_a_refusal_change_nothing_in_strict_mode() {
    let node = Node::new(options(Mode::Strict));
    node.add_channels(2);
    let accountable = AddRequest { incoming_accountable: true, ..request(1, 2, 0) };
    let before = node.everything();
    let next = node.resources().stats().unwrap().journal_next;
    let dry = node.resources().dry_run(&accountable).unwrap();
    assert_eq!((dry.decision.verdict, dry.decision.reason), (Verdict::Fail, Reason::NoReputation));
    assert!(!dry.facts.has_reputation);
    let failed = node.resources().add(&accountable, Ack::Durable).unwrap();
    assert_eq!(failed, dry.decision);
    assert_eq!(node.everything(), before);
    assert_eq!(node.resources().stats().unwrap().journal_next, next);
}

#[test]
fn a_splice_evicts_nothing_and_takes_new_htlcs_when_old_ones_have_left() {
    let mut node = Node::new(options(Mode::Strict));
    node.add_channels(2);
    for htlc_id in 0..5 {
        let answer = node.resources().add(&request(1, 2, htlc_id), Ack::Memory).unwrap();
        assert_eq!(answer.reason, Reason::General);
    }
    let small = ChannelLimits { max_in_flight_msat: 2_000_000, max_accepted_htlcs: 12 };
    node.resources().resize_channel(id(1), small).unwrap();
    let before = node.everything();
    node.restart(true);
    assert_eq!(node.everything(), before);
    assert_eq!(node.resources().pending().unwrap().len(), 5);
    let large = node.resources().dry_run(&request(1, 2, 9)).unwrap();
    assert_ne!(large.decision.reason, Reason::General);
    for htlc_id in 0..5 {
        node.resources().resolve(&resolve(1, 2, htlc_id, false), Ack::Memory).unwrap();
    }
    let channel = node.resources().channel(id(1), NOW).unwrap();
    assert_eq!(channel.general_slots_used, 0);
    let little = AddRequest {
        incoming_amount_msat: 100_000,
        outgoing_amount_msat: 99_000,
        ..request(1, 2, 9)
    };
    assert_eq!(node.resources().add(&little, Ack::Memory).unwrap().reason, Reason::General);
}

#[test]
fn other_settings_divide_every_channel_anew_and_keep_what_was_earned() {
    let mut node = Node::new(options(Mode::Compat));
    node.add_channels(2);
    node.resources().add(&request(1, 2, 0), Ack::Memory).unwrap();
    node.resources().add(&request(1, 2, 1), Ack::Memory).unwrap();
    node.resources().resolve(&resolve(1, 2, 0, true), Ack::Memory).unwrap();
    let before = node.everything();
    node.options.settings.general_percent = 60;
    node.restart(false);
    assert!(node.resources().report().divided_anew);
    assert_eq!(node.resources().channel(id(1), NOW).unwrap().allocation.general_slots, 30);
    let after = node.everything();
    assert_eq!(after.1, before.1);
    assert_eq!(after.0[1].reputation_msat, before.0[1].reputation_msat);
    node.restart(true);
    assert!(!node.resources().report().divided_anew);
    assert_eq!(node.everything(), after);

    node.resources = None;
    let strict = options(Mode::Strict);
    let refused = Resources::open(&node.store, strict.clone()).unwrap_err();
    assert_eq!(refused.status(), Status::WrongMode);
    let converted = ResourcesOptions { convert: true, ..strict };
    let resources = Resources::open(&node.store, converted).unwrap();
    assert_eq!(resources.pending().unwrap().len(), 1);
}

#[test]
fn a_reconciliation_drops_what_is_gone_and_adds_what_is_missing() {
    let mut node = Node::new(options(Mode::Strict));
    node.add_channels(3);
    node.resources().add(&request(1, 2, 0), Ack::Memory).unwrap();
    node.resources().add(&request(1, 2, 1), Ack::Memory).unwrap();
    node.restart(false);
    node.resources().add(&request(1, 2, 2), Ack::Memory).unwrap();
    let live = |htlc_id, outgoing| LiveHtlc {
        incoming: id(1),
        outgoing: id(outgoing),
        htlc_id,
        incoming_amount_msat: 1_001_000,
        outgoing_amount_msat: 1_000_000,
        incoming_cltv_expiry: 800_080,
        block_height: 800_000,
        outgoing_accountable: false,
        added_unix_secs: NOW,
    };
    let list = [live(1, 2), live(8, 3), live(9, 77)];
    let report = node.resources().reconcile(&list).unwrap();
    assert_eq!((report.kept, report.dropped, report.added), (1, 1, 1));
    assert_eq!((report.unknown_channel, report.different), (1, 0));
    let known: Vec<_> =
        node.resources().pending().unwrap().iter().map(|htlc| htlc.htlc_id).collect();
    assert_eq!(known, [1, 2, 8]);
    let before = node.everything();
    node.restart(true);
    assert_eq!(node.everything(), before);
    assert_eq!(before.0[1].reputation_msat, 0);
}

#[test]
fn a_history_is_taken_once_and_gives_what_living_through_it_had_given() {
    let node = Node::new(options(Mode::Strict));
    node.add_channels(3);
    let row = |added_unix_secs| ForwardRow {
        incoming: id(1),
        outgoing: id(2),
        fee_msat: 5_000,
        added_unix_secs,
        settled_unix_secs: added_unix_secs + 5,
    };
    let rows: Vec<_> = (0..1_000).map(|number| row(NOW - 2_000_000 + number * 1_000)).collect();
    let report = node.resources().import_history(&rows).unwrap();
    assert_eq!((report.channels, report.rows, report.rows_passed_over), (2, 1_000, 0));
    let once = node.everything();
    assert!(once.0[1].reputation_msat > 4_000_000);
    assert_eq!(once.0[0].revenue_start_unix_secs, NOW - 2_000_000);
    let report = node.resources().import_history(&rows).unwrap();
    assert_eq!((report.channels, report.channels_before), (0, 2));
    assert_eq!(node.everything(), once);
}

#[test]
fn whoever_only_watches_forwards_and_says_what_would_be_failed() {
    let node = Node::new(ResourcesOptions { only_watches: true, ..options(Mode::Strict) });
    node.add_channels(2);
    let accountable = AddRequest { incoming_accountable: true, ..request(1, 2, 0) };
    let answer = node.resources().add(&accountable, Ack::Memory).unwrap();
    assert!(answer.would_fail && answer.verdict == Verdict::Forward && answer.outgoing_accountable);
    assert_eq!(answer.reason, Reason::NoReputation);
    let late = ResolveRequest { unix_secs: NOW + 1_000, ..resolve(1, 2, 0, false) };
    node.resources().resolve(&late, Ack::Memory).unwrap();
    assert!(node.resources().channel(id(2), NOW).unwrap().reputation_msat < 0);
    assert_eq!(node.resources().stats().unwrap().would_fail, 1);
}
