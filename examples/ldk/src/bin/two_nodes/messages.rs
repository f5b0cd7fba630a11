//! Gives a peer's message to a manager, as a transport would after decoding it.

use bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::{ChannelMessageHandler, ErrorAction, MessageSendEvent};

/// Hands the message of `from` over. Gossip is left out: nobody routes here.
pub fn deliver(to: &impl ChannelMessageHandler, from: PublicKey, message: MessageSendEvent) {
    match message {
        MessageSendEvent::SendOpenChannel { msg, .. } => to.handle_open_channel(from, &msg),
        MessageSendEvent::SendAcceptChannel { msg, .. } => to.handle_accept_channel(from, &msg),
        MessageSendEvent::SendFundingCreated { msg, .. } => to.handle_funding_created(from, &msg),
        MessageSendEvent::SendFundingSigned { msg, .. } => to.handle_funding_signed(from, &msg),
        MessageSendEvent::SendChannelReady { msg, .. } => to.handle_channel_ready(from, &msg),
        MessageSendEvent::SendChannelReestablish { msg, .. } => {
            to.handle_channel_reestablish(from, &msg)
        }
        MessageSendEvent::SendRevokeAndACK { msg, .. } => to.handle_revoke_and_ack(from, &msg),
        MessageSendEvent::SendShutdown { msg, .. } => to.handle_shutdown(from, &msg),
        MessageSendEvent::SendClosingSigned { msg, .. } => to.handle_closing_signed(from, &msg),
        MessageSendEvent::SendChannelUpdate { msg, .. } => to.handle_channel_update(from, &msg),
        MessageSendEvent::SendAnnouncementSignatures { msg, .. } => {
            to.handle_announcement_signatures(from, &msg)
        }
        MessageSendEvent::UpdateHTLCs { channel_id, updates, .. } => {
            for msg in &updates.update_add_htlcs {
                to.handle_update_add_htlc(from, msg);
            }
            for msg in updates.update_fulfill_htlcs {
                to.handle_update_fulfill_htlc(from, msg);
            }
            for msg in &updates.update_fail_htlcs {
                to.handle_update_fail_htlc(from, msg);
            }
            for msg in &updates.update_fail_malformed_htlcs {
                to.handle_update_fail_malformed_htlc(from, msg);
            }
            if let Some(msg) = &updates.update_fee {
                to.handle_update_fee(from, msg);
            }
            match &updates.commitment_signed[..] {
                [msg] => to.handle_commitment_signed(from, msg),
                batch => to.handle_commitment_signed_batch(from, channel_id, batch.to_vec()),
            }
        }
        MessageSendEvent::HandleError {
            action:
                ErrorAction::SendErrorMessage { msg } | ErrorAction::DisconnectPeer { msg: Some(msg) },
            ..
        } => to.handle_error(from, &msg),
        _ => {}
    }
}
