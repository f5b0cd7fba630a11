package life

import (
	"testing"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// offered is a small HTLC that pays what our policy asks for.
func offered(id uint64) forward.HTLC {
	return forward.HTLC{
		Incoming: forward.Channel(0), Outgoing: forward.Channel(1), ID: id,
		IncomingAmountMsat: 102_000, OutgoingAmountMsat: 100_000, AddedUnixSecs: 1_760_000_000,
		CLTVExpiry: forward.BlockHeight + 40,
	}
}

// told skips reports until one of a kind.
func (w *world) told(t *testing.T, kind forward.ReportKind) forward.Report {
	t.Helper()
	for {
		report, err := w.neighbours.Receive()
		if err != nil {
			t.Fatalf("no report of kind %d: %v", kind, err)
		}
		if report.Kind == kind {
			return report
		}
	}
}

func (w *world) ask(t *testing.T, kind forward.OrderKind, htlc forward.HTLC) {
	t.Helper()
	must(0, w.neighbours.Send(forward.Order{
		Kind: kind, UnixSecs: 1_760_000_009, HTLC: htlc, Settled: true,
	}))
}

func TestForwarder_DecidesOnceAndResolvesAfterTheAnswerLeft(t *testing.T) {
	w := begin(t, t.TempDir()+"/store")
	for id, durable := range map[uint64]bool{1: false, 16: true} {
		w.ask(t, forward.OrderOffer, offered(id))
		first := w.told(t, forward.ReportDecided)
		if first.Status != lnkeep.StatusDone || first.Verdict != lnkeep.VerdictForward ||
			first.Durable != durable || first.State.Pending != 1 {
			t.Errorf("HTLC %d: %+v", id, first)
		}
		w.ask(t, forward.OrderOffer, offered(id))
		again := w.told(t, forward.ReportDecided)
		if again.Status != lnkeep.StatusAlready || again.Verdict != lnkeep.VerdictForward ||
			again.State != first.State {
			t.Errorf("HTLC %d again: %+v", id, again)
		}
		w.ask(t, forward.OrderAnswer, offered(id))
		if report := must(w.neighbours.Receive()); report.Kind != forward.ReportReleased {
			t.Errorf("HTLC %d was answered by %+v", id, report)
		}
		resolved := must(w.neighbours.Receive())
		if resolved.Kind != forward.ReportResolved || resolved.Status != lnkeep.StatusDone ||
			resolved.Durable != durable || resolved.State.InUse != 0 {
			t.Errorf("HTLC %d was resolved by %+v", id, resolved)
		}
	}
	w.ask(t, forward.OrderAnswer, offered(5))
	if report := w.told(t, forward.ReportResolved); report.Status != lnkeep.StatusUnknownHTLC {
		t.Errorf("what was never forwarded: %v", report.Status)
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestForwarder_AfterARestartPendingIsWhatIsOut(t *testing.T) {
	directory := t.TempDir() + "/store"
	first := begin(t, directory)
	for _, id := range []uint64{1, 16} {
		first.ask(t, forward.OrderOffer, offered(id))
		first.told(t, forward.ReportDecided)
	}
	first.die(t)

	// HTLC 1 ended meanwhile, 16 is still out, and 2 left without the node's knowing.
	lost := offered(2)
	second := beginForwarding(t, directory, offered(16), lost)
	found := second.told(t, forward.ReportOpened).State
	report := second.told(t, forward.ReportReconciled)
	still := offered(16)
	wanted := lnkeep.Reconciled{Kept: 1, Dropped: 1, Added: 1}
	if found.Pending != 2 || report.Reconciled != wanted || !report.Durable ||
		report.State.PendingSum != still.Identity()+lost.Identity() {
		t.Errorf("found %+v, then %+v", found, report)
	}
	second.ask(t, forward.OrderOffer, lost)
	if again := second.told(t, forward.ReportDecided); again.Status != lnkeep.StatusAlready {
		t.Errorf("what is out was decided about again: %v", again.Status)
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
}
