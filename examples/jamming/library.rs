//! lnkeep as the guard of one node: its own store, its own resources.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lnkeep::resources::{
    Ack, AddRequest, ChannelLimits, ForwardRow, LiveHtlc, Mode, ResolveRequest, Resources,
    ResourcesOptions, Upgrade, Verdict,
};
use lnkeep::{ShortChannelId, Store, StoreOptions};

use crate::guard::{Answer, Ask, ChannelState, Guard, Keeping, Past, Protection};

/// A node's resources. A simulation has no one to answer an error to, so each one ends it: none
/// can happen unless the simulation or the library is wrong.
pub struct Kept {
    mode: Mode,
    options: ResourcesOptions,
    path: PathBuf,
    /// None only while a restart is under way.
    open: Option<Open>,
}

struct Open {
    store: Arc<Store>,
    resources: Resources,
}

pub fn open(
    protection: Protection,
    keeping: Keeping,
    folder: &Path,
    salt: [u8; 32],
) -> Result<Kept, String> {
    let mode = match protection {
        Protection::Compat => Mode::Compat,
        Protection::None | Protection::Strict => Mode::Strict,
    };
    let options = ResourcesOptions {
        without_journal: keeping == Keeping::Memory,
        entropy: Some(salt),
        ..ResourcesOptions::of_mode(mode)
    };
    let path = folder.join("store");
    std::fs::create_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let open = open_at(&path, &options)?;
    Ok(Kept { mode, options, path, open: Some(open) })
}

fn open_at(path: &Path, options: &ResourcesOptions) -> Result<Open, String> {
    let told = |error: lnkeep::Error| format!("{}: {error}", path.display());
    let store = Store::open(path, &StoreOptions::default()).map_err(told)?;
    let resources = Resources::open(&store, options.clone()).map_err(told)?;
    Ok(Open { store, resources })
}

impl Kept {
    fn resources(&self) -> &Resources {
        &self.open.as_ref().expect("a restart ends before the next call").resources
    }
}

impl Guard for Kept {
    fn open_channel(&mut self, channel: u64, htlcs_max: u16, in_flight_msat: u64, unix_secs: u64) {
        let limits =
            ChannelLimits { max_in_flight_msat: in_flight_msat, max_accepted_htlcs: htlcs_max };
        self.resources()
            .add_channel(ShortChannelId(channel), limits, unix_secs)
            .expect("the network has no channel that the rules refuse");
    }

    fn import(&mut self, past: &[Past]) {
        let rows: Vec<ForwardRow> = past.iter().map(row).collect();
        let imported = self.resources().import_history(&rows).expect("a history can be imported");
        assert_eq!(imported.rows_passed_over, 0, "every forward of the past is of known channels");
    }

    fn add(&mut self, ask: &Ask) -> Answer {
        let request = AddRequest {
            incoming: ShortChannelId(ask.incoming),
            outgoing: ShortChannelId(ask.outgoing),
            htlc_id: ask.htlc_id,
            incoming_amount_msat: ask.incoming_amount_msat,
            outgoing_amount_msat: ask.outgoing_amount_msat,
            incoming_cltv_expiry: ask.incoming_cltv_expiry,
            block_height: ask.block_height,
            incoming_accountable: ask.incoming_accountable,
            upgrade: Upgrade::Present,
            // What is paid beyond the own policy counts in the reference, and so in `compat`.
            policy_fee_msat: (self.mode == Mode::Strict).then_some(ask.policy_fee_msat),
            unix_secs: ask.unix_secs,
        };
        let decision = self.resources().add(&request, Ack::Memory);
        let decision = decision.expect("the simulation asks only what can be decided");
        assert!(!decision.already, "every HTLC of a channel has its own id");
        match decision.verdict {
            Verdict::Forward => Answer::Forward { accountable: decision.outgoing_accountable },
            Verdict::Fail => Answer::Fail,
        }
    }

    fn resolve(
        &mut self,
        incoming: u64,
        outgoing: u64,
        htlc_id: u64,
        settled: bool,
        unix_secs: u64,
    ) {
        let request = ResolveRequest {
            incoming: ShortChannelId(incoming),
            outgoing: ShortChannelId(outgoing),
            htlc_id,
            settled,
            unix_secs,
        };
        let resolution = self.resources().resolve(&request, Ack::Memory);
        assert!(!resolution.expect("the HTLC is pending").already, "an HTLC is resolved once");
    }

    fn restart(&mut self, live: &[Ask], unix_secs: u64) {
        let before = self.resources().channels(unix_secs).expect("channels can be listed");
        let before_pending = self.resources().pending().expect("HTLCs can be listed");
        drop(self.open.take());
        self.open = Some(open_at(&self.path, &self.options).expect("the store opens again"));
        let after = self.resources().channels(unix_secs).expect("channels can be listed");
        assert_eq!(before, after, "a restart changes no channel");
        let after_pending = self.resources().pending().expect("HTLCs can be listed");
        assert_eq!(before_pending, after_pending, "a restart changes no pending HTLC");
        let live: Vec<LiveHtlc> = live.iter().map(live_htlc).collect();
        let reconciled = self.resources().reconcile(&live).expect("the lists can be compared");
        assert_eq!(reconciled.kept as usize, live.len(), "every HTLC of the node is known");
        assert_eq!(reconciled.dropped + reconciled.added + reconciled.different, 0);
    }

    fn state(&self, channel: u64, unix_secs: u64) -> Option<ChannelState> {
        let view = self.resources().channel(ShortChannelId(channel), unix_secs);
        let view = view.expect("the channel is known");
        let allocation = view.allocation;
        Some(ChannelState {
            reputation_msat: view.reputation_now_msat,
            revenue_msat: view.revenue_now_msat,
            slots: [
                (view.general_slots_used, u32::from(allocation.general_slots)),
                (view.congestion.slots, u32::from(allocation.congestion_slots)),
                (view.protected.slots, u32::from(allocation.protected_slots)),
            ],
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // A store that is dropped closes as well; here a failure to do so would go unnoticed.
        self.store.close().expect("the store can be closed");
    }
}

fn row(past: &Past) -> ForwardRow {
    ForwardRow {
        incoming: ShortChannelId(past.incoming),
        outgoing: ShortChannelId(past.outgoing),
        fee_msat: past.fee_msat,
        added_unix_secs: past.added_unix_secs,
        settled_unix_secs: past.settled_unix_secs,
    }
}

fn live_htlc(ask: &Ask) -> LiveHtlc {
    LiveHtlc {
        incoming: ShortChannelId(ask.incoming),
        outgoing: ShortChannelId(ask.outgoing),
        htlc_id: ask.htlc_id,
        incoming_amount_msat: ask.incoming_amount_msat,
        outgoing_amount_msat: ask.outgoing_amount_msat,
        incoming_cltv_expiry: ask.incoming_cltv_expiry,
        block_height: ask.block_height,
        outgoing_accountable: ask.incoming_accountable,
        added_unix_secs: ask.unix_secs,
    }
}
