//! One node of LDK: the published types, put together as a host does.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bitcoin::secp256k1::{PublicKey, Secp256k1, Signing, Verification};
use bitcoin::{BlockHash, Network};
use lightning::blinded_path::message::{BlindedMessagePath, MessageContext, MessageForwardNode};
use lightning::blinded_path::payment::{BlindedPaymentPath, ReceiveTlvs};
use lightning::chain::chaininterface::{ConfirmationTarget, FeeEstimator};
use lightning::chain::chainmonitor::ChainMonitor;
use lightning::chain::{BestBlock, Filter, Listen, Watch};
use lightning::events::{EventsProvider, ReplayEvent};
use lightning::ln::channel_state::ChannelDetails;
use lightning::ln::channelmanager::{ChainParameters, ChannelManager, ChannelManagerReadArgs};
use lightning::ln::msgs::{BaseMessageHandler, Init};
use lightning::onion_message::messenger::{Destination, MessageRouter, OnionMessagePath};
use lightning::routing::router::{InFlightHtlcs, Route, RouteParameters, Router};
use lightning::sign::{InMemorySigner, KeysManager, NodeSigner, ReceiveAuthKey, Recipient};
use lightning::util::config::{MaxDustHTLCExposure, UserConfig};
use lightning::util::logger::{Logger, Record};
use lightning::util::ser::{ReadableArgs, Writeable};
use lnkeep_ldk::{RecordingWatch, ldk_id};

use crate::chain::Chain;
use crate::keeping::{Broadcaster, Keeping, Loaded, Persister};
use crate::{Failure, Mode};

/// One fee for everything.
pub struct Fees;

impl FeeEstimator for Fees {
    fn get_est_sat_per_1000_weight(&self, _target: ConfirmationTarget) -> u32 {
        253
    }
}

/// Keeps nothing.
pub struct Silent;

impl Logger for Silent {
    fn log(&self, _record: Record) {}
}

/// Routes are given with the payments, so nothing is ever asked here.
pub struct NoRouter;

impl Router for NoRouter {
    fn find_route(
        &self,
        _payer: &PublicKey,
        _parameters: &RouteParameters,
        _first_hops: Option<&[&ChannelDetails]>,
        _in_flight: InFlightHtlcs,
    ) -> Result<Route, &'static str> {
        Err("no other route")
    }

    fn create_blinded_payment_paths<T: Signing + Verification>(
        &self,
        _recipient: PublicKey,
        _first_hops: Vec<ChannelDetails>,
        _tlvs: ReceiveTlvs,
        _amount_msats: Option<u64>,
        _secp: &Secp256k1<T>,
    ) -> Result<Vec<BlindedPaymentPath>, ()> {
        Err(())
    }
}

impl MessageRouter for NoRouter {
    fn find_path(
        &self,
        _sender: PublicKey,
        _peers: Vec<PublicKey>,
        _destination: Destination,
    ) -> Result<OnionMessagePath, ()> {
        Err(())
    }

    fn create_blinded_paths<T: Signing + Verification>(
        &self,
        _recipient: PublicKey,
        _key: ReceiveAuthKey,
        _context: MessageContext,
        _peers: Vec<MessageForwardNode>,
        _secp: &Secp256k1<T>,
    ) -> Result<Vec<BlindedMessagePath>, ()> {
        Err(())
    }
}

type NodeChainMonitor = ChainMonitor<
    InMemorySigner,
    Arc<dyn Filter + Send + Sync>,
    Arc<Broadcaster>,
    Arc<Fees>,
    Arc<Silent>,
    Arc<Persister>,
    Arc<KeysManager>,
>;

type NodeWatch = dyn Watch<InMemorySigner> + Send + Sync;

/// The manager of a node.
pub type Manager = ChannelManager<
    Arc<NodeWatch>,
    Arc<Broadcaster>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<KeysManager>,
    Arc<Fees>,
    Arc<NoRouter>,
    Arc<NoRouter>,
    Arc<Silent>,
>;

/// See the module.
pub struct Node {
    pub keeping: Keeping,
    pub manager: Manager,
    pub id: PublicKey,
    chain_monitor: Arc<NodeChainMonitor>,
}

fn config() -> UserConfig {
    let mut config = UserConfig::default();
    config.channel_handshake_config.minimum_depth = 3;
    // Payments in one direction may take all of a side's balance.
    config.channel_handshake_config.max_inbound_htlc_value_in_flight_percent_of_channel = 100;
    // Several payments that are too small for an output may be under way.
    config.channel_config.max_dust_htlc_exposure =
        MaxDustHTLCExposure::FixedLimitMsat(1_000_000_000);
    config
}

/// What the manager and its `ChainMonitor` share.
struct Parts {
    keys: Arc<KeysManager>,
    broadcaster: Arc<Broadcaster>,
    watch: Arc<NodeWatch>,
    started_unix_secs: u64,
}

impl Parts {
    fn new_manager(self) -> Manager {
        let best_block = BestBlock::from_network(Network::Regtest);
        ChannelManager::new(
            Arc::new(Fees),
            self.watch,
            self.broadcaster,
            Arc::new(NoRouter),
            Arc::new(NoRouter),
            Arc::new(Silent),
            Arc::clone(&self.keys),
            Arc::clone(&self.keys),
            self.keys,
            config(),
            ChainParameters { network: Network::Regtest, best_block },
            self.started_unix_secs as u32,
        )
    }

    fn read_manager(self, bytes: &[u8], monitors: &[Loaded]) -> Result<Manager, Failure> {
        let arguments = ChannelManagerReadArgs::new(
            Arc::clone(&self.keys),
            Arc::clone(&self.keys),
            self.keys,
            Arc::new(Fees),
            self.watch,
            self.broadcaster,
            Arc::new(NoRouter),
            Arc::new(NoRouter),
            Arc::new(Silent),
            config(),
            monitors.iter().map(|(_, monitor)| monitor).collect(),
        );
        let read = <(BlockHash, Manager)>::read(&mut &*bytes, arguments);
        Ok(read.map_err(|error| Failure::violation(format!("the manager: {error}")))?.1)
    }
}

/// Shows monitors and manager the blocks that they have not seen, then gives the monitors to work.
fn synchronise(
    monitors: Vec<Loaded>,
    manager: &Manager,
    broadcaster: &Arc<Broadcaster>,
    chain: &Chain,
    chain_monitor: &NodeChainMonitor,
) -> Result<(), Failure> {
    let mut synchronised = Vec::new();
    for (_, monitor) in monitors {
        let from = monitor.current_best_block().height + 1;
        let listener = (monitor, Arc::clone(broadcaster), Arc::new(Fees), Arc::new(Silent));
        for height in from..=chain.height() {
            listener.block_connected(chain.block(height), height);
        }
        synchronised.push(listener.0);
    }
    for height in manager.current_best_block().height + 1..=chain.height() {
        manager.block_connected(chain.block(height), height);
    }
    for monitor in synchronised {
        let channel = monitor.channel_id();
        chain_monitor
            .load_existing_monitor(channel, monitor)
            .map_err(|()| Failure::violation(format!("channel {channel} is loaded twice")))?;
    }
    Ok(())
}

impl Node {
    /// Opens the node with the number in its directory, as it was left there.
    pub fn open(number: u8, directory: &Path, mode: Mode, chain: &Chain) -> Result<Node, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The time keeps the keys of two runs apart.
        let keys = KeysManager::new(&[number; 32], now.as_secs(), now.subsec_nanos(), true);
        let keys = Arc::new(keys);
        let keeping = Keeping::open(directory, mode)?;
        let broadcaster = keeping.broadcaster();
        let (stored, monitors) = keeping.load(&keys, &broadcaster)?;

        let chain_monitor: Arc<NodeChainMonitor> = Arc::new(ChainMonitor::new(
            None,
            Arc::clone(&broadcaster),
            Arc::new(Silent),
            Arc::new(Fees),
            keeping.persister(),
            Arc::clone(&keys),
            keys.get_peer_storage_key(),
        ));
        let inner = Arc::clone(&chain_monitor);
        let parts = Parts {
            keys: Arc::clone(&keys),
            broadcaster: Arc::clone(&broadcaster),
            watch: match keeping.line() {
                Some(line) => Arc::new(RecordingWatch::new(Arc::clone(line), inner)),
                None => inner,
            },
            started_unix_secs: now.as_secs(),
        };
        let manager = match stored {
            Some(bytes) => parts.read_manager(&bytes, &monitors)?,
            None => parts.new_manager(),
        };
        synchronise(monitors, &manager, &broadcaster, chain, &chain_monitor)?;
        let id = keys.get_node_id(Recipient::Node).map_err(|()| Failure::bug("no node id"))?;
        Ok(Node { keeping, manager, id, chain_monitor })
    }

    /// Shows the node the blocks that it has not seen.
    pub fn follow(&self, chain: &Chain) {
        for height in self.manager.current_best_block().height + 1..=chain.height() {
            self.chain_monitor.block_connected(chain.block(height), height);
            self.manager.block_connected(chain.block(height), height);
        }
    }

    pub fn connect(&self, peer: &Node, inbound: bool) -> Result<(), Failure> {
        let features = peer.manager.provided_init_features(self.id);
        let init = Init { features, networks: None, remote_network_address: None };
        self.manager
            .peer_connected(peer.id, &init, inbound)
            .map_err(|()| Failure::bug("the peers do not suit each other"))
    }

    pub fn disconnect(&self, peer: PublicKey) {
        self.manager.peer_disconnected(peer);
        self.keeping.drop_messages();
    }

    /// Takes what LDK wants to let out, and holds it.
    pub fn pump(&self) -> Result<(), Failure> {
        if self.manager.needs_pending_htlc_processing() {
            self.manager.process_pending_htlc_forwards();
        }
        let hold = |event| self.keeping.hold_event(event).map_err(|_| ReplayEvent());
        self.manager.process_pending_events(&hold);
        self.chain_monitor.process_pending_events(&hold);
        self.keeping.hold_messages(self.manager.get_and_clear_pending_msg_events())
    }

    /// Whether the node may be given another message.
    pub fn has_room(&self) -> Result<bool, Failure> {
        self.keeping.line().map_or(Ok(true), |line| Ok(line.has_room(4, 1 << 16)?))
    }

    /// Commits if anything changed, and tells LDK what became durable. Answers whether anything did.
    pub fn checkpoint(&self) -> Result<bool, Failure> {
        if !self.manager.get_and_clear_needs_persistence() && !self.keeping.waits()? {
            return Ok(false);
        }
        self.keeping.checkpoint(|| self.manager.encode())?;
        if let Some(line) = self.keeping.line() {
            line.complete(|channel, update_id| {
                // A channel that LDK archived meanwhile has nobody left to tell.
                let _ = self.chain_monitor.channel_monitor_updated(ldk_id(channel), update_id);
            })?;
        }
        Ok(true)
    }

    /// A channel that can carry payments now.
    pub fn channel(&self) -> Option<ChannelDetails> {
        self.manager.list_usable_channels().pop()
    }

    /// Monitor updates whose completion LDK still waits for.
    pub fn updates_in_progress(&self) -> usize {
        let pending: HashMap<_, Vec<u64>> =
            self.chain_monitor.list_pending_monitor_updates().into_iter().collect();
        pending.values().map(Vec::len).sum()
    }

    /// Ends as a crash does.
    pub fn crash(self) -> Result<(), Failure> {
        let Node { keeping, manager, chain_monitor, .. } = self;
        drop((manager, chain_monitor));
        keeping.drop_undurable()
    }
}
