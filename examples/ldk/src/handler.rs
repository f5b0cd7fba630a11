//! The channel handler for a `PeerManager`: the manager's, with its messages held until they are covered.
//!
//! H1 a message goes onto the line when the `PeerManager` asks for messages, and is given to it after the
//! host passed it back with [`HeldHandler::release`]. H2 what is held for a peer is dropped when it
//! disconnects, as LDK drops its own.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use bitcoin::constants::ChainHash;
use bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs;
use lightning::ln::msgs::{BaseMessageHandler, ChannelMessageHandler, MessageSendEvent};
use lightning::ln::types::ChannelId;
use lightning::types::features::{InitFeatures, NodeFeatures};

use crate::line::{Line, lock};

/// See the module. Wake the `PeerManager` with `process_events` after a release.
pub struct HeldHandler<C: Deref>
where
    C::Target: ChannelMessageHandler,
{
    line: Arc<Line>,
    inner: C,
    released: Mutex<Vec<MessageSendEvent>>,
}

impl<C: Deref> HeldHandler<C>
where
    C::Target: ChannelMessageHandler,
{
    /// Everything but the messages passes between the `PeerManager` and `inner`.
    pub fn new(line: Arc<Line>, inner: C) -> HeldHandler<C> {
        HeldHandler { line, inner, released: Mutex::default() }
    }

    /// Takes a message of [`Line::released`].
    pub fn release(&self, message: MessageSendEvent) {
        lock(&self.released).push(message);
    }
}

/// Whether the message dies with this peer's connection.
fn is_for(message: &MessageSendEvent, peer: PublicKey) -> bool {
    use MessageSendEvent::*;
    match message {
        BroadcastChannelAnnouncement { .. }
        | BroadcastChannelUpdate { .. }
        | BroadcastNodeAnnouncement { .. } => false,
        HandleError { node_id, .. }
        | SendAcceptChannel { node_id, .. }
        | SendAcceptChannelV2 { node_id, .. }
        | SendOpenChannel { node_id, .. }
        | SendOpenChannelV2 { node_id, .. }
        | SendFundingCreated { node_id, .. }
        | SendFundingSigned { node_id, .. }
        | SendStfu { node_id, .. }
        | SendSpliceInit { node_id, .. }
        | SendSpliceAck { node_id, .. }
        | SendSpliceLocked { node_id, .. }
        | SendTxAddInput { node_id, .. }
        | SendTxAddOutput { node_id, .. }
        | SendTxRemoveInput { node_id, .. }
        | SendTxRemoveOutput { node_id, .. }
        | SendTxComplete { node_id, .. }
        | SendTxSignatures { node_id, .. }
        | SendTxInitRbf { node_id, .. }
        | SendTxAckRbf { node_id, .. }
        | SendTxAbort { node_id, .. }
        | SendChannelReady { node_id, .. }
        | SendAnnouncementSignatures { node_id, .. }
        | UpdateHTLCs { node_id, .. }
        | SendRevokeAndACK { node_id, .. }
        | SendClosingSigned { node_id, .. }
        | SendClosingComplete { node_id, .. }
        | SendClosingSig { node_id, .. }
        | SendShutdown { node_id, .. }
        | SendChannelReestablish { node_id, .. }
        | SendChannelAnnouncement { node_id, .. }
        | SendChannelUpdate { node_id, .. }
        | SendChannelRangeQuery { node_id, .. }
        | SendShortIdsQuery { node_id, .. }
        | SendReplyChannelRange { node_id, .. }
        | SendGossipTimestampFilter { node_id, .. }
        | SendPeerStorage { node_id, .. }
        | SendPeerStorageRetrieval { node_id, .. } => *node_id == peer,
    }
}

impl<C: Deref> BaseMessageHandler for HeldHandler<C>
where
    C::Target: ChannelMessageHandler,
{
    fn get_and_clear_pending_msg_events(&self) -> Vec<MessageSendEvent> {
        // An error is told by the next commit, and what it concerns is not released.
        drop(self.line.hold_messages(self.inner.get_and_clear_pending_msg_events()));
        std::mem::take(&mut *lock(&self.released))
    }

    fn peer_disconnected(&self, peer: PublicKey) {
        self.inner.peer_disconnected(peer);
        self.line.drop_messages(|message| is_for(message, peer));
        lock(&self.released).retain(|message| !is_for(message, peer));
    }

    fn provided_node_features(&self) -> NodeFeatures {
        self.inner.provided_node_features()
    }

    fn provided_init_features(&self, peer: PublicKey) -> InitFeatures {
        self.inner.provided_init_features(peer)
    }

    fn peer_connected(
        &self,
        peer: PublicKey,
        message: &msgs::Init,
        inbound: bool,
    ) -> Result<(), ()> {
        self.inner.peer_connected(peer, message, inbound)
    }
}

/// Methods that pass a message of a peer on.
macro_rules! pass_on {
    ($($method: ident($message: ty);)+) => {
        $(fn $method(&self, peer: PublicKey, message: $message) {
            self.inner.$method(peer, message)
        })+
    };
}

impl<C: Deref> ChannelMessageHandler for HeldHandler<C>
where
    C::Target: ChannelMessageHandler,
{
    pass_on! {
        handle_open_channel(&msgs::OpenChannel);
        handle_open_channel_v2(&msgs::OpenChannelV2);
        handle_accept_channel(&msgs::AcceptChannel);
        handle_accept_channel_v2(&msgs::AcceptChannelV2);
        handle_funding_created(&msgs::FundingCreated);
        handle_funding_signed(&msgs::FundingSigned);
        handle_channel_ready(&msgs::ChannelReady);
        handle_peer_storage(msgs::PeerStorage);
        handle_peer_storage_retrieval(msgs::PeerStorageRetrieval);
        handle_shutdown(&msgs::Shutdown);
        handle_closing_signed(&msgs::ClosingSigned);
        handle_stfu(&msgs::Stfu);
        handle_splice_init(&msgs::SpliceInit);
        handle_splice_ack(&msgs::SpliceAck);
        handle_splice_locked(&msgs::SpliceLocked);
        handle_tx_add_input(&msgs::TxAddInput);
        handle_tx_add_output(&msgs::TxAddOutput);
        handle_tx_remove_input(&msgs::TxRemoveInput);
        handle_tx_remove_output(&msgs::TxRemoveOutput);
        handle_tx_complete(&msgs::TxComplete);
        handle_tx_signatures(&msgs::TxSignatures);
        handle_tx_init_rbf(&msgs::TxInitRbf);
        handle_tx_ack_rbf(&msgs::TxAckRbf);
        handle_tx_abort(&msgs::TxAbort);
        handle_update_add_htlc(&msgs::UpdateAddHTLC);
        handle_update_fulfill_htlc(msgs::UpdateFulfillHTLC);
        handle_update_fail_htlc(&msgs::UpdateFailHTLC);
        handle_update_fail_malformed_htlc(&msgs::UpdateFailMalformedHTLC);
        handle_commitment_signed(&msgs::CommitmentSigned);
        handle_revoke_and_ack(&msgs::RevokeAndACK);
        handle_update_fee(&msgs::UpdateFee);
        handle_announcement_signatures(&msgs::AnnouncementSignatures);
        handle_channel_reestablish(&msgs::ChannelReestablish);
        handle_channel_update(&msgs::ChannelUpdate);
        handle_error(&msgs::ErrorMessage);
    }

    fn handle_commitment_signed_batch(
        &self,
        peer: PublicKey,
        channel: ChannelId,
        batch: Vec<msgs::CommitmentSigned>,
    ) {
        self.inner.handle_commitment_signed_batch(peer, channel, batch)
    }

    fn get_chain_hashes(&self) -> Option<Vec<ChainHash>> {
        self.inner.get_chain_hashes()
    }

    fn message_received(&self) {
        self.inner.message_received()
    }
}
