package lnkeep

import "iter"

// takenMax is how many completions or outputs one call gives at most.
const takenMax = 1024

// Completions takes entries that became durable in this session, in the order of the queue, each once; at
// most n, and at most 1,024. None when there are none: it never waits. Of several takers each gets others.
//
// Errors: ErrInvalidArgument for a negative n.
func (m *Monitors) Completions(n int) ([]Completion, error) {
	n, err := m.takeable("completions", n)
	if err != nil || n == 0 {
		return nil, err
	}
	return cMonitorsCompletions(m.handle.bits, n)
}

// takeable is how many of n may be taken at once.
func (m *Monitors) takeable(op string, n int) (int, error) {
	if err := m.handle.refuse(op); err != nil {
		return 0, err
	}
	if n < 0 {
		return 0, invalid(op, "the number to take is negative")
	}
	return min(n, takenMax), nil
}

// TakeOutputs takes outputs that may leave: those whose covering commit succeeded, in the order of their
// tickets, each once; at most n, and at most 1,024, fewer when they are large. First come, in the order of
// their numbers, the durable ones of earlier sessions that were never acknowledged. None when there are
// none: it never waits. Of several takers each gets others.
//
// Errors: ErrInvalidArgument for a negative n; ErrBusy.
func (m *Monitors) TakeOutputs(n int) ([]Output, error) {
	n, err := m.takeable("take_outputs", n)
	if err != nil || n == 0 {
		return nil, err
	}
	return cMonitorsTakeOutputs(m.handle.bits, n)
}

// Acknowledge confirms a durable output: the host has made what follows from it durable itself. The next
// commit removes it; until then it comes back after a crash.
//
// Errors: ErrUnknownOutput when none of this number waits; ErrBusy.
func (m *Monitors) Acknowledge(outputID uint64) error {
	if err := m.handle.refuse("acknowledge"); err != nil {
		return err
	}
	return cMonitorsAcknowledge(m.handle.bits, outputID)
}

// NeedSnapshot gives the channels that want a snapshot now, in the order of their ids: queue one for each.
func (m *Monitors) NeedSnapshot() ([]Channel, error) {
	if err := m.handle.refuse("need_snapshot"); err != nil {
		return nil, err
	}
	for capacity := channelsPage; ; capacity *= 2 {
		found, err := cMonitorsNeedSnapshot(m.handle.bits, capacity)
		if err != nil || len(found) < capacity {
			return found, err
		}
	}
}

// channelsPage is how many channels are asked for at once.
const channelsPage = 256

// Channels gives the durable channels of a stage without their bytes, in the order of their ids. An error is
// given last.
func (m *Monitors) Channels(stage ChannelStage) iter.Seq2[Channel, error] {
	return func(yield func(Channel, error) bool) {
		var after *ChannelID
		for {
			page, err := m.channelsAfter(stage, after)
			if err != nil {
				yield(Channel{}, err)
				return
			}
			for _, channel := range page {
				if !yield(channel, nil) {
					return
				}
			}
			if len(page) < channelsPage {
				return
			}
			after = &page[len(page)-1].ID
		}
	}
}

func (m *Monitors) channelsAfter(stage ChannelStage, after *ChannelID) ([]Channel, error) {
	if err := m.handle.refuse("channels"); err != nil {
		return nil, err
	}
	return cMonitorsList(m.handle.bits, stage, after, channelsPage)
}

// Load reads a durable channel, in use or archived, with its snapshot and its updates. A damaged one is no
// error: Monitor.Channel.Damage says what is wrong.
//
// Errors: ErrUnknownChannel, also when it was purged; ErrBusy.
func (m *Monitors) Load(channel ChannelID) (*Monitor, error) {
	if err := m.handle.refuse("load"); err != nil {
		return nil, err
	}
	return cMonitorsLoad(m.handle.bits, channel)
}

// Manager reads the manager of the last commit that had one; nil when no commit had one. An empty manager
// is not nil.
//
// Errors: ErrCorruptRecord when it cannot be read; ErrBusy.
func (m *Monitors) Manager() (HostBytes, error) {
	if err := m.handle.refuse("manager"); err != nil {
		return nil, err
	}
	return cMonitorsLoadManager(m.handle.bits)
}

// State tells where monitors stand: what waits, the last commit, from where the chain has to be looked at
// again.
func (m *Monitors) State() (MonitorsState, error) {
	if err := m.handle.refuse("state"); err != nil {
		return MonitorsState{}, err
	}
	return cMonitorsState(m.handle.bits)
}
