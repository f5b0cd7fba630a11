//! The bytes of a recovery that goes on after a restart.
//!
//! RX1 a session that is read back answers every call as the one that was written would. RX2 bytes that are
//! damaged, cut, longer, of another secret or another version are refused, and cost no more memory than they
//! are long. RX3 nothing in them is readable but who the peers are, where they may be found and when they
//! were asked: blobs stay sealed as they came.
//! Pure: no clock, no I/O, no randomness. Called by the session; docs/recovery.md has the bytes.

use sha2::{Digest, Sha256};

use super::Recovery;
use super::contents;
use super::crawl::{ADDRESS_BYTES_MAX, Answer, Awaited, FAILURES_MAX, Origin, Standing};
use super::kept::{Keeping, Rank};
use crate::backup::keys::CHECK_BYTES;
use crate::error::{Error, Result, Status};
use crate::limits::PEER_BLOB_BYTES_MAX;
use crate::types::NodeId;

const MAGIC: &[u8; 8] = b"lnkrecov";
const VERSION: u16 = 1;
const DIGEST_BYTES: usize = 32;

const ANSWERED: u8 = 1;
const WAS_ASKED: u8 = 2;
const AWAITED: u8 = 4;
const CONNECTED: u8 = 8;

pub(super) fn write(recovery: &Recovery) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&recovery.keys.check_value());
    bytes.extend_from_slice(&recovery.crawl.now_ms.to_be_bytes());
    bytes.extend_from_slice(&recovery.greatest_seen.to_be_bytes());
    bytes.extend_from_slice(&recovery.witnessed.to_be_bytes());
    bytes.extend_from_slice(&recovery.crawl.asked.unwrap_or(NOBODY).0);
    bytes.extend_from_slice(&count(recovery.crawl.candidates.len()));
    bytes.extend_from_slice(&count(recovery.kept.len()));
    for (node, standing) in &recovery.crawl.candidates {
        write_standing(&mut bytes, *node, standing);
    }
    for (rank, kept) in recovery.kept.iter() {
        bytes.extend_from_slice(&rank.node.0);
        bytes.extend_from_slice(&count(kept.sealed.len()));
        bytes.extend_from_slice(&kept.sealed);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Stands for nobody: no public key begins with a zero byte.
const NOBODY: NodeId = NodeId([0; 33]);

/// Candidates, blobs and their lengths are bounded far below 2^32.
fn count(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

fn write_standing(bytes: &mut Vec<u8>, node: NodeId, standing: &Standing) {
    let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let awaited = standing.awaited;
    bytes.extend_from_slice(&node.0);
    bytes.push(standing.origin as u8);
    bytes.push(
        flag(standing.answer.is_some(), ANSWERED)
            | flag(standing.was_asked, WAS_ASKED)
            | flag(awaited.is_some(), AWAITED)
            | flag(awaited.is_some_and(|awaited| awaited.is_connected), CONNECTED),
    );
    bytes.push(standing.answer.map_or(0, |answer| answer as u8));
    bytes.push(standing.failures);
    bytes.extend_from_slice(&awaited.map_or(0, |awaited| awaited.until_ms).to_be_bytes());
    bytes.extend_from_slice(&standing.next_ms.to_be_bytes());
    bytes.extend_from_slice(&standing.roster_generation.to_be_bytes());
    for address in [&standing.address, &standing.roster_address] {
        // No address of more than 255 bytes is taken.
        bytes.push(u8::try_from(address.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(address.get(..ADDRESS_BYTES_MAX).unwrap_or(address));
    }
}

/// What is left to be read.
struct Reader<'bytes>(&'bytes [u8]);

fn refused(fact: &str) -> Error {
    let advice = "begin anew, or give the bytes as they were exported";
    Error::new(Status::InvalidArgument, format!("no export of this recovery: {fact}; {advice}"))
}

impl<'bytes> Reader<'bytes> {
    fn take(&mut self, bytes: usize) -> Result<&'bytes [u8]> {
        let split = self.0.split_at_checked(bytes).ok_or_else(|| refused("it is cut"))?;
        self.0 = split.1;
        Ok(split.0)
    }

    fn array<const BYTES: usize>(&mut self) -> Result<[u8; BYTES]> {
        let mut array = [0; BYTES];
        array.copy_from_slice(self.take(BYTES)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn four(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn eight(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn address(&mut self) -> Result<Vec<u8>> {
        let bytes = self.byte()?;
        self.take(usize::from(bytes)).map(<[u8]>::to_vec)
    }
}

/// Reads what [`write`] wrote into a session that has just begun.
pub(super) fn read(mut recovery: Recovery, bytes: &[u8]) -> Result<Recovery> {
    let mut reader = Reader(whole(bytes)?);
    let check: [u8; CHECK_BYTES] = reader.array()?;
    if !recovery.keys.matches(&check) {
        return Err(refused("it was made with another secret"));
    }
    let now_ms = reader.eight()?;
    let (greatest_seen, witnessed) = (reader.eight()?, reader.eight()?);
    let asked = NodeId(reader.array()?);
    let (candidates, blobs) = (reader.four()?, reader.four()?);
    let (known, most) = (u64::from(candidates), u64::from(recovery.options.candidates_max));
    if known > most {
        let why = format!("the export has {known} candidates: the options allow {most}");
        return Err(Error::new(Status::TooBig, why));
    }
    recovery.crawl.now_ms = now_ms;
    recovery.crawl.asked = Some(asked).filter(|asked| *asked != NOBODY);
    for _ in 0..candidates {
        read_candidate(&mut recovery, &mut reader)?;
    }
    for _ in 0..blobs {
        read_blob(&mut recovery, &mut reader)?;
    }
    if !reader.0.is_empty() {
        return Err(refused("bytes follow its end"));
    }
    recovery.greatest_seen = greatest_seen;
    recovery.witnessed = witnessed;
    recovery.recount();
    Ok(recovery)
}

/// What lies between the version and the digest, if both are right.
fn whole(bytes: &[u8]) -> Result<&[u8]> {
    let cut = || refused("it is cut");
    let (text, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or_else(cut)?;
    let rest = text.strip_prefix(MAGIC).ok_or_else(|| refused("it does not begin as one"))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let version = u16::from_be_bytes(*version);
    if version != VERSION {
        let why = format!("the export has version {version}: this library reads {VERSION}");
        return Err(Error::new(Status::Unsupported, why));
    }
    if Sha256::digest(text) != *digest {
        return Err(refused("it is damaged"));
    }
    rest.strip_prefix(&[0; 2]).ok_or_else(|| refused("its reserved bytes are not zero"))
}

fn read_candidate(recovery: &mut Recovery, reader: &mut Reader<'_>) -> Result<()> {
    let node = NodeId(reader.array()?);
    let [origin, flags, answer, failures] = reader.array()?;
    let until_ms = reader.eight()?;
    let (next_ms, roster_generation) = (reader.eight()?, reader.eight()?);
    let (address, roster_address) = (reader.address()?, reader.address()?);
    let origin = Origin::ALL.get(usize::from(origin)).copied();
    let told = Answer::ALL.get(usize::from(answer)).copied();
    let has = |bit: u8| flags & bit != 0;
    let is_known = flags < 16 && failures <= FAILURES_MAX && told.is_some();
    let Some(origin) = origin.filter(|_| is_known) else {
        return Err(refused("a candidate has a state that there is not"));
    };
    let awaited = Awaited { until_ms, is_connected: has(CONNECTED) };
    let standing = Standing {
        origin,
        answer: told.filter(|_| has(ANSWERED)),
        failures,
        was_asked: has(WAS_ASKED),
        awaited: Some(awaited).filter(|_| has(AWAITED)),
        next_ms,
        address,
        roster_generation,
        roster_address,
    };
    if recovery.crawl.candidates.insert(node, standing).is_some() {
        return Err(refused("a candidate is in it twice"));
    }
    Ok(())
}

fn read_blob(recovery: &mut Recovery, reader: &mut Reader<'_>) -> Result<()> {
    let node = NodeId(reader.array()?);
    let bytes = reader.four()? as usize;
    if bytes > PEER_BLOB_BYTES_MAX {
        return Err(refused("a blob in it is longer than a message"));
    }
    let blob = reader.take(bytes)?;
    let reading = contents::read(&recovery.keys.peer(node), blob);
    let Some((contents, _)) = reading.ok().and_then(|reading| reading.contents.ok()) else {
        return Err(refused("a blob in it does not open"));
    };
    let rank = Rank::of(node, &contents, blob);
    if recovery.kept.contains(&rank) {
        return Err(refused("a blob is in it twice"));
    }
    match recovery.kept.add(rank, contents, blob) {
        Keeping::Added => Ok(()),
        _ => Err(refused("it holds more blobs than a recovery keeps")),
    }
}
