//go:build !debug

package lnkeep_test

import (
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestBackup_TooManyHTLCsAreRefused fills the table: too many calls for a collection of garbage at each.
func TestBackup_TooManyHTLCsAreRefused(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	backup, _ := openBackup(t, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024})
	htlc := htlcOf(channel('a'), 0)
	for id := range uint64(1<<16 - 1) {
		htlc.HTLCID = id
		must(t, backup.SetHTLC(ms(0), htlc))
	}
	must(t, backup.SetHTLC(ms(0), htlc))
	htlc.HTLCID = 1 << 20
	err := backup.SetHTLC(ms(0), htlc)
	want(t, err, lnkeep.ErrBusy)
	want(t, err, lnkeep.ErrRetry)
	must(t, backup.SetCommitmentPoint(channel('b'), [33]byte{2}))
	first := lnkeep.HTLCKey{ChannelID: channel('a'), Incoming: true}
	if was, err := backup.RemoveHTLC(first); err != nil || !was {
		t.Fatal(was, err)
	}
	must(t, backup.SetHTLC(ms(0), htlc))
}
