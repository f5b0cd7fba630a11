//! The line by itself: order, waiting behind a full queue, and what a commit refuses.

mod common;

use std::cell::Cell;
use std::sync::Arc;

use lightning::chain::chaininterface::BroadcasterInterface;
use lightning::events::Event;
use lightning::ln::channelmanager::{AChannelManager, PaymentId};
use lightning::ln::functional_test_utils::*;
use lightning::ln::msgs::{BaseMessageHandler, MessageSendEvent};
use lightning::ln::types::ChannelId;
use lightning::util::persist::KVStoreSync;
use lightning::util::ser::Writeable;
use lnkeep::monitors::MonitorsOptions;
use lnkeep::{Class, Status};
use lnkeep_ldk::{
    CapturingManager, HeldBroadcaster, HeldHandler, MonitorPersister, RecordingWatch, Released,
    keep_id,
};

use bitcoin::Transaction;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use common::{Committing, Kept};
use lightning::chain::Watch;
use lightning::chain::chainmonitor::Persist;
use lightning::check_added_monitors;

fn event(number: u8) -> Event {
    Event::PaymentFailed { payment_id: PaymentId([number; 32]), payment_hash: None, reason: None }
}

fn numbers(released: &[Released]) -> Vec<u8> {
    let number = |released: &Released| match released {
        Released::Event { event, .. } => match **event {
            Event::PaymentFailed { payment_id, .. } => payment_id.0[0],
            _ => panic!("another event"),
        },
        _ => panic!("not an event"),
    };
    released.iter().map(number).collect()
}

#[test]
fn what_waits_behind_a_full_queue_is_released_in_order_and_stops_the_reading() {
    let options = MonitorsOptions {
        pending_ops_max: 3,
        critical_reserve_ops: 1,
        ..MonitorsOptions::default()
    };
    let kept = Kept::with(options);
    assert!(kept.line.has_room(3, 100).unwrap());
    for number in 0..10 {
        kept.line.hold_event(event(number)).unwrap();
    }
    assert!(!kept.line.has_room(1, 1).unwrap());
    assert!(kept.line.waits().unwrap());
    assert!(kept.line.released().unwrap().is_empty());
    assert_eq!(kept.line.close(false).unwrap_err().status(), Status::PendingOps);

    let serialised = Cell::new(0);
    kept.line
        .commit(|| {
            serialised.set(serialised.get() + 1);
            vec![1]
        })
        .unwrap();
    // A manager for each of the commits that it takes.
    assert!(serialised.get() >= 3, "{}", serialised.get());
    assert_eq!(numbers(&kept.line.released().unwrap()), (0..10).collect::<Vec<_>>());
    assert!(kept.line.has_room(3, 100).unwrap() && !kept.line.waits().unwrap());
}

#[test]
fn what_is_held_while_the_manager_is_serialised_stays_out_of_its_commit() {
    let kept = Kept::new();
    kept.line.hold_event(event(1)).unwrap();
    kept.line
        .commit(|| {
            kept.line.hold_event(event(2)).unwrap();
            vec![1]
        })
        .unwrap();
    assert_eq!(numbers(&kept.line.released().unwrap()), [1]);
    kept.commit();
    assert_eq!(numbers(&kept.line.released().unwrap()), [2]);
}

#[test]
fn events_and_transactions_come_again_until_they_are_acknowledged() {
    let kept = Kept::new();
    kept.line.hold_event(event(1)).unwrap();
    // Lost with the manager that would have forgotten the event.
    let kept = kept.crash();
    kept.commit();
    assert!(kept.line.released().unwrap().is_empty());

    kept.line.hold_event(event(2)).unwrap();
    kept.line.hold_event(event(3)).unwrap();
    let transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: Vec::new(),
        output: vec![bitcoin::TxOut::NULL],
    };
    HeldBroadcaster::new(Arc::clone(&kept.line)).broadcast_transactions(&[&transaction]);
    assert!(kept.line.released().unwrap().is_empty());
    kept.commit();
    let kept = kept.crash();
    let released = kept.line.released().unwrap();
    assert_eq!(numbers(&released[..2]), [2, 3]);
    let [
        Released::Event { output_id: Some(first), .. },
        _,
        Released::Transaction { transaction: again, .. },
    ] = &released[..]
    else {
        panic!("{}", released.len());
    };
    assert_eq!(*again, transaction);
    kept.line.acknowledge(*first).unwrap();
    kept.commit();
    let kept = kept.crash();
    assert_eq!(numbers(&kept.line.released().unwrap()[..1]), [3]);
}

/// Two nodes with a channel, the first of which also runs behind a `RecordingWatch`.
macro_rules! nodes {
    ($nodes: ident, $persisters: ident) => {
        let $persisters = [0, 1].map(|_| Committing::new(MonitorsOptions::default()));
        let configs = create_chanmon_cfgs(2);
        let node_configs =
            create_node_cfgs_with_persisters(2, &configs, $persisters.iter().collect());
        let managers = create_node_chanmgrs(2, &node_configs, &[None, None]);
        let $nodes = create_network(2, &node_configs, &managers);
    };
}

#[test]
fn messages_leave_after_the_commit_and_die_with_their_connection() {
    nodes!(nodes, persisters);
    let channel = create_announced_chan_between_nodes(&nodes, 0, 1).2;
    let preimage = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;
    let line = &persisters[1].kept.line;

    nodes[1].node.claim_funds(preimage);
    check_added_monitors!(nodes[1], 1);
    let messages = nodes[1].node.get_and_clear_pending_msg_events();
    assert_eq!(messages.len(), 1);
    line.hold_messages(messages.clone()).unwrap();
    assert!(line.released().unwrap().is_empty());
    persisters[1].kept.commit();
    assert!(matches!(line.released().unwrap()[..], [Released::Message(_)]));

    line.hold_messages(messages).unwrap();
    line.drop_messages(|_| true);
    persisters[1].kept.commit();
    assert!(line.released().unwrap().is_empty());
    assert_eq!(nodes[1].node.list_channels()[0].channel_id, channel);
    nodes[1].node.get_and_clear_pending_events();
}

#[test]
fn a_peer_manager_gets_messages_after_they_are_released() {
    nodes!(nodes, persisters);
    create_announced_chan_between_nodes(&nodes, 0, 1);
    let preimage = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;
    let line = &persisters[1].kept.line;
    let handler = HeldHandler::new(Arc::clone(line), nodes[1].node);
    let release = || {
        persisters[1].kept.commit();
        for released in line.released().unwrap() {
            let Released::Message(message) = released else { panic!("not a message") };
            handler.release(*message);
        }
    };

    nodes[1].node.claim_funds(preimage);
    check_added_monitors!(nodes[1], 1);
    assert!(handler.get_and_clear_pending_msg_events().is_empty());
    release();
    let fulfil = handler.get_and_clear_pending_msg_events();
    assert!(matches!(fulfil[..], [MessageSendEvent::UpdateHTLCs { .. }]));
    assert!(handler.get_and_clear_pending_msg_events().is_empty());

    // Released or not, it dies with the connection it was for, and with no other.
    let [first, second] = [0, 1].map(|index: usize| nodes[index].node.get_our_node_id());
    let mut elsewhere = fulfil.clone();
    for message in &mut elsewhere {
        let MessageSendEvent::UpdateHTLCs { node_id, .. } = message else { panic!("not it") };
        *node_id = second;
    }
    for messages in [fulfil, elsewhere] {
        handler.release(messages[0].clone());
        line.hold_messages(messages).unwrap();
    }
    nodes[0].node.peer_disconnected(second);
    handler.peer_disconnected(first);
    release();
    let left = handler.get_and_clear_pending_msg_events();
    let peer = |message: &MessageSendEvent| match message {
        MessageSendEvent::UpdateHTLCs { node_id, .. } => *node_id,
        _ => panic!("not it"),
    };
    assert_eq!(left.iter().map(peer).collect::<Vec<_>>(), [second, second]);
    nodes[1].node.get_and_clear_pending_events();
}

#[test]
fn a_manager_commits_only_what_it_provably_knows() {
    nodes!(nodes, persisters);
    let channel = create_announced_chan_between_nodes(&nodes, 0, 1).2;
    let preimage = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;
    let (kept, line) = (&persisters[1].kept, &persisters[1].kept.line);
    let values = kept.values();
    let durable = || line.monitors().summaries(&[keep_id(channel)]).unwrap()[0].latest_id;
    persisters[1].completed();
    let before = durable();
    persisters[1].is_paused.store(true, std::sync::atomic::Ordering::Relaxed);

    // Another commit came between: this manager may be older than what is durable.
    assert!(values.write("", "", "manager", nodes[1].node.encode()).is_err());

    // Serialised before the update, written after it, as by a loop that another thread overtakes.
    let older = nodes[1].node.encode();
    nodes[1].node.claim_funds(preimage);
    check_added_monitors!(nodes[1], 1);
    values.write("", "", "manager", older).unwrap();
    assert_eq!(durable(), before);

    // What the background processor does, in its order.
    let capturing = CapturingManager::new(Arc::clone(line), nodes[1].node);
    values.write("", "", "manager", capturing.get_cm().encode()).unwrap();
    assert_eq!(durable(), before + 1);

    persisters[1].is_paused.store(false, std::sync::atomic::Ordering::Relaxed);
    nodes[1].node.get_and_clear_pending_msg_events();
    nodes[1].node.get_and_clear_pending_events();
}

#[test]
fn an_update_that_ldk_lost_on_its_way_stops_the_commit() {
    nodes!(nodes, persisters);
    let channel = create_announced_chan_between_nodes(&nodes, 0, 1).2;
    let preimage = route_payment(&nodes[0], &[&nodes[1]], 1_000_000).0;
    nodes[1].node.claim_funds(preimage);
    check_added_monitors!(nodes[1], 1);
    let update =
        nodes[1].chain_monitor.monitor_updates.lock().unwrap()[&channel].last().unwrap().clone();

    /// Takes updates, and queues nothing.
    struct Loses;
    impl Watch<lightning::util::test_channel_signer::TestChannelSigner> for Loses {
        fn watch_channel(
            &self,
            _channel: ChannelId,
            _monitor: lightning::chain::channelmonitor::ChannelMonitor<
                lightning::util::test_channel_signer::TestChannelSigner,
            >,
        ) -> Result<lightning::chain::ChannelMonitorUpdateStatus, ()> {
            Err(())
        }
        fn update_channel(
            &self,
            _channel: ChannelId,
            _update: &lightning::chain::channelmonitor::ChannelMonitorUpdate,
        ) -> lightning::chain::ChannelMonitorUpdateStatus {
            lightning::chain::ChannelMonitorUpdateStatus::InProgress
        }
        fn release_pending_monitor_events(
            &self,
        ) -> Vec<(
            lightning::chain::transaction::OutPoint,
            ChannelId,
            Vec<lightning::chain::channelmonitor::MonitorEvent>,
            bitcoin::secp256k1::PublicKey,
        )> {
            Vec::new()
        }
    }

    let other = Kept::new();
    let persister = MonitorPersister::new(Arc::clone(&other.line));
    {
        let monitor = nodes[1].chain_monitor.chain_monitor.get_monitor(channel).unwrap();
        persister.persist_new_channel(monitor.persistence_key(), &monitor);
    }
    let watch = RecordingWatch::new(Arc::clone(&other.line), Arc::new(Loses));
    watch.update_channel(channel, &update);
    other.commit();
    let mut next = update;
    next.update_id += 1;
    watch.update_channel(channel, &next);
    let error = other.line.commit(Vec::new).unwrap_err();
    assert_eq!((error.status(), error.class()), (Status::LostUpdate, Class::Refused));

    nodes[1].node.get_and_clear_pending_msg_events();
    nodes[1].node.get_and_clear_pending_events();
}
