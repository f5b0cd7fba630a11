// Package lnkeep keeps the durable, at-most-once state of a Lightning node: a node asks it before an HTLC
// leaves and tells it what became of the HTLC. What it has acknowledged is on disk: a crash, a power cut
// or a full disk does not undo it, and no identifier is dispatched twice.
//
// It needs cgo and the installed C library, found with pkg-config; with CGO_ENABLED=0 it compiles, and
// Open answers ErrNoCgo. The contract of the library is its header, lnkeep.h; this package says the same
// in Go's words. A whole program:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/lnkeep/lnkeep/go-bindings"
//	)
//
//	func main() {
//		ctx := context.Background()
//		store, err := lnkeep.Open("attempts.lnkeep", nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer store.Close()
//		attempts, err := store.OpenAttempts(nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		outcome, err := attempts.Init(ctx, lnkeep.Request{Key: lnkeep.DefaultKey(7)})
//		if err != nil {
//			log.Fatal(err) // not dispatched; after lnkeep.ErrUnknown repeat the same key
//		}
//		fmt.Println("dispatch:", outcome.Done, "track:", outcome.Already)
//	}
//
// # Outcomes and errors
//
// A call that changes something answers an Outcome: Done, or Already when an earlier call did it, which is
// a positive acknowledgement and not an error. Everything else is an *Error, and its class says what to
// conclude; ask for it with errors.Is:
//
//   - ErrRefused: definitely not applied; asking again changes nothing unless the state changes.
//   - ErrRetry: definitely not applied; the same call may succeed later.
//   - ErrUnknown: may or may not be applied. Close the store, open it again and repeat the call with the
//     SAME identifier. Never choose a new one, and never tell anybody that the attempt failed.
//   - ErrFatal: not applied, and the store cannot go on: close it and open it again.
//
// # Dispatching an HTLC at most once
//
//  1. Attempts.Init before anything that can fail or change. Only the caller whose Outcome is Done may
//     dispatch; Already means track the result.
//  2. Validate route, balance, peer. On failure Attempts.FailPending, and only when that is done tell the
//     caller that the attempt failed.
//  3. Attempts.MarkHandedOff once the circuit is committed and before commitment_signed is released.
//     On any error the HTLC must not leave.
//  4. Release commitment_signed.
//  5. Attempts.StoreResult before the switch forgets the peer's answer.
//  6. Attempts.Ack when the payment's own record holds the outcome.
//
// After every start, before dispatching: Attempts.Recover, with the circuits that exist.
//
// # Paying a hash at most once
//
// Store.OpenPayments opens the control tower. Any number of goroutines may ask for the same payment: it is
// never paid twice, and attempts never sum up to more than its amount.
//
//  1. Payments.Init. Only Done means pay it; everything else: look at the payment.
//  2. Payments.RegisterAndInit in place of Attempts.Init: the payment's attempt and its record in one
//     transaction. Then validate, mark, send and store the result as above. Payments.Register is for hosts
//     whose dispatcher keeps its records elsewhere.
//  3. Payments.Settle or Payments.FailAttempt in place of Attempts.Ack: the result and the acknowledgement
//     of the record in one transaction. A settle beats a failure, whenever it comes.
//  4. Another attempt, or Payments.Fail to give up.
//
// After a restart: Attempts.Recover, then Payments.Resume, which finishes what was in flight and sends
// nothing new. Payments.Stuck tells what nobody looks after.
//
// # Channels, their manager and what follows from them
//
// Store.OpenMonitors keeps the manager of the channels, their monitors, and the messages and events that
// depend on them, as one durable unit.
//
//  1. As the state changes in memory: Monitors.QueueNew, QueueUpdate, QueueSnapshot, QueueArchive; and
//     instead of sending what follows from it, Monitors.QueueOutput. None of them waits for the disk.
//  2. Monitors.Capture, and only then serialise the manager.
//  3. Monitors.Commit: all of it is on disk, or nothing. Monitors.OpCommit in a SubmitAtomic takes operations
//     of Attempts and Payments into the same commit.
//  4. Monitors.Wait, Completions, TakeOutputs: only now may they leave. Monitors.Acknowledge for events.
//
// After ErrUnknown send nothing more. At the start MonitorsReport tells what is wrong; then Monitors.Manager,
// Load for each of Channels, and the node's own replay, whose repeats are no errors, or ErrUpdateStale when
// a snapshot includes them.
//
// # Which HTLC to forward
//
// Store.OpenResources keeps who may use the slots and the liquidity of each channel, against channel
// jamming: reputation, three buckets, and the accountable signal.
//
//  1. Resources.AddChannel for each channel, and Reconcile with the HTLCs that are in flight, after every
//     start. ImportHistory once, so that peers do not begin without a reputation.
//  2. Resources.Add before each forward. Forward what is VerdictForward, with the signal that
//     Decision.Accountable says, and fail everything else.
//  3. Resources.Resolve when the HTLC settled or failed.
//
// Add and Resolve decide in memory, in a fraction of a microsecond, and are written soon after; a repeat is
// Already. What a crash takes of them costs no funds. ResourcesOptions.OnlyWatch shows what would happen.
//
// # Blobs of peers, and our own at peers
//
// Store.OpenPeerStorage keeps the blobs of other nodes (BOLT 1 option_provide_storage).
//
//  1. After every start PeerStorage.ClaimsComplete with the channels that exist; ReportClaim as they come and
//     go, and BlockConnected for each block.
//  2. When a peer connects: PeerStorage.Connected, and send the blob that it answers, unless it is nil, before
//     channel_reestablish.
//  3. DecodeWire and PeerStorage.Store for each peer_storage; Tick when Stored.Due or StorageTick.NextDue has
//     come; Disconnected. Whatever is refused is silence on the wire.
//
// Store.OpenBackup is the other end: the node's own data, sealed, at its peers.
//
//  1. Backup.SetPayload and, for each peer with a channel, SetFacts, after every start and when they changed;
//     for journals also SetHTLC, SetCommitmentPoint and ChannelForceClosed, and RemoveHTLC, ChannelResolved
//     and BlockConnected as these come.
//  2. When a peer connects: Backup.Connected, with what StorageFeature finds in its init.
//  3. Backup.Retrieval for peer_storage_retrieval, and ReestablishBegun when the peer begins
//     channel_reestablish without one. After ActionAlertStateLoss this node is the one that lost state: recover,
//     and let no channel go on from what is left. Then Backup.Adopt what was recovered, or Acknowledge.
//  4. Backup.Tick when BackupTick.NextDue has come; for each ActionSend Backup.Seal, EncodePeerStorage, send.
//
// OpenEnvelope opens a blob without a store: what recovery begins with. OpenLDK, OpenCLN, OpenLightningKMP and
// OpenLND open backups that other software made, to close channels and sweep them.
//
// # Copies
//
// Store.Backup writes a file, Restore makes a store of it, Check tells whether either is sound. A backup
// is for the loss of the disk alone: what was dispatched after it is unknown to it. A store that was
// restored or copied therefore refuses new ids and payments until Attempts.AcknowledgeRestore says where
// ids are safe.
//
// # Goroutines and threads
//
// Everything may be called from any goroutine at any time, also during Close. One goroutine per store
// packs what concurrent callers ask into one call of C, so that a thousand goroutines hold a few threads
// and share commits. A call that answers a payment is a call of C of its own, at most 16 at once; Submit
// packs the same operations and answers no payments. Waiting for results, for payments and for events
// needs one goroutine each, woken by Go's poller. A commit of monitors is a call of C of its own, one at a
// time; Monitors.Wait has no goroutine of its own. Resources.Add and Resolve are calls of C of their own too,
// which are over sooner than another goroutine would answer.
package lnkeep
