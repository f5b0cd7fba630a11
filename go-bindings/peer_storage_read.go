package lnkeep

import "iter"

// peersPage is how many peers are asked for at once.
const peersPage = 256

// Peers gives the peers with a blob, in the order of their ids. An error is given last.
func (p *PeerStorage) Peers() iter.Seq2[StoredPeer, error] {
	return pages(p.peersAfter, func(peer *StoredPeer) *NodeID { return &peer.Peer })
}

func (p *PeerStorage) peersAfter(after *NodeID) ([]StoredPeer, error) {
	if err := p.handle.refuse("peers"); err != nil {
		return nil, err
	}
	return cPeerStorageList(p.handle.bits, after, peersPage)
}

// pages gives what is listed a page at a time, after the last id of the page before.
func pages[T any](page func(after *NodeID) ([]T, error), id func(*T) *NodeID) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var after *NodeID
		for {
			found, err := page(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, one := range found {
				if !yield(one, nil) {
					return
				}
			}
			if len(found) == 0 {
				return
			}
			after = id(&found[len(found)-1])
		}
	}
}

// Export gives the newest blob of a peer, also while nothing is offered; nil when there is none. An empty
// blob is not nil.
//
// Errors: ErrCorruptRecord when it does not pass its check; ErrBusy.
func (p *PeerStorage) Export(peer NodeID) ([]byte, error) {
	if err := p.handle.refuse("export"); err != nil {
		return nil, err
	}
	return cPeerStorageExport(p.handle.bits, &peer)
}

// Stats are figures since the open, and of now.
func (p *PeerStorage) Stats() (PeerStorageStats, error) {
	if err := p.handle.refuse("stats"); err != nil {
		return PeerStorageStats{}, err
	}
	return cPeerStorageStats(p.handle.bits)
}
