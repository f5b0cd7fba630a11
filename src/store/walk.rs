//! Walks a store's file page by page: safe Rust over pread, never mapping, so that no damage can crash it.
//!
//! W1 a file is opened by LMDB only after its meta pages and length were checked (`page_file` T1).
//! W2 after an unclean end it is opened only after a whole walk found nothing wrong with its structure: LMDB
//!    answers damaged pages with SIGSEGV, an abort, or silently missing rows.
//! W3 every page up to the last one is used exactly once or free exactly once.
//! W4 counts, greatest keys and digests of the tables are those of the heads row.
//! A damaged row alone is a finding and does not bar the store: it is refused where it is read.

use super::heads::{HEADS_KEY, Heads};
use super::meta::{META_KEY, Meta};
use super::page_file::{PageFile, damaged};
use super::pages::{Kind, Node, OVERFLOW_HEADER_BYTES, Page, Tree, Value, u64_at};
use super::record;
use super::tables::{SPECS, Spec, Table};
use crate::error::{Error, Result, Status};
use crate::limits::VALUE_BYTES_MAX;
use crate::memory::{copied, resize, slice_of};
use crate::os;

/// Findings kept of one walk; a file this damaged needs no longer list.
const FINDINGS_MAX: usize = 1_000;
/// Damaged rows of one table among which those with a damaged checksum are looked for.
const CORRECTIONS_MAX: usize = 12;
/// Deeper trees do not fit the address space.
pub(super) const DEPTH_MAX: u16 = 32;

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Page it was found on, 0 when it concerns the file as a whole.
    pub page: u64,
    /// Name of the table, empty when it concerns none.
    pub table: &'static str,
    /// Key of the row, empty when it concerns none.
    pub key: Vec<u8>,
    /// What is wrong.
    pub fault: String,
    /// Only this row is damaged: the store can be opened, and reading the row is refused.
    pub row_only: bool,
}

/// What the rows of a component must say about each other; the store knows only their envelopes.
///
/// Rows come in key order within a table, tables in the order of their names.
pub(crate) trait References {
    /// Looks at the body of a row; answers what is wrong with it.
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String>;
    /// Learns of a row whose checksum does not hold, so that nothing else is blamed for it.
    fn damaged(&mut self, table: Table, key: &[u8]);
    /// Answers which rows disagree with others, once every row was seen: table, key, fault.
    fn disagreements(&mut self, heads: &Heads) -> Vec<(Table, Vec<u8>, String)>;
}

/// For a walk that looks only at what the store itself knows.
pub(crate) struct NoReferences;

impl References for NoReferences {
    fn row(&mut self, _table: Table, _key: &[u8], _body: &[u8]) -> Option<String> {
        None
    }
    fn damaged(&mut self, _table: Table, _key: &[u8]) {}
    fn disagreements(&mut self, _heads: &Heads) -> Vec<(Table, Vec<u8>, String)> {
        Vec::new()
    }
}

/// What a walk saw.
pub(crate) struct Walked {
    pub(crate) findings: Vec<Finding>,
    /// There was more wrong than the list holds.
    pub(crate) more: bool,
    pub(crate) meta: Option<Meta>,
    pub(crate) heads: Option<Heads>,
    pub(crate) rows: u64,
}

impl Walked {
    /// Refuses a file whose structure is damaged (W2); damaged rows alone are met where they are read.
    pub(crate) fn refuse(&self) -> Result<()> {
        refuse(&self.findings)
    }
}

pub(crate) fn refuse(findings: &[Finding]) -> Result<()> {
    match findings.iter().find(|finding| !finding.row_only) {
        None => Ok(()),
        Some(finding) => {
            let table = if finding.table.is_empty() { "" } else { " of table " };
            let Finding { page, table: name, fault, .. } = finding;
            Err(damaged(&format!("page {page}{table}{name} {fault}")))
        }
    }
}

/// The meta row, by a walk of the few pages that lead to it.
///
/// # Errors
/// `FormatTooNew`, also when a newer format has tables that are not known here; `CorruptStore` when those
/// pages are damaged.
pub(crate) fn stored_meta(pages: &PageFile) -> Result<Meta> {
    let mut references = NoReferences;
    let mut walk = Walk::new(pages, &mut references);
    walk.meta_table();
    if let Some(error) = walk.refused.take() {
        return Err(error);
    }
    let decoded = walk.store.as_deref().map(Meta::decode);
    if let Some(Err(error)) = &decoded
        && error.status() == Status::FormatTooNew
    {
        return Err(error.clone());
    }
    refuse(&walk.findings)?;
    decoded.unwrap_or_else(|| Err(damaged("its meta row is missing")))
}

/// Walks the newest commit of a file. Its pages must not be written meanwhile.
///
/// # Errors
/// `Io` when the operating system could not read the file, `Busy` when there was no memory for a page of it:
/// neither says anything about damage.
pub(crate) fn walk(pages: &PageFile, references: &mut dyn References) -> Result<Walked> {
    os::read_ahead(pages.file());
    let mut walk = Walk::new(pages, references);
    walk.all();
    let meta = walk.store.as_deref().and_then(|body| Meta::decode(body).ok());
    let Walk { findings, more, heads, rows, refused, .. } = walk;
    match refused {
        Some(error) => Err(error),
        None => Ok(Walked { findings, more, meta, heads, rows }),
    }
}

/// What a tree's rows are.
#[derive(Clone, Copy)]
enum Content {
    /// Lists of free pages by transaction number.
    Free,
    /// Records of the tables' trees.
    Tables,
    /// Rows of a table.
    Rows(&'static Spec),
}

impl Content {
    fn table(self) -> &'static str {
        match self {
            Content::Free | Content::Tables => "",
            Content::Rows(spec) => spec.name,
        }
    }
}

/// What was met while a tree was walked.
#[derive(Default)]
struct Met {
    branch_pages: u64,
    leaf_pages: u64,
    overflow_pages: u64,
    entries: u64,
    digest: u64,
    last_key: Vec<u8>,
    /// What the next row's key must not be below.
    bound: Option<Vec<u8>>,
    /// By how much each damaged row would change the digest if only its stored checksum is wrong; of the
    /// first [`CORRECTIONS_MAX`].
    corrections: Vec<u64>,
}

impl Met {
    /// Whether the digest is right but for stored checksums that are themselves the damage. A damaged key is
    /// not of that kind: its row is missing under the right key, where a lookup would find nothing.
    fn is_explained(&self, digest: u64) -> bool {
        (0u32..1 << self.corrections.len()).any(|chosen| {
            let corrected =
                self.corrections.iter().enumerate().filter(|(bit, _)| chosen & 1 << bit != 0);
            let sum = corrected.fold(self.digest, |sum, (_, by)| sum.wrapping_add(*by));
            sum == digest
        })
    }
}

struct Walk<'file> {
    pages: &'file PageFile,
    references: &'file mut dyn References,
    page_bytes: usize,
    last_page: u64,
    used: Box<[u64]>,
    /// Buffers of pages that were looked at, for the next ones.
    spare: Vec<Vec<u8>>,
    findings: Vec<Finding>,
    more: bool,
    heads: Option<Heads>,
    /// Body of the meta row.
    store: Option<Vec<u8>>,
    /// What the operating system said: that is not damage of the file.
    refused: Option<Error>,
    rows: u64,
    tables: Vec<(&'static Spec, Tree)>,
    met: Vec<(&'static Spec, Met)>,
}

impl<'file> Walk<'file> {
    fn new(pages: &'file PageFile, references: &'file mut dyn References) -> Walk<'file> {
        let meta = pages.meta();
        let words = usize::try_from(meta.last_page / 64 + 1).unwrap_or(usize::MAX);
        let (used, refused) = match slice_of(words, |_| 0) {
            Ok(used) => (used, None),
            Err(no_memory) => (Box::default(), Some(no_memory)),
        };
        Walk {
            pages,
            references,
            page_bytes: meta.page_bytes as usize,
            last_page: meta.last_page,
            used,
            spare: Vec::new(),
            findings: Vec::new(),
            more: false,
            heads: None,
            store: None,
            refused,
            rows: 0,
            tables: Vec::new(),
            met: Vec::new(),
        }
    }

    /// Only the tree of tables and the table `meta`.
    fn meta_table(&mut self) {
        self.tree(&self.pages.meta().main, Content::Tables);
        for (spec, tree) in std::mem::take(&mut self.tables) {
            if spec.table == Table::Meta {
                self.tree(&tree, Content::Rows(spec));
            }
        }
    }

    fn all(&mut self) {
        self.mark(0);
        self.mark(1);
        self.tree(&self.pages.meta().free, Content::Free);
        self.tree(&self.pages.meta().main, Content::Tables);
        for (spec, tree) in std::mem::take(&mut self.tables) {
            let met = self.tree(&tree, Content::Rows(spec));
            self.rows += met.entries;
            self.met.push((spec, met));
        }
        self.find_missing();
        self.compare_heads();
        self.find_lost_pages();
        let heads = self.heads.clone().unwrap_or_default();
        for (table, key, fault) in self.references.disagreements(&heads) {
            self.push(0, Content::Rows(table.spec()), &key, fault, true);
        }
    }

    fn add(&mut self, page: u64, content: Content, key: &[u8], fault: impl Into<String>) {
        self.push(page, content, key, fault.into(), false);
    }

    fn push(&mut self, page: u64, content: Content, key: &[u8], fault: String, row_only: bool) {
        if self.findings.len() >= FINDINGS_MAX {
            self.more = true;
            // The list's verdict: rows must not push out that more than rows is damaged.
            if row_only || self.findings.iter().any(|finding| !finding.row_only) {
                return;
            }
            self.findings.pop();
        }
        if let Err(no_memory) = self.findings.try_reserve(1) {
            self.refused.get_or_insert(no_memory.into());
            return;
        }
        let table = content.table();
        self.findings.push(Finding { page, table, key: key.to_vec(), fault, row_only });
    }

    /// Marks a page as met; answers whether it may be looked at.
    fn mark(&mut self, page: u64) -> bool {
        if page > self.last_page {
            return false;
        }
        let Some(word) = self.used.get_mut((page / 64) as usize) else { return false };
        let bit = 1 << (page % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    fn read(&mut self, page: u64, content: Content, pages: usize) -> Option<Vec<u8>> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        if let Err(no_memory) = resize(&mut bytes, pages.checked_mul(self.page_bytes)?) {
            self.refused.get_or_insert(no_memory);
            return None;
        }
        if let Err(error) = self.pages.read(page, &mut bytes) {
            if error.kind() != std::io::ErrorKind::UnexpectedEof {
                let doing = format!("reading page {page} of data.mdb");
                self.refused.get_or_insert_with(|| Error::io(Status::Io, &error, &doing));
            }
            self.add(page, content, &[], format!("cannot be read: {error}"));
            return None;
        }
        Some(bytes)
    }

    fn tree(&mut self, tree: &Tree, content: Content) -> Met {
        let mut met = Met::default();
        if !tree.is_plain(matches!(content, Content::Free)) {
            self.add(0, content, &[], "a tree has flags that no tree of a store has");
            return met;
        }
        if tree.depth > DEPTH_MAX {
            self.add(0, content, &[], format!("a tree claims a depth of {}", tree.depth));
            return met;
        }
        match tree.root() {
            Some(root) => self.subtree(root, tree.depth, content, &mut met),
            // LMDB would count on from it with the first row, and the store would be refused then.
            None if tree.depth != 0 => {
                let fault = format!("an empty tree claims a depth of {}", tree.depth);
                self.add(0, content, &[], fault);
            }
            None => {}
        }
        let claims = [tree.branch_pages, tree.leaf_pages, tree.overflow_pages, tree.entries];
        let found = [met.branch_pages, met.leaf_pages, met.overflow_pages, met.entries];
        if claims != found {
            let fault = format!(
                "a tree claims {claims:?} branches, leaves, overflow pages, rows and has {found:?}"
            );
            self.add(0, content, &[], fault);
        }
        met
    }

    fn subtree(&mut self, page: u64, levels: u16, content: Content, met: &mut Met) {
        if !self.mark(page) {
            return self.add(page, content, &[], "is used twice or lies beyond the file");
        }
        let Some(bytes) = self.read(page, content, 1) else { return };
        self.tree_page(page, Page(&bytes), levels, content, met);
        self.spare.push(bytes);
    }

    fn tree_page(
        &mut self,
        page: u64,
        view: Page<'_>,
        levels: u16,
        content: Content,
        met: &mut Met,
    ) {
        if view.number() != Some(page) {
            return self.add(page, content, &[], "has the number of another page");
        }
        let Some(nodes) = view.nodes() else {
            return self.add(page, content, &[], "has impossible bounds");
        };
        if !view.is_packed(nodes) {
            return self.add(page, content, &[], "has nodes that overlap or leave holes");
        }
        match (view.kind(), levels) {
            (Some(Kind::Leaf), 1) => {
                met.leaf_pages += 1;
                for index in 0..nodes {
                    match view.node(index) {
                        Some(node) => self.row(page, node, content, met),
                        None => self.add(page, content, &[], format!("node {index} is damaged")),
                    }
                }
            }
            (Some(Kind::Branch), 2..) => {
                met.branch_pages += 1;
                self.branch(page, view, nodes, levels, content, met);
            }
            (kind, _) => {
                let fault = format!("is {kind:?} where a tree has {levels} levels left");
                self.add(page, content, &[], fault);
            }
        }
    }

    fn branch(
        &mut self,
        page: u64,
        view: Page<'_>,
        nodes: usize,
        levels: u16,
        content: Content,
        met: &mut Met,
    ) {
        for index in 0..nodes {
            let Some(node) = view.node(index) else {
                self.add(page, content, &[], format!("node {index} is damaged"));
                continue;
            };
            // The first key of a branch is implied; every other one bounds its subtree from below, and a
            // lookup takes it at its word: a row below it would be there and never be found.
            if index > 0 {
                if !is_after(content, node.key, &met.last_key, met.entries == 0) {
                    self.add(page, content, node.key, "a branch's key is out of order");
                }
                met.bound = Some(node.key.to_vec());
            }
            self.subtree(node.child(), levels - 1, content, met);
        }
    }

    fn row(&mut self, page: u64, node: Node<'_>, content: Content, met: &mut Met) {
        if !is_after(content, node.key, &met.last_key, met.entries == 0) {
            self.add(page, content, node.key, "a key is out of order");
        }
        let bound = met.bound.take();
        if bound
            .is_some_and(|bound| node.key != bound && is_after(content, &bound, node.key, false))
        {
            self.add(page, content, node.key, "a row lies below its branch's key");
        }
        met.entries += 1;
        met.last_key.clear();
        met.last_key.extend_from_slice(node.key);
        match node.value() {
            Some(Value::Inline(row)) => self.content(page, node.key, row, content, met),
            Some(Value::Overflow { page: first, bytes }) => {
                if let Some(row) = self.overflow(first, bytes, content, met) {
                    let end = OVERFLOW_HEADER_BYTES + bytes;
                    self.content(first, node.key, &row[OVERFLOW_HEADER_BYTES..end], content, met);
                    self.spare.push(row);
                }
            }
            Some(Value::Tree(tree)) => self.table(page, node.key, tree, content),
            None => self.add(page, content, node.key, "a row is damaged"),
        }
    }

    fn overflow(
        &mut self,
        first: u64,
        bytes: usize,
        content: Content,
        met: &mut Met,
    ) -> Option<Vec<u8>> {
        let needed = (OVERFLOW_HEADER_BYTES + bytes).div_ceil(self.page_bytes);
        let limit = match content {
            Content::Free => (self.last_page as usize).saturating_mul(8).saturating_add(16),
            Content::Tables | Content::Rows(_) => VALUE_BYTES_MAX + record::ENVELOPE_BYTES,
        };
        if bytes > limit {
            self.add(first, content, &[], format!("a row claims {bytes} bytes"));
            return None;
        }
        if first.checked_add(needed as u64).is_none_or(|end| end > self.last_page + 1) {
            self.add(first, content, &[], "is an overflow page beyond the file");
            return None;
        }
        let row = self.read(first, content, needed)?;
        let view = Page(&row);
        // A row that became shorter within its transaction keeps the pages it had.
        let pages = view.overflow_pages().map_or(0, |pages| pages as usize);
        let well_formed =
            view.number() == Some(first) && view.kind() == Some(Kind::Overflow) && pages >= needed;
        if !well_formed {
            self.add(first, content, &[], "is not the overflow page a row needs");
            return None;
        }
        for page in first..first.checked_add(pages as u64)? {
            if !self.mark(page) {
                self.add(page, content, &[], "is used twice or lies beyond the file");
                return None;
            }
        }
        met.overflow_pages += pages as u64;
        Some(row)
    }

    fn table(&mut self, page: u64, name: &[u8], tree: Tree, content: Content) {
        let known = SPECS.iter().find(|spec| spec.name.as_bytes() == name);
        match (content, known) {
            (Content::Tables, Some(spec)) => self.tables.push((spec, tree)),
            _ => self.add(page, content, name, "an unknown table"),
        }
    }

    fn content(&mut self, page: u64, key: &[u8], row: &[u8], content: Content, met: &mut Met) {
        match content {
            Content::Free => self.free_pages(page, key, row),
            Content::Tables => self.add(page, content, key, "a row among the tables"),
            Content::Rows(spec) => self.table_row(page, key, row, spec, met),
        }
    }

    fn free_pages(&mut self, page: u64, key: &[u8], row: &[u8]) {
        let pages = u64_at(row, 0).and_then(|count| usize::try_from(count).ok());
        let listed = pages.and_then(|count| row.get(8..count.checked_mul(8)?.checked_add(8)?));
        let Some(listed) = listed else {
            return self.add(page, Content::Free, key, "a list of free pages is damaged");
        };
        let numbers = || listed.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0));
        let is_past =
            u64_at(key, 0).is_some_and(|freed_by| freed_by <= self.pages.meta().transaction);
        if key.len() != 8 || !is_past || !numbers().is_sorted_by(|a, b| a > b) {
            self.add(page, Content::Free, key, "a list of free pages is out of order");
        }
        for free in numbers() {
            if !self.mark(free) {
                self.add(
                    free,
                    Content::Free,
                    key,
                    "is free and used, free twice, or beyond the file",
                );
            }
        }
    }

    fn table_row(&mut self, page: u64, key: &[u8], row: &[u8], spec: &'static Spec, met: &mut Met) {
        let content = Content::Rows(spec);
        if !spec.key.allows(key.len()) {
            self.add(page, content, key, "a key has an impossible length");
        }
        match record::open(spec.table, key, row) {
            Ok(body) if spec.table == Table::Meta && key == HEADS_KEY => {
                self.heads = Heads::decode(body);
            }
            Ok(body) if spec.table == Table::Meta && key == META_KEY => {
                match copied(body) {
                    Ok(body) => self.store = Some(body),
                    Err(no_memory) => {
                        self.refused.get_or_insert(no_memory);
                    }
                }
                if Meta::decode(body).is_err() {
                    self.add(page, content, key, "the meta row does not decode");
                }
            }
            Ok(body) => {
                if let Some(fault) = self.references.row(spec.table, key, body) {
                    self.push(page, content, key, fault, true);
                }
            }
            Err(damage) => {
                let row_only = spec.table != Table::Meta;
                self.references.damaged(spec.table, key);
                if met.corrections.len() < CORRECTIONS_MAX {
                    met.corrections.extend(record::correction(spec.table, key, row));
                }
                self.push(page, content, key, damage.to_string(), row_only);
            }
        }
        met.digest = met.digest.wrapping_add(record::digest_share(spec.table, key, row));
    }

    fn compare_heads(&mut self) {
        let Some(heads) = self.heads.clone() else {
            return self.add(0, Content::Tables, HEADS_KEY, "the heads row is missing or damaged");
        };
        for (spec, met) in std::mem::take(&mut self.met) {
            let head = heads.of(spec.table);
            if spec.table == Table::Meta {
                continue;
            }
            let content = Content::Rows(spec);
            if head.rows != met.entries {
                let fault =
                    format!("its head counts {} rows and there are {}", head.rows, met.entries);
                self.add(0, content, &[], fault);
            } else if head.digest != met.digest && !met.is_explained(head.digest) {
                self.add(0, content, &[], "its digest is not that of its rows");
            }
            if met.last_key > head.last_key {
                self.add(
                    0,
                    content,
                    &met.last_key,
                    "a key is greater than the greatest ever written",
                );
            }
        }
    }

    fn find_missing(&mut self) {
        for spec in &SPECS {
            if !self.met.iter().any(|(met, _)| met.table == spec.table) {
                self.add(0, Content::Rows(spec), &[], "the table is missing");
            }
        }
        if self.store.is_none() {
            self.add(0, Content::Tables, META_KEY, "the meta row is missing or damaged");
        }
    }

    fn find_lost_pages(&mut self) {
        for page in 0..=self.last_page {
            let word = self.used.get((page / 64) as usize).copied().unwrap_or(0);
            if word & 1 << (page % 64) == 0 {
                self.add(page, Content::Tables, &[], "is neither used nor free");
                if self.more {
                    return;
                }
            }
        }
    }
}

/// Whether a key comes after the one before it. Numbers of transactions compare as numbers.
fn is_after(content: Content, key: &[u8], before: &[u8], is_first: bool) -> bool {
    if is_first {
        return true;
    }
    match content {
        Content::Free => u64_at(key, 0) > u64_at(before, 0),
        _ => key > before,
    }
}
