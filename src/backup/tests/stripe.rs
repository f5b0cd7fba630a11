//! The erasure code: any k of n restore (SC1), and nothing else is taken for shares (SC2).

use proptest::prelude::*;

use crate::Status;
use crate::backup::stripe::{Code, SHARES_MAX, StripeFault};
use crate::error::Error;

fn code(data_shares: usize, shares: usize) -> Code {
    Code::new(data_shares, shares).unwrap()
}

/// Bytes that no shift and no swap of rows leaves as they are.
fn object(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// Multiplication in the field bit by bit, as FORMAT 5 defines it.
fn product(one: u8, other: u8) -> u8 {
    let (mut sum, mut shifted) = (0_u16, u16::from(one));
    for bit in 0..8 {
        if other >> bit & 1 == 1 {
            sum ^= shifted;
        }
        shifted = shifted << 1 ^ if shifted & 0x80 == 0 { 0 } else { 0x11d };
    }
    sum as u8
}

fn power(base: u8, exponent: usize) -> u8 {
    (0..exponent).fold(1, |value, _| product(value, base))
}

/// The product of M and the top of the Vandermonde matrix, which must be the Vandermonde matrix.
fn row_times_vandermonde(row: &[u8]) -> Vec<u8> {
    let sum = |column| {
        let terms = (0..).zip(row).map(|(point, weight)| product(*weight, power(point, column)));
        terms.fold(0, |sum, term| sum ^ term)
    };
    (0..row.len()).map(sum).collect()
}

#[test]
fn the_matrix_is_the_one_that_the_format_defines_for_every_code() {
    for shares in 1..=SHARES_MAX {
        for data_shares in 1..=shares {
            let code = code(data_shares, shares);
            for index in 0..shares {
                let row = code.row(index).unwrap();
                let point = index as u8;
                let vandermonde: Vec<u8> =
                    (0..data_shares).map(|column| power(point, column)).collect();
                assert_eq!(row_times_vandermonde(&row), vandermonde, "{code:?} {index}");
            }
            assert_eq!(code.row(shares), None);
            assert_eq!(code.row(256), None);
            assert_eq!(code.row(usize::MAX), None);
        }
    }
}

#[test]
fn only_codes_of_one_to_32_shares_exist() {
    for shares in 0..40 {
        for data_shares in 0..40 {
            let is_code = 1 <= data_shares && data_shares <= shares && shares <= 32;
            let fault = StripeFault::BadParams { data_shares, shares };
            match Code::new(data_shares, shares) {
                Ok(code) => {
                    assert!(is_code, "{data_shares} of {shares}");
                    assert_eq!((code.data_shares(), code.shares()), (data_shares, shares));
                }
                Err(found) => {
                    assert!(!is_code, "{data_shares} of {shares}");
                    assert_eq!(found, fault);
                }
            }
        }
    }
    for (data_shares, shares) in [(257, 258), (1, 257), (usize::MAX, usize::MAX), (0, usize::MAX)] {
        assert!(Code::new(data_shares, shares).is_err());
    }
}

#[test]
fn a_share_is_as_long_as_a_piece_and_never_empty() {
    for (bytes, expected) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (6, 2), (7, 3)] {
        assert_eq!(code(3, 5).share_bytes(bytes), expected, "{bytes}");
    }
    assert_eq!(code(1, 1).share_bytes(usize::MAX), usize::MAX);
    assert_eq!(code(2, 2).share_bytes(usize::MAX), usize::MAX / 2 + 1);
}

#[test]
fn every_choice_of_enough_shares_restores() {
    let code = code(3, 7);
    let object = object(50);
    let shares = code.encode(&object);
    let mut restored = 0;
    for choice in 0_u32..1 << code.shares() {
        let chosen: Vec<(usize, &[u8])> = (0..code.shares())
            .filter(|index| choice >> index & 1 == 1)
            .map(|index| (index, shares[index].as_slice()))
            .collect();
        let found = code.decode(object.len(), &chosen);
        if chosen.len() >= 3 {
            assert_eq!(*found.unwrap(), object, "{choice:07b}");
            restored += 1;
        } else {
            let fault = StripeFault::NotEnoughShares { have: chosen.len(), need: 3 };
            assert_eq!(found.unwrap_err(), fault, "{choice:07b}");
        }
    }
    assert_eq!(restored, 99);
}

#[test]
fn one_of_n_is_the_object_itself_and_k_of_k_are_its_pieces() {
    let object = object(10);
    for share in code(1, 32).encode(&object) {
        assert_eq!(*share, object);
    }
    let pieces = code(4, 4).encode(&object);
    let padded = [&object[..], &[0, 0]].concat();
    assert_eq!(pieces.iter().map(|piece| &piece[..]).collect::<Vec<_>>().concat(), padded);
}

#[test]
fn an_object_without_bytes_is_restored_too() {
    let code = code(3, 5);
    let shares = code.encode(&[]);
    assert!(shares.iter().all(|share| **share == [0]));
    let last: Vec<(usize, &[u8])> = (2..5).map(|index| (index, &shares[index][..])).collect();
    assert_eq!(*code.decode(0, &last).unwrap(), Vec::<u8>::new());
}

#[test]
fn the_first_share_of_an_index_counts_and_a_repeat_is_no_other_share() {
    let code = code(2, 4);
    let object = object(9);
    let shares = code.encode(&object);
    let wrong = [0xff; 5];
    let good = [(3, &shares[3][..]), (3, &wrong[..]), (2, &shares[2][..]), (2, &wrong[..])];
    assert_eq!(*code.decode(9, &good).unwrap(), object);
    let spoiled = [(3, &wrong[..]), (3, &shares[3][..]), (2, &shares[2][..])];
    assert_ne!(*code.decode(9, &spoiled).unwrap(), object);
    let repeated = [(3, &shares[3][..]); 4];
    let fault = StripeFault::NotEnoughShares { have: 1, need: 2 };
    assert_eq!(code.decode(9, &repeated).unwrap_err(), fault);
}

#[test]
fn what_is_no_share_of_the_object_is_refused() {
    let code = code(2, 4);
    let shares = code.encode(&object(9));
    let share = &shares[1][..];
    for index in [4, 32, 255, 256, 1 << 40, usize::MAX] {
        let fault = StripeFault::BadIndex { index, shares: 4 };
        assert_eq!(code.decode(9, &[(0, share), (index, share)]).unwrap_err(), fault);
        assert_eq!(code.share(&[1], index).unwrap_err(), fault);
    }
    for (object_bytes, need) in [(8, 4), (11, 6), (usize::MAX, usize::MAX / 2 + 1)] {
        let fault = StripeFault::BadShareLength { have: 5, need };
        assert_eq!(code.decode(object_bytes, &[(0, share), (1, share)]).unwrap_err(), fault);
    }
    assert_eq!(
        code.decode(usize::MAX, &[]).unwrap_err(),
        StripeFault::NotEnoughShares { have: 0, need: 2 }
    );
}

#[test]
fn a_fault_tells_hosts_what_to_do() {
    let status = |fault: StripeFault| {
        let error = Error::from(fault);
        (error.status(), error.value())
    };
    let short = StripeFault::NotEnoughShares { have: 3, need: 10 };
    assert_eq!(status(short), (Status::NotEnoughShares, Some(3)));
    assert_eq!(short.to_string(), "3 distinct shares where 10 are needed");
    for fault in [
        StripeFault::BadParams { data_shares: 0, shares: 1 },
        StripeFault::BadIndex { index: 4, shares: 4 },
        StripeFault::BadShareLength { have: 1, need: 2 },
    ] {
        assert_eq!(status(fault), (Status::InvalidArgument, None));
    }
}

/// A code, a length, and an order of its shares.
fn shuffled() -> impl Strategy<Value = (Code, usize, Vec<usize>)> {
    (1..=SHARES_MAX).prop_flat_map(|shares| (1..=shares, Just(shares), 0..400_usize)).prop_flat_map(
        |(data_shares, shares, bytes)| {
            let order = Just((0..shares).collect::<Vec<_>>()).prop_shuffle();
            (Just(code(data_shares, shares)), Just(bytes), order)
        },
    )
}

proptest! {
    #[test]
    fn any_k_of_n_restore_and_fewer_do_not((code, bytes, order) in shuffled()) {
        let object = object(bytes);
        let shares = code.encode(&object);
        prop_assert_eq!(shares.len(), code.shares());
        let order: Vec<(usize, &[u8])> =
            order.into_iter().map(|index| (index, &shares[index][..])).collect();
        for have in [0, code.data_shares() - 1, code.data_shares(), code.shares()] {
            let found = code.decode(bytes, &order[..have]);
            if have < code.data_shares() {
                let fault = StripeFault::NotEnoughShares { have, need: code.data_shares() };
                prop_assert_eq!(found.unwrap_err(), fault);
            } else {
                prop_assert!(*found.unwrap() == object, "{have} shares");
            }
        }
    }

    #[test]
    fn one_share_alone_is_that_of_all((code, bytes, order) in shuffled()) {
        let object = object(bytes);
        let shares = code.encode(&object);
        for index in order {
            prop_assert_eq!(&code.share(&object, index).unwrap(), &shares[index]);
        }
    }

    #[test]
    fn a_changed_byte_of_a_share_changes_that_byte_of_a_piece(
        (code, bytes, order) in shuffled(), at in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let object = object(bytes);
        let mut shares = code.encode(&object);
        let chosen = &order[..code.data_shares()];
        let share_bytes = code.share_bytes(bytes);
        let place = at.index(share_bytes);
        shares[chosen[0]][place] ^= flip;
        let chosen: Vec<(usize, &[u8])> =
            chosen.iter().map(|index| (*index, &shares[*index][..])).collect();
        let found = code.decode(bytes, &chosen).unwrap();
        for at in 0..bytes {
            if at % share_bytes != place {
                prop_assert_eq!(found[at], object[at]);
            }
        }
    }
}
