//! What LDK's own tests of `Persist` check, in own words, with its test nodes on this crate's persister.
//!
//! `ldk-tests.txt` says which test of the release each stands for.

mod common;
#[path = "../src/bin/two_nodes/messages.rs"]
mod messages;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lightning::chain::ChannelMonitorUpdateStatus;
use lightning::chain::chainmonitor::Persist;
use lightning::chain::channelmonitor::ChannelMonitor;
use lightning::events::{ClosureReason, Event};
use lightning::ln::functional_test_utils::*;
use lightning::ln::msgs::BaseMessageHandler;
use lightning::ln::types::ChannelId;
use lightning::util::test_channel_signer::TestChannelSigner;
use lightning::{check_added_monitors, check_closed_broadcast, check_closed_event};
use lnkeep::monitors::{MonitorsOptions, Stage};
use lnkeep_ldk::{MonitorPersister, keep_id, load_monitors};

use common::{Committing, Kept};

/// `ChainMonitor` writes each monitor once in so many blocks.
const BLOCKS_PER_CHAIN_SYNC: u32 = 5;

type TestMonitor = ChannelMonitor<TestChannelSigner>;

fn options(snapshot_every_updates: u32) -> MonitorsOptions {
    MonitorsOptions { snapshot_every_updates, ..MonitorsOptions::default() }
}

fn load(kept: &Kept, node: &Node) -> Vec<TestMonitor> {
    let (broadcaster, fees, logger) = (&node.tx_broadcaster, &node.fee_estimator, &node.logger);
    let keys = node.keys_manager;
    let loaded =
        load_monitors(kept.line.monitors(), keys, keys, broadcaster, fees, logger).unwrap();
    loaded.into_iter().map(|(_, monitor)| monitor).collect()
}

/// The only channel is durable at this update, and as the live monitor has it.
fn assert_durable(persister: &Committing, node: &Node, update_id: u64) {
    let loaded = load(&persister.kept, node);
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].get_latest_update_id(), update_id);
    let live = node.chain_monitor.chain_monitor.get_monitor(loaded[0].channel_id()).unwrap();
    assert_eq!(live.get_latest_update_id(), update_id);
    // What blocks did to a closed channel is told to the loaded monitor by the chain.
    if !node.node.list_channels().is_empty() {
        assert_eq!(loaded[0].get_claimable_balances(), live.get_claimable_balances());
    }
}

/// Declares nodes `$nodes` on the persisters.
macro_rules! nodes {
    ($nodes: ident, $persisters: expr) => {
        let persisters: &[Committing] = $persisters;
        let configs = create_chanmon_cfgs(persisters.len());
        let node_configs = create_node_cfgs_with_persisters(
            persisters.len(),
            &configs,
            persisters.iter().collect(),
        );
        let users = vec![None; persisters.len()];
        let managers = create_node_chanmgrs(persisters.len(), &node_configs, &users);
        let $nodes = create_network(persisters.len(), &node_configs, &managers);
    };
}

/// Lets both nodes talk until neither has anything to say, and answers what their applications were told.
fn exchange(nodes: &[Node]) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let mut quiet = true;
        for (from, to) in [(0, 1), (1, 0)] {
            let told = nodes[from].node.get_and_clear_pending_events();
            quiet &= told.is_empty();
            events.extend(told);
            for message in nodes[from].node.get_and_clear_pending_msg_events() {
                messages::deliver(nodes[to].node, nodes[from].node.get_our_node_id(), message);
                quiet = false;
            }
        }
        if quiet {
            return events;
        }
    }
}

/// What LDK's test nodes insist on having been looked at.
fn forget_added_monitors(nodes: &[Node]) {
    for node in nodes {
        node.chain_monitor.added_monitors.lock().unwrap().clear();
    }
}

fn close_by_force(nodes: &[Node]) {
    let message = "Channel force-closed".to_owned();
    let peer = nodes[1].node.get_our_node_id();
    let channel = nodes[0].node.list_channels()[0].channel_id;
    nodes[0].node.force_close_broadcasting_latest_txn(&channel, &peer, message.clone()).unwrap();
    let reason = ClosureReason::HolderForceClosed { broadcasted_latest_txn: Some(true), message };
    check_closed_event!(nodes[0], 1, reason, [peer], 100000);
    check_closed_broadcast!(nodes[0], true);
    check_added_monitors!(nodes[0], 1);

    let transaction = nodes[0].tx_broadcaster.txn_broadcasted.lock().unwrap()[0].clone();
    let block = create_dummy_block(nodes[0].best_block_hash(), 42, vec![transaction]);
    connect_block(&nodes[1], &block);
    check_closed_broadcast!(nodes[1], true);
    let first = nodes[0].node.get_our_node_id();
    check_closed_event!(nodes[1], 1, ClosureReason::CommitmentTxConfirmed, [first], 100000);
    check_added_monitors!(nodes[1], 1);
}

/// A channel, payments in both directions and a force-close, with `every` updates between snapshots.
fn pay_and_close(every: [u32; 2]) {
    let persisters = every.map(|every| Committing::new(options(every)));
    nodes!(nodes, &persisters);
    let durable = |update_id| {
        for (index, persister) in persisters.iter().enumerate() {
            persister.completed();
            assert_durable(persister, &nodes[index], update_id);
            let summary =
                &persister.kept.line.monitors().channels(Stage::Active, None, 9).unwrap()[0];
            assert!(summary.latest_id - summary.base_id < u64::from(every[index]), "{summary:?}");
        }
    };
    assert_eq!(load(&persisters[0].kept, &nodes[0]).len(), 0);

    create_announced_chan_between_nodes(&nodes, 0, 1);
    durable(0);
    for number in 0..6 {
        let (from, to, msat) = if number % 2 == 0 { (0, 1, 8_000_000) } else { (1, 0, 4_000_000) };
        send_payment(&nodes[from], &[&nodes[to]], msat);
        durable(5 * (number + 1));
    }
    close_by_force(&nodes);
    durable(31);
    for persister in &persisters {
        let answers = persister.answers.lock().unwrap();
        assert!(answers.iter().all(|answer| *answer == ChannelMonitorUpdateStatus::InProgress));
    }
}

#[test]
fn updates_and_snapshots_are_durable() {
    pay_and_close([7, 3]);
    pay_and_close([1, 100]);
    pay_and_close([4, 2]);
}

/// In whatever order they complete.
#[test]
fn a_channel_goes_on_when_its_last_update_is_complete() {
    let persisters = [0, 1].map(|_| Committing::new(MonitorsOptions::default()));
    nodes!(nodes, &persisters);
    let channel = create_announced_chan_between_nodes(&nodes, 0, 1).2;
    let first = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;
    let second = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;

    persisters[1].is_paused.store(true, Ordering::Relaxed);
    nodes[1].node.claim_funds(first);
    nodes[1].node.claim_funds(second);
    let monitors = &nodes[1].chain_monitor.chain_monitor;
    let pending = || monitors.list_pending_monitor_updates()[&channel].clone();
    assert_eq!(pending().len(), 2);
    assert!(nodes[1].node.get_and_clear_pending_events().is_empty());

    let completed = persisters[1].completed();
    assert_eq!(completed, pending().iter().map(|id| (channel, *id)).collect::<Vec<_>>());
    monitors.channel_monitor_updated(channel, completed[1].1).unwrap();
    assert_eq!(pending(), [completed[0].1]);
    assert!(nodes[1].node.get_and_clear_pending_msg_events().is_empty());
    assert!(nodes[1].node.get_and_clear_pending_events().is_empty());

    monitors.channel_monitor_updated(channel, completed[0].1).unwrap();
    let events = nodes[1].node.get_and_clear_pending_events();
    assert!(matches!(events[..], [Event::PaymentClaimed { .. }, Event::PaymentClaimed { .. }]));
    persisters[1].is_paused.store(false, Ordering::Relaxed);
    let sent = exchange(&nodes);
    let is_sent = |event: &&Event| matches!(event, Event::PaymentSent { .. });
    assert_eq!(sent.iter().filter(is_sent).count(), 2);
    forget_added_monitors(&nodes);
}

#[test]
fn blocks_bring_snapshots() {
    let persisters = [0, 1].map(|_| Committing::new(MonitorsOptions::default()));
    nodes!(nodes, &persisters);
    for node in &nodes {
        *node.connect_style.borrow_mut() = ConnectStyle::FullBlockViaListen;
    }
    create_announced_chan_between_nodes(&nodes, 0, 1);
    for (node, persister) in nodes.iter().zip(&persisters) {
        persister.chain_syncs.store(0, Ordering::Relaxed);
        connect_blocks(node, BLOCKS_PER_CHAIN_SYNC * 2);
        assert_eq!(persister.chain_syncs.load(Ordering::Relaxed), 2);
        // LDK does not wait for them.
        assert!(persister.completed().is_empty());
        let standing = persister.kept.line.monitors().standing().unwrap();
        let behind = node.best_block_info().1 - standing.rescan_height.unwrap();
        assert!(behind < BLOCKS_PER_CHAIN_SYNC, "{behind}");
    }
}

#[test]
fn a_store_that_cannot_be_written_stops_the_node() {
    let persisters = [0, 1].map(|_| Committing::new(MonitorsOptions::default()));
    nodes!(nodes, &persisters);
    create_announced_chan_between_nodes(&nodes, 0, 1);
    *nodes[0].connect_style.borrow_mut() = ConnectStyle::FullBlockViaListen;
    let chain_monitor = &nodes[0].chain_monitor.chain_monitor;
    let channel = chain_monitor.list_monitors()[0];
    persisters[0].is_paused.store(true, Ordering::Relaxed);
    persisters[0].kept.line.close(true).unwrap();
    persisters[0].kept.store.close().unwrap();
    {
        let monitor = chain_monitor.get_monitor(channel).unwrap();
        let name = monitor.persistence_key();
        let refused = ChannelMonitorUpdateStatus::UnrecoverableError;
        assert_eq!(persisters[0].persist_new_channel(name, &monitor), refused);
        assert_eq!(persisters[0].update_persisted_channel(name, None, &monitor), refused);
    }
    assert!(persisters[0].kept.line.commit(Vec::new).is_err());

    let blocks = AssertUnwindSafe(|| connect_blocks(&nodes[0], BLOCKS_PER_CHAIN_SYNC));
    assert!(catch_unwind(blocks).is_err());
    // LDK's locks are poisoned now.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(nodes))).is_err());
}

#[test]
fn a_monitor_that_took_an_update_it_cannot_apply_is_kept_whole() {
    let persisters = [0, 1].map(|_| Committing::new(MonitorsOptions::default()));
    nodes!(nodes, &persisters);
    let channel = create_announced_chan_between_nodes(&nodes, 0, 1).2;
    let preimage = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;

    let other = Kept::new();
    let persister = MonitorPersister::new(Arc::clone(&other.line));
    let live = |channel: ChannelId| nodes[1].chain_monitor.chain_monitor.get_monitor(channel);
    let (before, name) = {
        let monitor = live(channel).unwrap();
        persister.persist_new_channel(monitor.persistence_key(), &monitor);
        (monitor.get_latest_update_id(), monitor.persistence_key())
    };
    nodes[1].node.claim_funds(preimage);
    check_added_monitors!(nodes[1], 1);
    // The same call as for a monitor that a block changed.
    persister.update_persisted_channel(name, None, &live(channel).unwrap());
    other.commit();
    let mut completed = Vec::new();
    other.line.complete(|channel, update_id| completed.push((channel, update_id))).unwrap();
    assert_eq!(completed, [(keep_id(channel), before)]);

    let loaded = load(&other, &nodes[1]);
    assert_eq!(loaded[0].get_latest_update_id(), before + 1);
    assert!(loaded[0] == *live(channel).unwrap());
    exchange(&nodes);
    forget_added_monitors(&nodes);
}

#[test]
fn an_archived_channel_is_not_loaded_and_may_be_archived_again() {
    let persisters = [0, 1].map(|_| Committing::new(MonitorsOptions::default()));
    nodes!(nodes, &persisters);
    let channel = create_announced_chan_between_nodes(&nodes, 0, 1).2;
    let name = {
        let monitor = nodes[0].chain_monitor.chain_monitor.get_monitor(channel).unwrap();
        monitor.persistence_key()
    };
    let archive = || Persist::<TestChannelSigner>::archive_persisted_channel(&persisters[0], name);
    archive();
    archive();
    persisters[0].completed();
    archive();
    persisters[0].completed();
    assert!(load(&persisters[0].kept, &nodes[0]).is_empty());
    let archived = persisters[0].kept.line.monitors().channels(Stage::Archived, None, 9).unwrap();
    assert_eq!(
        archived.iter().map(|summary| summary.channel).collect::<Vec<_>>(),
        [keep_id(channel)]
    );
}
