package lnkeep

// #include <lnkeep.h>
import "C"

import "unsafe"

func cBackupList(handle uint64, after *NodeID, n int) ([]BackupPeer, error) {
	var page *C.lnkeep_backup_peers
	detail := newError()
	status := C.lnkeep_backup_list(cBackup(handle), nodeBytes(after), C.size_t(n), &page, &detail)
	if err := check("peers", status, &detail); err != nil {
		return nil, err
	}
	defer C.lnkeep_backup_peers_free(page)
	var peers []BackupPeer
	strides(&page.peers, page.peers_len, page.peer_stride, func(c *C.lnkeep_backup_peer) {
		peers = append(peers, backupPeerOf(c))
	})
	return peers, nil
}

func backupPeerOf(c *C.lnkeep_backup_peer) BackupPeer {
	return BackupPeer{
		Peer:          *(*NodeID)(unsafe.Pointer(&c.node_id)),
		State:         BackupState(c.state),
		SentSeq:       uint64(c.sent_seq),
		CommittedSeq:  uint64(c.committed_seq),
		Strikes:       uint32(c.strikes),
		RecentStrikes: uint32(c.recent_strikes),
		Protected:     c.flags&C.LNKEEP_BACKUP_PEER_PROTECTED != 0,
		Connected:     c.flags&C.LNKEEP_BACKUP_PEER_CONNECTED != 0,
		OffersStorage: c.flags&C.LNKEEP_BACKUP_PEER_OFFERS != 0,
		Copy:          BackupCopy(c.copy),
		SizeClass:     SizeClass(c.size_class),
		Sent:          timeOf(uint64(c.sent_ms)),
		SentContent:   BackupContent(c.sent_content),
		HeldContent:   BackupContent(c.held_content),
		ShareIndex:    shareIndexOf(c),
		KeepsJournal:  c.flags&C.LNKEEP_BACKUP_PEER_KEEPS_JOURNAL != 0,
		HasFacts:      c.flags&C.LNKEEP_BACKUP_PEER_HAS_FACTS != 0,
		ScorePPM:      uint32(c.score_ppm),
	}
}

func shareIndexOf(c *C.lnkeep_backup_peer) int {
	if c.flags&C.LNKEEP_BACKUP_PEER_HAS_SHARE == 0 {
		return NoShare
	}
	return int(c.share_index)
}

func cBackupStanding(handle uint64) (BackupStanding, error) {
	var c C.lnkeep_backup_standing
	c.size = C.sizeof_lnkeep_backup_standing
	detail := newError()
	status := C.lnkeep_backup_read_standing(cBackup(handle), &c, &detail)
	if err := check("standing", status, &detail); err != nil {
		return BackupStanding{}, err
	}
	return BackupStanding{
		Instance:          *(*[16]byte)(unsafe.Pointer(&c.instance)),
		NextSeq:           uint64(c.next_seq),
		PayloadBytes:      uint64(c.payload_bytes),
		Peers:             uint64(c.peers),
		ConfirmedCopies:   uint64(c.confirmed_copies),
		UnconfirmedCopies: uint64(c.unconfirmed_copies),
		Fresh:             c.flags&C.LNKEEP_BACKUP_FRESH != 0,
		Blocked:           c.flags&C.LNKEEP_BACKUP_BLOCKED != 0,
		Cut:               c.flags&C.LNKEEP_BACKUP_CUT != 0,
		NeededPeers:       uint32(c.needed_peers),
		Generation:        uint64(c.generation),
		BaseGeneration:    uint64(c.base_generation),
		DataShares:        uint32(c.data_shares),
		Shares:            uint32(c.shares),
		Placed:            uint32(c.placed),
		ConfirmedShares:   uint32(c.confirmed_shares),
		SentShares:        uint32(c.sent_shares),
		JournalKeepers:    uint32(c.journal_keepers),
		CoveredHTLCs:      uint32(c.covered_htlcs),
		UncoveredHTLCs:    uint32(c.uncovered_htlcs),
		UncoveredMsat:     uint64(c.uncovered_msat),
	}, nil
}
