//! Errors that the harness plants and must find, one for each target: what a slip could look like.

/// One edit of a decoder, and the target that has to find it.
#[allow(dead_code)] // the build script and the program use different parts
pub struct Plant {
    pub target: &'static str,
    pub file: &'static str,
    /// An expression that stands there once.
    pub from: &'static str,
    /// What stands there while it is armed.
    pub to: &'static str,
}

#[allow(dead_code)]
impl Plant {
    /// The text that does what it did until the plant of this number is armed.
    pub fn armed(&self, number: usize) -> String {
        format!("(if crate::arm::is_armed({number}) {{ {} }} else {{ {} }})", self.to, self.from)
    }
}

pub const PLANTS: [Plant; 33] = [
    Plant {
        target: "attempts",
        file: "attempts/record.rs",
        from: "reader.is_at_end().then_some((attempt, message))",
        to: "Some((attempt, message))",
    },
    Plant {
        target: "attempt_index",
        file: "attempts/record.rs",
        from: "reader.is_at_end().then_some(row)",
        to: "Some(row)",
    },
    Plant {
        target: "reasons",
        file: "attempts/classify.rs",
        from: "usize::from(padding) != rest.len() || !long_enough",
        to: "!long_enough",
    },
    Plant {
        target: "events",
        file: "events/record.rs",
        from: "reader.is_at_end().then_some(event)",
        to: "Some(event)",
    },
    Plant {
        target: "payment_heads",
        file: "payments/record.rs",
        from: "reader.is_at_end().then_some(head)",
        to: "Some(head)",
    },
    Plant {
        target: "payment_details",
        file: "payments/record.rs",
        from: "reader.is_at_end().then_some(details)",
        to: "Some(details)",
    },
    Plant {
        target: "payment_attempts",
        file: "payments/record.rs",
        from: "reader.is_at_end() && marks.0 & !Marks::TRACKED == 0",
        to: "marks.0 & !Marks::TRACKED == 0",
    },
    Plant {
        target: "payment_outcomes",
        file: "payments/record.rs",
        from: "reader.is_at_end() && marks & Marks::TRACKED == 0",
        to: "marks & Marks::TRACKED == 0",
    },
    Plant {
        target: "monitors",
        file: "monitors/record.rs",
        from: "reader.is_at_end() && ordered",
        to: "ordered",
    },
    Plant {
        target: "resources_state",
        file: "resources/record.rs",
        from: "reader.is_at_end().then_some(State { salt, settings, division, before })",
        to: "Some(State { salt, settings, division, before })",
    },
    Plant {
        target: "resources_channels",
        file: "resources/record.rs",
        from: "count.checked_mul(bytes_min)? > reader.left()",
        to: "std::hint::black_box(Vec::<T>::with_capacity(count.min(1 << 20))).is_empty() && false",
    },
    Plant {
        target: "resources_journal",
        file: "resources/record.rs",
        from: "!entries.is_empty() && rest.is_empty()",
        to: "!entries.is_empty()",
    },
    Plant {
        target: "peer_records",
        file: "peer_storage/record.rs",
        from: "reader.is_at_end().then_some(record)",
        to: "Some(record)",
    },
    Plant {
        target: "backup_rows",
        file: "backup/record.rs",
        from: "is_known && reader.is_at_end() && peer.committed_seq <= peer.sent_seq",
        to: "is_known && peer.committed_seq <= peer.sent_seq",
    },
    Plant {
        target: "stripe_rows",
        file: "backup/generation.rs",
        from: "reader.is_at_end().then_some(Stripe { revision, newest, base, placement })",
        to: "Some(Stripe { revision, newest, base, placement })",
    },
    Plant {
        target: "blob_pointers",
        file: "store/blob.rs",
        from: "reader.is_at_end() && pointer.bytes <= BLOB_BYTES_MAX as u64",
        to: "pointer.bytes <= BLOB_BYTES_MAX as u64",
    },
    Plant {
        target: "row_envelopes",
        file: "store/record.rs",
        from: "envelope[0] != ENVELOPE_VERSION",
        to: "false",
    },
    Plant {
        target: "meta",
        file: "store/heads.rs",
        from: "reader.is_at_end().then_some(heads)",
        to: "Some(heads)",
    },
    Plant {
        target: "owner",
        file: "store/place.rs",
        from: "encode_owner(store_id, epoch) == *bytes",
        to: "encode_owner(store_id, epoch)[..24] == bytes[..24]",
    },
    Plant {
        target: "pages",
        file: "store/pages.rs",
        from: "Node::parse(self.0.get(offset..)?)",
        to: "Node::parse(&self.0[offset..])",
    },
    Plant {
        target: "references",
        file: "payments/references.rs",
        from: "record::are_details(body)",
        to: "true",
    },
    Plant {
        target: "htlcs",
        file: "backup/htlcs/bytes.rs",
        from: "!reader.rest.is_empty()",
        to: "false",
    },
    Plant {
        target: "journals",
        file: "backup/journal.rs",
        from: "base_generation == 0 && diff.takes_away()",
        to: "false",
    },
    Plant { target: "rosters", file: "backup/roster.rs", from: "!rest.is_empty()", to: "false" },
    Plant {
        target: "objects",
        file: "backup/object.rs",
        from: "body.len().checked_sub(snapshot_bytes).ok_or(ObjectFault::Truncated)?",
        to: "body.len() - snapshot_bytes",
    },
    Plant { target: "shares", file: "backup/share.rs", from: "!rest.is_empty()", to: "false" },
    Plant {
        target: "codes",
        file: "backup/stripe.rs",
        from: "share.len() != share_bytes",
        to: "false",
    },
    Plant {
        target: "contents",
        file: "recovery/contents.rs",
        from: "![KIND_PAYLOAD, KIND_SHARES, KIND_JOURNAL].contains(&header.kind)",
        to: "false",
    },
    Plant {
        target: "foreign_ldk",
        file: "foreign/ldk.rs",
        from: "fields.u64()?.checked_add(u64::from(COUNT_CONTINUES)).ok_or(ForeignFault::BadPayload)",
        to: "Ok(fields.u64()? + u64::from(COUNT_CONTINUES))",
    },
    Plant {
        target: "foreign_cln",
        file: "foreign/cln.rs",
        from: "(version ^ VERSION) & VERSION_MASK != 0",
        to: "false",
    },
    Plant {
        target: "foreign_lnd",
        file: "foreign/lnd.rs",
        from: "ahead.take(usize::from(bytes))?",
        to: "ahead.take(usize::from(bytes)).unwrap()",
    },
    Plant {
        target: "foreign_kmp",
        file: "foreign/lightning_kmp.rs",
        from: "!VERSIONS.contains(version)",
        to: "false",
    },
    Plant {
        target: "exports",
        file: "recovery/export.rs",
        from: "!reader.0.is_empty()",
        to: "false",
    },
];
