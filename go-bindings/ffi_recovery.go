package lnkeep

// #include <lnkeep.h>
import "C"

import (
	"runtime"
	"unsafe"
)

// The numbers of a recovery, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[NextNone-C.LNKEEP_RECOVERY_NEXT_NONE],
	[1]bool{}[NextAsk-C.LNKEEP_RECOVERY_NEXT_ASK],
	[1]bool{}[NextWait-C.LNKEEP_RECOVERY_NEXT_WAIT],
	[1]bool{}[PeerConnected-C.LNKEEP_RECOVERY_PEER_CONNECTED],
	[1]bool{}[PeerFailed-C.LNKEEP_RECOVERY_PEER_FAILED],
	[1]bool{}[PeerNoStorage-C.LNKEEP_RECOVERY_PEER_NO_STORAGE],
	[1]bool{}[PeerNoBlob-C.LNKEEP_RECOVERY_PEER_NO_BLOB],
	[1]bool{}[FedAccepted-C.LNKEEP_FED_ACCEPTED],
	[1]bool{}[FedDuplicate-C.LNKEEP_FED_DUPLICATE],
	[1]bool{}[FedOld-C.LNKEEP_FED_OLD],
	[1]bool{}[FedInconsistent-C.LNKEEP_FED_INCONSISTENT],
	[1]bool{}[FedUnreadable-C.LNKEEP_FED_UNREADABLE],
	[1]bool{}[FedBadShare-C.LNKEEP_FED_BAD_SHARE],
	[1]bool{}[FedBadJournal-C.LNKEEP_FED_BAD_JOURNAL],
	[1]bool{}[FedUnknownKind-C.LNKEEP_FED_UNKNOWN_KIND],
	[1]bool{}[FedForeign-C.LNKEEP_FED_FOREIGN],
	[1]bool{}[SoftwareLDK-C.LNKEEP_SOFTWARE_LDK],
	[1]bool{}[SoftwareCLN-C.LNKEEP_SOFTWARE_CLN],
	[1]bool{}[SoftwareLightningKMP-C.LNKEEP_SOFTWARE_LIGHTNING_KMP],
	[1]bool{}[SoftwareLND-C.LNKEEP_SOFTWARE_LND],
	[1]bool{}[RecoveryEmpty-C.LNKEEP_RECOVERY_EMPTY],
	[1]bool{}[RecoveryCollecting-C.LNKEEP_RECOVERY_COLLECTING],
	[1]bool{}[RecoveryCompleteOlder-C.LNKEEP_RECOVERY_COMPLETE_OLDER],
	[1]bool{}[RecoveryComplete-C.LNKEEP_RECOVERY_COMPLETE],
	[1]bool{}[RecoveryCompleteFinal-C.LNKEEP_RECOVERY_COMPLETE_FINAL],
}

func cSession(handle uint64) (r C.lnkeep_recovery_session) { r.bits = C.uint64_t(handle); return r }

func recoveryOptions(o *RecoveryOptions, deadlineMs uint64) C.lnkeep_recovery_options {
	var given C.lnkeep_recovery_options
	given.size = C.sizeof_lnkeep_recovery_options
	given.deadline_ms = C.uint64_t(deadlineMs)
	given.answer_ms = C.uint64_t(milliseconds(o.Answer))
	given.blob_ms = C.uint64_t(milliseconds(o.Blob))
	given.candidates_max = C.uint32_t(o.CandidatesMax)
	return given
}

func cRecoveryBegin(secret *Secret, o *RecoveryOptions, deadlineMs uint64) (uint64, error) {
	given := recoveryOptions(o, deadlineMs)
	var opened C.lnkeep_recovery_session
	detail := newError()
	status := C.lnkeep_recovery_begin(secretBytes(secret), &given, &opened, &detail)
	return uint64(opened.bits), check("begin recovery", status, &detail)
}

func cRecoveryResume(secret *Secret, o *RecoveryOptions, deadlineMs uint64, saved []byte) (uint64, error) {
	given := recoveryOptions(o, deadlineMs)
	var opened C.lnkeep_recovery_session
	detail := newError()
	status := C.lnkeep_recovery_resume(secretBytes(secret), &given, view(saved), &opened, &detail)
	return uint64(opened.bits), check("resume recovery", status, &detail)
}

func cRecoveryClose(handle uint64) error {
	r, detail := cSession(handle), newError()
	return check("close recovery", C.lnkeep_recovery_close(&r, &detail), &detail)
}

func cRecoveryIsOpen(handle uint64) bool { return C.lnkeep_recovery_is_open(cSession(handle)) != 0 }

func cRecoveryAddCandidates(handle uint64, candidates []Candidate) error {
	if len(candidates) == 0 {
		return nil
	}
	size := aligned(len(candidates) * C.sizeof_lnkeep_recovery_candidate)
	for i := range candidates {
		size += aligned(len(candidates[i].Address))
	}
	a := newArena(size)
	defer a.release()
	room := a.take(uintptr(len(candidates)) * C.sizeof_lnkeep_recovery_candidate)
	first := (*C.lnkeep_recovery_candidate)(room)
	given := unsafe.Slice(first, len(candidates))
	for i := range candidates {
		copyBytes(&given[i].node_id, candidates[i].Peer[:])
		given[i].is_announced = flag(candidates[i].Announced, 1)
		if n := len(candidates[i].Address); n > 0 {
			address := a.take(uintptr(n))
			copy(unsafe.Slice((*byte)(address), n), candidates[i].Address)
			given[i].address.ptr = (*C.uint8_t)(address)
			given[i].address.len = C.size_t(n)
		}
	}
	detail := newError()
	status := C.lnkeep_recovery_add_candidates(cSession(handle), first, C.size_t(len(candidates)), &detail)
	return check("add candidates", status, &detail)
}

func cRecoveryNextPeer(handle, nowMs uint64) (NextPeer, error) {
	var c C.lnkeep_recovery_next
	c.size = C.sizeof_lnkeep_recovery_next
	detail := newError()
	status := C.lnkeep_recovery_next_peer(cSession(handle), C.uint64_t(nowMs), &c, &detail)
	if err := check("next peer", status, &detail); err != nil {
		return NextPeer{}, err
	}
	next := NextPeer{Kind: NextKind(c.kind)}
	switch next.Kind {
	case NextAsk:
		next.Peer = *(*NodeID)(unsafe.Pointer(&c.node_id))
		if n := min(int(c.address_len), len(c.address)); n > 0 {
			next.Address = append(next.Address, unsafe.Slice((*byte)(unsafe.Pointer(&c.address)), n)...)
		}
	case NextWait:
		next.Until = timeOf(uint64(c.until_ms))
	}
	return next, nil
}

func cRecoveryPeerResult(handle, nowMs uint64, peer *NodeID, result PeerResult) error {
	detail := newError()
	status := C.lnkeep_recovery_peer_result(cSession(handle), C.uint64_t(nowMs), nodeBytes(peer),
		C.uint32_t(result), &detail)
	return check("peer result", status, &detail)
}

func cRecoverySetForeignKeys(handle uint64, keys *ForeignKeys) error {
	var pinned runtime.Pinner
	defer pinned.Unpin()
	key := func(secret *Secret) *C.uint8_t {
		if secret == nil {
			return nil
		}
		pinned.Pin(secret)
		return (*C.uint8_t)(unsafe.Pointer(secret))
	}
	c := C.lnkeep_foreign_keys{
		size: C.sizeof_lnkeep_foreign_keys, ldk: key(keys.LDK), cln: key(keys.CLN),
		lightning_kmp: key(keys.LightningKMP), lnd: key(keys.LND),
	}
	detail := newError()
	status := C.lnkeep_recovery_set_foreign_keys(cSession(handle), &c, &detail)
	return check("set foreign keys", status, &detail)
}

func cRecoveryFeed(handle uint64, peer *NodeID, blob []byte) (Fed, error) {
	var c C.lnkeep_fed
	c.size = C.sizeof_lnkeep_fed
	detail := newError()
	status := C.lnkeep_recovery_feed(cSession(handle), nodeBytes(peer), view(blob), &c, &detail)
	return Fed{Outcome: FedOutcome(c.outcome), Fault: uint32(c.fault)}, check("feed", status, &detail)
}

func cRecoveryProgress(handle, nowMs uint64) (RecoveryProgress, error) {
	var found *C.lnkeep_recovery_progress
	detail := newError()
	status := C.lnkeep_recovery_read_progress(cSession(handle), C.uint64_t(nowMs), &found, &detail)
	if err := check("progress", status, &detail); err != nil {
		return RecoveryProgress{}, err
	}
	defer C.lnkeep_recovery_progress_free(found)
	progress := RecoveryProgress{
		Status:           RecoveryStatus(found.status),
		Best:             numberIf(found.flags&C.LNKEEP_RECOVERY_HAS_BEST != 0, found.best_generation),
		NewestSeen:       numberIf(found.flags&C.LNKEEP_RECOVERY_HAS_NEWEST != 0, found.newest_seen_generation),
		PeersKnown:       uint32(found.peers_known),
		PeersAsked:       uint32(found.peers_asked),
		PeersAnswered:    uint32(found.peers_answered),
		PeersPending:     uint32(found.peers_pending),
		PeersUnreachable: uint32(found.peers_unreachable),
		PeersWithBlob:    uint32(found.peers_with_blob),
		PeersUnreadable:  uint32(found.peers_unreadable),
		Blobs:            uint32(found.blobs),
	}
	strides(&found.sets, found.sets_len, found.set_stride, func(c *C.lnkeep_recovery_set) {
		progress.Sets = append(progress.Sets, SetProgress{
			SetID:      *(*[16]byte)(unsafe.Pointer(&c.set_id)),
			Generation: uint64(c.generation),
			Have:       uint32(c.have),
			Need:       uint32(c.need),
			Shares:     uint32(c.shares),
		})
	})
	return progress, nil
}

func cRecoveryPayload(handle uint64, acceptsOlder bool) (*Recovered, error) {
	var found *C.lnkeep_recovered
	detail := newError()
	status := C.lnkeep_recovery_payload(cSession(handle), flag(acceptsOlder, 1), &found, &detail)
	if err := check("payload", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_recovered_free(found)
	recovered := &Recovered{
		Payload:           make(HostBytes, int(found.payload.len)),
		Generation:        uint64(found.generation),
		CreatedUnixSecs:   uint64(found.created_unix_secs),
		BlockHeight:       uint32(found.block_height),
		Status:            RecoveryStatus(found.status),
		CloseAndSweepOnly: found.flags&C.LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY != 0,
		SetID:             *(*[16]byte)(unsafe.Pointer(&found.set_id)),
	}
	copy(recovered.Payload, lent(&found.payload.ptr, found.payload.len))
	return recovered, nil
}

func recoveredHTLC(c *C.lnkeep_backup_htlc) BackupHTLC {
	htlc := BackupHTLC{
		HTLCKey: HTLCKey{
			ChannelID: *hash(&c.channel_id),
			Incoming:  c.flags&C.LNKEEP_BACKUP_HTLC_INCOMING != 0,
			HTLCID:    uint64(c.htlc_id),
		},
		PaymentHash: *hash(&c.payment_hash),
		AmountMsat:  uint64(c.amount_msat),
		CLTVExpiry:  uint32(c.cltv_expiry),
	}
	if c.flags&C.LNKEEP_BACKUP_HTLC_HAS_PREIMAGE != 0 {
		preimage := Preimage(*hash(&c.preimage))
		htlc.Preimage = &preimage
	}
	if c.flags&C.LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX != 0 {
		index := uint32(c.output_index)
		htlc.OutputIndex = &index
	}
	return htlc
}

func cRecoveryHTLCs(handle uint64) (*RecoveredHTLCs, error) {
	var found *C.lnkeep_recovered_htlcs
	detail := newError()
	status := C.lnkeep_recovery_htlcs(cSession(handle), &found, &detail)
	if err := check("htlcs", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_recovered_htlcs_free(found)
	htlcs := &RecoveredHTLCs{
		Points:          map[ChannelID][33]byte{},
		Base:            numberIf(found.flags&C.LNKEEP_RECOVERED_HTLCS_HAS_BASE != 0, found.base_generation),
		JournalSeq:      numberIf(found.flags&C.LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL != 0, found.journal_seq),
		CreatedUnixSecs: uint64(found.created_unix_secs),
		BlockHeight:     uint32(found.block_height),
		UncoveredCount:  uint32(found.uncovered_count),
		UncoveredMsat:   uint64(found.uncovered_msat),
		Newest:          found.flags&C.LNKEEP_RECOVERED_HTLCS_NEWEST != 0,
	}
	strides(&found.htlcs, found.htlcs_len, found.htlc_stride, func(c *C.lnkeep_backup_htlc) {
		htlcs.HTLCs = append(htlcs.HTLCs, recoveredHTLC(c))
	})
	strides(&found.points, found.points_len, found.point_stride, func(c *C.lnkeep_recovered_point) {
		htlcs.Points[*hash(&c.channel_id)] = *(*[33]byte)(unsafe.Pointer(&c.per_commitment_point))
	})
	return htlcs, nil
}

func cRecoveryExport(handle uint64) ([]byte, error) {
	var bytes *C.lnkeep_buf
	detail := newError()
	if err := check("export", C.lnkeep_recovery_export(cSession(handle), &bytes, &detail), &detail); err != nil {
		return nil, err
	}
	return takeBuf(bytes), nil
}

func cRecoveryFinish(handle uint64, acceptsIncomplete bool) (uint64, error) {
	var floor C.uint64_t
	detail := newError()
	status := C.lnkeep_recovery_finish(cSession(handle), flag(acceptsIncomplete, 1), &floor, &detail)
	return uint64(floor), check("finish", status, &detail)
}
