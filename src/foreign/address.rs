//! Splits addresses as BOLT 7 describes them: type byte, address, port.
//!
//! FA1 a descriptor has exactly the bytes that its type implies. FA2 names and addresses are opaque.

use super::ForeignFault;
use super::read::Fields;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const TOR_V2: u8 = 3;
const TOR_V3: u8 = 4;
const DNS: u8 = 5;

/// Bytes of the port.
const PORT_BYTES: usize = 2;

/// Bytes after the type byte, none for a type that is not known.
fn tail_bytes(kind: u8, mut after: Fields<'_>) -> Result<Option<usize>, ForeignFault> {
    let address_bytes = match kind {
        IPV4 => 4,
        IPV6 => 16,
        TOR_V2 => 10,
        TOR_V3 => 35,
        DNS => 1 + usize::from(after.u8()?),
        _ => return Ok(None),
    };
    Ok(Some(address_bytes + PORT_BYTES))
}

/// One address of Core Lightning's. It has not written an address of Tor's second version since 0.10.1.
pub(super) fn one<'text>(fields: &mut Fields<'text>) -> Result<&'text [u8], ForeignFault> {
    let mut ahead = *fields;
    let kind = ahead.u8()?;
    let known = if kind == TOR_V2 { None } else { tail_bytes(kind, ahead)? };
    fields.take(1 + known.ok_or(ForeignFault::BadPayload)?)
}

/// The next of lnd's addresses, none after the last. Types that lnd does not know reach to the end, as it
/// keeps them; its type 0 is no address.
pub(super) fn next<'text>(fields: &mut Fields<'text>) -> Result<Option<&'text [u8]>, ForeignFault> {
    while !fields.is_at_end() {
        let mut ahead = *fields;
        let kind = ahead.u8()?;
        if kind == 0 {
            *fields = ahead;
            continue;
        }
        let known = tail_bytes(kind, ahead)?;
        let bytes = known.map_or(fields.rest().len(), |tail| 1 + tail);
        return fields.take(bytes).map(Some);
    }
    Ok(None)
}
