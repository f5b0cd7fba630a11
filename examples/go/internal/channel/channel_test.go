package channel

import (
	"errors"
	"reflect"
	"testing"
)

func change(kind Kind, id uint64) Change {
	return Change{Kind: kind, ID: id, PaymentHash: [32]byte{byte(id), 2, 3}}
}

// apply fails unless every change fits.
func apply(t *testing.T, state *State, changes ...Change) {
	t.Helper()
	for _, change := range changes {
		if err := state.Apply(change); err != nil {
			t.Fatalf("%+v: %v", change, err)
		}
	}
}

func TestState_EveryChangeIsACommitment(t *testing.T) {
	state := New()
	apply(t, state, change(HTLCAdded, 1), change(HTLCAdded, 2), change(HTLCSettled, 1))
	if state.Number != 3 || state.Has(1) || !state.Has(2) {
		t.Errorf("%+v", state)
	}
	for _, misfit := range []Change{
		change(HTLCAdded, 2), change(HTLCSettled, 1), change(HTLCFailed, 9), change(HTLCNeverLeft, 9),
	} {
		if err := state.Apply(misfit); !errors.Is(err, ErrMisfit) || state.Number != 3 {
			t.Errorf("%+v: %v", misfit, err)
		}
	}
}

func TestState_IsFull(t *testing.T) {
	state := New()
	for id := range uint64(HTLCsMax) {
		apply(t, state, change(HTLCAdded, id))
	}
	if err := state.Apply(change(HTLCAdded, HTLCsMax)); !errors.Is(err, ErrMisfit) {
		t.Errorf("one HTLC too many: %v", err)
	}
	apply(t, state, change(HTLCFailed, 0), change(HTLCAdded, HTLCsMax))
}

func TestParse_IsTheReverseOfBytes(t *testing.T) {
	state := New()
	apply(t, state, change(HTLCAdded, 1), change(HTLCAdded, 1<<63), change(HTLCAdded, 7))
	if got, err := ParseSnapshot(state.Snapshot()); err != nil || !reflect.DeepEqual(got, state) {
		t.Errorf("a snapshot: %+v, %v", got, err)
	}
	added := change(HTLCAdded, 5)
	if got, err := ParseChange(added.Bytes()); err != nil || got != added {
		t.Errorf("a change: %+v, %v", got, err)
	}
	manager := &Manager{Number: 8, InFlight: []Change{added, change(HTLCFailed, 5)}}
	if got, err := ParseManager(manager.Bytes()); err != nil || !reflect.DeepEqual(got, manager) {
		t.Errorf("a manager: %+v, %v", got, err)
	}
	for _, length := range []int{0, 7, 9, 47} {
		_, snapshotErr := ParseSnapshot(make([]byte, length))
		_, changeErr := ParseChange(make([]byte, length))
		_, managerErr := ParseManager(make([]byte, length))
		if snapshotErr == nil || changeErr == nil || managerErr == nil {
			t.Errorf("%d bytes: %v, %v, %v", length, snapshotErr, changeErr, managerErr)
		}
	}
}

func TestManager_CarriesWhatIsNotDurable(t *testing.T) {
	manager := &Manager{Number: 5}
	for id := range uint64(3) {
		manager.Note(change(HTLCAdded, id))
	}
	manager.Forget(6)
	for number, wanted := range map[uint64]int{8: 0, 7: 1, 6: 2, 5: -1, 9: -1} {
		changes, complete := manager.After(number)
		if complete != (wanted >= 0) || complete && len(changes) != wanted {
			t.Errorf("after %d: %d changes, %v", number, len(changes), complete)
		}
	}
	if changes, _ := manager.After(7); changes[0].ID != 2 {
		t.Errorf("after 7 comes HTLC %d", changes[0].ID)
	}
	manager.Forget(8)
	if len(manager.InFlight) != 0 {
		t.Errorf("%d changes are durable and still carried", len(manager.InFlight))
	}
}
