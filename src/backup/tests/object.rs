//! The object: payload and snapshot come out as they went in (BO1), and no length is believed (BO2).

use proptest::prelude::*;

use crate::Status;
use crate::backup::object::{OBJECT_TAIL_BYTES, ObjectFault, join_object, split_object};
use crate::error::Error;

#[test]
fn an_object_has_the_bytes_of_the_format() {
    assert_eq!(*join_object(b"payload", b"htlcs").unwrap(), b"payloadhtlcs\0\0\0\x05");
    assert_eq!(*join_object(b"", b"").unwrap(), [0; OBJECT_TAIL_BYTES]);
}

#[test]
fn no_length_beyond_the_object_is_believed() {
    for bytes in 0..OBJECT_TAIL_BYTES {
        assert_eq!(split_object(&vec![0; bytes]), Err(ObjectFault::Truncated), "{bytes}");
    }
    for length in [4_u32, 5, 0x0100_0000, u32::MAX - 3, u32::MAX] {
        let object = [b"abc", &length.to_be_bytes()[..]].concat();
        assert_eq!(split_object(&object), Err(ObjectFault::Truncated), "{length}");
    }
    assert_eq!(split_object(b"abc\0\0\0\x03"), Ok((&b""[..], &b"abc"[..])));
}

#[test]
fn its_fault_has_a_number_that_no_other_has() {
    let error = Error::from(ObjectFault::Truncated);
    assert_eq!((error.status(), error.value()), (Status::BadShare, Some(32)));
    assert_eq!(ObjectFault::ALL.map(|fault| (fault.name(), fault.number())), [("truncated", 32)]);
}

proptest! {
    #[test]
    fn payload_and_snapshot_come_out(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        snapshot in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let object = join_object(&payload, &snapshot).unwrap();
        prop_assert_eq!(split_object(&object).unwrap(), (&payload[..], &snapshot[..]));
    }

    #[test]
    fn what_is_split_joins_to_the_same_bytes(
        body in prop::collection::vec(any::<u8>(), 0..80), length in 0..100_u32,
    ) {
        let object = [&body[..], &length.to_be_bytes()].concat();
        match split_object(&object) {
            Ok((payload, snapshot)) => {
                prop_assert_eq!(&*join_object(payload, snapshot).unwrap(), &object);
            }
            Err(ObjectFault::Truncated) => prop_assert!(length as usize > body.len()),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(object in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok((payload, snapshot)) = split_object(&object) {
            prop_assert_eq!(payload.len() + snapshot.len() + OBJECT_TAIL_BYTES, object.len());
        }
    }
}
