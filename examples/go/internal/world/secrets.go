package world

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/tlv"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

const (
	// settlesOfTen: of 10 HTLCs this many settle.
	settlesOfTen = 7
	// attributedOfTen: of 10 answers this many carry attribution data.
	attributedOfTen = 5
	// reasonBytes is an encrypted failure of BOLT 4: hmac 32, length 2, message and padding 256
	// + 2.
	reasonBytes = 292
	// attributionType is BOLT 4's attribution_data in both answers: 20 hold times of 4 bytes,
	// 210 HMACs of 4 bytes. It is odd, so that a node that does not know it keeps and ignores
	// it.
	attributionType  tlv.Type = 1
	attributionBytes          = 20*4 + 210*4
)

// secrets is what the receivers of the payments know. All of it follows from the seed, so that
// what was kept can be checked byte by byte.
type secrets struct{ seed uint64 }

func (s secrets) preimage(id uint64) [32]byte {
	text := binary.BigEndian.AppendUint64([]byte("lnkeep demo preimage"), s.seed)
	return sha256.Sum256(binary.BigEndian.AppendUint64(text, id))
}

func (s secrets) paymentHash(id uint64) [32]byte {
	preimage := s.preimage(id)
	return sha256.Sum256(preimage[:])
}

// answer is what the network answers to the HTLC of an id, always the same. Reasons and
// attribution are noise, as they look to whoever cannot decrypt them.
func (s secrets) answer(id uint64) (lnwire.Message, error) {
	noise := rand.NewChaCha8(s.preimage(id))
	extra, err := attribution(noise)
	if err != nil {
		return nil, err
	}
	if noise.Uint64()%10 < settlesOfTen {
		fulfill := lnwire.NewUpdateFulfillHTLC(wire.ChannelID(), id, s.preimage(id))
		fulfill.ExtraData = extra
		return fulfill, nil
	}
	reason := make(lnwire.OpaqueReason, reasonBytes)
	_, _ = noise.Read(reason)
	return &lnwire.UpdateFailHTLC{
		ChanID: wire.ChannelID(), ID: id, Reason: reason, ExtraData: extra,
	}, nil
}

func attribution(noise *rand.ChaCha8) (lnwire.ExtraOpaqueData, error) {
	if noise.Uint64()%10 >= attributedOfTen {
		return nil, nil
	}
	record := make([]byte, attributionBytes)
	_, _ = noise.Read(record)
	return lnwire.NewExtraOpaqueData(tlv.TypeMap{attributionType: record})
}
