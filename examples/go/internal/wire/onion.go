package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lightningnetwork/lnd/tlv"
)

// What the onions of BOLT 4 carry, there and back, is encrypted hop by hop. That is no subject of
// the demo: here it lies in the clear, at the place where the last layer of encryption ends.

// Payload is what the sender tells the receiver.
type Payload struct {
	AmountMsat uint64
	CLTVExpiry uint32
	// MPP is nil for a payment in one part to an invoice without a payment address.
	MPP *record.MPP
}

// Bytes is the payload of the last hop: its length, then its TLV records.
func (p Payload) Bytes() ([]byte, error) {
	records := []tlv.Record{
		record.NewAmtToFwdRecord(&p.AmountMsat), record.NewLockTimeRecord(&p.CLTVExpiry),
	}
	if p.MPP != nil {
		records = append(records, p.MPP.Record())
	}
	var body, payload bytes.Buffer
	stream, err := tlv.NewStream(records...)
	if err == nil {
		err = stream.Encode(&body)
	}
	if err == nil {
		err = tlv.WriteVarInt(&payload, uint64(body.Len()), new([8]byte))
	}
	payload.Write(body.Bytes())
	return payload.Bytes(), err
}

// ParsePayload reads what Bytes wrote, also when an onion's padding follows.
func ParsePayload(onion []byte) (payload Payload, err error) {
	reader := bytes.NewReader(onion)
	size, err := tlv.ReadVarInt(reader, new([8]byte))
	if err != nil || size > uint64(reader.Len()) {
		return Payload{}, errors.Join(errors.New("a payload without its end"), err)
	}
	mpp := &record.MPP{}
	stream, err := tlv.NewStream(
		record.NewAmtToFwdRecord(&payload.AmountMsat),
		record.NewLockTimeRecord(&payload.CLTVExpiry), mpp.Record(),
	)
	if err != nil {
		return Payload{}, err
	}
	found, err := stream.DecodeWithParsedTypes(io.LimitReader(reader, int64(size)))
	if err != nil {
		return Payload{}, err
	}
	if _, inParts := found[record.MPPOnionType]; inParts {
		payload.MPP = mpp
	}
	return payload, nil
}

// hmacBytes come before a failure in its onion.
const hmacBytes = 32

// FailureReason is the reason of update_fail_htlc. In a node the hmac is right; here it is noise.
func FailureReason(
	hmac [hmacBytes]byte, failure lnwire.FailureMessage,
) (lnwire.OpaqueReason, error) {
	reason := bytes.NewBuffer(hmac[:])
	err := lnwire.EncodeFailure(reason, failure, protocolVersion)
	return reason.Bytes(), err
}

// ParseFailure reads the failure in the update_fail_htlc of an answer, as Encode wrote it.
func ParseFailure(answer []byte) (lnwire.FailureMessage, error) {
	msg, err := Decode(answer)
	if err != nil {
		return nil, err
	}
	fail, ok := msg.(*lnwire.UpdateFailHTLC)
	if !ok || len(fail.Reason) < hmacBytes {
		return nil, fmt.Errorf("%v: %w", msg.MsgType(), errNotUnderstood)
	}
	return lnwire.DecodeFailure(bytes.NewReader(fail.Reason[hmacBytes:]), protocolVersion)
}
