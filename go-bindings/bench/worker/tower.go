package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
)

// Payments as lnd keeps them in its key-value store: names of buckets and keys, order and length of
// fields are those of payments/db/kv_store.go of lnd 0.21. What lnd decodes is decoded here too, with
// fewer allocations and calls than lnd's own code takes.

var (
	paymentsRootBucket  = []byte("payments-root-bucket")
	paymentsIndexBucket = []byte("payments-index-bucket")
	sequenceKey         = []byte("payment-sequence-key")
	creationInfoKey     = []byte("payment-creation-info")
	failInfoKey         = []byte("payment-fail-info")
	htlcsBucket         = []byte("payment-htlcs-bucket")
	attemptInfoPrefix   = "ai"
	settleInfoPrefix    = "si"
)

const (
	// A BOLT 11 invoice with a payment secret, a description and a routing hint.
	paymentRequestBytes = 300
	// What every payment pays in all its attempts together.
	paymentMsat = 100_000_000
	hopCount    = 4
	// Type of payment_data in a hop's payload (BOLT 4).
	mppRecordType = 8
)

type creationInfo struct {
	hash        [32]byte
	valueMsat   uint64
	createdNs   uint64
	requestText []byte
}

type mppRecord struct {
	address   [32]byte
	totalMsat uint64
}

type hop struct {
	publicKey    [33]byte
	channelID    uint64
	timeLock     uint32
	amountMsat   uint64
	legacy       bool
	mpp          *mppRecord
	otherRecords map[uint64][]byte
}

type htlcAttempt struct {
	id         uint64
	sessionKey [32]byte
	timeLock   uint32
	totalMsat  uint64
	source     [33]byte
	hops       []*hop
	sentNs     uint64
	hash       [32]byte
	settle     *settleInfo
}

type settleInfo struct {
	preimage  [32]byte
	settledNs uint64
}

type payment struct {
	sequence  uint64
	info      *creationInfo
	attempts  []htlcAttempt
	hasReason bool
	inFlight  int
	settled   int
	sentMsat  uint64
}

// paymentHash scatters, as hashes of invoices do.
func paymentHash(id uint64) [32]byte {
	var hash [32]byte
	for word := range uint64(4) {
		binary.LittleEndian.PutUint64(hash[8*word:], scatter(4*id+word))
	}
	return hash
}

func encodeCreationInfo(hash [32]byte, createdNs uint64) []byte {
	bytes := append([]byte(nil), hash[:]...)
	bytes = binary.BigEndian.AppendUint64(bytes, paymentMsat)
	bytes = binary.BigEndian.AppendUint64(bytes, createdNs)
	bytes = binary.BigEndian.AppendUint32(bytes, paymentRequestBytes)
	return append(bytes, make([]byte, paymentRequestBytes)...)
}

// encodeAttemptInfo writes an attempt of four hops, of which the last has a multi-part record.
func encodeAttemptInfo(id uint64, parts uint64) []byte {
	bytes := make([]byte, 32, 512)
	bytes = appendRoute(bytes, paymentMsat/parts)
	bytes = binary.BigEndian.AppendUint64(bytes, id)
	return append(bytes, make([]byte, 32)...)
}

func appendRoute(bytes []byte, amountMsat uint64) []byte {
	bytes = binary.BigEndian.AppendUint32(bytes, 900_000)
	bytes = binary.BigEndian.AppendUint64(bytes, amountMsat+1000)
	bytes = appendSized(bytes, make([]byte, 33))
	bytes = binary.BigEndian.AppendUint32(bytes, hopCount)
	for number := range hopCount {
		bytes = appendSized(bytes, make([]byte, 33))
		bytes = binary.BigEndian.AppendUint64(bytes, 7<<40)
		bytes = binary.BigEndian.AppendUint32(bytes, 900_000)
		bytes = binary.BigEndian.AppendUint64(bytes, amountMsat)
		bytes = append(bytes, 0)
		if number < hopCount-1 {
			bytes = binary.BigEndian.AppendUint32(bytes, 0)
			continue
		}
		bytes = binary.BigEndian.AppendUint32(bytes, 1)
		bytes = binary.BigEndian.AppendUint64(bytes, mppRecordType)
		record := binary.BigEndian.AppendUint32(make([]byte, 32), paymentMsat)
		bytes = appendSized(bytes, record)
	}
	return bytes
}

// appendSized writes bytes behind their length, which is below 253 and so takes one byte.
func appendSized(to, bytes []byte) []byte { return append(append(to, byte(len(bytes))), bytes...) }

func encodeSettleInfo(settledNs uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 32, 40), settledNs)
}

// fields reads numbers and bytes of fixed and of told length.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(length int) []byte {
	if length > len(f.rest) {
		f.short = true
		return make([]byte, length)
	}
	taken := f.rest[:length]
	f.rest = f.rest[length:]
	return taken
}

func (f *fields) u8() byte      { return f.take(1)[0] }
func (f *fields) u32() uint32   { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64   { return binary.BigEndian.Uint64(f.take(8)) }
func (f *fields) sized() []byte { return f.take(int(f.u8())) }

var errShort = errors.New("a value is shorter than its fields")

func (f *fields) end() error {
	if f.short || len(f.rest) != 0 {
		return errShort
	}
	return nil
}

func decodeCreationInfo(bytes []byte) (*creationInfo, error) {
	f := &fields{rest: bytes}
	info := &creationInfo{hash: [32]byte(f.take(32)), valueMsat: f.u64(), createdNs: f.u64()}
	info.requestText = append([]byte(nil), f.take(int(f.u32()))...)
	return info, f.end()
}

func decodeHop(f *fields) *hop {
	h := &hop{publicKey: [33]byte(f.sized()), channelID: f.u64()}
	h.timeLock, h.amountMsat, h.legacy = f.u32(), f.u64(), f.u8() != 0
	records := f.u32()
	if records == 0 || f.short {
		return h
	}
	h.otherRecords = make(map[uint64][]byte)
	for ; records > 0 && !f.short; records-- {
		kind := f.u64()
		record := append([]byte(nil), f.sized()...)
		if kind != mppRecordType || len(record) < 32 {
			h.otherRecords[kind] = record
			continue
		}
		h.mpp = &mppRecord{address: [32]byte(record)}
		for _, digit := range record[32:] {
			h.mpp.totalMsat = h.mpp.totalMsat<<8 | uint64(digit)
		}
	}
	return h
}

func decodeAttemptInfo(id uint64, bytes []byte) (*htlcAttempt, error) {
	f := &fields{rest: bytes}
	a := &htlcAttempt{id: id, sessionKey: [32]byte(f.take(32)), timeLock: f.u32(), totalMsat: f.u64()}
	a.source = [33]byte(f.sized())
	for hops := f.u32(); hops > 0 && !f.short; hops-- {
		a.hops = append(a.hops, decodeHop(f))
	}
	a.sentNs, a.hash = f.u64(), [32]byte(f.take(32))
	if len(a.hops) == 0 {
		return nil, errShort
	}
	return a, f.end()
}

func decodeSettleInfo(bytes []byte) (*settleInfo, error) {
	f := &fields{rest: bytes}
	return &settleInfo{preimage: [32]byte(f.take(32)), settledNs: f.u64()}, f.end()
}

// sortedAttempts are those of the map by id: their keys are sorted by prefix first.
func sortedAttempts(byID map[uint64]*htlcAttempt) []htlcAttempt {
	ids := make([]uint64, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	attempts := make([]htlcAttempt, len(ids))
	for place, id := range ids {
		attempts[place] = *byID[id]
	}
	return attempts
}

// sum is what follows from the attempts; it fails when they send more than the payment's amount.
func (p *payment) sum() error {
	for i := range p.attempts {
		a := &p.attempts[i]
		p.sentMsat += a.hops[len(a.hops)-1].amountMsat
		if a.settle == nil {
			p.inFlight++
		} else {
			p.settled++
		}
	}
	if p.sentMsat > p.info.valueMsat {
		return fmt.Errorf("payment %x: %d msat sent of %d", p.info.hash, p.sentMsat, p.info.valueMsat)
	}
	return nil
}

func (p *payment) isTerminated() bool { return p.inFlight == 0 && (p.settled > 0 || p.hasReason) }
