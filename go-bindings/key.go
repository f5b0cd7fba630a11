package lnkeep

import (
	"encoding/hex"
	"strconv"
)

// Namespace is an id space of its own, chosen by the host. The zero value is the default one.
type Namespace [16]byte

// Key names an attempt: an id in its namespace. The id is the idempotency key of the dispatch.
type Key struct {
	Namespace Namespace
	// ID is unique in its namespace, and is never used for another attempt, also after deletion.
	ID uint64
}

// DefaultKey is the key of an id in the default namespace.
func DefaultKey(id uint64) Key { return Key{ID: id} }

// String is the id, with its namespace in hex in front unless it is the default one.
func (k Key) String() string {
	id := strconv.FormatUint(k.ID, 10)
	if k.Namespace == (Namespace{}) {
		return id
	}
	return hex.EncodeToString(k.Namespace[:]) + "/" + id
}

// EncodeClientID puts a client's byte above a raw id of at most 56 bits, so that several clients share
// one flat id space. ErrIDOutOfRange for a greater one. Pure; safe for concurrent use.
func EncodeClientID(client uint8, rawID uint64) (uint64, error) {
	return cClientIDEncode(client, rawID)
}

// DecodeClientID is the client's byte and the raw id of an id. Pure; safe for concurrent use.
func DecodeClientID(id uint64) (client uint8, rawID uint64, err error) {
	return cClientIDDecode(id)
}
