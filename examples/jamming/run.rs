//! The runs: a history without attackers, a peace for each guard, then every attack under each.

use std::path::Path;

use crate::attacks::{self, Attack, Means, Name};
use crate::chance::Chance;
use crate::guard::{self, Keeping, Past, Protection};
use crate::ledger::Ledger;
use crate::network::{Link, Network, NodeId};
use crate::traffic::Traffic;
use crate::world::{DAY_MS, Times, World, unix_secs};

/// Before anything is measured: forwards that nodes import, as from their own books.
const HISTORY_DAYS: u64 = 168;
/// Then four weeks in which every node's guard decides; attackers prepare in them.
const PEACE_DAYS: u64 = 28;
/// Blocks and resolution period of a usual HTLC's risk at the target.
const USUAL_BLOCKS: u64 = 110;
const RESOLUTION_SECS: u64 = 90;
const USUAL_AMOUNT_MSAT: u64 = 4_000_000;
/// The revenue window of the guards' defaults: the target's income in this time is the budget.
pub const BUDGET_DAYS: u64 = 14;

/// What stays the same in all runs of one seed.
pub struct Scene {
    pub seed: u64,
    pub network: Network,
    pub payments_per_day: u64,
    /// Settled forwards of each node before the runs begin.
    history: Vec<Vec<Past>>,
    /// Folder for the guards' stores.
    folder: tempfile::TempDir,
}

/// One run, with what its attack covers.
pub struct Run {
    pub attack: Option<Name>,
    pub protection: Protection,
    pub times: Times,
    pub ledger: Ledger,
    /// Channels that the attacker opened.
    pub attack_channels: usize,
}

fn attack_ms() -> u64 {
    (HISTORY_DAYS + PEACE_DAYS) * DAY_MS
}

impl Scene {
    /// Plays the history.
    pub fn new(seed: u64, network: Network, payments_per_day: u64) -> Result<Scene, String> {
        // Guards keep nothing on disk between calls; memory is the place for their stores.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("jamming").tempdir_in(place);
        let folder = folder.map_err(|error| format!("a folder for the stores: {error}"))?;
        let end_ms = HISTORY_DAYS * DAY_MS;
        let times = Times { begin_ms: 0, attack_ms: end_ms, end_ms };
        let guards = network.nodes.iter().map(|_| None).collect();
        let traffic = Traffic::new(seed, payments_per_day, &network);
        let mut world = World::new(network.clone(), guards, traffic, times, None);
        world.keep_history();
        world.run();
        let history = world.ledger.history.take().ok_or("the history was not kept")?;
        Ok(Scene { seed, network, payments_per_day, history, folder })
    }

    /// Four weeks of peace, then so many days of the same without an attack.
    pub fn peace(&self, protection: Protection, days: u64) -> Result<Run, String> {
        let days = days.max(BUDGET_DAYS);
        self.play(protection, None, None, self.network.clone(), days * DAY_MS)
    }

    pub fn attack(&self, protection: Protection, name: Name, means: Means) -> Result<Run, String> {
        let mut network = self.network.clone();
        let attack = attacks::join(name, &mut network, means);
        self.play(protection, Some(name), Some(attack), network, name.period_ms(means.days))
    }

    fn play(
        &self,
        protection: Protection,
        name: Option<Name>,
        attack: Option<Box<dyn Attack>>,
        network: Network,
        period_ms: u64,
    ) -> Result<Run, String> {
        let begin_ms = HISTORY_DAYS * DAY_MS;
        let times = Times { begin_ms, attack_ms: attack_ms(), end_ms: attack_ms() + period_ms };
        let traffic = Traffic::new(self.seed, self.payments_per_day, &self.network);
        let folder = tempfile::tempdir_in(self.folder.path());
        let folder = folder.map_err(|error| format!("a folder for the stores: {error}"))?;
        let mut guards = Vec::new();
        for node in 0..network.nodes.len() {
            guards.push(if network.nodes[node].attacker {
                None
            } else {
                Some(self.guard(protection, name, &network, node, folder.path())?)
            });
        }
        let attack_channels = network.channels.len() - self.network.channels.len();
        let mut world = World::new(network, guards, traffic, times, attack);
        world.run();
        let ledger = std::mem::take(&mut world.ledger);
        Ok(Run { attack: name, protection, times, ledger, attack_channels })
    }

    /// A guard that knows the node's channels and its past.
    fn guard(
        &self,
        protection: Protection,
        attack: Option<Name>,
        network: &Network,
        node: NodeId,
        folder: &Path,
    ) -> Result<Box<dyn guard::Guard>, String> {
        let mut salt = [0; 32];
        let mut chance = Chance::keyed(self.seed, 3, node as u64);
        salt.iter_mut().for_each(|byte| *byte = chance.below(256) as u8);
        let restarts = attack == Some(Name::RestartForgiveness) && node == network.target;
        let keeping = if restarts { Keeping::Journal } else { Keeping::Memory };
        let folder = folder.join(format!("node-{node}"));
        let mut guard = guard::new(protection, keeping, &folder, salt)?;
        for link in &network.nodes[node].links {
            // What the peer may send is what limits HTLCs that come in.
            let into = Link { channel: link.channel, side: 1 - link.side };
            let direction = network.direction(into);
            if direction.in_flight_max_msat > 0 {
                guard.open_channel(
                    network.scid(into),
                    direction.htlcs_max,
                    direction.in_flight_max_msat,
                    unix_secs(0),
                );
            } else {
                // Nothing can come in; as an outgoing channel it still has a reputation.
                guard.open_channel(network.scid(into), 12, 1_000_000, unix_secs(0));
            }
        }
        if let Some(past) = self.history.get(node) {
            guard.import(past);
        }
        Ok(guard)
    }
}

/// Who counts at the target.
pub struct Standing {
    /// Channels to honest peers with reputation.
    pub reputable: Vec<u64>,
    /// Channels to the other honest peers.
    pub others: Vec<u64>,
}

impl Standing {
    /// Enough reputation, when the attack begins, for a usual payment from any of the target's
    /// links. Taken from the peace under `strict`, for all runs alike.
    pub fn of(scene: &Scene, peace: &Run) -> Standing {
        let network = &scene.network;
        let standing = &peace.ledger.standing;
        let threshold = standing.iter().map(|(_, state)| state.revenue_msat).max().unwrap_or(0);
        let enough = |link: &Link| {
            let fee_msat = network.direction(*link).fee_msat(USUAL_AMOUNT_MSAT);
            let hold_secs = USUAL_BLOCKS * 600 - RESOLUTION_SECS;
            let risk_msat = (fee_msat * hold_secs / RESOLUTION_SECS) as i64;
            let own = standing.iter().find(|(scid, _)| *scid == network.scid(*link));
            own.is_some_and(|(_, own)| own.reputation_msat - risk_msat >= threshold)
        };
        let links = network.honest_links_from(network.target);
        let (reputable, others): (Vec<Link>, Vec<Link>) = links.into_iter().partition(enough);
        let scids = |links: Vec<Link>| links.into_iter().map(|link| network.scid(link)).collect();
        Standing { reputable: scids(reputable), others: scids(others) }
    }

    pub fn is_reputable(&self, channel: u64) -> bool {
        self.reputable.contains(&channel)
    }

    /// Whether honest payments over a channel count as revenue. A sink had reputation when its
    /// attack began, and what honest payers pay over it the target does earn.
    pub fn earns(&self, channel: u64) -> bool {
        !self.others.contains(&channel)
    }
}
