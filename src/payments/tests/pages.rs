//! How much a page holds: everything of a payment whose length others choose counts.

use super::*;
use crate::limits::PAGE_BYTES_MAX;

const EACH: usize = 65_536;
const FILLS: u32 = (PAGE_BYTES_MAX / EACH) as u32 - 1;
/// What a page reckons for a payment, and for an attempt, besides texts.
const FIXED: usize = 512;

/// Texts of a payment and of its attempt, in the order of the fields below.
const TEXTS: [usize; 7] = [30_000, 2_000, 3_000, 20_000, 4_000, 5_000, 512];

fn numbered(number: u32) -> PaymentInit {
    let mut hash = [0xee; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    PaymentInit::new(PaymentHash(hash), 1_000)
}

/// A payment with all texts there are; `longer` of them has a byte more.
fn with_texts(node: &Node, number: u32, longer: Option<usize>) {
    let text = |at: usize| RawMessage::new(vec![1; TEXTS[at] + usize::from(longer == Some(at))]);
    let init = PaymentInit {
        payment_request: text(0),
        first_hop_records: text(1),
        intent: Some(Intent { data: text(2), ..Intent::default() }),
        ..numbered(number)
    };
    let hash = init.hash;
    node.payments.init(init).unwrap();
    let attempt = AttemptRequest { route: text(3), first_hop_records: text(4), ..whole(1, 1_000) };
    node.payments.register(hash, attempt).unwrap();
    let failure = Failure { message: text(5), ..failure() };
    node.payments.force_fail(hash, key(1), failure, text(6).expose()).unwrap();
}

#[test]
fn a_page_ends_after_the_payment_that_makes_it_too_large() {
    assert_eq!(TEXTS.iter().sum::<usize>() + 2 * FIXED, EACH);
    for longer in std::iter::once(None).chain((0..TEXTS.len()).map(Some)) {
        let world = World::new();
        let node = world.open();
        for number in 0..FILLS {
            let payment_request = RawMessage::new(vec![1; EACH - FIXED]);
            node.payments.init(PaymentInit { payment_request, ..numbered(number) }).unwrap();
        }
        with_texts(&node, FILLS, longer);
        node.payments.init(numbered(FILLS + 1)).unwrap();
        let page = node.payments.query(&Query::default()).unwrap();
        let expected = FILLS as usize + 1 + usize::from(longer.is_none());
        assert_eq!(page.payments.len(), expected, "text {longer:?} is longer");
        assert_eq!(page.next.is_none(), longer.is_none());
    }
}
