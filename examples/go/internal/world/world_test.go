package world

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/record"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
)

func chance() *rand.Rand { return rand.New(rand.NewPCG(1, 0)) }

// given is a client whose first order was given to a node, once.
func given() (*client, *open) {
	c := newClient(newLedger(), secrets{seed: 1}, chance())
	order := c.next()
	c.open[1] = order
	order.given, order.due = true, 1
	return c, order
}

func answerTo(order *open, status lnkeep.Status, payment wire.Payment) wire.Report {
	return wire.Report{
		Kind: wire.ReportOrder, Key: order.key, Status: status, Payment: payment,
	}
}

func begun(order *open) wire.Payment {
	return wire.Payment{
		Hash: order.invoice.order.Invoice.PaymentHash, Sequence: 5, Revision: 1,
		Status: lnkeep.PaymentInitiated,
	}
}

func succeeded(order *open) wire.Payment {
	payment := begun(order)
	payment.Status, payment.Revision = lnkeep.PaymentSucceeded, 4
	payment.Preimage = secrets{seed: 1}.preimage(order.key.Invoice)
	return payment
}

func TestClient_DoneForWhatWasAcknowledgedIsALoss(t *testing.T) {
	c, order := given()
	c.note(answerTo(order, lnkeep.StatusDone, begun(order)))
	c.nodeDied()
	order.given, order.due = true, 1
	if order.invoice.lost {
		t.Fatal("lost before anything was")
	}
	c.note(answerTo(order, lnkeep.StatusDone, begun(order)))
	if !order.invoice.lost {
		t.Error("the second Done was not noticed")
	}
}

func TestClient_ADoubleClickIsAnsweredOnceWithDone(t *testing.T) {
	for name, test := range map[string]struct {
		first, second lnkeep.Status
		lost          bool
	}{
		"in order":     {lnkeep.StatusDone, lnkeep.StatusAlreadyExists, false},
		"out of order": {lnkeep.StatusAlreadyExists, lnkeep.StatusDone, false},
		"twice":        {lnkeep.StatusDone, lnkeep.StatusDone, true},
	} {
		c, order := given()
		order.due, order.repeated = 2, true
		c.note(answerTo(order, test.first, begun(order)))
		c.note(answerTo(order, test.second, begun(order)))
		if order.invoice.lost != test.lost || order.invoice.mistold || c.unexpected != 0 {
			t.Errorf("%s: %+v", name, order.invoice)
		}
	}
}

func TestClient_AnEndStays(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*wire.Payment)
		lost   bool
	}{
		"the same again":     {func(*wire.Payment) {}, false},
		"a greater revision": {func(p *wire.Payment) { p.Revision++ }, false},
		"another status":     {func(p *wire.Payment) { p.Status = lnkeep.PaymentFailed }, true},
		"another reason":     {func(p *wire.Payment) { p.Reason = lnkeep.FailureReasonNoRoute }, true},
	} {
		c, order := given()
		end := succeeded(order)
		c.note(wire.Report{Kind: wire.ReportEnded, Payment: end})
		test.change(&end)
		c.note(wire.Report{Kind: wire.ReportEnded, Payment: end})
		if order.invoice.lost != test.lost || c.unexpected != 0 || c.succeeded != 1 {
			t.Errorf("%s: lost is %v", name, order.invoice.lost)
		}
	}
}

func TestClient_AStateFromBehindTheEndIsALoss(t *testing.T) {
	for revision, lost := range map[uint64]bool{3: false, 4: true, 5: true} {
		c, order := given()
		order.repeated = true
		c.note(wire.Report{Kind: wire.ReportEnded, Payment: succeeded(order)})
		state := begun(order)
		state.Revision = revision
		c.note(answerTo(order, lnkeep.StatusAlreadyExists, state))
		if order.invoice.lost != lost || len(c.open) != 0 {
			t.Errorf("revision %d: lost is %v", revision, order.invoice.lost)
		}
	}
}

func TestClient_ASuccessNeedsTheRightPreimage(t *testing.T) {
	c, order := given()
	end := succeeded(order)
	end.Preimage = lnkeep.Preimage{1}
	c.note(wire.Report{Kind: wire.ReportEnded, Payment: end})
	if c.unexpected != 1 {
		t.Error("a wrong preimage was taken")
	}
}

func TestClient_ARepeatIsAnsweredWithTheFirstOnesState(t *testing.T) {
	other := func(order *open) wire.Payment {
		payment := succeeded(order)
		payment.Sequence++
		return payment
	}
	for name, test := range map[string]struct {
		purpose purpose
		status  lnkeep.Status
		payment func(*open) wire.Payment
		mistold bool
	}{
		"its end":         {toHearAgain, lnkeep.StatusAlreadyExists, succeeded, false},
		"another payment": {toHearAgain, lnkeep.StatusAlreadyExists, other, true},
		"a beginning":     {toHearAgain, lnkeep.StatusAlreadyExists, begun, true},
		"starting over":   {toHearAgain, lnkeep.StatusDone, begun, true},
		"refused":         {toPayTwice, lnkeep.StatusAlreadyPaid, succeeded, false},
		"paid twice":      {toPayTwice, lnkeep.StatusDone, begun, true},
		"not repeated":    {toPay, lnkeep.StatusPaymentInFlight, begun, true},
	} {
		c, order := given()
		c.note(answerTo(order, lnkeep.StatusDone, begun(order)))
		if test.purpose != toPay {
			c.note(wire.Report{Kind: wire.ReportEnded, Payment: succeeded(order)})
		}
		again := &open{
			invoice: order.invoice, key: order.key, purpose: test.purpose, due: 1, repeated: true,
		}
		c.open[1] = again
		c.note(answerTo(again, test.status, test.payment(order)))
		if order.invoice.mistold != test.mistold || len(c.open) != 0 {
			t.Errorf("%s: mistold is %v", name, order.invoice.mistold)
		}
	}
}

func TestClient_RepeatsWithTheSameKeyUntilTheEndIsTold(t *testing.T) {
	c := newClient(newLedger(), secrets{seed: 1}, chance())
	orders := map[uint64]wire.Order{}
	give := func(order wire.Order) bool {
		orders[order.Key.Invoice] = order
		return true
	}
	c.giveOrders(give)
	c.noteEnded(succeeded(c.open[1]))
	c.nodeDied()
	c.closing = true
	first := orders
	orders = map[uint64]wire.Order{}
	c.giveOrders(give)
	if _, repeated := orders[1]; repeated || len(orders) != openMax-1 {
		t.Errorf("%d orders were repeated", len(orders))
	}
	if orders[2] != first[2] || orders[2].Invoice.PaymentHash != c.secrets.paymentHash(2) {
		t.Errorf("repeated as %+v", orders[2])
	}
}

func TestLedger_AnEventCountsOnceAndDoesNotChange(t *testing.T) {
	l := newLedger()
	entry := l.add(wire.Order{Invoice: wire.Invoice{PaymentHash: [32]byte{1}}})
	ended := wire.Event{
		Sequence: 2, Kind: lnkeep.EventPaymentAttemptSettled, Hash: [32]byte{1}, Terminal: true,
	}
	l.book(wire.Event{Sequence: 1, Kind: lnkeep.EventPaymentInitiated, Hash: [32]byte{1}})
	l.book(ended)
	l.book(ended)
	if entry.initiated != 1 || entry.terminal != 1 || l.eventsChanged != 0 || l.foreign != 0 {
		t.Fatalf("%+v, %+v", entry, l)
	}
	ended.Terminal = false
	l.book(ended)
	if l.eventsChanged != 1 {
		t.Error("another event under the same number was not noticed")
	}
	l.book(wire.Event{Sequence: 5, Kind: lnkeep.EventAttemptResolved, AttemptID: 3})
	if l.resolved[3] != 1 {
		t.Error("the result of an attempt was not counted")
	}
	if missing := l.eventsMissing(); missing != 2 {
		t.Errorf("of the numbers up to 5, %d are missing", missing)
	}
	l.book(wire.Event{Sequence: 6, Kind: lnkeep.EventPaymentInitiated, Hash: [32]byte{9}})
	if l.foreign != 1 {
		t.Error("an event of an unknown payment was not noticed")
	}
}

// receiving is a network with one invoice of 100 msat, which takes parts.
func receiving() (*network, *invoice) {
	n := newNetwork(newLedger(), secrets{seed: 1}, chance())
	entry := n.ledger.add(wire.Order{Invoice: wire.Invoice{
		AmountMsat: 100, PaymentHash: n.secrets.paymentHash(1),
		PaymentAddress: n.secrets.paymentAddress(1),
	}})
	return n, entry
}

// send lets a part reach the receiver.
func send(t *testing.T, n *network, id, amountMsat uint64) *attempt {
	t.Helper()
	payload := wire.Payload{
		AmountMsat: amountMsat, MPP: record.NewMPP(100, n.secrets.paymentAddress(1)),
	}
	onion, err := payload.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	add := &lnwire.UpdateAddHTLC{
		ChanID: wire.ChannelID(), ID: id, Amount: lnwire.MilliSatoshi(amountMsat),
		PaymentHash: n.secrets.paymentHash(1),
	}
	copy(add.OnionBlob[:], onion)
	n.take(add)
	n.receive(n.held[id])
	return n.ledger.attempts[id]
}

func TestReceiver_ClaimsAllPartsTogether(t *testing.T) {
	n, entry := receiving()
	one := send(t, n, 1, 60)
	if one.answered || entry.claimedMsat != 0 {
		t.Fatal("a part was claimed alone")
	}
	other := send(t, n, 2, 40)
	if !one.settled() || !other.settled() || entry.claimedMsat != 100 {
		t.Fatalf("%d msat were claimed", entry.claimedMsat)
	}
	if entry.oversent || entry.paidAgain {
		t.Error("a payment in parts was called too much")
	}
	send(t, n, 3, 1)
	if !entry.oversent || !entry.paidAgain || entry.claimedMsat != 101 {
		t.Error("what came after the payment was not noticed")
	}
}

func TestReceiver_GivesUpPartsThatStayAlone(t *testing.T) {
	n, entry := receiving()
	one := send(t, n, 1, 60)
	n.held[1].due = time.Now()
	if err := n.moveOn(func(lnwire.Message) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if one.failure != lnwire.CodeMPPTimeout || entry.outMsat != 0 {
		t.Errorf("failed with %v", one.failure)
	}
	send(t, n, 2, 60)
	if entry.oversent {
		t.Error("a part after one that failed was called too much")
	}
	send(t, n, 3, 60)
	if !entry.oversent || n.malformed != 0 {
		t.Error("two parts of more than the amount were not noticed")
	}
}

func TestNetwork_CountsHowOftenAnHTLCLeft(t *testing.T) {
	n, entry := receiving()
	send(t, n, 1, 60)
	if again := send(t, n, 1, 60); again.dispatched != 2 || entry.outMsat != 60 {
		t.Errorf("dispatched %d times, %d msat", again.dispatched, entry.outMsat)
	}
}

func TestSecrets_AnswersFollowFromTheSeed(t *testing.T) {
	const answers = 1000
	attributed := 0
	_, entry := receiving()
	for id := range uint64(answers) {
		a := &attempt{id: id, invoice: entry, answered: true}
		if id%2 == 0 {
			a.failure = lnwire.CodeTemporaryChannelFailure
		}
		answer, err := secrets{seed: 1}.answer(a)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := secrets{seed: 1}.answer(a)
		other, _ := secrets{seed: 2}.answer(a)
		if !reflect.DeepEqual(answer, again) || reflect.DeepEqual(answer, other) {
			t.Fatalf("answer %d does not follow from the seed", id)
		}
		switch msg := answer.(type) {
		case *lnwire.UpdateFulfillHTLC:
			attributed += min(len(msg.ExtraData), 1)
		case *lnwire.UpdateFailHTLC:
			attributed += min(len(msg.ExtraData), 1)
		}
		if _, fails := answer.(*lnwire.UpdateFailHTLC); fails != (id%2 == 0) {
			t.Fatalf("answer %d is %v", id, answer.MsgType())
		}
	}
	if attributed < answers*4/10 || attributed > answers*6/10 {
		t.Errorf("%d of %d have attribution data", attributed, answers)
	}
}

func TestNetwork_ACommitmentNumberIsUsedOnce(t *testing.T) {
	signed := func(number uint64) lnwire.Message {
		msg, err := wire.CommitSig(number)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	forget := func(number uint64) lnwire.Message {
		msg, err := wire.Forget(1, number)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	for name, test := range map[string]struct {
		messages []lnwire.Message
		reused   int
	}{
		"rising":              {[]lnwire.Message{signed(1), forget(2), signed(3)}, 0},
		"with a gap":          {[]lnwire.Message{signed(1), signed(4)}, 0},
		"told again":          {[]lnwire.Message{signed(1), forget(2), forget(2)}, 0},
		"signed again":        {[]lnwire.Message{signed(1), signed(1)}, 1},
		"signed after a step": {[]lnwire.Message{forget(2), signed(2)}, 1},
		"an older one":        {[]lnwire.Message{signed(3), forget(2), signed(1)}, 2},
	} {
		n, _ := receiving()
		for _, msg := range test.messages {
			n.take(msg)
		}
		if n.reused != test.reused || n.malformed != 0 {
			t.Errorf("%s: %d, malformed %d", name, n.reused, n.malformed)
		}
	}
}

func TestLedger_ANoticeCountsOnce(t *testing.T) {
	n, entry := receiving()
	attempt := send(t, n, 1, 100)
	notice := wire.Notice{ID: 1, AttemptID: 1, PaymentHash: entry.order.Invoice.PaymentHash}
	n.ledger.notice(notice)
	n.ledger.notice(notice)
	if attempt.notices != 1 || n.ledger.noticesAgain != 1 || n.ledger.noticesMissed != 0 {
		t.Fatalf("%d notices, %d again", attempt.notices, n.ledger.noticesAgain)
	}
	notice.ID = 4
	n.ledger.notice(notice)
	if attempt.notices != 2 || n.ledger.noticesMissed != 2 || n.ledger.foreign != 0 {
		t.Errorf("%d notices, %d missed", attempt.notices, n.ledger.noticesMissed)
	}
	n.ledger.notice(wire.Notice{ID: 5, AttemptID: 9, PaymentHash: notice.PaymentHash})
	if n.ledger.foreign != 1 {
		t.Error("a notice of an HTLC that never left was not noticed")
	}
}

// TestInspection_EachRuleCanBeBroken: HTLC 1 is on its way, HTLC 2 was let go, and the client had
// one notice.
func TestInspection_EachRuleCanBeBroken(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*found)
		wanted inspection
	}{
		"sound":             {func(*found) {}, inspection{}},
		"ahead of the peer": {func(f *found) { f.Number, f.ManagerNumber = 9, 9 }, inspection{}},
		"in flight":         {func(f *found) { f.InFlight = 2 }, inspection{inFlight: 2}},
		"behind the peer":   {func(f *found) { f.Number = 4 }, inspection{uncovered: 1}},
		"an HTLC is gone":   {func(f *found) { f.HTLCs = nil }, inspection{uncovered: 1}},
		"an HTLC is back": {
			func(f *found) { f.HTLCs = []uint64{1, 2} }, inspection{uncovered: 1, noticesWrong: 1},
		},
		"torn":             {func(f *found) { f.Torn = true }, inspection{torn: 1}},
		"no manager":       {func(f *found) { f.HasManager = false }, inspection{torn: 1}},
		"damaged":          {func(f *found) { f.Damage = lnkeep.DamageChecksum }, inspection{damaged: 1}},
		"the next notices": {func(f *found) { f.Outputs = []uint64{2, 3} }, inspection{}},
		"told again":       {func(f *found) { f.Outputs = []uint64{1, 2} }, inspection{}},
		"a notice is lost": {func(f *found) { f.Outputs = []uint64{3} }, inspection{noticesWrong: 1}},
		"one between is":   {func(f *found) { f.Outputs = []uint64{2, 4} }, inspection{noticesWrong: 1}},
		"a notice told too early": {
			func(f *found) { f.Outputs = []uint64{0} }, inspection{noticesWrong: 1},
		},
	} {
		run := NewRun(Options{Seed: 1})
		run.network.number, run.ledger.lastNotice = 5, 1
		on := &attempt{id: 1}
		run.network.held[1] = &htlc{attempt: on, place: onTheWay}
		run.ledger.attempts[1] = on
		run.ledger.attempts[2] = &attempt{id: 2, confirmed: true, notices: 1}
		f := found{
			HasStore: true, HasChannel: true, HasManager: true, Number: 5, ManagerNumber: 5,
			HTLCs: []uint64{1},
		}
		test.change(&f)
		run.inspection.compare(run, &f)
		if run.inspection != test.wanted {
			t.Errorf("%s: %+v", name, run.inspection)
		}
	}
}

func TestPrint_EachPromiseCanBeBroken(t *testing.T) {
	run := NewRun(Options{Seed: 1})
	for name, tally := range map[string]Tally{
		"":                                    {payments: 1, succeeded: 1, dispatchedOnce: 1},
		"hashes paid twice":                   {paidTwice: 1},
		"receivers sent more than the amount": {oversent: 1},
		"ended otherwise than the receiver knows":   {endedOtherwise: 1},
		"attempts dispatched twice":                 {dispatchedTwice: 1},
		"acknowledged and lost":                     {lost: 1},
		"rolled back after it left":                 {rolledBackThoughLeft: 1},
		"unfinished":                                {unfinished: 1},
		"ends not told by exactly one event":        {notOnce: 1},
		"repeats answered otherwise than the first": {mistold: 1},
		"settles not told, or before their commit":  {noticesWrong: 1},
		"contradictions":                            {inconsistent: 1},
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
