package lnd

// The session key of an attempt is an unexported field of lnd's HTLCAttemptInfo. The one function that sets
// it, NewHtlcAttempt, also builds the onion: elliptic curve work for every attempt of every read, and no way
// to have an attempt without a hash, or with a route that lnd itself would no longer build an onion for.
// lnd's key-value store sets it without any of that when it decodes an attempt. So it is given attempts to
// decode: rows in memory, with a key each and nothing else. Onion and circuit are then made by lnd when
// they are asked for, as for every attempt that it reads.

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/lightningnetwork/lnd/kvdb"
	"github.com/lightningnetwork/lnd/lntypes"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lightningnetwork/lnd/routing/route"
)

// Names in lnd's database, the same since its first release with multi-part payments.
const (
	rootBucket       = "payments-root-bucket"
	htlcsBucket      = "payment-htlcs-bucket"
	sequenceKey      = "payment-sequence-key"
	creationInfoKey  = "payment-creation-info"
	attemptInfoKey   = "ai"
	creationInfoSize = lntypes.HashSize + 8 + 8 + 4
)

type sessionKey = [btcec.PrivKeyBytesLen]byte

// attemptsWith answers an attempt for each session key, in their order. Everything else of them is zero,
// but AttemptID, which is the place in the order.
func attemptsWith(keys []sessionKey) ([]paymentsdb.HTLCAttempt, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	store, err := paymentsdb.NewKVStore(memory{keys: keys}, paymentsdb.WithNoMigration(true))
	if err != nil {
		return nil, fmt.Errorf("lnd's decoder of attempts: %w", err)
	}
	payment, err := store.FetchPayment(context.Background(), lntypes.Hash{})
	if err != nil {
		return nil, fmt.Errorf("lnd's decoder of attempts: %w", err)
	}
	if len(payment.HTLCs) != len(keys) {
		return nil, fmt.Errorf("lnd's decoder of attempts: %d of %d", len(payment.HTLCs), len(keys))
	}
	return payment.HTLCs, nil
}

// emptyRoute is a route without hops in lnd's encoding.
var emptyRoute = func() []byte {
	var b bytes.Buffer
	if err := paymentsdb.SerializeRoute(&b, route.Route{}); err != nil {
		panic("lnd cannot serialize an empty route: " + err.Error())
	}
	return b.Bytes()
}()

// memory is a database of one payment, whatever the hash, as lnd's key-value store reads it. The embedded
// interface is nil: lnd begins no transaction but by View.
type memory struct {
	kvdb.Backend
	keys []sessionKey
}

func (m memory) View(read func(kvdb.RTx) error, reset func()) error {
	reset()
	return read(memoryTx{keys: m.keys})
}

type memoryTx struct {
	kvdb.RTx
	keys []sessionKey
}

func (tx memoryTx) ReadBucket(name []byte) kvdb.RBucket {
	if string(name) != rootBucket {
		return nil
	}
	return memoryRoot{keys: tx.keys}
}

type memoryRoot struct {
	kvdb.RBucket
	keys []sessionKey
}

func (root memoryRoot) NestedReadBucket([]byte) kvdb.RBucket { return memoryPayment(root) }

type memoryPayment struct {
	kvdb.RBucket
	keys []sessionKey
}

func (payment memoryPayment) Get(name []byte) []byte {
	switch string(name) {
	case sequenceKey:
		return make([]byte, 8)
	case creationInfoKey:
		return make([]byte, creationInfoSize)
	}
	return nil
}

func (payment memoryPayment) NestedReadBucket(name []byte) kvdb.RBucket {
	if string(name) != htlcsBucket {
		return nil
	}
	return memoryHTLCs(payment)
}

type memoryHTLCs struct {
	kvdb.RBucket
	keys []sessionKey
}

func (htlcs memoryHTLCs) ForEach(visit func(name, value []byte) error) error {
	for place := range htlcs.keys {
		name := binary.BigEndian.AppendUint64([]byte(attemptInfoKey), uint64(place))
		value := bytes.Join([][]byte{htlcs.keys[place][:], emptyRoute, make([]byte, 8)}, nil)
		if err := visit(name, value); err != nil {
			return err
		}
	}
	return nil
}
