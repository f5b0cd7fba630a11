package forward

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// State is the state of a node's resources, small enough to be told after every call: what a restart
// finds is compared with it.
type State struct {
	// JournalNext is the number of the next journal entry: which call this is the state after.
	JournalNext uint64
	// Digest is of everything that does not depend on the time of asking.
	Digest [sha256.Size]byte
	// Averages are digests of each channel's reputation and revenue; 0 where it is not known.
	Averages [Channels]uint64
	Pending  uint64
	// PendingSum is of Identity.
	PendingSum uint64
	// InUse is the sum of slots, liquidity and risk in use, of all buckets of all channels.
	InUse uint64
}

// Identity is a number for an HTLC; that of a set of HTLCs is their sum.
func Identity(incoming, outgoing lnkeep.ShortChannelID, id, incomingAmountMsat uint64) uint64 {
	return digest(uint64(incoming), uint64(outgoing), id, incomingAmountMsat)
}

// Identity is that of the HTLC.
func (h *HTLC) Identity() uint64 {
	return Identity(h.Incoming, h.Outgoing, h.ID, h.IncomingAmountMsat)
}

func digest(values ...uint64) uint64 {
	var body []byte
	for _, value := range values {
		body = binary.LittleEndian.AppendUint64(body, value)
	}
	sum := sha256.Sum256(body)
	return binary.LittleEndian.Uint64(sum[:])
}

// Read reads the state.
func Read(resources *lnkeep.Resources) (state State, err error) {
	found, err := resources.Snapshot(0)
	if err != nil {
		return state, err
	}
	stats, err := resources.Stats()
	if err != nil {
		return state, err
	}
	state.JournalNext = stats.JournalNext
	for i := range found.Channels {
		channel := &found.Channels[i]
		channel.ReputationNowMsat, channel.RevenueNowMsat = 0, 0
		state.addChannel(channel)
	}
	for _, htlc := range found.Pending {
		state.Pending++
		state.PendingSum += Identity(htlc.Incoming, htlc.Outgoing, htlc.HTLCID, htlc.IncomingAmountMsat)
	}
	body, err := json.Marshal(found)
	state.Digest = sha256.Sum256(body)
	return state, err
}

func (s *State) addChannel(channel *lnkeep.ResourceChannel) {
	s.InUse += channel.InFlightRiskMsat + channel.CongestionUsedMsat + channel.ProtectedUsedMsat +
		uint64(channel.CongestionSlotsUsed) + uint64(channel.ProtectedSlotsUsed) +
		uint64(channel.GeneralSlotsUsed) + uint64(channel.OutgoingInCongestion) +
		uint64(channel.PendingIncoming) + uint64(channel.PendingOutgoing)
	for i := range s.Averages {
		if channel.ID == Channel(i) {
			s.Averages[i] = digest(
				uint64(channel.ReputationMsat), channel.ReputationUpdatedUnixSecs,
				uint64(channel.RevenueTotalMsat), channel.RevenueUpdatedUnixSecs,
				channel.RevenueStartUnixSecs)
		}
	}
}
