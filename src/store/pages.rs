//! LMDB's pages as bytes: bounds-checked fields, no pointer, no trust.
//!
//! Y1 every accessor answers `None` for bytes that do not hold what is asked. Y2 offsets are those of a
//! 64-bit little-endian LMDB 0.9 file. Called by `page_file` and `walk`.

/// Bytes before a page's content.
const HEADER_BYTES: usize = 16;
/// Bytes before a node's key.
const NODE_HEADER_BYTES: usize = 8;
/// Bytes of a tree's record.
const TREE_BYTES: usize = 48;
/// Root of an empty tree.
const NO_PAGE: u64 = u64::MAX;

const MAGIC: u32 = 0xbeef_c0de;
const DATA_VERSION: u32 = 1;
const PAGE_BYTES_MIN: u32 = 256;
const PAGE_BYTES_MAX: u32 = 65_536;
/// Page header, meta record.
pub(super) const META_BYTES: usize = 152;

/// What a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Branch,
    Leaf,
    Overflow,
    Meta,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Where a tree begins and what it claims to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tree {
    flags: u16,
    pub(super) depth: u16,
    pub(super) branch_pages: u64,
    pub(super) leaf_pages: u64,
    pub(super) overflow_pages: u64,
    pub(super) entries: u64,
    root: u64,
}

impl Tree {
    pub(super) fn parse(bytes: &[u8]) -> Option<Tree> {
        if bytes.len() != TREE_BYTES {
            return None;
        }
        Some(Tree {
            flags: u16_at(bytes, 4)?,
            depth: u16_at(bytes, 6)?,
            branch_pages: u64_at(bytes, 8)?,
            leaf_pages: u64_at(bytes, 16)?,
            overflow_pages: u64_at(bytes, 24)?,
            entries: u64_at(bytes, 32)?,
            root: u64_at(bytes, 40)?,
        })
    }

    /// Whether keys are compared as we compare them and every key has one value: numbers of transactions in
    /// the tree of free pages, bytes in every other.
    pub(super) fn is_plain(&self, of_free_pages: bool) -> bool {
        const INTEGER_KEYS: u16 = 8;
        self.flags == if of_free_pages { INTEGER_KEYS } else { 0 }
    }

    pub(super) fn root(&self) -> Option<u64> {
        (self.root != NO_PAGE).then_some(self.root)
    }
}

/// One meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetaPage {
    pub(crate) page_bytes: u32,
    pub(crate) last_page: u64,
    pub(crate) transaction: u64,
    pub(super) free: Tree,
    pub(super) main: Tree,
}

impl MetaPage {
    pub(super) fn parse(bytes: &[u8; META_BYTES]) -> Option<MetaPage> {
        let page_bytes = u32_at(bytes, 40)?;
        let well_formed = Page(bytes).kind() == Some(Kind::Meta)
            && u32_at(bytes, 16) == Some(MAGIC)
            && u32_at(bytes, 20) == Some(DATA_VERSION)
            && page_bytes.is_power_of_two()
            && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes);
        if !well_formed {
            return None;
        }
        Some(MetaPage {
            page_bytes,
            last_page: u64_at(bytes, 136)?,
            transaction: u64_at(bytes, 144)?,
            free: Tree::parse(bytes.get(40..88)?)?,
            main: Tree::parse(bytes.get(88..136)?)?,
        })
    }
}

/// The bytes of one page.
#[derive(Clone, Copy)]
pub(super) struct Page<'a>(pub(super) &'a [u8]);

impl<'a> Page<'a> {
    /// Number the page says it has.
    pub(super) fn number(self) -> Option<u64> {
        u64_at(self.0, 0)
    }

    pub(super) fn kind(self) -> Option<Kind> {
        match u16_at(self.0, 10)? {
            0x01 => Some(Kind::Branch),
            0x02 => Some(Kind::Leaf),
            0x04 => Some(Kind::Overflow),
            0x08 => Some(Kind::Meta),
            _ => None,
        }
    }

    /// Pages that an overflow page and its successors take.
    pub(super) fn overflow_pages(self) -> Option<u32> {
        u32_at(self.0, 12)
    }

    /// Number of nodes, if the space between them and their offsets is sane.
    pub(super) fn nodes(self) -> Option<usize> {
        let (lower, upper) = (usize::from(u16_at(self.0, 12)?), usize::from(u16_at(self.0, 14)?));
        let sane = lower >= HEADER_BYTES && lower <= upper && upper <= self.0.len();
        (sane && lower % 2 == 0).then(|| (lower - HEADER_BYTES) / 2)
    }

    /// Whether the nodes fill the space up to the page's end without holes and overlaps: LMDB moves that
    /// space as a whole when it writes to the page.
    pub(super) fn is_packed(self, nodes: usize) -> bool {
        let is_branch = self.kind() == Some(Kind::Branch);
        let mut spans = Vec::with_capacity(nodes);
        for index in 0..nodes {
            let offset = u16_at(self.0, HEADER_BYTES + 2 * index).map(usize::from);
            let (Some(offset), Some(node)) = (offset, self.node(index)) else { return false };
            spans.push((offset, node.bytes(is_branch)));
        }
        spans.sort_unstable();
        let mut at = u16_at(self.0, 14).map_or(0, usize::from);
        for (offset, bytes) in spans {
            if offset != at {
                return false;
            }
            at += bytes;
        }
        at == self.0.len()
    }

    pub(super) fn node(self, index: usize) -> Option<Node<'a>> {
        let offset = usize::from(u16_at(self.0, HEADER_BYTES + 2 * index)?);
        let lower = usize::from(u16_at(self.0, 12)?);
        if offset < lower {
            return None;
        }
        Node::parse(self.0.get(offset..)?)
    }
}

/// A key with what it leads to.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) key: &'a [u8],
    low: u16,
    high: u16,
    flags: u16,
    rest: &'a [u8],
}

/// Flag of a leaf's node whose row lies in overflow pages.
const OVERFLOW: u16 = 1;

/// What a leaf's node holds.
pub(super) enum Value<'a> {
    /// The row itself.
    Inline(&'a [u8]),
    /// The row lies in overflow pages.
    Overflow { page: u64, bytes: usize },
    /// The record of another tree.
    Tree(Tree),
}

impl<'a> Node<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Node<'a>> {
        let key_bytes = usize::from(u16_at(bytes, 6)?);
        let body = bytes.get(NODE_HEADER_BYTES..)?;
        let (key, rest) = body.split_at_checked(key_bytes)?;
        Some(Node {
            key,
            low: u16_at(bytes, 0)?,
            high: u16_at(bytes, 2)?,
            flags: u16_at(bytes, 4)?,
            rest,
        })
    }

    /// Bytes it takes on its page, which are even.
    fn bytes(self, is_branch: bool) -> usize {
        let value = match (is_branch, self.flags) {
            (true, _) => 0,
            (false, OVERFLOW) => 8,
            (false, _) => self.value_bytes(),
        };
        (NODE_HEADER_BYTES + self.key.len() + value).next_multiple_of(2)
    }

    fn value_bytes(self) -> usize {
        usize::from(self.low) | usize::from(self.high) << 16
    }

    /// The page a branch's node leads to.
    pub(super) fn child(self) -> u64 {
        u64::from(self.low) | u64::from(self.high) << 16 | u64::from(self.flags) << 32
    }

    /// What a leaf's node holds.
    pub(super) fn value(self) -> Option<Value<'a>> {
        let bytes = self.value_bytes();
        match self.flags {
            0 => Some(Value::Inline(self.rest.get(..bytes)?)),
            OVERFLOW => Some(Value::Overflow { page: u64_at(self.rest, 0)?, bytes }),
            2 => Some(Value::Tree(Tree::parse(self.rest.get(..bytes)?)?)),
            _ => None,
        }
    }
}

/// Bytes of a page before its content, for rows in overflow pages.
pub(super) const OVERFLOW_HEADER_BYTES: usize = HEADER_BYTES;
