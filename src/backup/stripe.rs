//! The erasure code: an object becomes n shares, any k of which restore it.
//!
//! SC1 the shares of an object and what is made from any k of them follow from FORMAT 5 alone, so that a
//! program written from that text in ten years makes the same bytes. SC2 what the shares say is checked
//! before memory is taken: no more than the object itself, which is no longer than the shares together.
//! SC3 memory that held a part of an object is zeroized. SC4 the code knows missing shares only, not false
//! ones: every share is authenticated by its envelope, and the object's hash is compared by whoever restores.
//! Pure: no clock, no I/O, no randomness. Called by the component, the recovery and hosts in C.
//!
//! FORMAT 5 defines the matrix by inverting a Vandermonde matrix. Row r of that product maps the values that
//! a polynomial of degree below k has at 0, 1, .. k - 1 to its value at r. So it is the row of Lagrange
//! weights at r, and restoring is the same with the points that are left: no matrix is inverted here.

use zeroize::Zeroizing;

use crate::error::{Error, Status};
use crate::limits::PEER_BLOB_BYTES_MAX;

/// Most shares of an object.
pub const SHARES_MAX: usize = 32;
/// No longer object has shares that blobs hold, whatever the code.
pub const OBJECT_BYTES_MAX: usize = SHARES_MAX * PEER_BLOB_BYTES_MAX;

/// x^8 + x^4 + x^3 + x^2 + 1, under which x generates every element but zero.
const POLYNOMIAL: u8 = 0x1d;
/// Elements but zero: the powers of x repeat after so many.
const ORDER: usize = 255;
/// Powers of x, twice, so that no sum or difference of two logarithms needs a remainder.
const POWERS: [u8; 2 * ORDER] = powers();
/// Of which power of x an element is; that of zero is never asked for.
const LOGARITHMS: [u8; 256] = logarithms();

/// Times x.
const fn double(element: u8) -> u8 {
    (element << 1) ^ if element & 0x80 == 0 { 0 } else { POLYNOMIAL }
}

const fn powers() -> [u8; 2 * ORDER] {
    let mut powers = [1; 2 * ORDER];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = double(powers[at - 1]);
        at += 1;
    }
    powers
}

const fn logarithms() -> [u8; 256] {
    let (powers, mut logarithms) = (powers(), [0; 256]);
    let mut power = 0_u8;
    while (power as usize) < ORDER {
        logarithms[powers[power as usize] as usize] = power;
        power += 1;
    }
    logarithms
}

fn logarithm(element: u8) -> usize {
    usize::from(LOGARITHMS[usize::from(element)])
}

fn multiply(one: u8, other: u8) -> u8 {
    if one == 0 || other == 0 {
        return 0;
    }
    POWERS[logarithm(one) + logarithm(other)]
}

/// The divisor is not zero: points are distinct.
fn divide(dividend: u8, divisor: u8) -> u8 {
    debug_assert!(divisor != 0);
    if dividend == 0 {
        return 0;
    }
    POWERS[logarithm(dividend) + ORDER - logarithm(divisor)]
}

/// What the value at each of these points counts in the value at another, or at one of them.
fn weights(points: &[u8], at: u8) -> Vec<u8> {
    let weight_of = |own: &u8| {
        let others = points.iter().filter(|other| *other != own);
        others.fold(1, |weight, other| multiply(weight, divide(at ^ other, own ^ other)))
    };
    points.iter().map(weight_of).collect()
}

/// Every multiple of a weight: a look-up per byte is then all that a row costs.
fn multiples(weight: u8) -> [u8; 256] {
    let mut multiples = [0; 256];
    let mut power = weight;
    for bit in 0..8 {
        let (known, rest) = multiples.split_at_mut(1 << bit);
        rest.iter_mut().zip(known).for_each(|(to, from)| *to = *from ^ power);
        power = double(power);
    }
    multiples
}

/// Adds a row, times its weight, to what is as long or shorter; a row that is shorter ends in zeros.
fn add(target: &mut [u8], row: &[u8], weight: u8) {
    let bytes = target.iter_mut().zip(row);
    match weight {
        0 => {}
        1 => bytes.for_each(|(to, from)| *to ^= from),
        _ => {
            let multiples = multiples(weight);
            bytes.for_each(|(to, from)| *to ^= multiples[usize::from(*from)]);
        }
    }
}

/// Why shares cannot be made, or do not restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StripeFault {
    /// Not 1 <= k <= n <= 32.
    #[error("{data_shares} of {shares} shares: 1 <= k <= n <= {SHARES_MAX} is needed")]
    BadParams {
        /// As given.
        data_shares: usize,
        /// As given.
        shares: usize,
    },
    /// No share has this index.
    #[error("share {index} of {shares}: the first is 0")]
    BadIndex {
        /// As given.
        index: usize,
        /// Shares of the code.
        shares: usize,
    },
    /// Not as long as code and object say.
    #[error("a share of {have} bytes where the object needs {need}")]
    BadShareLength {
        /// As given.
        have: usize,
        /// What code and object say.
        need: usize,
    },
    /// Fewer distinct shares than restore.
    #[error("{have} distinct shares where {need} are needed")]
    NotEnoughShares {
        /// Distinct shares.
        have: usize,
        /// k of the code.
        need: usize,
    },
}

impl From<StripeFault> for Error {
    fn from(fault: StripeFault) -> Error {
        match fault {
            StripeFault::NotEnoughShares { have, .. } => {
                Error::new(Status::NotEnoughShares, fault.to_string())
                    .of_channel(None, Some(have as u64))
            }
            _ => Error::new(Status::InvalidArgument, fault.to_string()),
        }
    }
}

/// How many shares are made of an object, and how many of them restore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    data_shares: u8,
    shares: u8,
}

impl Code {
    /// k of n: any `data_shares` of `shares` restore.
    pub fn new(data_shares: usize, shares: usize) -> Result<Code, StripeFault> {
        let fault = StripeFault::BadParams { data_shares, shares };
        if data_shares == 0 || data_shares > shares || shares > SHARES_MAX {
            return Err(fault);
        }
        let narrow = |count: usize| u8::try_from(count).map_err(|_| fault);
        Ok(Code { data_shares: narrow(data_shares)?, shares: narrow(shares)? })
    }

    /// k: so many shares restore. The first k are the object itself, cut in pieces.
    pub fn data_shares(self) -> usize {
        usize::from(self.data_shares)
    }

    /// n: so many are made.
    pub fn shares(self) -> usize {
        usize::from(self.shares)
    }

    /// Bytes of each share of an object of so many bytes; one at least.
    pub fn share_bytes(self, object_bytes: usize) -> usize {
        object_bytes.div_ceil(self.data_shares()).max(1)
    }

    /// Row of the code's matrix: what each piece of the object counts in this share. None: no such share.
    pub fn row(self, index: usize) -> Option<Vec<u8>> {
        let at = u8::try_from(index).ok().filter(|at| *at < self.shares)?;
        let points: Vec<u8> = (0..self.data_shares).collect();
        Some(weights(&points, at))
    }

    /// One share alone.
    pub fn share(self, object: &[u8], index: usize) -> Result<Zeroizing<Vec<u8>>, StripeFault> {
        let no_share = StripeFault::BadIndex { index, shares: self.shares() };
        let row = self.row(index).ok_or(no_share)?;
        let share_bytes = self.share_bytes(object.len());
        let mut share = Zeroizing::new(vec![0; share_bytes]);
        for (weight, piece) in row.into_iter().zip(object.chunks(share_bytes)) {
            add(&mut share, piece, weight);
        }
        Ok(share)
    }

    /// Every share, in the order of their indexes.
    pub fn encode(self, object: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
        (0..self.shares()).filter_map(|index| self.share(object, index).ok()).collect()
    }

    /// The object of these shares and their indexes, in any order. The first share of an index counts, and
    /// no more than k are used. Whoever restores compares the object's hash afterwards.
    pub fn decode(
        self,
        object_bytes: usize,
        shares: &[(usize, &[u8])],
    ) -> Result<Zeroizing<Vec<u8>>, StripeFault> {
        let share_bytes = self.share_bytes(object_bytes);
        let held = self.held(share_bytes, shares)?;
        let held: Vec<(u8, &[u8])> =
            (0..).zip(held).filter_map(|(point, share)| Some((point, share?))).collect();
        let need = self.data_shares();
        // In the order of their points, so that pieces of the object itself are taken first.
        let Some(chosen) = held.get(..need) else {
            return Err(StripeFault::NotEnoughShares { have: held.len(), need });
        };
        let points: Vec<u8> = chosen.iter().map(|(point, _)| *point).collect();
        let mut object = Zeroizing::new(vec![0; object_bytes]);
        for (at, piece) in (0..).zip(object.chunks_mut(share_bytes)) {
            for (weight, (_, share)) in weights(&points, at).into_iter().zip(chosen) {
                add(piece, share, weight);
            }
        }
        Ok(object)
    }

    /// Shares by their index; the first of an index counts.
    fn held<'bytes>(
        self,
        share_bytes: usize,
        shares: &[(usize, &'bytes [u8])],
    ) -> Result<[Option<&'bytes [u8]>; SHARES_MAX], StripeFault> {
        let mut held = [None; SHARES_MAX];
        for &(index, share) in shares {
            let place = held.iter_mut().take(self.shares()).nth(index);
            let place = place.ok_or(StripeFault::BadIndex { index, shares: self.shares() })?;
            if share.len() != share_bytes {
                let (have, need) = (share.len(), share_bytes);
                return Err(StripeFault::BadShareLength { have, need });
            }
            place.get_or_insert(share);
        }
        Ok(held)
    }
}
