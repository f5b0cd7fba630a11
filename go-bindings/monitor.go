package lnkeep

import (
	"encoding/hex"
	"time"
)

// ChannelID identifies a channel. An unnamed array of 32 bytes is one without conversion.
type ChannelID [32]byte

// String is the id in hex.
func (c ChannelID) String() string { return hex.EncodeToString(c[:]) }

// Block is a block of the chain.
type Block struct {
	// Hash is its hash, in the host's byte order; all zero when the host keeps none.
	Hash [32]byte
	// Height is its height; 0 means unknown.
	Height uint32
}

// MonitorsOptions are choices at the open of monitors. Zero everywhere is the safe choice. They hold until
// the last Monitors of the store is closed: opening with others before that is ErrAlreadyOpen.
type MonitorsOptions struct {
	// ExternalManager: the host stores its manager itself, durably and before each commit, and gives its
	// generation to CommitExternal.
	ExternalManager bool
	// ManagerOptional: commits may advance channels without a manager, for a host that has none.
	ManagerOptional bool
	// ReplaysNothing: the host's manager does not replay updates that were not durable. Where a commit has a
	// view, the manager must be equal to the channels (ErrManagerAhead).
	ReplaysNothing bool
	// NoCriticalReserve keeps no reserve for Critical calls.
	NoCriticalReserve bool
	// NoSnapshotGrowth asks for no snapshot because of the bytes of its updates.
	NoSnapshotGrowth bool
	// WithoutCompletions tells no completions, for a host that looks at tickets or waits for its commit.
	WithoutCompletions bool
	// PendingOpsMax is how many entries may wait for a commit, outputs included; 0 means 1,024.
	PendingOpsMax uint32
	// PendingBytesMax is how many bytes may wait for a commit; 0 means 64 MiB.
	PendingBytesMax uint64
	// CriticalReserveOps is how many entries, and updates of each channel, Critical calls may add to those
	// bounds; 0 means 64.
	CriticalReserveOps uint32
	// SnapshotEveryUpdates is after how many durable updates of a channel a snapshot is asked for; 0 means 100.
	SnapshotEveryUpdates uint32
	// UpdatesMax is after how many updates of a channel a snapshot is demanded (ErrSnapshotRequired); 0 means
	// 1,000.
	UpdatesMax uint32
	// SnapshotGrowthPercent is how many bytes of updates, in percent of their snapshot, there are before
	// another one is asked for; 0 means 400.
	SnapshotGrowthPercent uint32
	// SnapshotAge is the age of a snapshot with updates after which another one is asked for, in whole
	// seconds rounded up; 0 means never. Needs Store.Tick.
	SnapshotAge time.Duration
}

func (o *MonitorsOptions) check() *Error {
	if o.SnapshotAge < 0 {
		return invalid("open monitors", "SnapshotAge is negative")
	}
	return nil
}

// LastClose is how the session before ended.
type LastClose uint32

// The ends of a session. A later library may know more.
const (
	// LastCloseNew: there was no session before.
	LastCloseNew LastClose = 1
	// LastCloseClean: it was closed with nothing left in its queue.
	LastCloseClean LastClose = 2
	// LastCloseUnclean: it crashed, met a failed commit, or discarded entries.
	LastCloseUnclean LastClose = 3
)

// String is "new", "clean" or "unclean", or the number of one this version does not know.
func (l LastClose) String() string {
	return named(uint32(l), "last close", "", "new", "clean", "unclean")
}

// MonitorsReport is what the open of monitors found.
type MonitorsReport struct {
	// CommitSequence counts durable commits since the store was made.
	CommitSequence uint64
	// Outputs counts durable outputs that wait for an acknowledgement.
	Outputs uint64
	// Damaged counts damaged channels; Channels says which and how.
	Damaged uint64
	// LastClose is how the session before ended.
	LastClose LastClose
	// ManagerMissing: channels are in use and there is no manager that can be read.
	ManagerMissing bool
	// ManagerBehind: a channel was advanced by a later commit than the one that wrote the manager, which is
	// an older copy: do not start with it.
	ManagerBehind bool
	// MayBeStale: the store was restored or copied and nobody acknowledged it, so that peers may have seen
	// newer states. Do not broadcast; let peers prove what they know (BOLT 2 option_data_loss_protect).
	MayBeStale bool
}

// Urgency says whether a queue call may use the reserve.
type Urgency uint32

// Critical is for what must not wait, such as a preimage, a force-close, the revocation secret of a breach:
// it may use the reserve, and the bound on bytes does not hold it up. Leave it out otherwise.
const Critical Urgency = 1

// urgencyOf refuses what has no name here, since other flags of a call may mean other things.
func urgencyOf(op string, given []Urgency) (flags uint32, _ *Error) {
	for _, one := range given {
		if one&^Critical != 0 {
			return 0, invalid(op, "the Urgency has unknown bits")
		}
		flags |= uint32(one)
	}
	return flags, nil
}

// Queued is what became of an update. It is not durable before a commit covers it, except with Durable.
type Queued struct {
	// Ticket is the place of the entry in the queue, counted from 1 in each session; 0 with Already.
	Ticket uint64
	// Already: an earlier call queued the same update; a positive acknowledgement, not an error.
	Already bool
	// Durable: that earlier update is on disk. Without it, wait for the commit that covers it.
	Durable bool
}

// OutputClass says what a crash makes of an output.
type OutputClass uint32

// The classes of output.
const (
	// OutputVolatile: a peer message, made again after a reconnect, so it does not outlive the process.
	OutputVolatile OutputClass = 1
	// OutputDurable: an event of the application, or a transaction to broadcast, comes back until it is
	// acknowledged.
	OutputDurable OutputClass = 2
)

// String is "volatile" or "durable", or the number of one this version does not know.
func (c OutputClass) String() string {
	return named(uint32(c), "output class", "", "volatile", "durable")
}

// Output is what may leave now: its commit and all before it are durable.
type Output struct {
	// ID is the number of a durable output, for Acknowledge; 0 for a volatile one.
	ID uint64
	// Tag is the host's tag.
	Tag uint64
	// Payload is its bytes; nil when a damage of the store took them. Acknowledge it all the same.
	Payload HostBytes
}

// Class tells a durable output from a volatile one.
func (o *Output) Class() OutputClass {
	if o.ID == 0 {
		return OutputVolatile
	}
	return OutputDurable
}

// CompletionKind is what became durable.
type CompletionKind uint32

// The kinds of completion. A later library may know more.
const (
	// CompletionNew: a new channel.
	CompletionNew CompletionKind = 1
	// CompletionUpdate: an update.
	CompletionUpdate CompletionKind = 2
	// CompletionSnapshot: a snapshot.
	CompletionSnapshot CompletionKind = 3
	// CompletionArchive: an archive; its UpdateID is 0.
	CompletionArchive CompletionKind = 4
)

// String is a name such as "update", or the number of a kind this version does not know.
func (k CompletionKind) String() string {
	return named(uint32(k), "completion kind", "", "new", "update", "snapshot", "archive")
}

// Completion is an entry that became durable in this session.
type Completion struct {
	// Channel is which channel.
	Channel ChannelID
	// UpdateID is its update id.
	UpdateID uint64
	// Kind is what became durable.
	Kind CompletionKind
}

// ChannelStage tells channels in use from archived ones.
type ChannelStage uint32

// The stages of a channel.
const (
	// ChannelActive: in use.
	ChannelActive ChannelStage = 1
	// ChannelArchived: archived, and readable until it is purged.
	ChannelArchived ChannelStage = 2
)

// String is "active" or "archived", or the number of a stage this version does not know.
func (s ChannelStage) String() string {
	return named(uint32(s), "channel stage", "", "active", "archived")
}

// Damage is what is wrong with what is stored of a channel.
type Damage uint32

// The damages. A later library may know more.
const (
	// DamageNone: nothing is wrong.
	DamageNone Damage = 0
	// DamageUpdateGap: an update up to the recorded tip is missing.
	DamageUpdateGap Damage = 1
	// DamageOrphanUpdate: there is an update outside of what the channel's row says.
	DamageOrphanUpdate Damage = 2
	// DamageChecksum: the snapshot, an update or the channel's row is not what was written.
	DamageChecksum Damage = 3
	// DamageMissingSnapshot: there is no snapshot.
	DamageMissingSnapshot Damage = 4
)

// String is a name such as "update_gap", or the number of a damage this version does not know.
func (d Damage) String() string {
	return named(uint32(d), "damage", "none", "update_gap", "orphan_update", "checksum", "missing_snapshot")
}

// Channel is a durable channel without its bytes.
type Channel struct {
	// ID is which channel.
	ID ChannelID
	// SnapshotUpdateID is the update id that the snapshot includes.
	SnapshotUpdateID uint64
	// LatestUpdateID is the tip; of a damaged channel the recorded one.
	LatestUpdateID uint64
	// SnapshotBytes is the size of the snapshot.
	SnapshotBytes uint64
	// UpdateBytes is the size of the updates after it, all together.
	UpdateBytes uint64
	// Block came with the snapshot.
	Block Block
	// Damage is what is wrong with it: it then takes a snapshot at or past its tip and nothing else.
	Damage Damage
}

// MonitorUpdate is an update of a channel.
type MonitorUpdate struct {
	// ID is its update id.
	ID uint64
	// Update is its bytes.
	Update HostBytes
}

// Monitor is a durable channel with its bytes.
type Monitor struct {
	// Channel is its facts. Damage says what is wrong, also when it went wrong after the open.
	Channel Channel
	// Stage tells whether it is in use.
	Stage ChannelStage
	// Snapshot is the snapshot; of a damaged channel what is left of it, nil when there is none.
	Snapshot HostBytes
	// Updates are to be applied to it, in order; of a damaged channel those that can be read.
	Updates []MonitorUpdate
}

// ManagerRelation is how the host's manager stands to the channels.
type ManagerRelation uint32

// The relations. A manager that is behind is the error ErrManagerBehind.
const (
	// ManagerEqual: it is the manager of the last commit.
	ManagerEqual ManagerRelation = 1
	// ManagerAhead: it is newer, and the commit after it did not happen.
	ManagerAhead ManagerRelation = 2
)

// String is "equal" or "ahead", or the number of one this version does not know.
func (r ManagerRelation) String() string {
	return named(uint32(r), "manager relation", "", "equal", "ahead")
}

// MonitorsState is where monitors stand.
type MonitorsState struct {
	// CommitSequence counts durable commits since the store was made.
	CommitSequence uint64
	// PendingOperations counts entries that wait for a commit, outputs included.
	PendingOperations uint64
	// PendingBytes is the size of their payloads.
	PendingBytes uint64
	// ManagerGeneration is that of the external manager that came with the last commit that had one; nil
	// when none had.
	ManagerGeneration *uint64
	// RescanHeight is the lowest height from which an active channel has to look at the chain again; nil when
	// there is no active channel.
	RescanHeight *uint32
}
