package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

// The numbers of peer storage, held against the header as those of ffi_constants.go are.
var _ = [...]bool{
	[1]bool{}[StatusStorageNotOffered-C.LNKEEP_STORAGE_NOT_OFFERED],
	[1]bool{}[StatusNoClaim-C.LNKEEP_NO_CLAIM],
	[1]bool{}[StatusQuotaPeers-C.LNKEEP_QUOTA_PEERS],
	[1]bool{}[StatusQuotaTotal-C.LNKEEP_QUOTA_TOTAL],
	[1]bool{}[StatusClaimsIncomplete-C.LNKEEP_CLAIMS_INCOMPLETE],
	[1]bool{}[StoredCommitted-C.LNKEEP_STORED_COMMITTED],
	[1]bool{}[StoredDeferred-C.LNKEEP_STORED_DEFERRED],
	[1]bool{}[StoredUnchanged-C.LNKEEP_STORED_UNCHANGED],
	[1]bool{}[ClaimPendingChannel-C.LNKEEP_CLAIM_PENDING_CHANNEL],
	[1]bool{}[ClaimOpenChannel-C.LNKEEP_CLAIM_OPEN_CHANNEL],
	[1]bool{}[ClaimClosedChannel-C.LNKEEP_CLAIM_CLOSED_CHANNEL],
	[1]bool{}[ClaimFailedChannel-C.LNKEEP_CLAIM_FAILED_CHANNEL],
	[1]bool{}[ClaimAllowed-C.LNKEEP_CLAIM_ALLOWED],
	[1]bool{}[ClaimDisallowed-C.LNKEEP_CLAIM_DISALLOWED],
	[1]bool{}[EventPeerBlobCorrupt-C.LNKEEP_EVENT_PEER_BLOB_CORRUPT],
	[1]bool{}[EventPeerBlobRefused-C.LNKEEP_EVENT_PEER_BLOB_REFUSED],
	[1]bool{}[EventPeerBlobCollected-C.LNKEEP_EVENT_PEER_BLOB_COLLECTED],
}

func cPeerStorage(handle uint64) (p C.lnkeep_peer_storage) { p.bits = C.uint64_t(handle); return p }

func cPeerStorageOpen(handle uint64, o *PeerStorageOptions) (uint64, PeerStorageReport, error) {
	given := peerStorageOptions(o)
	var opened C.lnkeep_peer_storage
	var found C.lnkeep_peer_storage_report
	found.size = C.sizeof_lnkeep_peer_storage_report
	detail := newError()
	status := C.lnkeep_peer_storage_open(cStore(handle), &given, &opened, &found, &detail)
	if err := check("open peer storage", status, &detail); err != nil {
		return 0, PeerStorageReport{}, err
	}
	return uint64(opened.bits), PeerStorageReport{
		Peers:   uint64(found.peers),
		Bytes:   uint64(found.bytes),
		Damaged: uint64(found.damaged),
	}, nil
}

func peerStorageOptions(o *PeerStorageOptions) (c C.lnkeep_peer_storage_options) {
	c.size = C.sizeof_lnkeep_peer_storage_options
	c.flags = flag(o.Off, C.LNKEEP_PEER_STORAGE_OFF) |
		flag(o.RefusePendingChannels, C.LNKEEP_PEER_STORAGE_REFUSE_PENDING_CHANNELS) |
		flag(o.AcceptInGrace, C.LNKEEP_PEER_STORAGE_ACCEPT_IN_GRACE) |
		flag(o.ReturnUnwritten, C.LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN) |
		flag(o.ZerosCount, C.LNKEEP_PEER_STORAGE_ZEROS_COUNT)
	c.without_channel_percent = C.uint32_t(o.WithoutChannelPercent)
	c.cooldown_ms = C.uint64_t(milliseconds(o.Cooldown))
	c.cooldown_without_channel_ms = C.uint64_t(milliseconds(o.CooldownWithoutChannel))
	c.disconnect_interval_ms = C.uint64_t(milliseconds(o.DisconnectInterval))
	c.total_bytes_max = C.uint64_t(o.TotalBytesMax)
	c.pending_bytes_max = C.uint64_t(o.PendingBytesMax)
	c.retention_blocks = C.uint32_t(o.RetentionBlocks)
	c.blob_bytes_max = C.uint32_t(o.BlobBytesMax)
	c.peers_max = C.uint32_t(o.PeersMax)
	return c
}

func cPeerStorageClose(handle uint64) error {
	p, detail := cPeerStorage(handle), newError()
	return check("close peer storage", C.lnkeep_peer_storage_close(&p, &detail), &detail)
}

func cPeerStorageIsOpen(handle uint64) bool {
	return C.lnkeep_peer_storage_is_open(cPeerStorage(handle)) != 0
}

func cPeerStorageStore(handle, nowMs uint64, peer *NodeID, blob []byte) (Stored, error) {
	var stored C.lnkeep_stored
	stored.size = C.sizeof_lnkeep_stored
	detail := newError()
	status := C.lnkeep_peer_storage_store(cPeerStorage(handle), C.uint64_t(nowMs), nodeBytes(peer), view(blob),
		&stored, &detail)
	if err := check("store blob", status, &detail); err != nil {
		return Stored{}, err
	}
	return Stored{
		Result:  StoreResult(stored.result),
		Due:     dueAt(stored.result == C.LNKEEP_STORED_DEFERRED, uint64(stored.due_ms)),
		Failure: failureOf("store blob", Status(stored.failure)),
	}, nil
}

func cPeerStorageConnected(handle, nowMs uint64, peer *NodeID) ([]byte, error) {
	var blob *C.lnkeep_buf
	detail := newError()
	status := C.lnkeep_peer_storage_connected(cPeerStorage(handle), C.uint64_t(nowMs), nodeBytes(peer), &blob,
		&detail)
	if err := check("connected", status, &detail); err != nil {
		return nil, err
	}
	return takeBuf(blob), nil
}

func cPeerStorageDisconnected(handle, nowMs uint64, peer *NodeID) (bool, error) {
	detail := newError()
	status := C.lnkeep_peer_storage_disconnected(cPeerStorage(handle), C.uint64_t(nowMs), nodeBytes(peer),
		&detail)
	return status == C.LNKEEP_DONE, check("disconnected", status, &detail)
}

func cPeerStorageTick(handle, nowMs uint64, all bool) (StorageTick, error) {
	var ticked C.lnkeep_ticked
	ticked.size = C.sizeof_lnkeep_ticked
	var committed *C.lnkeep_node_ids
	detail := newError()
	status := C.lnkeep_peer_storage_tick(cPeerStorage(handle), C.uint64_t(nowMs), flag(all, C.LNKEEP_TICK_ALL),
		&ticked, &committed, &detail)
	if err := check("tick peer storage", status, &detail); err != nil {
		return StorageTick{}, err
	}
	return StorageTick{
		Committed: takeNodes(committed),
		Failed:    uint64(ticked.failed),
		Failure:   failureOf("tick peer storage", Status(ticked.failure)),
		NextDue:   dueAt(ticked.flags&C.LNKEEP_TICKED_HAS_NEXT_DUE != 0, uint64(ticked.next_due_ms)),
	}, nil
}

// takeNodes copies node ids that a call gave, and frees them; nil for NULL and for none.
func takeNodes(found *C.lnkeep_node_ids) (nodes []NodeID) {
	if found == nil {
		return nil
	}
	defer C.lnkeep_node_ids_free(found)
	first := elements(&found.ids, found.ids_len)
	if first == nil {
		return nil
	}
	return append(nodes, unsafe.Slice((*NodeID)(unsafe.Pointer(&first[0])), len(first))...)
}

func cPeerStorageReportClaim(handle uint64, peer *NodeID, change ClaimChange, blockHeight uint32) error {
	detail := newError()
	status := C.lnkeep_peer_storage_report_claim(cPeerStorage(handle), nodeBytes(peer), C.uint32_t(change),
		C.uint32_t(blockHeight), &detail)
	return check("report claim", status, &detail)
}

func cPeerStorageClaimsComplete(handle uint64, claims []PeerClaims, blockHeight uint32) error {
	given := make([]C.lnkeep_peer_claims, len(claims))
	for i := range claims {
		c, one := &given[i], &claims[i]
		copyBytes(&c.node_id, one.Peer[:])
		c.open_channels = C.uint32_t(one.OpenChannels)
		c.pending_channels = C.uint32_t(one.PendingChannels)
		c.flags = flag(one.Allowed, C.LNKEEP_PEER_ALLOWED)
	}
	detail := newError()
	status := C.lnkeep_peer_storage_claims_complete(cPeerStorage(handle), unsafe.SliceData(given),
		C.size_t(len(given)), C.uint32_t(blockHeight), &detail)
	return check("claims complete", status, &detail)
}

func cPeerStorageBlockConnected(handle uint64, blockHeight uint32) ([]NodeID, error) {
	var collected *C.lnkeep_node_ids
	detail := newError()
	status := C.lnkeep_peer_storage_block_connected(cPeerStorage(handle), C.uint32_t(blockHeight), &collected,
		&detail)
	if err := check("block connected", status, &detail); err != nil {
		return nil, err
	}
	return takeNodes(collected), nil
}

func cPeerStoragePrune(handle uint64, peer *NodeID) ([]NodeID, error) {
	var pruned *C.lnkeep_node_ids
	detail := newError()
	status := C.lnkeep_peer_storage_prune(cPeerStorage(handle), nodeBytes(peer), &pruned, &detail)
	if err := check("prune", status, &detail); err != nil {
		return nil, err
	}
	return takeNodes(pruned), nil
}

func cPeerStorageSetOffered(handle uint64, offered bool) error {
	detail := newError()
	status := C.lnkeep_peer_storage_set_offered(cPeerStorage(handle), flag(offered, 1), &detail)
	return check("set offered", status, &detail)
}
