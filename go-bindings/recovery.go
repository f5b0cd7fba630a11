package lnkeep

import "context"

// CircuitState is what the host's circuit map says about an attempt.
type CircuitState uint32

// The states of a circuit.
const (
	// CircuitOpen: the outgoing link took the HTLC; the network will answer.
	CircuitOpen CircuitState = 1
	// CircuitHalfOpen: committed, and never taken by the outgoing link.
	CircuitHalfOpen CircuitState = 2
)

// Circuit is one entry of the host's circuit map.
type Circuit struct {
	// ID is the attempt's id.
	ID uint64
	// State is where its circuit stands.
	State CircuitState
}

// RecoverOptions say what Recover may conclude from.
type RecoverOptions struct {
	// Namespace is whose attempts are decided.
	Namespace Namespace
	// Circuits are the circuits that exist; needs CircuitsComplete.
	Circuits []Circuit
	// CircuitsComplete: the list of circuits is complete, although it may be empty. Without it the host
	// marks, and Circuits must be empty.
	CircuitsComplete bool
	// CurrentEpoch: attempts of this open are looked at too; no dispatcher is between init and send.
	CurrentEpoch bool
}

// Recovery is what Recover did. The ids are in ascending order.
type Recovery struct {
	// Failed attempts were rolled back to a local failure.
	Failed []uint64
	// Unresolved attempts were handed off and have no circuit: they are still pending.
	Unresolved []uint64
	// Unreadable records were left alone.
	Unreadable []uint64
}

// Recover decides about the pending attempts of a namespace after a restart, before anything is
// dispatched; it may be called at any time, repeatedly. An attempt never marked as handed off and
// without an open circuit is rolled back to a local failure. One that was handed off is never rolled
// back: without an open circuit it is listed as unresolved. Rollbacks done before an error stay done.
//
// Errors: those of Attempts; ErrInvalidArgument also when the host does not mark (UnmarkedHost) and the
// circuit list is not said to be complete.
func (a *Attempts) Recover(ctx context.Context, options RecoverOptions) (recovery Recovery, err error) {
	err = a.turn(ctx, "recover", func() (err error) {
		recovery, err = cAttemptsRecover(a.shared.handle, &options)
		return err
	})
	return recovery, err
}

// IDFloor is the floor of one namespace after a restore.
type IDFloor struct {
	// Namespace is whose ids.
	Namespace Namespace
	// Floor is one above the greatest id that may ever have been used.
	Floor uint64
}

// AcknowledgeRestore ends the refusal of new ids after a restore or a copy. Every namespace that has
// records needs a floor, at most 1,024 of them; ids below it without a record stay refused for good,
// since the newer store may have used them. Already when nothing waits for it.
//
// Errors: those of Attempts; ErrInvalidArgument also when a namespace with records is missing.
func (a *Attempts) AcknowledgeRestore(ctx context.Context, floors ...IDFloor) (Outcome, error) {
	return a.change(ctx, "acknowledge_restore", func() (Outcome, error) {
		return cAttemptsAcknowledgeRestore(a.shared.handle, floors)
	})
}
