package world

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/go-bindings"
)

func accept(forward.Order) bool { return true }

// about is a report about an HTLC, with the state that the node should be in.
func about(n *neighbours, t *transit, kind forward.ReportKind) forward.Report {
	report := forward.Report{
		Kind: kind, Channel: t.Incoming, HTLCID: t.ID, State: n.states[len(n.states)-1],
	}
	switch kind {
	case forward.ReportDecided:
		report.Verdict, report.Bucket = lnkeep.VerdictForward, lnkeep.BucketGeneral
		report.State.JournalNext++
		report.State.Pending++
		report.State.PendingSum += t.Identity()
		report.State.InUse++
	case forward.ReportResolved:
		report.State.JournalNext++
		report.State.Pending--
		report.State.PendingSum -= t.Identity()
		report.State.InUse--
		report.State.Averages = [forward.Channels]uint64{}
		for i := range report.State.Averages {
			report.State.Averages[i] = 7
			if t.Incoming == forward.Channel(i) || t.Outgoing == forward.Channel(i) {
				report.State.Averages[i] = 8
			}
		}
	}
	return report
}

// reconciled is a node with nothing to forward.
func reconciled() *neighbours {
	n := newNeighbours(chance())
	state := forward.State{JournalNext: 6}
	for i := range state.Averages {
		state.Averages[i] = 7
	}
	n.take(forward.Report{Kind: forward.ReportReconciled, Durable: true, State: state})
	return n
}

// offering is such a node with an HTLC that was offered.
func offering() (*neighbours, *transit) {
	n := reconciled()
	t := n.newOffer()
	t.Incoming, t.Outgoing, t.ID = forward.Channel(0), forward.Channel(1), 1000
	n.held = append(n.held, t)
	n.give(accept, true)
	return n, t
}

// out is such a node with an HTLC that it forwarded, accountable, and that no peer replays.
func out() (*neighbours, *transit) {
	n, t := offering()
	report := about(n, t, forward.ReportDecided)
	report.Accountable = true
	n.take(report)
	t.replay = false
	return n, t
}

// wrong is what must be 0.
func wrong(n *neighbours) [7]int {
	return [...]int{
		n.decidedTwice, n.otherwise, n.mismatched, n.leaked, n.lost, n.neverThere, n.unexpected,
	}
}

func TestNeighbours_AnHTLCGoesThrough(t *testing.T) {
	n, htlc := out()
	htlc.replay = true
	n.give(accept, true)
	again := about(n, htlc, forward.ReportDecided)
	again.Status, again.Accountable = lnkeep.StatusAlready, true
	again.State = n.states[len(n.states)-1]
	n.take(again)
	htlc.due = time.Now()
	n.give(accept, true)
	resolved := about(n, htlc, forward.ReportResolved)
	n.take(about(n, htlc, forward.ReportReleased))
	n.take(resolved)
	if wrong(n) != [7]int{} || n.forwarded != 1 || n.repeats != 1 || len(n.held)+len(n.queue) != 0 {
		t.Errorf("%+v", n)
	}
}

func TestNeighbours_EachRuleForARepeatCanBeBroken(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*forward.Report)
		wanted [7]int
	}{
		"sound":           {func(*forward.Report) {}, [7]int{}},
		"decided anew":    {func(r *forward.Report) { r.Status = lnkeep.StatusDone }, [7]int{0: 1}},
		"another verdict": {func(r *forward.Report) { r.Verdict = lnkeep.VerdictFail }, [7]int{1: 1}},
		"another signal":  {func(r *forward.Report) { r.Accountable = false }, [7]int{1: 1}},
		"tracked twice":   {func(r *forward.Report) { r.State.Pending++ }, [7]int{2: 1}},
		"another HTLC":    {func(r *forward.Report) { r.State.PendingSum++ }, [7]int{2: 1}},
		"out of turn":     {func(r *forward.Report) { r.HTLCID++ }, [7]int{6: 2}},
	} {
		n, htlc := out()
		htlc.replay = true
		n.give(accept, true)
		report := about(n, htlc, forward.ReportDecided)
		report.State, report.Status = n.states[len(n.states)-1], lnkeep.StatusAlready
		report.Accountable = true
		test.change(&report)
		n.take(report)
		if wrong(n) != test.wanted {
			t.Errorf("%s: %v", name, wrong(n))
		}
	}
}

func TestNeighbours_WhatIsResolvedLeavesNothingBehind(t *testing.T) {
	n, htlc := out()
	htlc.due = time.Now()
	n.give(accept, true)
	resolved := about(n, htlc, forward.ReportResolved)
	resolved.State.InUse, resolved.Status = 1, lnkeep.StatusUnknownHTLC
	n.take(about(n, htlc, forward.ReportReleased))
	n.take(resolved)
	if wrong(n) != [7]int{3: 1, 6: 1} {
		t.Errorf("%v", wrong(n))
	}
}

func TestNeighbours_ARestartedNodeIsToldWhatIsOut(t *testing.T) {
	n, htlc := out()
	htlc.Accountable = false
	n.held = append(n.held, n.newOffer())
	n.nodeDied()
	order := n.reconnect()
	if order.Kind != forward.OrderHeld || len(order.Held) != 1 || order.Held[0].ID != htlc.ID ||
		!order.Held[0].Accountable || order.Held[0].AddedUnixSecs == 0 {
		t.Errorf("%+v", order)
	}
	if n.heldOverDeath != 1 || n.reconciled || len(n.queue) != 0 {
		t.Errorf("%+v", n)
	}
}

func TestNeighbours_AChannelThatWasDurableIsKnown(t *testing.T) {
	n := reconciled()
	added := forward.Report{
		Kind: forward.ReportChannel, Channel: forward.Channel(2), Durable: true, State: n.states[0],
	}
	n.take(added)
	if wrong(n) != [7]int{} {
		t.Errorf("new: %v", wrong(n))
	}
	n.take(added)
	if wrong(n) != [7]int{4: 1} {
		t.Errorf("lost: %v", wrong(n))
	}
}

// diskCase is what a killed node's disk holds: one of the states that it told, or that after the call
// which it could not tell of, changed in a way.
type diskCase struct {
	place  int
	change func(*forward.State)
	wanted [7]int
	// forgotten calls from memory.
	forgotten int
}

const notTold = 3

var diskCases = map[string]diskCase{
	"all":                 {place: 2},
	"all but one":         {place: 1, forgotten: 1},
	"the durable one":     {place: 0, forgotten: 2},
	"the call to come":    {place: notTold},
	"older than durable":  {0, func(s *forward.State) { s.JournalNext-- }, [7]int{4: 1}, 0},
	"of two moments":      {1, func(s *forward.State) { s.Pending++ }, [7]int{5: 1}, 0},
	"another reputation":  {notTold, func(s *forward.State) { s.Averages[5]++ }, [7]int{5: 1}, 0},
	"another HTLC ended":  {notTold, func(s *forward.State) { s.PendingSum++ }, [7]int{5: 1}, 0},
	"more than one call":  {notTold, func(s *forward.State) { s.JournalNext += 2 }, [7]int{5: 1}, 0},
	"an entry of nothing": {2, func(s *forward.State) { s.JournalNext++ }, [7]int{5: 1}, 0},
}

// TestCompare_APrefixAndNothingElse: a durable state, two calls from memory, and one under way that
// resolves.
func TestCompare_APrefixAndNothingElse(t *testing.T) {
	for name, test := range diskCases {
		n, htlc := out()
		other := n.newOffer()
		n.held = append(n.held, other)
		n.give(accept, true)
		n.take(about(n, other, forward.ReportDecided))
		htlc.due, htlc.replay, other.replay = time.Now(), false, false
		other.due = time.Now().Add(time.Hour)
		n.give(accept, true)
		states := append(n.states, about(n, htlc, forward.ReportResolved).State)
		found := states[test.place]
		if test.change != nil {
			test.change(&found)
		}
		n.compare(found)
		if wrong(n) != test.wanted || n.forgotten != test.forgotten {
			t.Errorf("%s: %v, %d forgotten", name, wrong(n), n.forgotten)
		}
		n.take(forward.Report{Kind: forward.ReportOpened, State: found})
		if wrong(n) != test.wanted {
			t.Errorf("%s: the node found something else than the inspector", name)
		}
	}
}

func TestCompare_BeforeReconcilingNoAverageChanges(t *testing.T) {
	for average, neverThere := range map[uint64]int{7: 0, 8: 1} {
		n, _ := out()
		n.nodeDied()
		n.reconnect()
		found := n.states[len(n.states)-1]
		found.JournalNext, found.Pending, found.PendingSum = found.JournalNext+1, 0, 0
		found.Averages[3] = average
		n.compare(found)
		if n.neverThere != neverThere {
			t.Errorf("average %d: %v", average, wrong(n))
		}
	}
}

func TestNeighbours_WhatWasToldIsThereAfterTheClose(t *testing.T) {
	n, _ := out()
	n.closed(n.states[len(n.states)-1])
	if wrong(n) != [7]int{} {
		t.Errorf("%v", wrong(n))
	}
	n.closed(n.states[0])
	if wrong(n) != [7]int{2: 1, 4: 1} {
		t.Errorf("%v", wrong(n))
	}
}

func TestPrint_EachPromiseAboutHTLCsOfOthersCanBeBroken(t *testing.T) {
	for name, breaks := range map[string]func(*neighbours){
		"HTLCs of others decided twice":              func(n *neighbours) { n.decidedTwice = 1 },
		"repeats with another verdict or signal":     func(n *neighbours) { n.otherwise = 1 },
		"pending otherwise than the neighbours hold": func(n *neighbours) { n.mismatched = 1 },
		"slots or liquidity taken by nothing":        func(n *neighbours) { n.leaked = 1 },
		"decided durably and lost":                   func(n *neighbours) { n.lost = 1 },
		"reputation or buckets as they never were":   func(n *neighbours) { n.neverThere = 1 },
	} {
		run := NewRun(Options{Seed: 1})
		breaks(run.neighbours)
		var out bytes.Buffer
		good := run.Print(&out, &Tally{})
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "WRONG") != strings.HasPrefix(line, name) {
				t.Errorf("%s: %q", name, line)
			}
		}
		if good {
			t.Errorf("%s: good", name)
		}
	}
}
