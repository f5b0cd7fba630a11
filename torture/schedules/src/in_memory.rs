//! A store without files: as `Opening` makes one, but for the place.

use std::thread::JoinHandle;

use super::*;
use crate::types::Clock;

/// What a crash at this moment would leave.
pub(crate) use crate::store::env::Image;

/// An image of a store that was never opened.
pub(crate) fn empty() -> Image {
    let env = Env::of_image(Env::empty());
    commit_meta(&env, Heads::default(), Meta::new([7; 16], Modes(0))).expect("a first commit");
    env.image()
}

/// A store whose writer does not run, for those who need one and never call it.
pub(crate) fn unserved() -> Arc<Store> {
    let env = Env::of_image(Env::empty());
    let core = new_core(env, FileIdentity::default(), &StoreOptions::default(), &Heads::default());
    store_of(Arc::new(core), None, report(&Meta::new([7; 16], Modes(0))))
}

fn report(meta: &Meta) -> OpenReport {
    OpenReport {
        store_id: meta.store_id,
        epoch: meta.epoch,
        created: false,
        unclean: true,
        compacted: false,
        copied: false,
        restored: false,
        on_tmpfs: false,
        on_overlay: false,
        clock: Clock::default(),
    }
}

fn store_of(core: Arc<Core>, writer: Option<JoinHandle<()>>, report: OpenReport) -> Arc<Store> {
    Arc::new(Store {
        core,
        writer: Mutex::new(writer),
        place: Mutex::new(None),
        report,
        doubt_below_epoch: 0,
        lnd_compat: false,
        components: Mutex::default(),
        journals: Mutex::default(),
    })
}

/// Opens what an image holds, in a new epoch.
pub(crate) fn open(image: Image, operations_max: usize) -> Arc<Store> {
    let options = StoreOptions {
        queue_operations_max: operations_max,
        event_kinds: Some(u64::MAX),
        ..StoreOptions::default()
    };
    let env = Env::of_image(image);
    let (heads, mut meta) = read_meta(&env).expect("a sound image");
    meta.epoch += 1;
    meta.clean = false;
    let core = new_core(env, FileIdentity::default(), &options, &heads);
    let facts = core.env.facts().expect("it is open");
    let allocation = Allocation::at_open(&core.env, &facts).expect("memory has room");
    let last = core.commit_meta(&heads, &meta, |_| ()).expect("the commit of an open");
    let core = Arc::new(core);
    let writer = Writer::new(Arc::clone(&core), last, allocation);
    let thread = std::thread::spawn(move || writer.run());
    store_of(core, Some(thread), report(&meta))
}

/// What the last commit left.
pub(crate) fn image(store: &Store) -> Image {
    store.core.env.image()
}
