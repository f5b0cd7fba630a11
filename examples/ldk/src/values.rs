//! `KVStoreSync` of the published crate: the manager's key is the commit, every other key a value of the
//! host.
//!
//! V1 the manager's key is never a plain value: writing it commits the line, and only what this manager
//!    provably knows.
//! V2 of the other keys, a write or a removal is there wholly or not at all, and is durable when it returns.
//!    One value each: nothing orders them with the commits.
//! LDK's own `Persist` over a `KVStoreSync` works here like on any other store, with its windows between the
//! writes; [`crate::MonitorPersister`] is the one without.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use bitcoin::hashes::{Hash, sha256};
use lightning::io;
use lightning::ln::channelmanager::{AChannelManager, ChannelManager};
use lightning::util::persist::{
    CHANNEL_MANAGER_PERSISTENCE_KEY, CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE,
    CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE, KVSTORE_NAMESPACE_KEY_ALPHABET,
    KVSTORE_NAMESPACE_KEY_MAX_LEN, KVStoreSync, MigratableKVStore,
};
use lnkeep::Store;

use crate::line::{Line, lock};

/// The blob that lists the names. Others have 32 bytes.
const NAMES: &[u8] = b"ldk-names";

/// Primary namespace, secondary namespace, key.
type Name = (String, String, String);

/// See the module.
pub struct HostValues {
    store: Arc<Store>,
    line: Arc<Line>,
    /// As the blob `NAMES` has them. A value without its name does not exist (V2).
    names: Mutex<BTreeSet<Name>>,
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::Other, error)
}

fn not_found() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "nothing is stored under this key")
}

fn is_manager((primary, secondary, key): &Name) -> bool {
    primary == CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE
        && secondary == CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE
        && key == CHANNEL_MANAGER_PERSISTENCE_KEY
}

fn blob_name((primary, secondary, key): &Name) -> [u8; 32] {
    // The alphabet of names has no zero byte.
    sha256::Hash::hash([primary, secondary, key].map(String::as_str).join("\0").as_bytes())
        .to_byte_array()
}

/// LDK's rule for names, which it wants to see broken loudly in debug builds.
fn check(primary: &str, secondary: &str, key: Option<&str>) -> io::Result<()> {
    let is_valid = |name: &str| {
        name.len() <= KVSTORE_NAMESPACE_KEY_MAX_LEN
            && name.chars().all(|letter| KVSTORE_NAMESPACE_KEY_ALPHABET.contains(letter))
    };
    let names_are_valid = is_valid(primary) && is_valid(secondary) && key.is_none_or(is_valid);
    let key_is_there = key.is_none_or(|key| !key.is_empty());
    let is_nested = !primary.is_empty() || secondary.is_empty();
    if names_are_valid && key_is_there && is_nested {
        return Ok(());
    }
    debug_assert!(false, "not a name of LDK: {primary}/{secondary}/{key:?}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of LDK"))
}

impl HostValues {
    /// Values of the line's store.
    pub fn open(store: Arc<Store>, line: Arc<Line>) -> io::Result<HostValues> {
        let list = store.blobs().get(NAMES).map_err(failed)?.unwrap_or_default();
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the list of names is damaged");
        let list = String::from_utf8(list).map_err(|_| damaged())?;
        let mut names = BTreeSet::new();
        for name in list.lines() {
            let [primary, secondary, key] = name.split('\0').collect::<Vec<_>>()[..] else {
                return Err(damaged());
            };
            names.insert((primary.to_owned(), secondary.to_owned(), key.to_owned()));
        }
        Ok(HostValues { store, line, names: Mutex::new(names) })
    }

    fn write_names(&self, names: &BTreeSet<Name>) -> io::Result<()> {
        let list: String = names.iter().map(|(p, s, k)| format!("{p}\0{s}\0{k}\n")).collect();
        self.store.blobs().put(NAMES, list.as_bytes()).map_err(failed)
    }
}

fn name_of(primary: &str, secondary: &str, key: &str) -> io::Result<Name> {
    check(primary, secondary, Some(key))?;
    Ok((primary.to_owned(), secondary.to_owned(), key.to_owned()))
}

impl KVStoreSync for HostValues {
    fn read(&self, primary: &str, secondary: &str, key: &str) -> io::Result<Vec<u8>> {
        let name = name_of(primary, secondary, key)?;
        if is_manager(&name) {
            return self.line.monitors().manager().map_err(failed)?.ok_or_else(not_found);
        }
        if !lock(&self.names).contains(&name) {
            return Err(not_found());
        }
        self.store.blobs().get(&blob_name(&name)).map_err(failed)?.ok_or_else(not_found)
    }

    fn write(&self, primary: &str, secondary: &str, key: &str, value: Vec<u8>) -> io::Result<()> {
        let name = name_of(primary, secondary, key)?;
        if is_manager(&name) {
            return self.line.commit_noted(&value).map_err(failed);
        }
        let mut names = lock(&self.names);
        self.store.blobs().put(&blob_name(&name), &value).map_err(failed)?;
        if names.contains(&name) {
            return Ok(());
        }
        let mut with_name = names.clone();
        with_name.insert(name);
        self.write_names(&with_name)?;
        *names = with_name;
        Ok(())
    }

    fn remove(&self, primary: &str, secondary: &str, key: &str, _lazy: bool) -> io::Result<()> {
        let name = name_of(primary, secondary, key)?;
        if is_manager(&name) {
            return Err(io::Error::new(io::ErrorKind::Other, "the manager is not removed"));
        }
        let mut names = lock(&self.names);
        if !names.contains(&name) {
            return Ok(());
        }
        let mut without_name = names.clone();
        without_name.remove(&name);
        self.write_names(&without_name)?;
        *names = without_name;
        self.store.blobs().delete(&blob_name(&name)).map_err(failed)
    }

    fn list(&self, primary: &str, secondary: &str) -> io::Result<Vec<String>> {
        check(primary, secondary, None)?;
        Ok(self
            .list_all_keys()?
            .into_iter()
            .filter(|(p, s, _)| p == primary && s == secondary)
            .map(|(_, _, key)| key)
            .collect())
    }
}

impl MigratableKVStore for HostValues {
    fn list_all_keys(&self) -> io::Result<Vec<Name>> {
        let mut names: Vec<Name> = lock(&self.names).iter().cloned().collect();
        if self.line.monitors().manager().map_err(failed)?.is_some() {
            names.push((
                CHANNEL_MANAGER_PERSISTENCE_PRIMARY_NAMESPACE.to_owned(),
                CHANNEL_MANAGER_PERSISTENCE_SECONDARY_NAMESPACE.to_owned(),
                CHANNEL_MANAGER_PERSISTENCE_KEY.to_owned(),
            ));
        }
        Ok(names)
    }
}

/// Lets a loop that knows only `KVStoreSync` commit, such as the published background processor: it asks for
/// the manager with `get_cm()` right before serialising it, and this captures then. Give it to that one
/// loop; another user would move the loop's capture behind its serialising.
pub struct CapturingManager<M: Deref>
where
    M::Target: AChannelManager,
{
    line: Arc<Line>,
    manager: M,
}

impl<M: Deref> CapturingManager<M>
where
    M::Target: AChannelManager,
{
    /// The manager of the line.
    pub fn new(line: Arc<Line>, manager: M) -> CapturingManager<M> {
        CapturingManager { line, manager }
    }
}

impl<M: Deref> AChannelManager for CapturingManager<M>
where
    M::Target: AChannelManager,
{
    type Watch = <M::Target as AChannelManager>::Watch;
    type M = <M::Target as AChannelManager>::M;
    type Broadcaster = <M::Target as AChannelManager>::Broadcaster;
    type T = <M::Target as AChannelManager>::T;
    type EntropySource = <M::Target as AChannelManager>::EntropySource;
    type ES = <M::Target as AChannelManager>::ES;
    type NodeSigner = <M::Target as AChannelManager>::NodeSigner;
    type NS = <M::Target as AChannelManager>::NS;
    type Signer = <M::Target as AChannelManager>::Signer;
    type SignerProvider = <M::Target as AChannelManager>::SignerProvider;
    type SP = <M::Target as AChannelManager>::SP;
    type FeeEstimator = <M::Target as AChannelManager>::FeeEstimator;
    type F = <M::Target as AChannelManager>::F;
    type Router = <M::Target as AChannelManager>::Router;
    type R = <M::Target as AChannelManager>::R;
    type MessageRouter = <M::Target as AChannelManager>::MessageRouter;
    type MR = <M::Target as AChannelManager>::MR;
    type Logger = <M::Target as AChannelManager>::Logger;
    type L = <M::Target as AChannelManager>::L;

    fn get_cm(
        &self,
    ) -> &ChannelManager<
        Self::M,
        Self::T,
        Self::ES,
        Self::NS,
        Self::SP,
        Self::F,
        Self::R,
        Self::MR,
        Self::L,
    > {
        // Without a new capture the last one is used, which covers less.
        self.line.note_or_keep();
        self.manager.get_cm()
    }
}
