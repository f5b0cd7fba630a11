package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lightningnetwork/lnd/lnwire"
)

// Stand-ins, in the range for experiments, for what the demo does not act out. Odd, so that a
// node that does not know them ignores them (BOLT 1).
const (
	// typeHeld stands for channel_reestablish: after a reconnect both sides know which HTLCs
	// the channel holds.
	typeHeld lnwire.MessageType = 65001
	// typeForget stands for revoke_and_ack: after it the peer need not answer an HTLC again.
	typeForget lnwire.MessageType = 65003
)

// errNotUnderstood is for messages that are neither of the two.
var errNotUnderstood = errors.New("not the message that is expected here")

// Held says which HTLCs the sender holds.
func Held(ids []uint64) (*lnwire.Custom, error) {
	data := make([]byte, 0, 8*len(ids))
	for _, id := range ids {
		data = binary.BigEndian.AppendUint64(data, id)
	}
	return lnwire.NewCustom(typeHeld, data)
}

// ParseHeld is the reverse of Held.
func ParseHeld(msg lnwire.Message) ([]uint64, error) {
	data, err := customData(msg, typeHeld)
	if err != nil {
		return nil, err
	}
	if len(data)%8 != 0 {
		return nil, fmt.Errorf("a list of held HTLCs of %d bytes", len(data))
	}
	ids := make([]uint64, 0, len(data)/8)
	for ; len(data) > 0; data = data[8:] {
		ids = append(ids, binary.BigEndian.Uint64(data))
	}
	return ids, nil
}

// Forget says that the channel's commitment of this number no longer has an HTLC.
func Forget(id, number uint64) (*lnwire.Custom, error) {
	data := binary.BigEndian.AppendUint64(nil, id)
	return lnwire.NewCustom(typeForget, binary.BigEndian.AppendUint64(data, number))
}

// ParseForget is the reverse of Forget.
func ParseForget(msg lnwire.Message) (id, number uint64, err error) {
	data, err := customData(msg, typeForget)
	if err != nil {
		return 0, 0, err
	}
	if len(data) != 16 {
		return 0, 0, fmt.Errorf("the id of an HTLC and a number in %d bytes", len(data))
	}
	return binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:]), nil
}

// CommitSig is commitment_signed. Signatures are no subject of this example: the commitment's
// number stands where its signature would be.
func CommitSig(number uint64) (*lnwire.CommitSig, error) {
	var signature [64]byte
	binary.BigEndian.PutUint64(signature[:], number)
	sig, err := lnwire.NewSigFromWireECDSA(signature[:])
	return &lnwire.CommitSig{ChanID: ChannelID(), CommitSig: sig}, err
}

// CommitmentNumber is the reverse of CommitSig.
func CommitmentNumber(msg *lnwire.CommitSig) uint64 {
	return binary.BigEndian.Uint64(msg.CommitSig.RawBytes())
}

func customData(msg lnwire.Message, wanted lnwire.MessageType) ([]byte, error) {
	custom, ok := msg.(*lnwire.Custom)
	if !ok || custom.Type != wanted {
		return nil, fmt.Errorf("%v: %w", msg.MsgType(), errNotUnderstood)
	}
	return custom.Data, nil
}
