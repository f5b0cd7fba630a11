//! Bodies of the components' rows. The first byte chooses among the rows of one target.

use crate::attempts::classify::{decode_client_id, encode_client_id, local_failure_code};
use crate::attempts::record::{Attempt, NamespaceRow};
use crate::attempts::table::{self, decode_retained};
use crate::backup::content::{CONTENT_BYTES, Content};
use crate::backup::generation::{Generation, Stripe};
use crate::backup::record as backup_record;
use crate::backup::uptime::Uptime;
use crate::bounds::{Form, check, choice};
use crate::error::Result;
use crate::events::cursor::decode_cursor;
use crate::events::record::Event;
use crate::monitors::record as monitor_record;
use crate::payments::payment::{
    AttemptOutcome, AttemptRequest, Marks, PaymentAttempt, PaymentInit,
};
use crate::payments::record as payment_record;
use crate::payments::record::{HashRow, Head, KeyRow};
use crate::resources::entry::Entry;
use crate::resources::load::restored;
use crate::resources::record as resource_record;
use crate::resources::rules::Settings;
use crate::resources::slots::NodeSalt;
use crate::store::blob::Pointer;
use crate::store::bytes::Reader;
use crate::types::{AttemptKey, Namespace, RawMessage, ShortChannelId};

fn key() -> AttemptKey {
    AttemptKey::new(Namespace([7; 16]), 0x0102_0304_0506_0708)
}

/// No decoder asks for more than there is.
fn had<T>(result: Result<T>) -> T {
    result.expect("there is memory")
}

pub fn attempts(data: &[u8]) {
    let decode = |body: &[u8]| had(Attempt::decode(key(), body));
    let found = check(Form::Loose, data, decode, |attempt| had(attempt.encode()));
    if let Some(attempt) = &found {
        assert_eq!(attempt.key, key());
        assert_eq!(attempt.result.is_some(), attempt.state.is_final());
    }
    let loaded = had(table::decode(key(), data));
    assert_eq!(matches!(loaded, table::Loaded::Found(_)), found.is_some());
}

pub fn attempt_index(data: &[u8]) {
    let (choice, body) = choice(data);
    if choice % 2 == 0 {
        check(Form::Exact, body, NamespaceRow::decode, NamespaceRow::encode);
    } else {
        let encode =
            |row: &(AttemptKey, u64)| [&row.0.to_bytes()[..], &row.1.to_le_bytes()].concat();
        check(Form::Exact, body, decode_retained, encode);
    }
}

/// Reasons of local failures against a reader written apart, and ids that carry their client.
pub fn reasons(data: &[u8]) {
    assert_eq!(local_failure_code(data), reference_code(data));
    if let Some(bytes) = data.first_chunk() {
        let id = u64::from_be_bytes(*bytes);
        let (client, raw) = decode_client_id(id);
        assert_eq!(encode_client_id(client, raw).ok(), Some(id));
    }
}

fn reference_code(data: &[u8]) -> Option<u16> {
    let number =
        |at: usize| Some(usize::from(*data.get(at)?) * 256 + usize::from(*data.get(at + 1)?));
    let message = number(0)?;
    let padding = number(2 + message)?;
    let fits = data.len() == 4 + message + padding;
    (fits && message + padding >= 256 && message >= 2).then(|| number(2).map(|code| code as u16))?
}

pub fn events(data: &[u8]) {
    let (choice, body) = choice(data);
    if choice % 2 == 0 {
        let event = check(
            Form::Loose,
            body,
            |body| Event::decode(7, body),
            |event| event.encode().to_vec(),
        );
        assert!(event.is_none_or(|event| event.sequence == 7));
    } else {
        let encode = |number: &u64| number.to_le_bytes().to_vec();
        let cursor = check(Form::Open, body, decode_cursor, encode);
        let first = body.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        assert_eq!(cursor, first);
    }
}

pub fn payment_heads(data: &[u8]) {
    let (choice, body) = choice(data);
    match choice % 4 {
        0 => drop(check(Form::Exact, body, Head::decode, |head| head.encode().to_vec())),
        1 => drop(check(Form::Exact, body, HashRow::decode, |row| row.encode().to_vec())),
        2 => drop(check(Form::Exact, body, KeyRow::decode, |row| row.encode().to_vec())),
        _ => {
            let encode =
                |key: &(u64, AttemptKey)| payment_record::attempt_row_key(key.0, key.1).to_vec();
            check(Form::Exact, body, payment_record::decode_attempt_row_key, encode);
        }
    }
}

pub fn payment_details(data: &[u8]) {
    let head = Head::decode(&[&[1_u8][..], &[0; 79]].concat()).expect("a head of zeros");
    let decode = |body: &[u8]| had(payment_record::decode_details(&head, body));
    let encode = |init: &PaymentInit| had(payment_record::encode_details(init));
    let found = check(Form::Exact, data, decode, encode);
    assert_eq!(payment_record::are_details(data), found.is_some());
}

pub fn payment_attempts(data: &[u8]) {
    let decode = |body: &[u8]| had(payment_record::decode_attempt(key(), body));
    let encode = |attempt: &PaymentAttempt| had(payment_record::encode_attempt(attempt));
    let found = check(Form::Exact, data, decode, encode);
    assert_eq!(payment_record::is_attempt(key(), data), found.is_some());
}

pub fn payment_outcomes(data: &[u8]) {
    let decode = |body: &[u8]| {
        let request = AttemptRequest::new(key(), 0, 0);
        let (outcome, note) = (AttemptOutcome::InFlight, RawMessage::default());
        let mut attempt = PaymentAttempt { request, marks: Marks::default(), outcome, note };
        had(payment_record::decode_outcome(&mut attempt, body)).then_some(attempt)
    };
    let encode =
        |attempt: &PaymentAttempt| had(payment_record::encode_outcome(attempt)).expect("it ended");
    let found = check(Form::Exact, data, decode, encode);
    let state = payment_record::decode_state(data);
    assert_eq!(state, found.map(|attempt| attempt.state()));
}

pub fn monitors(data: &[u8]) {
    let (choice, body) = choice(data);
    match choice % 4 {
        0 => {
            let decode = monitor_record::State::decode;
            check(Form::Exact, body, decode, |state| state.encode().to_vec());
        }
        1 => {
            let decode = monitor_record::ChannelRow::decode;
            check(Form::Exact, body, decode, monitor_record::ChannelRow::encode);
        }
        2 => {
            let decode = |body: &[u8]| {
                monitor_record::decode_output(body).map(|(tag, bytes)| (tag, bytes.to_vec()))
            };
            check(Form::Open, body, decode, |row| monitor_record::encode_output(row.0, &row.1));
        }
        _ => {
            let decode = monitor_record::decode_update_key;
            check(Form::Exact, body, decode, |row| {
                monitor_record::update_key(row.0, row.1).to_vec()
            });
        }
    }
}

pub fn resources_state(data: &[u8]) {
    let decode = resource_record::State::decode;
    if let Some(state) = check(Form::Exact, data, decode, resource_record::State::encode) {
        assert!(state.settings.check().is_ok());
    }
}

/// A row is read, restored to a channel, and written from it: what the channel holds is then stable.
pub fn resources_channels(data: &[u8]) {
    let decode = |body: &[u8]| resource_record::ChannelRow::decode(body);
    let Some(row) = crate::bounds::bounded(data.len(), || decode(data)) else { return };
    for more in [0, 0xff] {
        assert!(decode(&[data, &[more]].concat()).is_none(), "a byte after its end was accepted");
    }
    assert!(decode(&data[..data.len() - 1]).is_none(), "a byte less was accepted");
    let (settings, salt) = (Settings::default(), NodeSalt::new([5; 32]));
    let written = |row: resource_record::ChannelRow| {
        let division = row.division;
        let channel = restored(&settings, &salt, ShortChannelId(9), row)?;
        Some(resource_record::encode_channel(&channel, division))
    };
    let Some(first) = written(row) else { return };
    let second = written(decode(&first).expect("a row that was written"));
    assert_eq!(second, Some(first), "a channel changes by being written and read");
}

pub fn resources_journal(data: &[u8]) {
    let encode = |entries: &Vec<Entry>| {
        let mut body = Vec::new();
        entries.iter().for_each(|entry| {
            resource_record::encode_entry(&mut body, (*entry).to_words());
        });
        body
    };
    let decode = |body: &[u8]| {
        let (count, entries) = resource_record::decode_block(body)?;
        let entries: Vec<_> = entries.collect();
        assert_eq!(count, entries.len() as u64, "every entry that is counted is read");
        Some(entries)
    };
    check(Form::Loose, data, decode, encode);
    let number = resource_record::decode_key(data);
    assert_eq!(number.map(resource_record::key).map(Vec::from), number.map(|_| data.to_vec()));
    let first = resource_record::decode_block_key(data);
    assert_eq!(first, number.filter(|number| *number < resource_record::NUMBER_MAX));
}

pub fn peer_records(data: &[u8]) {
    use crate::peer_storage::record::Record;
    check(Form::Exact, data, Record::decode, |record| record.encode().to_vec());
}

pub fn backup_rows(data: &[u8]) {
    let (choice, body) = choice(data);
    match choice % 4 {
        0 => {
            let decode = backup_record::State::decode;
            check(Form::Exact, body, decode, |state| state.encode().to_vec());
        }
        1 => {
            let decode = backup_record::decode_peer;
            check(Form::Exact, body, decode, |row| {
                backup_record::encode_peer(&row.0, &row.1).to_vec()
            });
        }
        2 => {
            let decode =
                |body: &[u8]| Content::decode(<&[u8; CONTENT_BYTES]>::try_from(body).ok()?);
            check(Form::Exact, body, decode, |content| content.encode().to_vec());
        }
        _ => {
            let decode = |body: &[u8]| Uptime::decode(body).ok();
            let uptime = check(Form::Exact, body, decode, |uptime| uptime.encode().to_vec());
            assert!(uptime.is_none_or(|uptime| uptime.connected_ppm() <= 1_000_000));
        }
    }
}

pub fn stripe_rows(data: &[u8]) {
    let (choice, body) = choice(data);
    if choice % 2 == 0 {
        check(Form::Loose, body, Stripe::decode, Stripe::encode);
        return;
    }
    let decode = |body: &[u8]| {
        let mut reader = Reader::new(body);
        Generation::decode(&mut reader).filter(|_| reader.is_at_end())
    };
    let encode = |generation: &Generation| {
        let mut body = Vec::new();
        generation.encode(&mut body);
        body
    };
    check(Form::Exact, body, decode, encode);
}

pub fn blob_pointers(data: &[u8]) {
    let pointer = check(Form::Exact, data, Pointer::decode, |pointer| pointer.encode().to_vec());
    assert!(pointer.is_none_or(|pointer| pointer.chunks() >= 1));
}
