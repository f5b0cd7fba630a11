//! What an address tells, and that a set's faults depend on the set alone (BD1 to BD3).

use proptest::prelude::*;

use super::choose_world::{World, good, shape_of, tor};
use crate::backup::choose::{Placement, place};
use crate::backup::diversity::{Company, Network, Relaxed, Traits};
use crate::backup::stripe::Code;

fn ipv6(first: [u8; 4], last: u8) -> Vec<u8> {
    let mut descriptor = vec![0; 19];
    descriptor[0] = 2;
    descriptor[1..5].copy_from_slice(&first);
    descriptor[16] = last;
    descriptor
}

#[test]
fn a_descriptor_tells_its_network() {
    let of = |descriptor: &[u8]| Network::of(descriptor);
    assert_eq!(of(&[1, 10, 20, 30, 40, 0x26, 7]), Some(Network::Ipv4([10, 20])));
    assert_eq!(of(&ipv6([0x20, 1, 0xd, 0xb8], 1)), Some(Network::Ipv6([0x20, 1, 0xd, 0xb8])));
    let mapped = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 20, 9, 9, 0, 1];
    assert_eq!(of(&mapped), Some(Network::Ipv4([10, 20])));
    assert_eq!(of(&[3; 13]), Some(Network::Tor));
    assert_eq!(of(&tor(1)), Some(Network::Tor));
    assert_eq!(of(&[5, 2, b'a', b'b', 0, 1]), Some(Network::Named));
    let malformed: [&[u8]; 9] = [
        &[],
        &[1],
        &[1, 10, 20, 30, 40, 1],
        &[1, 10, 20, 30, 40, 0, 1, 2],
        &[2; 18],
        &[4; 37],
        &[5],
        &[5, 3, b'a', b'b', 0, 1],
        &[6, 10, 20, 30, 40, 0, 1],
    ];
    for descriptor in malformed {
        assert_eq!(of(descriptor), None, "{descriptor:?}");
    }
}

/// Each rule at its limit and one beyond it.
#[test]
fn each_rule_has_its_limit() {
    let code = Code::new(2, 5).expect("a code");
    let relaxed = |change: &dyn Fn(u32, &mut crate::backup::score::PeerFacts)| {
        let mut company = Company::new(code);
        let each = (0..5).map(|number| {
            let mut peer = good(number);
            let facts = peer.facts.as_mut().expect("it has facts");
            facts.address = if number == 4 { tor(4) } else { facts.address.clone() };
            change(number, facts);
            company.add(&Traits::of(Some(facts)));
            company.relaxed()
        });
        each.last().expect("five peers")
    };
    let none = Relaxed::default();
    assert_eq!(relaxed(&|_, _| {}), none);
    assert_eq!(relaxed(&|number, facts| facts.is_announced = number >= 2), none);
    let one = relaxed(&|number, facts| facts.is_announced = number >= 3);
    assert_eq!(one, Relaxed { announced: 1, ..none });
    let operator = relaxed(&|number, facts| facts.operator = (number < 3).then_some(1));
    assert_eq!(operator, Relaxed { operator: 2, ..none });
    assert_eq!(relaxed(&|number, facts| facts.software = u8::from(number < 2)), none);
    let software = relaxed(&|number, facts| facts.software = u8::from(number < 3));
    assert_eq!(software, Relaxed { software: 1, ..none });
    let subnet = relaxed(&|number, facts| facts.address = ipv6([1; 4], number as u8));
    assert_eq!(subnet, Relaxed { subnet: 4, network: 1, ..none });
    let tor_only = relaxed(&|number, facts| facts.address = tor(number));
    assert_eq!(tor_only, Relaxed { network: 1, ..none });
    let named = relaxed(&|_, facts| facts.address = vec![5, 1, b'a', 0, 1]);
    assert_eq!(named, Relaxed { network: 1, ..none });
    assert_eq!(relaxed(&|_, facts| facts.address.clear()), none);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn one_more_is_never_less_wrong(seed: u64, turn in 0_usize..10) {
        let World { mut candidates, shape, .. } = World::new(seed);
        candidates.truncate(shape.code.shares());
        let mut company = Company::new(shape.code);
        for peer in &candidates {
            let traits = Traits::of(peer.facts.as_ref());
            let before = company.relaxed();
            let with = company.relaxed_with(&traits);
            prop_assert_eq!(company.relaxed(), before);
            company.add(&traits);
            prop_assert_eq!(company.relaxed(), with);
            let worse = with.numbers().into_iter().zip(before.numbers());
            prop_assert!(worse.into_iter().all(|(with, before)| with >= before));
        }
        let count = candidates.len();
        candidates.rotate_left(turn % count);
        let mut turned = Company::new(shape.code);
        candidates.iter().for_each(|peer| turned.add(&Traits::of(peer.facts.as_ref())));
        prop_assert_eq!(turned.relaxed(), company.relaxed());
    }
}

/// Half of a thousand peers are in one network, the others have one operator: each rule could be followed,
/// both cannot, and trying all would take ages. The graver one holds.
#[test]
fn a_search_without_end_is_stopped() {
    let mut peers: Vec<_> = (0..1_000).map(good).collect();
    for (number, peer) in (0_u32..).zip(&mut peers) {
        let facts = peer.facts.as_mut().expect("it has facts");
        let (operator, subnet) = if number < 500 { (number % 20, 0) } else { (20, number % 20) };
        facts.operator = Some(u64::from(operator));
        facts.address = vec![1, 10, subnet as u8, 1, 1, 0, 1];
    }
    let placed = place(&Placement::default(), &peers, shape_of(4, 12), 0);
    assert_eq!((placed.unfilled, placed.placement.iter().count()), (0, 12));
    assert_eq!(placed.relaxed.operator, 0);
    assert_eq!(placed.relaxed.subnet, 10);
}
