package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"time"
	"unsafe"
)

// The numbers of shares and journals, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[HTLCsOnChainOnly-C.LNKEEP_HTLC_PROFILE_ONCHAIN_ONLY],
	[1]bool{}[HTLCsAll-C.LNKEEP_HTLC_PROFILE_ALL_HTLCS],
	[1]bool{}[ContentNothing-C.LNKEEP_CONTENT_NOTHING],
	[1]bool{}[ContentWhole-C.LNKEEP_CONTENT_WHOLE],
	[1]bool{}[ContentShare-C.LNKEEP_CONTENT_SHARE],
	[1]bool{}[ContentTwoShares-C.LNKEEP_CONTENT_TWO_SHARES],
	[1]bool{}[ContentJournal-C.LNKEEP_CONTENT_JOURNAL],
	[1]bool{}[ContentRoster-C.LNKEEP_CONTENT_ROSTER],
}

func cBackupPayloadMax(class SizeClass) (whole, cut int, err error) {
	var wholeBytes, cutBytes C.uint64_t
	detail := newError()
	status := C.lnkeep_backup_payload_max(C.uint32_t(class), &wholeBytes, &cutBytes, &detail)
	if err := check("payload max", status, &detail); err != nil {
		return 0, 0, err
	}
	return int(wholeBytes), int(cutBytes), nil
}

// encodeJournalOptions fills in what is about journals of HTLCs.
func encodeJournalOptions(c *C.lnkeep_backup_options, o *BackupOptions) {
	c.htlc_profile = C.uint32_t(o.HTLCProfile)
	c.journal_size_class = C.uint32_t(o.JournalSizeClass)
	c.journal_interval_ms = C.uint64_t(milliseconds(o.JournalInterval))
	c.urgent_msat = C.uint64_t(o.UrgentMsat)
	c.dust_msat = C.uint64_t(o.DustMsat)
	c.journal_keepers = C.uint32_t(o.JournalKeepers)
	c.peer_uploads_per_minute = C.uint32_t(o.PeerUploadsPerMinute)
	c.peer_bytes_per_day = C.uint64_t(o.PeerBytesPerDay)
	c.bytes_per_day = C.uint64_t(o.BytesPerDay)
}

// encodeFacts puts facts into an arena, for their address is a pointer.
func encodeFacts(facts *PeerFacts) (*arena, *C.lnkeep_peer_facts) {
	a := newArena(aligned(C.sizeof_lnkeep_peer_facts) + aligned(len(facts.Address)))
	c := (*C.lnkeep_peer_facts)(a.take(C.sizeof_lnkeep_peer_facts))
	c.size = C.sizeof_lnkeep_peer_facts
	c.capacity_sat = C.uint64_t(facts.CapacitySat)
	c.channel_age_secs = C.uint64_t(facts.ChannelAge / time.Second)
	c.flags = flag(facts.OpenChannel, C.LNKEEP_PEER_OPEN_CHANNEL) |
		flag(facts.Closing, C.LNKEEP_PEER_CLOSING) |
		flag(facts.Announced, C.LNKEEP_PEER_ANNOUNCED) |
		flag(facts.Operator != nil, C.LNKEEP_PEER_HAS_OPERATOR)
	if facts.Operator != nil {
		c.operator_label = C.uint64_t(*facts.Operator)
	}
	c.software = C.uint32_t(facts.Software)
	c.address = a.lend(facts.Address)
	c.latency_ms = C.uint32_t(milliseconds(facts.Latency))
	return a, c
}

func cBackupSetFacts(handle, nowMs uint64, peer *NodeID, facts *PeerFacts) error {
	var given *C.lnkeep_peer_facts
	if facts != nil {
		a, encoded := encodeFacts(facts)
		defer a.release()
		given = encoded
	}
	detail := newError()
	status := C.lnkeep_backup_set_facts(cBackup(handle), C.uint64_t(nowMs), nodeBytes(peer), given, &detail)
	return check("set facts", status, &detail)
}

func cBackupSetHTLC(handle, nowMs uint64, htlc *BackupHTLC) error {
	var given C.lnkeep_backup_htlc
	defer clear(given.preimage[:])
	given.size = C.sizeof_lnkeep_backup_htlc
	copyBytes(&given.channel_id, htlc.ChannelID[:])
	given.htlc_id = C.uint64_t(htlc.HTLCID)
	copyBytes(&given.payment_hash, htlc.PaymentHash[:])
	given.amount_msat = C.uint64_t(htlc.AmountMsat)
	given.cltv_expiry = C.uint32_t(htlc.CLTVExpiry)
	given.flags = flag(htlc.Incoming, C.LNKEEP_BACKUP_HTLC_INCOMING) |
		flag(htlc.Preimage != nil, C.LNKEEP_BACKUP_HTLC_HAS_PREIMAGE) |
		flag(htlc.OutputIndex != nil, C.LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX)
	if htlc.Preimage != nil {
		copyBytes(&given.preimage, htlc.Preimage[:])
	}
	if htlc.OutputIndex != nil {
		given.output_index = C.uint32_t(*htlc.OutputIndex)
	}
	detail := newError()
	status := C.lnkeep_backup_set_htlc(cBackup(handle), C.uint64_t(nowMs), &given, &detail)
	return check("set HTLC", status, &detail)
}

func cBackupRemoveHTLC(handle uint64, key *HTLCKey) (bool, error) {
	detail := newError()
	status := C.lnkeep_backup_remove_htlc(cBackup(handle), channelBytes(&key.ChannelID), flag(key.Incoming, 1),
		C.uint64_t(key.HTLCID), &detail)
	return status == C.LNKEEP_DONE, check("remove HTLC", status, &detail)
}

func cBackupSetCommitmentPoint(handle uint64, channel *ChannelID, point *[33]byte) error {
	detail := newError()
	status := C.lnkeep_backup_set_commitment_point(cBackup(handle), channelBytes(channel),
		(*C.uint8_t)(unsafe.Pointer(point)), &detail)
	return check("set commitment point", status, &detail)
}

func cBackupChannelForceClosed(handle uint64, channel *ChannelID) error {
	detail := newError()
	status := C.lnkeep_backup_channel_force_closed(cBackup(handle), channelBytes(channel), &detail)
	return check("channel force closed", status, &detail)
}

func cBackupChannelResolved(handle uint64, channel *ChannelID) (bool, error) {
	detail := newError()
	status := C.lnkeep_backup_channel_resolved(cBackup(handle), channelBytes(channel), &detail)
	return status == C.LNKEEP_DONE, check("channel resolved", status, &detail)
}

func cBackupBlockConnected(handle uint64, blockHeight uint32) error {
	detail := newError()
	status := C.lnkeep_backup_block_connected(cBackup(handle), C.uint32_t(blockHeight), &detail)
	return check("block connected", status, &detail)
}

func cBackupAdopt(handle, seqFloor uint64) (Outcome, error) {
	detail := newError()
	return change("adopt", C.lnkeep_backup_adopt(cBackup(handle), C.uint64_t(seqFloor), &detail), &detail)
}
