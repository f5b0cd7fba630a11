package world

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/tlv"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	// attributedOfTen: of 10 answers this many carry attribution data.
	attributedOfTen = 5
	// attributionType is BOLT 4's attribution_data in both answers: 20 hold times of 4 bytes,
	// 210 HMACs of 4 bytes. It is odd, so that a node that does not know it keeps and ignores
	// it.
	attributionType  tlv.Type = 1
	attributionBytes          = 20*4 + 210*4
)

// secrets is what the receivers of the payments know. All of it follows from the seed, so that
// what was kept can be checked byte by byte.
type secrets struct{ seed uint64 }

func (s secrets) of(what string, number uint64) [32]byte {
	text := binary.BigEndian.AppendUint64([]byte("lnkeep demo "+what), s.seed)
	return sha256.Sum256(binary.BigEndian.AppendUint64(text, number))
}

func (s secrets) preimage(invoice uint64) lnkeep.Preimage { return s.of("preimage", invoice) }

func (s secrets) paymentHash(invoice uint64) [32]byte {
	preimage := s.preimage(invoice)
	return sha256.Sum256(preimage[:])
}

func (s secrets) paymentAddress(invoice uint64) lnkeep.Secret {
	return s.of("payment address", invoice)
}

// answer is what the network answers to an attempt, always the same.
func (s secrets) answer(a *attempt) (lnwire.Message, error) {
	noise := rand.NewChaCha8(s.of("noise", a.id))
	extra, err := attribution(noise)
	if err != nil {
		return nil, err
	}
	if a.settled() {
		preimage := s.preimage(a.invoice.order.Key.Invoice)
		fulfill := lnwire.NewUpdateFulfillHTLC(wire.ChannelID(), a.id, preimage)
		fulfill.ExtraData = extra
		return fulfill, nil
	}
	var hmac [32]byte
	_, _ = noise.Read(hmac[:])
	reason, err := wire.FailureReason(hmac, failureMessage(a))
	return &lnwire.UpdateFailHTLC{
		ChanID: wire.ChannelID(), ID: a.id, Reason: reason, ExtraData: extra,
	}, err
}

func failureMessage(a *attempt) lnwire.FailureMessage {
	switch a.failure {
	case lnwire.CodeIncorrectOrUnknownPaymentDetails:
		amount := lnwire.MilliSatoshi(a.payload.AmountMsat)
		return lnwire.NewFailIncorrectDetails(amount, blockHeight)
	case lnwire.CodeMPPTimeout:
		return &lnwire.FailMPPTimeout{}
	}
	return lnwire.NewTemporaryChannelFailure(nil)
}

func attribution(noise *rand.ChaCha8) (lnwire.ExtraOpaqueData, error) {
	if noise.Uint64()%10 >= attributedOfTen {
		return nil, nil
	}
	record := make([]byte, attributionBytes)
	_, _ = noise.Read(record)
	return lnwire.NewExtraOpaqueData(tlv.TypeMap{attributionType: record})
}
