//! The rules about peers, written from section 6 of the vectors' FORMAT.md line by line.

#[derive(Clone)]
pub struct ReferencePeer {
    pub state: &'static str,
    pub sent: u64,
    pub committed: u64,
    pub strikes: u32,
    pub is_protected: bool,
    is_offering: bool,
    is_connected: bool,
    has_returned: bool,
}

pub struct Reference {
    pub is_fresh: bool,
    pub is_blocked: bool,
    pub peers: Vec<ReferencePeer>,
}

/// What a peer returned.
pub enum Returned {
    Garbage,
    OfAnotherInstance,
    OfOurs { seq: u64 },
}

impl Reference {
    pub fn new(is_fresh: bool) -> Reference {
        let peer = ReferencePeer {
            state: "idle",
            sent: 0,
            committed: 0,
            strikes: 0,
            is_protected: false,
            is_offering: false,
            is_connected: false,
            has_returned: false,
        };
        Reference { is_fresh, is_blocked: false, peers: vec![peer; 3] }
    }

    pub fn connected(&mut self, who: usize, offers: bool) -> &'static str {
        let peer = &mut self.peers[who];
        peer.is_connected = true;
        peer.is_offering = offers;
        peer.has_returned = false;
        peer.state = if offers { "hold" } else { "unsupported" };
        "none"
    }

    pub fn disconnected(&mut self, who: usize) -> &'static str {
        let peer = &mut self.peers[who];
        peer.is_connected = false;
        if peer.state == "hold" {
            peer.state = "idle";
            if peer.is_protected {
                peer.state = "unreadable";
            }
            if peer.sent > 0 {
                peer.state = "sent";
            }
        }
        "none"
    }

    pub fn deadline(&mut self, who: usize) -> &'static str {
        let peer = &mut self.peers[who];
        if peer.state != "hold" || peer.has_returned {
            return "none";
        }
        if peer.committed > 0 {
            peer.state = "lost";
            peer.strikes += 1;
            return "resend";
        }
        if peer.sent > 0 {
            peer.state = "unconfirmed";
            return "resend";
        }
        if peer.is_protected {
            peer.state = "unreadable";
            return "alert_unreadable";
        }
        peer.state = "clear";
        "first_send_allowed"
    }

    pub fn returned(&mut self, who: usize, returned: Returned) -> &'static str {
        let peer = &mut self.peers[who];
        peer.has_returned = true;
        let seq = match returned {
            Returned::Garbage if peer.sent == 0 => {
                peer.is_protected = true;
                peer.state = "unreadable";
                return "alert_unreadable";
            }
            Returned::Garbage => {
                peer.state = "corrupt";
                peer.strikes += 1;
                return "resend";
            }
            Returned::OfAnotherInstance => None,
            Returned::OfOurs { seq } => Some(seq),
        };
        peer.is_protected = false;
        let Some(seq) = seq.filter(|seq| !self.is_fresh && *seq <= peer.sent) else {
            peer.state = "ahead";
            self.is_blocked = true;
            return "alert_state_loss";
        };
        if seq == peer.sent {
            peer.state = "committed";
            peer.committed = seq;
            return "none";
        }
        if seq < peer.committed {
            peer.state = "stale";
            peer.strikes += 1;
        } else {
            peer.state = "lagging";
            peer.committed = seq;
        }
        "resend"
    }

    pub fn send(&mut self, who: usize, seq: u64) -> &'static str {
        let peer = &mut self.peers[who];
        if self.is_blocked {
            return "refused:state_loss";
        }
        if !peer.is_offering || !peer.is_connected {
            return "refused:not_available";
        }
        if peer.state == "hold" {
            return "refused:hold";
        }
        if peer.state == "unreadable" {
            return "refused:unreadable";
        }
        if seq <= peer.sent {
            return "refused:seq";
        }
        peer.state = "sent";
        peer.sent = seq;
        self.is_fresh = false;
        "send"
    }

    pub fn acknowledge(&mut self) {
        self.is_blocked = false;
        self.is_fresh = false;
        for peer in &mut self.peers {
            peer.is_protected = false;
            if peer.state == "unreadable" || peer.state == "ahead" {
                peer.state = "clear";
            }
        }
    }
}
