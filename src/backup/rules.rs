//! What a consumer concludes about each peer that keeps a blob of ours, and whether it may send one.
//!
//! BR1 nothing is sent to a peer that may still return what it holds: a node that lost its data must not
//! overwrite its own backup (CLN #7931). BR2 a blob that we cannot read and did not send is never overwritten
//! before an authentic one came back or an operator allows it. BR3 once a peer shows that WE lost state,
//! nothing is sent to anybody until an operator allows it. BR4 per peer, what is sent only rises, what it
//! confirmed only rises and never exceeds what was sent. BR5 strikes only rise: by one with each conclusion
//! `Lost`, `Stale` or `Corrupt`, and with nothing else. BR6 only an authentic blob of ours confirms.
//! BR7 a database that sent something is never fresh again.
//! Source: spec of peer storage, 3.3; the conformance cases `consumer_state.jsonl` and their FORMAT, 6 and 9.
//! Pure: no clock, no I/O. Called by the component, once per event.

use crate::error::{Error, Status};

/// What one peer is believed to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum PeerState {
    /// Nothing was sent, nothing is known.
    #[default]
    Idle = 0,
    /// Connected, and may still return a blob: nothing is sent (BR1).
    Hold = 1,
    /// Has nothing of ours, or may be overwritten.
    Clear = 2,
    /// Was sent a blob that it did not confirm yet.
    Sent = 3,
    /// Returned the last blob it was sent.
    Committed = 4,
    /// Returned an older blob, not older than one confirmed: BOLT 1 lets it delay.
    Lagging = 5,
    /// Returned an older blob than one it had confirmed.
    Stale = 6,
    /// Returned nothing, though it had confirmed a blob.
    Lost = 7,
    /// Returned something that does not open, though it was sent a blob.
    Corrupt = 8,
    /// Returned nothing and never confirmed a blob.
    Unconfirmed = 9,
    /// Returned a blob of ours that we know nothing of: we lost state (BR3).
    Ahead = 10,
    /// Holds something that we cannot read and did not send (BR2).
    Unreadable = 11,
    /// Offers no storage.
    Unsupported = 12,
}

impl PeerState {
    /// Every state, in the order of its number.
    pub const ALL: [PeerState; 13] = [
        PeerState::Idle,
        PeerState::Hold,
        PeerState::Clear,
        PeerState::Sent,
        PeerState::Committed,
        PeerState::Lagging,
        PeerState::Stale,
        PeerState::Lost,
        PeerState::Corrupt,
        PeerState::Unconfirmed,
        PeerState::Ahead,
        PeerState::Unreadable,
        PeerState::Unsupported,
    ];

    /// The number on disk and in the C ABI.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The state of a number.
    pub fn from_number(number: u8) -> Option<PeerState> {
        PeerState::ALL.get(usize::from(number)).copied()
    }

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            PeerState::Idle => "idle",
            PeerState::Hold => "hold",
            PeerState::Clear => "clear",
            PeerState::Sent => "sent",
            PeerState::Committed => "committed",
            PeerState::Lagging => "lagging",
            PeerState::Stale => "stale",
            PeerState::Lost => "lost",
            PeerState::Corrupt => "corrupt",
            PeerState::Unconfirmed => "unconfirmed",
            PeerState::Ahead => "ahead",
            PeerState::Unreadable => "unreadable",
            PeerState::Unsupported => "unsupported",
        }
    }
}

/// What is asked of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Action {
    /// Nothing.
    #[default]
    None = 0,
    /// The first blob may be sent.
    FirstSendAllowed = 1,
    /// The newest blob should be sent.
    Resend = 2,
    /// Offer the blob to whoever may read it, and ask an operator.
    AlertUnreadable = 3,
    /// We lost state: recover before answering channel_reestablish.
    AlertStateLoss = 4,
    /// Send this blob.
    Send = 5,
}

impl Action {
    /// Every action, in the order of its number.
    pub const ALL: [Action; 6] = [
        Action::None,
        Action::FirstSendAllowed,
        Action::Resend,
        Action::AlertUnreadable,
        Action::AlertStateLoss,
        Action::Send,
    ];

    /// The number in the C ABI.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            Action::None => "none",
            Action::FirstSendAllowed => "first_send_allowed",
            Action::Resend => "resend",
            Action::AlertUnreadable => "alert_unreadable",
            Action::AlertStateLoss => "alert_state_loss",
            Action::Send => "send",
        }
    }
}

/// Why a blob is not sent, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A peer showed that we lost state (BR3).
    #[error("a peer holds a newer state than ours: recover, then acknowledge")]
    StateLoss,
    /// The peer offers no storage or is not connected.
    #[error("the peer is not connected or offers no storage")]
    NotAvailable,
    /// The peer may still return what it holds (BR1).
    #[error("the peer may still return what it holds")]
    Hold,
    /// The peer holds what we cannot read and did not send (BR2).
    #[error("the peer holds a blob that cannot be read: acknowledge to overwrite it")]
    Unreadable,
    /// The sequence number is not greater than the last one sent to this peer (BR4).
    #[error("the sequence number is not greater than the last one sent to this peer")]
    Seq,
}

impl Refusal {
    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::StateLoss => "state_loss",
            Refusal::NotAvailable => "not_available",
            Refusal::Hold => "hold",
            Refusal::Unreadable => "unreadable",
            Refusal::Seq => "seq",
        }
    }

    /// What a caller is answered. A sequence number that does not rise is our own fault, not the caller's.
    pub fn status(self) -> Status {
        match self {
            Refusal::StateLoss => Status::StateLoss,
            Refusal::NotAvailable => Status::PeerUnavailable,
            Refusal::Hold => Status::Hold,
            Refusal::Unreadable => Status::Unreadable,
            Refusal::Seq => Status::InvalidArgument,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::new(refusal.status(), refusal.to_string())
    }
}

/// What holds for all peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Session {
    /// Random, made once per database.
    pub instance: [u8; 16],
    /// The database never sent anything: whatever comes back shows that another one did (BR3, BR7).
    pub is_fresh: bool,
    /// State was lost: every send is refused.
    pub is_blocked: bool,
}

impl Session {
    /// Session of a new database.
    pub fn new(instance: [u8; 16]) -> Session {
        Session { instance, is_fresh: true, is_blocked: false }
    }
}

/// What is known of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Peer {
    /// What it is believed to hold.
    pub state: PeerState,
    /// Sequence number of the last blob sent to it, 0 for none.
    pub sent_seq: u64,
    /// The greatest sequence number it confirmed, 0 for none.
    pub committed_seq: u64,
    /// How often it lost, rolled back or damaged a blob.
    pub strikes: u32,
    /// It holds what we cannot read and did not send: not to be overwritten, through connections too.
    pub is_protected: bool,
    /// Whether it offered storage when it connected last.
    pub offers_storage: bool,
    /// Whether it is connected.
    pub is_connected: bool,
}

/// A blob that a peer returned, opened or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Retrieval {
    /// It opened.
    Authentic {
        /// The database that sealed it.
        instance: [u8; 16],
        /// Its sequence number.
        seq: u64,
    },
    /// It did not open.
    Unauthentic,
}

/// What happened with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// It connected.
    Connected {
        /// Whether it sets bit 42 or 43.
        offers_storage: bool,
    },
    /// It is gone; also what befalls every peer when the process ends.
    Disconnected,
    /// It began channel_reestablish, or its time to return our blob is up.
    Deadline,
    /// It returned a blob.
    Retrieved(Retrieval),
}

/// What follows from an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What holds for all peers after it.
    pub session: Session,
    /// What is known of the peer after it.
    pub peer: Peer,
    /// What is asked of the host.
    pub action: Action,
}

/// Applies an event. A retrieval counts in every state, also from a peer that offers nothing or is not
/// connected, and also while sending is blocked.
///
/// | event | condition | state | action |
/// |---|---|---|---|
/// | connected | offers nothing | `Unsupported` | |
/// | connected | offers storage | `Hold` | |
/// | disconnected | in `Hold`, something was sent | `Sent` | |
/// | disconnected | in `Hold`, protected | `Unreadable` | |
/// | disconnected | in `Hold` otherwise | `Idle` | |
/// | deadline | in `Hold`, a blob was confirmed | `Lost`, strike | `Resend` |
/// | deadline | in `Hold`, something was sent | `Unconfirmed` | `Resend` |
/// | deadline | in `Hold`, protected | `Unreadable` | `AlertUnreadable` |
/// | deadline | in `Hold` otherwise | `Clear` | `FirstSendAllowed` |
/// | unauthentic | nothing was sent | `Unreadable`, protected | `AlertUnreadable` |
/// | unauthentic | something was sent | `Corrupt`, strike | `Resend` |
/// | authentic | fresh, another instance, or seq > sent | `Ahead`, all blocked | `AlertStateLoss` |
/// | authentic | seq = sent | `Committed` | |
/// | authentic | seq < committed | `Stale`, strike | `Resend` |
/// | authentic | between them | `Lagging` | `Resend` |
pub fn apply(session: Session, peer: Peer, event: Event) -> Step {
    let (peer, action) = match event {
        Event::Connected { offers_storage } => (connected(peer, offers_storage), Action::None),
        Event::Disconnected => (disconnected(peer), Action::None),
        Event::Deadline => deadline(peer),
        Event::Retrieved(Retrieval::Unauthentic) => unauthentic(peer),
        Event::Retrieved(Retrieval::Authentic { instance, seq }) => {
            return authentic(session, peer, instance, seq);
        }
    };
    Step { session, peer, action }
}

/// Decides whether the blob of a sequence number may be sent.
pub fn send(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    if session.is_blocked {
        return Err(Refusal::StateLoss);
    }
    if !peer.offers_storage || !peer.is_connected {
        return Err(Refusal::NotAvailable);
    }
    if peer.state == PeerState::Hold {
        return Err(Refusal::Hold);
    }
    if peer.state == PeerState::Unreadable || peer.is_protected {
        return Err(Refusal::Unreadable);
    }
    if seq <= peer.sent_seq {
        return Err(Refusal::Seq);
    }
    let session = Session { is_fresh: false, ..session };
    let peer = Peer { state: PeerState::Sent, sent_seq: seq, ..peer };
    Ok(Step { session, peer, action: Action::Send })
}

/// What an operator's acknowledgement makes of what holds for all peers; it concerns every peer as well.
pub fn acknowledge_session(session: Session) -> Session {
    Session { is_fresh: false, is_blocked: false, ..session }
}

/// What an operator's acknowledgement makes of one peer. One that may still return a blob stays held (BR1).
pub fn acknowledge_peer(peer: Peer) -> Peer {
    let state = match peer.state {
        PeerState::Unreadable | PeerState::Ahead => PeerState::Clear,
        other => other,
    };
    Peer { state, is_protected: false, ..peer }
}

fn connected(peer: Peer, offers_storage: bool) -> Peer {
    let state = if offers_storage { PeerState::Hold } else { PeerState::Unsupported };
    Peer { state, offers_storage, is_connected: true, ..peer }
}

pub(super) fn disconnected(peer: Peer) -> Peer {
    let state = match peer.state {
        PeerState::Hold if peer.sent_seq > 0 => PeerState::Sent,
        PeerState::Hold if peer.is_protected => PeerState::Unreadable,
        PeerState::Hold => PeerState::Idle,
        other => other,
    };
    Peer { state, is_connected: false, ..peer }
}

/// A peer in `Hold` returned nothing since it connected, because every retrieval leads out of `Hold`.
fn deadline(peer: Peer) -> (Peer, Action) {
    if peer.state != PeerState::Hold {
        return (peer, Action::None);
    }
    let to = |state| Peer { state, ..peer };
    if peer.committed_seq > 0 {
        (struck(to(PeerState::Lost)), Action::Resend)
    } else if peer.sent_seq > 0 {
        (to(PeerState::Unconfirmed), Action::Resend)
    } else if peer.is_protected {
        (to(PeerState::Unreadable), Action::AlertUnreadable)
    } else {
        (to(PeerState::Clear), Action::FirstSendAllowed)
    }
}

fn unauthentic(peer: Peer) -> (Peer, Action) {
    if peer.sent_seq == 0 {
        let peer = Peer { state: PeerState::Unreadable, is_protected: true, ..peer };
        return (peer, Action::AlertUnreadable);
    }
    (struck(Peer { state: PeerState::Corrupt, ..peer }), Action::Resend)
}

fn authentic(session: Session, peer: Peer, instance: [u8; 16], seq: u64) -> Step {
    let peer = Peer { is_protected: false, ..peer };
    let is_foreign = session.is_fresh || instance != session.instance;
    if is_foreign || seq > peer.sent_seq {
        let session = Session { is_blocked: true, ..session };
        let peer = Peer { state: PeerState::Ahead, ..peer };
        return Step { session, peer, action: Action::AlertStateLoss };
    }
    let (peer, action) = if seq == peer.sent_seq {
        (Peer { state: PeerState::Committed, committed_seq: seq, ..peer }, Action::None)
    } else if seq < peer.committed_seq {
        (struck(Peer { state: PeerState::Stale, ..peer }), Action::Resend)
    } else {
        (Peer { state: PeerState::Lagging, committed_seq: seq, ..peer }, Action::Resend)
    };
    Step { session, peer, action }
}

fn struck(peer: Peer) -> Peer {
    Peer { strikes: peer.strikes.saturating_add(1), ..peer }
}
