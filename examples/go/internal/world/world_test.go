package world

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// given is a client whose order 1 was given to a node.
func given() *client {
	c := newClient(&ledger{events: map[uint64]uint64{}}, secrets{seed: 1})
	c.giveOrders(func(wire.Order) bool { return true })
	return c
}

func TestClient_DoneForWhatWasAcknowledgedIsALoss(t *testing.T) {
	c := given()
	done := wire.Report{Kind: wire.ReportInit, ID: 1, Status: lnkeep.StatusDone}
	c.noteInit(done)
	c.nodeDied()
	if c.ledger.find(1).lost {
		t.Fatal("lost before anything was")
	}
	c.noteInit(done)
	if !c.ledger.find(1).lost {
		t.Error("the second Done was not noticed")
	}
}

func TestClient_AnotherResultIsALoss(t *testing.T) {
	settle := wire.Report{
		Kind: wire.ReportResult, ID: 1, Settled: true, Preimage: secrets{seed: 1}.preimage(1),
	}
	failedHere := wire.Report{Kind: wire.ReportResult, ID: 1, Local: true}
	for name, second := range map[string]struct {
		report wire.Report
		lost   bool
	}{
		"the same again":            {settle, false},
		"a failure of the network":  {wire.Report{Kind: wire.ReportResult, ID: 1}, true},
		"a failure of the node":     {failedHere, true},
		"the same of another order": {wire.Report{Kind: wire.ReportResult, ID: 2}, false},
	} {
		c := given()
		c.noteResult(settle)
		c.noteResult(second.report)
		if c.ledger.find(1).lost != second.lost {
			t.Errorf("%s: lost is %v", name, !second.lost)
		}
	}
}

func TestClient_ASettleNeedsTheRightPreimage(t *testing.T) {
	c := given()
	c.noteResult(wire.Report{Kind: wire.ReportResult, ID: 1, Settled: true})
	if c.unexpected != 1 {
		t.Error("a wrong preimage was taken")
	}
}

func TestClient_RepeatsWithTheSameIDUntilTheResultIsTold(t *testing.T) {
	c := given()
	c.noteResult(wire.Report{Kind: wire.ReportResult, ID: 1})
	c.nodeDied()
	c.closing = true
	orders := map[uint64]wire.Order{}
	c.giveOrders(func(order wire.Order) bool {
		orders[order.ID] = order
		return true
	})
	if _, repeated := orders[1]; repeated || len(orders) != openMax-1 {
		t.Errorf("%d orders were repeated", len(orders))
	}
	if orders[2].RecordedBelow != 2 || orders[2].PaymentHash != c.secrets.paymentHash(2) {
		t.Errorf("repeated as %+v", orders[2])
	}
}

func TestLedger_AnEventDoesNotChange(t *testing.T) {
	l := &ledger{events: map[uint64]uint64{}, entries: make([]entry, 2)}
	l.book(5, 1, true)
	l.book(5, 1, true)
	if l.eventsChanged != 0 {
		t.Fatal("the same event again was called another one")
	}
	l.book(5, 2, true)
	if l.eventsChanged != 1 {
		t.Error("another event under the same number was not noticed")
	}
	l.book(6, 3, true)
	if l.foreign != 1 {
		t.Error("an event of an unknown id was not noticed")
	}
}

func TestSecrets_AnswersFollowFromTheSeed(t *testing.T) {
	const answers = 1000
	settles, attributed := 0, 0
	for id := range uint64(answers) {
		answer, err := secrets{seed: 1}.answer(id)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := secrets{seed: 1}.answer(id)
		other, _ := secrets{seed: 2}.answer(id)
		if !reflect.DeepEqual(answer, again) || reflect.DeepEqual(answer, other) {
			t.Fatalf("answer %d does not follow from the seed", id)
		}
		switch msg := answer.(type) {
		case *lnwire.UpdateFulfillHTLC:
			settles++
			attributed += min(len(msg.ExtraData), 1)
		case *lnwire.UpdateFailHTLC:
			attributed += min(len(msg.ExtraData), 1)
		}
	}
	if settles < answers*6/10 || settles > answers*8/10 {
		t.Errorf("%d of %d settle", settles, answers)
	}
	if attributed < answers*4/10 || attributed > answers*6/10 {
		t.Errorf("%d of %d have attribution data", attributed, answers)
	}
}

func TestPrint_EachPromiseCanBeBroken(t *testing.T) {
	run := NewRun(Options{Seed: 1})
	for name, tally := range map[string]Tally{
		"":                          {dispatchedOnce: 1, neverLeft: 1, settled: 1, rolledBack: 1},
		"dispatched twice":          {dispatchedTwice: 1},
		"acknowledged and lost":     {lost: 1},
		"rolled back after it left": {rolledBackThoughLeft: 1},
		"unresolved":                {unresolved: 1},
		"results without an event":  {notBooked: 1},
		"contradictions":            {inconsistent: 1},
	} {
		var out bytes.Buffer
		good := run.Print(&out, &tally)
		var wrong []string
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "WRONG") {
				wrong = append(wrong, line)
			}
		}
		begins := strings.HasPrefix(strings.Join(wrong, ""), name)
		if good != (name == "") || good != (len(wrong) == 0) || !begins {
			t.Errorf("%q: %v, %q", name, good, wrong)
		}
	}
}
