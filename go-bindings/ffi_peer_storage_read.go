package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cPeerStorageList(handle uint64, after *NodeID, n int) ([]StoredPeer, error) {
	var page *C.lnkeep_peer_page
	detail := newError()
	status := C.lnkeep_peer_storage_list(cPeerStorage(handle), nodeBytes(after), C.size_t(n), &page, &detail)
	if err := check("peers", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_peer_page_free(page)
	var peers []StoredPeer
	strides(&page.peers, page.peers_len, page.peer_stride, func(c *C.lnkeep_peer_entry) {
		peers = append(peers, storedPeerOf(c))
	})
	return peers, nil
}

// strides visits the elements of an array that the library owns and whose elements may grow at their end.
func strides[T any](first **T, n, stride C.size_t, visit func(*T)) {
	if n == 0 {
		return
	}
	for i := range uintptr(n) {
		visit((*T)(unsafe.Add(unsafe.Pointer(*first), i*uintptr(stride))))
	}
}

func storedPeerOf(c *C.lnkeep_peer_entry) StoredPeer {
	peer := StoredPeer{
		Peer:            *(*NodeID)(unsafe.Pointer(&c.node_id)),
		SHA256:          *hash(&c.sha256),
		BlobBytes:       uint32(c.blob_bytes),
		OpenChannels:    uint32(c.open_channels),
		PendingChannels: uint32(c.pending_channels),
		Allowed:         c.flags&C.LNKEEP_PEER_ALLOWED != 0,
		Pending:         c.flags&C.LNKEEP_PEER_PENDING != 0,
		Damaged:         c.flags&C.LNKEEP_PEER_DAMAGED != 0,
		Received:        timeOf(uint64(c.received_ms)),
		Committed:       timeOf(uint64(c.committed_ms)),
		Updates:         uint64(c.updates),
		Commits:         uint64(c.commits),
	}
	if c.flags&C.LNKEEP_PEER_HAS_CLOSED_AT != 0 {
		closedAt := uint32(c.closed_at)
		peer.ClosedAt, peer.BlocksLeft = &closedAt, uint32(c.blocks_left)
	}
	return peer
}

func cPeerStorageExport(handle uint64, peer *NodeID) ([]byte, error) {
	var blob *C.lnkeep_buf
	detail := newError()
	status := C.lnkeep_peer_storage_export(cPeerStorage(handle), nodeBytes(peer), &blob, &detail)
	if err := check("export", status, &detail); err != nil {
		return nil, err
	}
	return takeBuf(blob), nil
}

func cPeerStorageStats(handle uint64) (PeerStorageStats, error) {
	var c C.lnkeep_peer_storage_stats
	c.size = C.sizeof_lnkeep_peer_storage_stats
	detail := newError()
	status := C.lnkeep_peer_storage_read_stats(cPeerStorage(handle), &c, &detail)
	if err := check("stats", status, &detail); err != nil {
		return PeerStorageStats{}, err
	}
	return PeerStorageStats{
		Peers:               uint64(c.peers),
		Bytes:               uint64(c.bytes),
		BytesWithoutChannel: uint64(c.bytes_without_channel),
		Pending:             uint64(c.pending),
		PendingBytes:        uint64(c.pending_bytes),
		Damaged:             uint64(c.damaged),
		Commits:             uint64(c.commits),
		Deferred:            uint64(c.deferred),
		Unchanged:           uint64(c.unchanged),
		RefusedNoClaim:      uint64(c.refused_no_claim),
		RefusedTooBig:       uint64(c.refused_too_big),
		RefusedQuota:        uint64(c.refused_quota),
		Collected:           uint64(c.collected),
	}, nil
}
