package world

import (
	"slices"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// entriesOfACall: an add is one entry of the journal, and one more when it uses several buckets.
const entriesOfACall = 2

// take takes what the node tells, beside what the neighbours know.
func (n *neighbours) take(report forward.Report) {
	switch report.Kind {
	case forward.ReportOpened:
		n.takeOpened(report)
	case forward.ReportChannel:
		n.takeChannel(report)
	case forward.ReportReconciled:
		n.takeReconciled(report)
	case forward.ReportDecided:
		n.takeDecided(report)
	case forward.ReportReleased:
		n.takeReleased(report)
	case forward.ReportResolved:
		n.takeResolved(report)
	default:
		n.unexpected++
	}
}

func (n *neighbours) remember(report forward.Report) {
	if report.Durable {
		n.states = n.states[:0]
	}
	n.states = append(n.states, report.State)
}

// takeOpened: the inspector saw the same disk.
func (n *neighbours) takeOpened(report forward.Report) {
	if len(n.states) == 0 {
		n.remember(report)
	}
	count(&n.neverThere, report.State != n.states[0])
}

func (n *neighbours) takeChannel(report forward.Report) {
	for i := range n.known {
		if report.Channel == forward.Channel(i) {
			count(&n.lost, n.known[i] && report.Status != lnkeep.StatusAlready)
			n.known[i] = true
		}
	}
	n.remember(report)
}

func (n *neighbours) takeReconciled(report forward.Report) {
	n.reconciled = true
	n.added += int(report.Reconciled.Added)
	n.dropped += int(report.Reconciled.Dropped)
	n.unexpected += int(report.Reconciled.UnknownChannel + report.Reconciled.Different)
	n.remember(report)
	n.checkPending(&report.State)
}

func (n *neighbours) takeDecided(report forward.Report) {
	n.takeOrder(report, forward.OrderOffer)
	n.remember(report)
	t := n.find(report)
	switch {
	case t == nil:
		n.unexpected++
	case t.out:
		n.takeRepeat(t, report)
	default:
		n.takeFirst(t, report)
	}
	n.checkPending(&report.State)
}

func (n *neighbours) takeFirst(t *transit, report forward.Report) {
	count(&n.unexpected, report.Status != lnkeep.StatusDone)
	if report.Verdict != lnkeep.VerdictForward {
		n.refused++
		n.forget(t)
		return
	}
	n.forwarded++
	n.buckets[report.Bucket]++
	count(&n.accountable, report.Accountable)
	n.leave(t, report.Accountable)
}

// takeRepeat: the HTLC is out. Whatever happened to the node, it must not be decided about again.
func (n *neighbours) takeRepeat(t *transit, report forward.Report) {
	switch {
	case report.Status != lnkeep.StatusAlready:
		n.decidedTwice++
	case report.Verdict != lnkeep.VerdictForward || report.Accountable != t.outAccountable:
		n.otherwise++
	default:
		n.repeats++
	}
}

// takeReleased: it is still the node's next order, because the node has to resolve it.
func (n *neighbours) takeReleased(report forward.Report) {
	t := n.find(report)
	if t == nil || !t.told || !n.isNext(report, forward.OrderAnswer) {
		n.unexpected++
		return
	}
	n.forget(t)
}

func (n *neighbours) takeResolved(report forward.Report) {
	n.takeOrder(report, forward.OrderAnswer)
	count(&n.unexpected, report.Status != lnkeep.StatusDone)
	n.remember(report)
	n.checkPending(&report.State)
}

func (n *neighbours) find(report forward.Report) *transit {
	i := slices.IndexFunc(n.held, func(t *transit) bool {
		return t.Incoming == report.Channel && t.ID == report.HTLCID
	})
	if i < 0 {
		return nil
	}
	return n.held[i]
}

func (n *neighbours) forget(gone *transit) {
	n.held = slices.DeleteFunc(n.held, func(t *transit) bool { return t == gone })
}

func (n *neighbours) isNext(report forward.Report, kind forward.OrderKind) bool {
	return len(n.queue) > 0 && n.queue[0].Kind == kind &&
		n.queue[0].HTLC.Incoming == report.Channel && n.queue[0].HTLC.ID == report.HTLCID
}

// takeOrder: the node takes its orders in turn.
func (n *neighbours) takeOrder(report forward.Report, kind forward.OrderKind) {
	if !n.isNext(report, kind) {
		n.unexpected++
		return
	}
	n.queue = n.queue[1:]
}

// checkPending: what is pending is what is out, and nothing else takes up room.
func (n *neighbours) checkPending(state *forward.State) {
	var out, sum uint64
	for _, t := range n.held {
		if t.out {
			out++
			sum += t.Identity()
		}
	}
	count(&n.mismatched, state.Pending != out || state.PendingSum != sum)
	count(&n.leaked, out == 0 && state.InUse != 0)
}

// compare: the node died. What its disk holds must be one of the states since the last durable one,
// or that after the one call which it could not tell of any more.
func (n *neighbours) compare(found forward.State) {
	place := len(n.states) - 1
	for place >= 0 && n.states[place] != found {
		place--
	}
	switch {
	case place >= 0:
		n.forgotten += len(n.states) - 1 - place
	case len(n.states) == 0 || n.isOfNextCall(&found):
	case found.JournalNext < n.states[0].JournalNext:
		n.lost++
	default:
		n.neverThere++
	}
	n.states = append(n.states[:0], found)
}

// isOfNextCall reports whether a state is that after the call which the node made and could not
// tell of.
func (n *neighbours) isOfNextCall(found *forward.State) bool {
	before := &n.states[len(n.states)-1]
	entries := found.JournalNext - before.JournalNext
	if !n.reconciled {
		// Channels and reconciling: many calls, none of which changes an average.
		return found.JournalNext > before.JournalNext && averagesFit(found, before, nil)
	}
	if len(n.queue) == 0 || entries == 0 || entries > entriesOfACall {
		return false
	}
	htlc := &n.queue[0].HTLC
	if n.queue[0].Kind == forward.OrderOffer {
		return found.Pending == before.Pending+1 &&
			found.PendingSum == before.PendingSum+htlc.Identity() && averagesFit(found, before, nil)
	}
	return found.Pending+1 == before.Pending &&
		found.PendingSum+htlc.Identity() == before.PendingSum && averagesFit(found, before, htlc)
}

// averagesFit: only a resolution changes averages, of the two channels that it is about.
func averagesFit(found, before *forward.State, resolved *forward.HTLC) bool {
	for i := range found.Averages {
		id := forward.Channel(i)
		mayDiffer := before.Averages[i] == 0 ||
			resolved != nil && (resolved.Incoming == id || resolved.Outgoing == id)
		if !mayDiffer && found.Averages[i] != before.Averages[i] {
			return false
		}
	}
	return true
}

// closed: the last node closed its store, and everything that it told is there.
func (n *neighbours) closed(found forward.State) {
	count(&n.lost, len(n.states) == 0 || n.states[len(n.states)-1] != found)
	n.checkPending(&found)
}
