package lnkeep

// QueueNew queues a new channel: its first snapshot, which includes the updates up to updateID, and the
// block that the snapshot has seen last. It answers the ticket of the entry.
//
// Errors: ErrInvalidArgument, also without bytes; ErrTooBig above 1 GiB; ErrBadUpdateID for 2^64 - 1;
// ErrDuplicateChannel: fail the open; ErrQueueFull: commit, then again; ErrNoSpace on a full disk, unless it
// is Critical.
func (m *Monitors) QueueNew(
	channel ChannelID, updateID uint64, snapshot HostBytes, block Block, urgency ...Urgency,
) (ticket uint64, _ error) {
	return m.queue("queue_new", urgency, func(flags uint32) (uint64, error) {
		return cMonitorsQueueNew(m.handle.bits, channel, updateID, snapshot, &block, flags)
	})
}

// queue is what queue calls that answer a ticket have in common.
func (m *Monitors) queue(
	op string, urgency []Urgency, call func(flags uint32) (uint64, error),
) (ticket uint64, _ error) {
	if err := m.handle.refuse(op); err != nil {
		return 0, err
	}
	flags, err := urgencyOf(op, urgency)
	if err != nil {
		return 0, err
	}
	return call(flags)
}

// QueueUpdate queues an update: the one after the channel's tip. Repeating it is harmless: a replay after a
// restart is answered by what is known.
//
// Errors: ErrUpdateConflict when the id is known with other bytes: halt the node; ErrUpdateGap, the id
// expected in Error.Value: an update went missing in the host, stop the channel; ErrUpdateStale when a
// snapshot includes the id, the tip in Error.Value; ErrUnknownChannel, ErrChannelArchived;
// ErrChannelDamaged, the Damage in Error.Value; ErrSnapshotRequired; ErrQueueFull: commit, then again;
// ErrInvalidArgument, also without bytes; ErrTooBig above 4 MiB - 64; ErrBadUpdateID for 2^64 - 1; ErrBusy.
func (m *Monitors) QueueUpdate(
	channel ChannelID, updateID uint64, update HostBytes, urgency ...Urgency,
) (Queued, error) {
	const op = "queue_update"
	if err := m.handle.refuse(op); err != nil {
		return Queued{}, err
	}
	flags, err := urgencyOf(op, urgency)
	if err != nil {
		return Queued{}, err
	}
	return cMonitorsQueueUpdate(m.handle.bits, channel, updateID, update, flags)
}

// QueueSnapshot queues a snapshot that includes the updates up to updateID; later ones stay. On a damaged
// channel one at or past its tip mends it. block is the one that the snapshot has seen last, nil to keep
// the one before. It answers the ticket of the entry.
//
// Errors: ErrSnapshotAhead when updateID was never queued, ErrSnapshotStale when a newer snapshot is known,
// both with the tip in Error.Value; ErrUnknownChannel, ErrChannelArchived; ErrQueueFull: commit, then again;
// ErrNoSpace on a full disk, unless it is Critical; ErrInvalidArgument, also without bytes; ErrTooBig above
// 1 GiB; ErrBadUpdateID for 2^64 - 1 of a damaged channel.
func (m *Monitors) QueueSnapshot(
	channel ChannelID, updateID uint64, snapshot HostBytes, block *Block, urgency ...Urgency,
) (ticket uint64, _ error) {
	return m.queue("queue_snapshot", urgency, func(flags uint32) (uint64, error) {
		return cMonitorsQueueSnapshot(m.handle.bits, channel, updateID, snapshot, block, flags)
	})
}

// QueueArchive queues the archiving of a channel, behind its updates. It stays readable until Purge. It
// answers the ticket of the entry.
//
// Errors: ErrChannelArchived, ErrUnknownChannel, ErrChannelDamaged; ErrQueueFull: commit, then again.
func (m *Monitors) QueueArchive(channel ChannelID) (ticket uint64, _ error) {
	return m.queue("queue_archive", nil, func(uint32) (uint64, error) {
		return cMonitorsQueueArchive(m.handle.bits, channel)
	})
}

// QueueOutput queues what may leave only when everything queued before it is durable: a message, an event, a
// transaction. It comes back from TakeOutputs, with its tag, after the commit that covers it. It answers the
// ticket of the entry.
//
// Errors: ErrQueueFull: commit, then again; ErrInvalidArgument, also without bytes; ErrTooBig above
// 4 MiB - 64.
func (m *Monitors) QueueOutput(class OutputClass, tag uint64, payload HostBytes) (ticket uint64, _ error) {
	return m.queue("queue_output", nil, func(uint32) (uint64, error) {
		return cMonitorsQueueOutput(m.handle.bits, class, tag, payload)
	})
}

// CanQueue reports whether so many entries of so many bytes, all together, would be accepted now: nil if so.
// Ask before the state changes, such as when a message of a peer arrives: what was not read yet needs no
// room. Other goroutines may take the room.
//
// Errors: ErrQueueFull: commit, and take completions and outputs.
func (m *Monitors) CanQueue(operations, bytes uint64, urgency ...Urgency) error {
	_, err := m.queue("can_queue", urgency, func(flags uint32) (uint64, error) {
		return 0, cMonitorsCanQueue(m.handle.bits, operations, bytes, flags)
	})
	return err
}

// IsDurable reports whether the entry of a ticket is durable.
//
// Errors: ErrBadTicket when it was not given in this session.
func (m *Monitors) IsDurable(ticket uint64) (bool, error) {
	if err := m.handle.refuse("is_durable"); err != nil {
		return false, err
	}
	return cMonitorsTicketIsDurable(m.handle.bits, ticket)
}
