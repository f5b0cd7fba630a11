//! What keepers of one payload should not have in common, so that no one event takes more than a few of them.
//!
//! BD1 what is wrong with a set of keepers depends on the set alone, not on the order it was chosen in. BD2 a
//! further keeper never makes a set less wrong in any one respect, as long as a place is left for whatever is
//! missing: so a choice that is wrong half way stays wrong. BD3 what is not known of a keeper is not counted
//! against it.
//! Source: spec of peer storage, 4.4. Pure: no clock, no I/O. Called by `choose`.

use std::collections::BTreeMap;

use super::score::PeerFacts;
use super::stripe::Code;

/// How far a set of keepers breaks each rule, the gravest first: sets compare as these numbers do, in this
/// order. So the rule that is given up first, when too few peers can follow all of them, is the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Relaxed {
    /// Keepers without an announced channel, beyond the n - (k + 1) there may be: a node that knows no more
    /// than its secret finds its neighbours in the public graph only.
    pub announced: u32,
    /// Keepers beyond the first of each operator.
    pub operator: u32,
    /// Keepers beyond the first in each IPv4 /16 and each IPv6 /32.
    pub subnet: u32,
    /// Keepers beyond n / 2 of each known class of software.
    pub software: u32,
    /// Whether there is no keeper on the clearnet, and none on Tor: one for each.
    pub network: u32,
}

/// Rules that there are.
pub(super) const RULES: usize = 5;

impl Relaxed {
    /// The numbers, the gravest rule first.
    pub fn numbers(&self) -> [u32; RULES] {
        [self.announced, self.operator, self.subnet, self.software, self.network]
    }

    /// Every rule is followed.
    pub fn is_none(&self) -> bool {
        *self == Relaxed::default()
    }
}

/// What an address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Network {
    /// IPv4, by its first 16 bits.
    Ipv4([u8; 2]),
    /// IPv6, by its first 32 bits.
    Ipv6([u8; 4]),
    /// A name of the DNS, which says nothing of where it leads.
    Named,
    /// Tor, of whichever version.
    Tor,
}

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const TOR_V2: u8 = 3;
const TOR_V3: u8 = 4;
const DNS: u8 = 5;
/// What an IPv4 address begins with when it is written as an IPv6 one (RFC 4291).
const IPV4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Network {
    /// The network of a BOLT 7 address descriptor; None for one that is empty, cut, or of another type.
    pub(super) fn of(descriptor: &[u8]) -> Option<Network> {
        let (kind, rest) = descriptor.split_first()?;
        let is_len = |address_bytes: usize| rest.len() == address_bytes + 2;
        match *kind {
            IPV4 if is_len(4) => Some(Network::Ipv4(*rest.first_chunk()?)),
            IPV6 if is_len(16) => match rest.strip_prefix(&IPV4_MAPPED) {
                Some(ipv4) => Some(Network::Ipv4(*ipv4.first_chunk()?)),
                None => Some(Network::Ipv6(*rest.first_chunk()?)),
            },
            TOR_V2 if is_len(10) => Some(Network::Tor),
            TOR_V3 if is_len(35) => Some(Network::Tor),
            DNS if is_len(1 + usize::from(*rest.first()?)) => Some(Network::Named),
            _ => None,
        }
    }

    /// Whether two keepers there are likely to fail together.
    fn is_shared(self) -> bool {
        matches!(self, Network::Ipv4(_) | Network::Ipv6(_))
    }
}

/// What counts of one keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    is_unannounced: bool,
    operator: Option<u64>,
    software: u8,
    network: Option<Network>,
}

impl Traits {
    /// Traits of a peer; of one whose facts are not known, nothing counts (BD3).
    pub(super) fn of(facts: Option<&PeerFacts>) -> Traits {
        Traits {
            is_unannounced: facts.is_some_and(|facts| !facts.is_announced),
            operator: facts.and_then(|facts| facts.operator),
            software: facts.map_or(0, |facts| facts.software),
            network: facts.and_then(|facts| Network::of(&facts.address)),
        }
    }
}

/// A set of keepers, as far as the rules look at it.
#[derive(Debug, Clone)]
pub(super) struct Company {
    code: Code,
    keepers: usize,
    unannounced: usize,
    /// Keepers of whose network nothing is known.
    unlocated: usize,
    clearnet: usize,
    tor: usize,
    operators: BTreeMap<u64, u32>,
    networks: BTreeMap<Network, u32>,
    software: BTreeMap<u8, u32>,
}

impl Company {
    /// Nobody yet, out of the n keepers of a code.
    pub(super) fn new(code: Code) -> Company {
        Company {
            code,
            keepers: 0,
            unannounced: 0,
            unlocated: 0,
            clearnet: 0,
            tor: 0,
            operators: BTreeMap::new(),
            networks: BTreeMap::new(),
            software: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, traits: &Traits) {
        self.keepers += 1;
        self.unannounced += usize::from(traits.is_unannounced);
        *self.whereabouts(traits) += 1;
        if let Some(operator) = traits.operator {
            *self.operators.entry(operator).or_default() += 1;
        }
        if let Some(network) = traits.network.filter(|network| network.is_shared()) {
            *self.networks.entry(network).or_default() += 1;
        }
        if traits.software != 0 {
            *self.software.entry(traits.software).or_default() += 1;
        }
    }

    /// Takes out one that was added.
    pub(super) fn remove(&mut self, traits: &Traits) {
        self.keepers -= 1;
        self.unannounced -= usize::from(traits.is_unannounced);
        *self.whereabouts(traits) -= 1;
        if let Some(operator) = traits.operator {
            take_one(&mut self.operators, &operator);
        }
        if let Some(network) = traits.network.filter(|network| network.is_shared()) {
            take_one(&mut self.networks, &network);
        }
        if traits.software != 0 {
            take_one(&mut self.software, &traits.software);
        }
    }

    fn whereabouts(&mut self, traits: &Traits) -> &mut usize {
        match traits.network {
            None => &mut self.unlocated,
            Some(Network::Tor) => &mut self.tor,
            Some(_) => &mut self.clearnet,
        }
    }

    /// How far this set breaks the rules. A set with places left is not blamed for what they may bring.
    pub(super) fn relaxed(&self) -> Relaxed {
        let shares = self.code.shares();
        let unannounced_max = shares.saturating_sub(self.code.data_shares() + 1);
        let software_max = u32::try_from(shares / 2).unwrap_or(u32::MAX);
        let missing = usize::from(self.clearnet == 0) + usize::from(self.tor == 0);
        let unknown = shares.saturating_sub(self.keepers) + self.unlocated;
        let beyond = |counts: &mut dyn Iterator<Item = &u32>, max: u32| {
            counts.fold(0, |sum: u32, count| sum.saturating_add(count.saturating_sub(max)))
        };
        Relaxed {
            announced: number(self.unannounced.saturating_sub(unannounced_max)),
            operator: beyond(&mut self.operators.values(), 1),
            subnet: beyond(&mut self.networks.values(), 1),
            software: beyond(&mut self.software.values(), software_max),
            network: number(missing.saturating_sub(unknown)),
        }
    }

    /// How far it would break them with one more.
    pub(super) fn relaxed_with(&mut self, traits: &Traits) -> Relaxed {
        self.add(traits);
        let relaxed = self.relaxed();
        self.remove(traits);
        relaxed
    }
}

fn take_one<Name: Ord>(counts: &mut BTreeMap<Name, u32>, name: &Name) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
