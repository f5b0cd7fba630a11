//! One row for the whole store: each table's number of rows, its greatest key ever, a digest of its rows.
//!
//! H1 the heads are written in the same transaction as the rows they describe, once per batch.
//! H2 a digest is the wrapping sum of its rows' shares, so that it follows puts and deletes in any order.
//! H3 the greatest key of a table of sequence numbers is the last number given, also after a trim.
//! The row's own table, `meta`, has no head. Called by `batch`, `writer` and `walk`.

use super::record::digest_share;
use super::tables::{SPECS, TABLES, Table};
use crate::types::Clock;

/// Key of the row in `meta`.
pub(crate) const HEADS_KEY: &[u8] = b"heads";

/// More numbers than a store gives between a backup and its loss.
const RESTORE_JUMP: u64 = 1 << 32;

/// Facts about one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) rows: u64,
    pub(crate) digest: u64,
    pub(crate) last_key: Vec<u8>,
}

/// Facts about all tables, and what else is written once per batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Heads {
    pub(crate) commit_number: u64,
    pub(crate) clock: Clock,
    heads: [Head; TABLES],
}

impl Heads {
    pub(crate) fn of(&self, table: Table) -> &Head {
        &self.heads[table as usize]
    }

    /// Follows a row's change. Answers the greatest key before it, when the change moved it.
    pub(crate) fn follow(
        &mut self,
        table: Table,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        let head = &mut self.heads[table as usize];
        if let Some(row) = before {
            head.rows = head.rows.wrapping_sub(1);
            head.digest = head.digest.wrapping_sub(digest_share(table, key, row));
        }
        let row = after?;
        head.rows = head.rows.wrapping_add(1);
        head.digest = head.digest.wrapping_add(digest_share(table, key, row));
        if key <= head.last_key.as_slice() {
            return None;
        }
        Some(std::mem::replace(&mut head.last_key, key.to_vec()))
    }

    /// Puts a greatest key back when a change is undone.
    pub(crate) fn restore_last_key(&mut self, table: Table, last_key: Vec<u8>) {
        self.heads[table as usize].last_key = last_key;
    }

    /// Leaves a gap in a table of sequence numbers: a lost, newer store may have given the next ones.
    pub(crate) fn jump(&mut self, table: Table) {
        let head = &mut self.heads[table as usize];
        let last = <[u8; 8]>::try_from(head.last_key.as_slice()).map_or(0, u64::from_be_bytes);
        head.last_key = last.saturating_add(RESTORE_JUMP).to_be_bytes().to_vec();
    }

    /// Replaces what was followed by what was counted.
    pub(crate) fn set_counted(&mut self, table: Table, rows: u64, digest: u64) {
        let head = &mut self.heads[table as usize];
        head.rows = rows;
        head.digest = digest;
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(32 + TABLES * 48);
        body.extend_from_slice(&self.commit_number.to_le_bytes());
        body.extend_from_slice(&self.clock.unix_ms.to_le_bytes());
        body.extend_from_slice(&self.clock.block_height.to_le_bytes());
        body.push(TABLES as u8);
        for head in &self.heads {
            body.extend_from_slice(&head.rows.to_le_bytes());
            body.extend_from_slice(&head.digest.to_le_bytes());
            body.push(head.last_key.len() as u8);
            body.extend_from_slice(&head.last_key);
        }
        body
    }

    /// Reads heads of this or an earlier version; tables that came later start empty.
    pub(crate) fn decode(body: &[u8]) -> Option<Heads> {
        let mut reader = super::bytes::Reader::new(body);
        let mut heads = Heads {
            commit_number: reader.u64()?,
            clock: Clock { unix_ms: reader.u64()?, block_height: reader.u32()? },
            heads: Default::default(),
        };
        let tables = usize::from(reader.u8()?);
        for (spec, head) in SPECS.get(..tables)?.iter().zip(&mut heads.heads) {
            head.rows = reader.u64()?;
            head.digest = reader.u64()?;
            let length = usize::from(reader.u8()?);
            head.last_key = reader.take(length)?.to_vec();
            if length != 0 && !spec.key.allows(length) {
                return None;
            }
        }
        reader.is_at_end().then_some(heads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::seal;

    #[test]
    fn heads_return_to_empty_when_every_row_is_removed() {
        let mut heads = Heads::default();
        let a = seal(Table::Events, &[0; 8], b"a");
        let b = seal(Table::Events, &[1; 8], b"b");
        heads.follow(Table::Events, &[0; 8], None, Some(&a));
        heads.follow(Table::Events, &[1; 8], None, Some(&b));
        heads.follow(Table::Events, &[0; 8], Some(&a), None);
        heads.follow(Table::Events, &[1; 8], Some(&b), None);
        assert_eq!((heads.of(Table::Events).rows, heads.of(Table::Events).digest), (0, 0));
        assert_eq!(heads.of(Table::Events).last_key, [1; 8]);
    }

    #[test]
    fn encoded_heads_read_back_and_every_truncation_is_refused() {
        let mut heads = Heads { commit_number: 7, ..Heads::default() };
        heads.clock = Clock { unix_ms: 5, block_height: 6 };
        heads.follow(Table::Attempts, &[9; 24], None, Some(b"row"));
        let body = heads.encode();
        assert_eq!(Heads::decode(&body), Some(heads));
        for length in 0..body.len() {
            assert_eq!(Heads::decode(&body[..length]), None, "length {length}");
        }
    }
}
