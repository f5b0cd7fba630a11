//! From a plan to a blob: content, roster, envelope. Pure. Called by `mod`, outside its lock.

use zeroize::Zeroizing;

use super::content::{Content, ShareId};
use super::due::SendPlan;
use super::envelope::{self, Header, KIND_PAYLOAD};
use super::journal::KIND_JOURNAL;
use super::keys::PeerKeys;
use super::roster;
use super::sends::Made;
use super::share::{self, KIND_SHARES, Share, ShareHeader};
use crate::error::{Error, Result, Status};

/// What a blob says beside its content.
pub(super) struct Frame {
    pub(super) created_unix_secs: u64,
    pub(super) block_height: u32,
    pub(super) instance: [u8; 16],
    pub(super) set_id: [u8; 16],
    pub(super) entropy: [u8; 16],
}

/// The blob of a plan.
pub(super) fn compose(keys: &PeerKeys, plan: &SendPlan, frame: &Frame) -> Result<Vec<u8>> {
    let (kind, content) = content(plan)?;
    let payload = roster::join(&content, &plan.roster);
    let header = Header {
        kind,
        flags: roster::flag_of(&plan.roster),
        seq: plan.seq,
        created_unix_secs: frame.created_unix_secs,
        block_height: frame.block_height,
        instance: frame.instance,
        set_id: if kind == KIND_SHARES { frame.set_id } else { [0; 16] },
    };
    envelope::seal(keys, &header, &payload, plan.class, frame.entropy)
}

fn content(plan: &SendPlan) -> Result<(u8, Zeroizing<Vec<u8>>)> {
    Ok(match plan.content {
        Content::Whole { .. } => {
            let made = needed(&plan.newest)?;
            (KIND_PAYLOAD, Zeroizing::new(made.object.to_vec()))
        }
        Content::Shares { newest, base } => {
            let newest = share_of(needed(&plan.newest)?, newest)?;
            let base = match base {
                Some(base) => Some(share_of(needed(&plan.base)?, base)?),
                None => None,
            };
            let records = [Some(&newest), base.as_ref()].into_iter().flatten();
            let records: Vec<Share<'_>> =
                records.map(|(header, bytes)| Share { header: *header, bytes }).collect();
            (KIND_SHARES, share::encode(&records)?)
        }
        Content::Journal => (KIND_JOURNAL, plan.journal.clone()),
        Content::Nothing | Content::Roster => (KIND_PAYLOAD, Zeroizing::default()),
    })
}

fn needed(made: &Option<Made>) -> Result<&Made> {
    let missing = || Error::new(Status::Internal, "a planned blob without what it is made of");
    made.as_ref().ok_or_else(missing)
}

fn share_of(made: &Made, id: ShareId) -> Result<(ShareHeader, Zeroizing<Vec<u8>>)> {
    let generation = &made.generation;
    let header = ShareHeader {
        generation: generation.number,
        code: generation.code,
        index: id.index,
        object_bytes: generation.object_bytes,
        object_sha256: generation.object_sha256,
    };
    Ok((header, generation.code.share(&made.object, usize::from(id.index))?))
}
