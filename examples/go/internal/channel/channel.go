// Package channel is what the node keeps of its channel: the number of its newest commitment,
// which is the update id of its monitor, and the HTLCs that this commitment covers; and the bytes
// of all that. The node writes them, and the world reads them after a kill.
package channel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// HTLCsMax is BOLT 2's max_accepted_htlcs.
const HTLCsMax = 483

// Kind is what a commitment changes.
type Kind uint8

// The kinds of change.
const (
	HTLCAdded Kind = iota + 1
	HTLCSettled
	HTLCFailed
	// HTLCNeverLeft: the node died before it sent it.
	HTLCNeverLeft
)

// Change is what one commitment changes: the bytes of a monitor's update, and of the notice of a
// settle.
type Change struct {
	Kind        Kind
	ID          uint64
	PaymentHash [32]byte
}

// errForeign: bytes that this package did not write.
var errForeign = errors.New("not the bytes of a channel")

// ErrMisfit: a change that does not fit the channel's state.
var ErrMisfit = errors.New("a change that does not fit its channel")

// Bytes is the change as lnkeep keeps it.
func (c Change) Bytes() []byte { return encode(c) }

// ParseChange is the reverse of Bytes.
func ParseChange(body []byte) (change Change, err error) {
	if len(body) != binary.Size(change) {
		return change, errForeign
	}
	_, err = binary.Decode(body, binary.BigEndian, &change)
	return change, err
}

// State is a channel as it stands.
type State struct {
	// Number is that of the newest commitment.
	Number uint64
	HTLCs  map[uint64]struct{}
}

// New is a channel without HTLCs.
func New() *State { return &State{HTLCs: map[uint64]struct{}{}} }

// Has reports whether the newest commitment covers an HTLC.
func (s *State) Has(id uint64) bool {
	_, has := s.HTLCs[id]
	return has
}

// Apply makes the next commitment.
func (s *State) Apply(change Change) error {
	adds := change.Kind == HTLCAdded
	if adds == s.Has(change.ID) || adds && len(s.HTLCs) == HTLCsMax {
		return ErrMisfit
	}
	if adds {
		s.HTLCs[change.ID] = struct{}{}
	} else {
		delete(s.HTLCs, change.ID)
	}
	s.Number++
	return nil
}

// Snapshot is the state as lnkeep keeps it.
func (s *State) Snapshot() []byte {
	ids := slices.Sorted(maps.Keys(s.HTLCs))
	return append(encode(s.Number), encode(ids)...)
}

// ParseSnapshot is the reverse of Snapshot.
func ParseSnapshot(body []byte) (*State, error) {
	if len(body) < 8 || len(body)%8 != 0 {
		return nil, errForeign
	}
	state := New()
	state.Number = binary.BigEndian.Uint64(body)
	for body = body[8:]; len(body) > 0; body = body[8:] {
		state.HTLCs[binary.BigEndian.Uint64(body)] = struct{}{}
	}
	return state, nil
}

// Manager is the node's own view of its channel, stored in the same commit: the newest commitment,
// and the changes that were not durable when it was written, so that the next life can make them
// again.
type Manager struct {
	Number uint64
	// InFlight are the changes up to Number, the newest last.
	InFlight []Change
}

// Bytes is the manager as lnkeep keeps it.
func (m *Manager) Bytes() []byte { return append(encode(m.Number), encode(m.InFlight)...) }

// ParseManager is the reverse of Bytes.
func ParseManager(body []byte) (*Manager, error) {
	each := binary.Size(Change{})
	if len(body) < 8 || (len(body)-8)%each != 0 {
		return nil, errForeign
	}
	m := &Manager{
		Number: binary.BigEndian.Uint64(body), InFlight: make([]Change, (len(body)-8)/each),
	}
	err := binary.Read(bytes.NewReader(body[8:]), binary.BigEndian, m.InFlight)
	return m, err
}

// Note adds the newest change.
func (m *Manager) Note(change Change) {
	m.Number++
	m.InFlight = append(m.InFlight, change)
}

// Forget drops what is durable by now.
func (m *Manager) Forget(durable uint64) {
	for uint64(len(m.InFlight)) > m.Number-durable {
		m.InFlight = m.InFlight[1:]
	}
}

// After is what has to be made again on top of a commitment; false when something is missing, or
// when the channel is newer than the manager knows.
func (m *Manager) After(number uint64) ([]Change, bool) {
	missing := m.Number - number
	if number > m.Number || missing > uint64(len(m.InFlight)) {
		return nil, false
	}
	return m.InFlight[uint64(len(m.InFlight))-missing:], true
}

// encode writes values of fixed size.
func encode(value any) []byte {
	body, err := binary.Append(nil, binary.BigEndian, value)
	if err != nil {
		panic(err) // the type has no fixed size
	}
	return body
}
