package lnkeep

import "time"

// PeerStorageOptions are choices at the open of peer storage. Zero everywhere is the safe choice. They hold
// until the last PeerStorage of the store is closed: opening with others before that is ErrAlreadyOpen.
type PeerStorageOptions struct {
	// Off offers nothing: nothing is accepted, nothing is returned, blobs are still collected.
	Off bool
	// RefusePendingChannels: a channel counts only once it is open, and not from the moment its funding is
	// pending.
	RefusePendingChannels bool
	// AcceptInGrace accepts new blobs between the last claim's end and the collection. A peer that lost its
	// disk then replaces its only useful copy.
	AcceptInGrace bool
	// ReturnUnwritten returns what waits in memory without writing it first. A crash then brings back an older
	// blob than the peer was shown, and took for confirmed.
	ReturnUnwritten bool
	// ZerosCount: every number and duration is meant as it is, also when it is 0.
	ZerosCount bool
	// WithoutChannelPercent is the share of PeersMax and TotalBytesMax that peers without an open channel may
	// take; 0 means 25.
	WithoutChannelPercent uint32
	// Cooldown is the shortest time between two writes for one peer with a channel, in whole milliseconds
	// rounded up; 0 means a second.
	Cooldown time.Duration
	// CooldownWithoutChannel is the same for one peer without a channel; 0 means a minute.
	CooldownWithoutChannel time.Duration
	// DisconnectInterval is the shortest time between a write and one for a disconnection, in whole
	// milliseconds rounded up; 0 means 100 milliseconds.
	DisconnectInterval time.Duration
	// TotalBytesMax bounds the bytes of all blobs; 0 means 256 MiB.
	TotalBytesMax uint64
	// PendingBytesMax bounds the bytes that wait in memory to be written; 0 means 64 MiB.
	PendingBytesMax uint64
	// RetentionBlocks is how long a blob is kept after its peer's last claim; 0 means 2,016 (BOLT 1).
	RetentionBlocks uint32
	// BlobBytesMax is the length of the longest blob accepted; 0 means 65,531, all that a message has room for.
	BlobBytesMax uint32
	// PeersMax is how many peers may have a blob; 0 means 4,096.
	PeersMax uint32
}

func (o *PeerStorageOptions) check() *Error {
	if o.Cooldown < 0 || o.CooldownWithoutChannel < 0 || o.DisconnectInterval < 0 {
		return invalid("open peer storage", "a duration is negative")
	}
	return nil
}

// milliseconds rounds a duration up to whole milliseconds, so that a short one never becomes 0, the default.
func milliseconds(d time.Duration) uint64 {
	return uint64(d/time.Millisecond) + min(uint64(d%time.Millisecond), 1)
}

// PeerStorageReport is what the open of peer storage found.
type PeerStorageReport struct {
	// Peers counts peers with a blob.
	Peers uint64
	// Bytes counts bytes of their blobs.
	Bytes uint64
	// Damaged counts peers whose record was damaged: it was made anew of the blob, or the blob is lost too.
	Damaged uint64
}

// StoreResult is what became of a blob that was accepted.
type StoreResult uint32

// What may become of a blob.
const (
	// StoredCommitted: it is durable.
	StoredCommitted StoreResult = 1
	// StoredDeferred: it is in memory, and returned to the peer already; a Tick at or after Stored.Due makes it
	// durable.
	StoredDeferred StoreResult = 2
	// StoredUnchanged: it is the newest already.
	StoredUnchanged StoreResult = 3
)

// String is a name such as "deferred", or the number of a result this version does not know.
func (r StoreResult) String() string {
	return named(uint32(r), "store result", "", "committed", "deferred", "unchanged")
}

// Stored is what became of a blob that was accepted.
type Stored struct {
	// Result is what became of it.
	Result StoreResult
	// Due is when it may be written, of StoredDeferred; else the zero time.
	Due time.Time
	// Failure is why a blob that was due could not be written and waits, such as ErrNoSpace; nil without that.
	Failure error
}

// StorageTick is what a tick of peer storage did.
type StorageTick struct {
	// Committed are the peers whose blob became durable, in the order of their ids.
	Committed []NodeID
	// Failed counts blobs that could not be written: they still wait, and are still returned to their peers.
	Failed uint64
	// Failure is why the first of those that failed did; nil without one.
	Failure error
	// NextDue is when the next tick has something to do; the zero time when it has nothing.
	NextDue time.Time
}

// failureOf is the error of a status that a call answers beside its own; nil for 0.
func failureOf(op string, code Status) error {
	if code == StatusDone {
		return nil
	}
	return refusal(op, code, code.Message())
}

// dueAt is the time of a number of milliseconds since 1970 that the library gives; the zero time without one.
func dueAt(given bool, unixMilli uint64) time.Time {
	if !given {
		return time.Time{}
	}
	return time.UnixMilli(int64(min(unixMilli, 1<<63-1)))
}

// PeerClaims are why a peer may have a blob kept.
type PeerClaims struct {
	// Peer is whose claims these are.
	Peer NodeID
	// OpenChannels counts channels that are open.
	OpenChannels uint32
	// PendingChannels counts channels whose funding is pending.
	PendingChannels uint32
	// Allowed: the operator lets the peer store without a channel.
	Allowed bool
}

// ClaimChange is what changed about a peer's claims.
type ClaimChange uint32

// What may change.
const (
	// ClaimPendingChannel: the funding of a channel is pending.
	ClaimPendingChannel ClaimChange = 1
	// ClaimOpenChannel: a channel opened; a pending one, if there is one, is that.
	ClaimOpenChannel ClaimChange = 2
	// ClaimClosedChannel: an open channel was closed.
	ClaimClosedChannel ClaimChange = 3
	// ClaimFailedChannel: the funding of a pending channel failed.
	ClaimFailedChannel ClaimChange = 4
	// ClaimAllowed: the operator lets the peer store without a channel.
	ClaimAllowed ClaimChange = 5
	// ClaimDisallowed: the operator does so no more.
	ClaimDisallowed ClaimChange = 6
)

// String is a name such as "open_channel", or the number of a change this version does not know.
func (c ClaimChange) String() string {
	return named(uint32(c), "claim change", "", "pending_channel", "open_channel", "closed_channel",
		"failed_channel", "allowed", "disallowed")
}

// StoredPeer is a peer with a blob.
type StoredPeer struct {
	// Peer is whose blob it is.
	Peer NodeID
	// SHA256 is the hash of the newest blob.
	SHA256 [32]byte
	// BlobBytes is the length of the newest blob.
	BlobBytes uint32
	// OpenChannels counts channels that are open.
	OpenChannels uint32
	// PendingChannels counts channels whose funding is pending.
	PendingChannels uint32
	// Allowed: the operator lets the peer store without a channel.
	Allowed bool
	// Pending: the newest blob is in memory and waits to be written.
	Pending bool
	// Damaged: the blob on disk did not pass its check, and is not returned.
	Damaged bool
	// ClosedAt is the height at which the last claim ended; nil while there is one.
	ClosedAt *uint32
	// BlocksLeft is how many blocks it takes until the blob is collected, counted from the last height that
	// was told; 0 when ClosedAt is nil.
	BlocksLeft uint32
	// Received is the host's time when the newest blob was received.
	Received time.Time
	// Committed is the host's time when the blob on disk was written; the zero time when it never was.
	Committed time.Time
	// Updates counts blobs accepted.
	Updates uint64
	// Commits counts blobs written.
	Commits uint64
}

// PeerStorageStats are figures of peer storage, since its open and of now.
type PeerStorageStats struct {
	// Peers counts peers with a blob.
	Peers uint64
	// Bytes counts bytes of the newest blobs.
	Bytes uint64
	// BytesWithoutChannel counts those of peers without a channel.
	BytesWithoutChannel uint64
	// Pending counts blobs that wait in memory.
	Pending uint64
	// PendingBytes counts their bytes.
	PendingBytes uint64
	// Damaged counts blobs found damaged that are still kept.
	Damaged uint64
	// Commits counts blobs written.
	Commits uint64
	// Deferred counts blobs that were deferred.
	Deferred uint64
	// Unchanged counts blobs that were the newest already.
	Unchanged uint64
	// RefusedNoClaim counts blobs refused because nothing is offered, or the peer has no claim.
	RefusedNoClaim uint64
	// RefusedTooBig counts blobs refused because they are too long.
	RefusedTooBig uint64
	// RefusedQuota counts blobs refused for a quota, or because too much waits in memory.
	RefusedQuota uint64
	// Collected counts blobs collected.
	Collected uint64
}
