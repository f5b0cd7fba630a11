//! Backups that other crates made, opened by lnkeep: LDK's peer storage by `lightning` itself, Core
//! Lightning's cipher by `dryoc`.

use bitcoin::BlockHash;
use dryoc::dryocstream::{DryocStream, Header, Key, Tag};
use lightning::chain::channelmonitor::ChannelMonitor;
use lightning::ln::functional_test_utils::*;
use lightning::ln::our_peer_storage::{DecryptedOurPeerStorage, EncryptedOurPeerStorage};
use lightning::ln::types::ChannelId;
use lightning::sign::{KeysManager, NodeSigner};
use lightning::util::ser::{BigSize, CollectionLength, ReadableArgs, WithoutLength, Writeable};
use lightning::util::test_channel_signer::TestChannelSigner;
use lnkeep::foreign::{ForeignFault, cln, ldk};

/// What LDK writes for each channel; its own type is private.
struct Holder {
    channel_id: ChannelId,
    counterparty: bitcoin::secp256k1::PublicKey,
    min_seen_secret: u64,
    monitor: Vec<u8>,
}

impl Holder {
    /// As LDK's macro writes its type, by LDK's own numbers and values.
    fn write(&self, text: &mut Vec<u8>) {
        let values = [
            (0, self.channel_id.encode()),
            (2, self.counterparty.encode()),
            (4, self.min_seen_secret.encode()),
            (6, WithoutLength(&self.monitor).encode()),
        ];
        let mut stream = Vec::new();
        for (number, value) in values {
            BigSize(number).write(&mut stream).unwrap();
            BigSize(value.len() as u64).write(&mut stream).unwrap();
            stream.extend_from_slice(&value);
        }
        BigSize(stream.len() as u64).write(text).unwrap();
        text.extend_from_slice(&stream);
    }
}

fn text_of(holders: &[Holder]) -> Vec<u8> {
    let mut text = CollectionLength(holders.len() as u64).encode();
    holders.iter().for_each(|holder| holder.write(&mut text));
    text
}

#[test]
fn keys_of_seeds_are_those_of_the_keys_manager() {
    for number in 0..64_u8 {
        let seed = [number.wrapping_mul(37); 32];
        let theirs = KeysManager::new(&seed, 42, 42, true).get_peer_storage_key();
        assert_eq!(*ldk::StorageKey::from_seed(&seed).unwrap().expose(), theirs.inner);
    }
}

#[test]
fn what_ldk_encrypts_opens_and_its_monitors_are_read_by_ldk() {
    let configs = create_chanmon_cfgs(3);
    let node_configs = create_node_cfgs(3, &configs);
    let managers = create_node_chanmgrs(3, &node_configs, &[None, None, None]);
    let nodes = create_network(3, &node_configs, &managers);
    let channels = [1, 2].map(|peer| create_announced_chan_between_nodes(&nodes, 0, peer).2);
    for peer in [1, 2] {
        send_payment(&nodes[0], &[&nodes[peer]], 1_000_000);
    }
    let holder = |channel_id| {
        let monitor = nodes[0].chain_monitor.chain_monitor.get_monitor(channel_id).unwrap();
        let counterparty = monitor.get_counterparty_node_id();
        Holder {
            channel_id,
            counterparty,
            min_seen_secret: (1 << 48) - 3,
            monitor: monitor.encode(),
        }
    };
    let holders = channels.map(holder);
    let key = nodes[0].keys_manager.get_peer_storage_key();
    let blob = DecryptedOurPeerStorage::new(text_of(&holders)).encrypt(&key, &[7; 32]).into_vec();

    let opened = ldk::open(&ldk::StorageKey::new(key.inner), &blob).unwrap();
    let monitors: Vec<_> = opened.monitors().collect();
    assert_eq!(monitors.len(), 2);
    for (found, holder) in monitors.iter().zip(&holders) {
        assert_eq!(found.channel_id.0, holder.channel_id.0);
        assert_eq!(found.counterparty.0, holder.counterparty.serialize());
        assert_eq!(found.min_seen_secret, (1 << 48) - 3);
        let signers = (nodes[0].keys_manager, nodes[0].keys_manager);
        let read = <(BlockHash, ChannelMonitor<TestChannelSigner>)>::read(
            &mut bitcoin::io::Cursor::new(found.monitor),
            signers,
        );
        assert_eq!(read.expect("LDK reads its monitor").1.channel_id(), holder.channel_id);
    }
    let other = nodes[1].keys_manager.get_peer_storage_key();
    let closed = ldk::open(&ldk::StorageKey::new(other.inner), &blob);
    assert_eq!(closed.err(), Some(ForeignFault::AuthFailed));
}

#[test]
fn texts_of_every_length_are_those_that_ldk_decrypts() {
    let keys = KeysManager::new(&[9; 32], 42, 42, true);
    let key = keys.get_peer_storage_key();
    let ours = ldk::StorageKey::from_seed(&[9; 32]).unwrap();
    for length in 0..200_u8 {
        // No channel, and bytes after it that neither of the two reads.
        let text = [vec![0, 0], vec![length; length.into()]].concat();
        let blob =
            DecryptedOurPeerStorage::new(text.clone()).encrypt(&key, &[length; 32]).into_vec();
        assert_eq!(ldk::open(&ours, &blob).unwrap().monitors().count(), 0);
        for at in [0, blob.len() / 2, blob.len() - 1] {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            assert!(EncryptedOurPeerStorage::new(changed.clone()).unwrap().decrypt(&key).is_err());
            assert_eq!(ldk::open(&ours, &changed).err(), Some(ForeignFault::AuthFailed));
        }
        let decrypted = EncryptedOurPeerStorage::new(blob).unwrap().decrypt(&key).unwrap();
        assert_eq!(decrypted.into_vec(), text);
    }
}

fn sealed(key: &[u8; 32], text: &Vec<u8>, tag: Tag) -> Vec<u8> {
    let (mut stream, header): (_, Header) = DryocStream::init_push(&Key::from(*key));
    let message = stream.push_to_vec(text, None, tag).unwrap();
    [header.to_vec(), message].concat()
}

#[test]
fn what_dryoc_seals_for_core_lightning_opens() {
    let key = cln::ScbKey::from_hsm_secret(&[5; 32]).unwrap();
    let channels_of = |text: &Vec<u8>, tag| {
        let blob = sealed(key.expose(), text, tag);
        let opened = cln::open(&key, &blob)?;
        let mut changed = blob.clone();
        changed[blob.len() / 2] ^= 1;
        assert_eq!(cln::open(&key, &changed).err(), Some(ForeignFault::AuthFailed));
        Ok::<_, ForeignFault>(opened.channels().map(|channel| channel.dbid).collect::<Vec<_>>())
    };
    let mut head = 6137_u16.to_be_bytes().to_vec();
    head.extend_from_slice(&1_u64.to_be_bytes());
    head.extend_from_slice(&1_700_000_000_u32.to_be_bytes());
    let mut channel = 77_u64.to_be_bytes().to_vec();
    channel.extend_from_slice(&[2; 32 + 33]);
    channel.extend_from_slice(&[1, 127, 0, 0, 1, 0x26, 7]);
    channel.extend_from_slice(&[3; 32 + 4 + 8]);
    channel.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    for length in 0..200 {
        // The cipher's padding depends on the length of the text.
        let text = [&head[..], &[0, 1], &channel, &vec![9; length]].concat();
        assert_eq!(channels_of(&text, Tag::MESSAGE), Ok(vec![77]), "{length} bytes more");
        assert_eq!(channels_of(&text, Tag::FINAL), Ok(vec![77]));
    }
    assert_eq!(channels_of(&Vec::new(), Tag::MESSAGE), Err(ForeignFault::BadPayload));
    for length in 1..16 {
        let cut = [&head[..], &[0, 0]].concat()[..length].to_vec();
        assert_eq!(channels_of(&cut, Tag::MESSAGE), Err(ForeignFault::BadPayload));
    }
}
