package life

import (
	"context"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/go-bindings"
	"golang.org/x/sync/errgroup"
)

// Where a sender stops to try, and where it begins to split.
const (
	// balanceMsat is what this node can send; some of the client's orders are larger.
	balanceMsat  = 100_000_000
	attemptsMax  = 24
	partsMax     = 4
	wholeMsatMax = 3_000_000
)

// paymentsMax is how many payments are under way at once: with all their parts no more HTLCs than
// BOLT 2's max_accepted_htlcs, 483.
const paymentsMax = 483 / partsMax

// payer is the life-cycle of one payment. Its goroutine alone registers attempts of the payment;
// their results come from other goroutines. It goes on from the state that the last call answered,
// never from what it remembers, so that a later life can go on as well as this one.
type payer struct {
	*node
	group   *errgroup.Group
	payment *lnkeep.Payment
	// resumed: an earlier life began it.
	resumed bool
	// changed is the payment after each result; it has room for all of them.
	changed chan *lnkeep.Payment
}

func (n *node) newPayer(group *errgroup.Group, payment *lnkeep.Payment, resumed bool) *payer {
	return &payer{
		node: n, group: group, payment: payment, resumed: resumed,
		changed: make(chan *lnkeep.Payment, attemptsMax),
	}
}

// follow takes an order: initiate the payment, and pay it if that is this goroutine's to do.
func (n *node) follow(ctx context.Context, group *errgroup.Group, order wire.Order) error {
	payment, outcome, err := change(ctx, func() (*lnkeep.Payment, lnkeep.Outcome, error) {
		return n.steps.init(context.WithoutCancel(ctx), initOf(order))
	})
	if err != nil && !notApplied(err) {
		return err
	}
	report := wire.Report{
		Kind: wire.ReportOrder, Key: order.Key, Status: outcome.Code, Payment: wire.PaymentOf(payment),
	}
	if err := n.tell(report); err != nil {
		return err
	}
	if !outcome.Done {
		// Already: an earlier life or another goroutine pays it, and its parts may be on their way.
		// An error: nothing was recorded and nothing leaves. The client was told which, and knows
		// whether to give the order again.
		return nil
	}
	return n.newPayer(group, payment, false).run(ctx)
}

// initOf is the request to initiate the payment of an order. The client's key tells a repeat, which
// is answered with the state of the first, from another order.
func initOf(order wire.Order) lnkeep.PaymentInit {
	init := lnkeep.PaymentInit{
		Hash: order.Invoice.PaymentHash, AmountMsat: order.Invoice.AmountMsat, Created: time.Now(),
		IdempotencyKey: order.Key.Bytes(), PaymentRequest: order.Invoice.Bytes(),
	}
	if order.DeadlineUnixMs != 0 {
		init.Intent = &lnkeep.Intent{
			Deadline: time.UnixMilli(order.DeadlineUnixMs), FeeLimitMsat: order.FeeLimitMsat,
		}
	}
	return init
}

// run ends when the payment has, and its client knows, or when this life ends.
func (p *payer) run(ctx context.Context) error {
	if err := p.collectPast(ctx); err != nil {
		return err
	}
	for !p.payment.Status.Terminal() {
		more, err := mayAttempt(p.payment)
		switch {
		case ctx.Err() != nil:
			return nil // the next life goes on
		case err == nil && more:
			err = p.goOn(ctx)
		case err == nil:
			p.awaitResult(ctx)
		}
		if err != nil {
			return err
		}
	}
	return p.tell(wire.Report{Kind: wire.ReportEnded, Payment: wire.PaymentOf(p.payment)})
}

func (p *payer) awaitResult(ctx context.Context) {
	select {
	case payment := <-p.changed:
		p.learn(payment)
	case <-ctx.Done():
	}
}

// mayAttempt asks the rules that lnkeep applies to every new attempt, so that they stand nowhere
// twice.
func mayAttempt(payment *lnkeep.Payment) (bool, error) {
	rules, err := lnkeep.PaymentState{
		Status: payment.Status, RemainingMsat: payment.RemainingMsat,
		HasSettled: payment.Terminal == lnkeep.TerminalSettled,
		GivenUp:    payment.Terminal == lnkeep.TerminalFailed,
	}.Allows()
	return rules.AllowMore, err
}

// learn keeps the newest state: those of results may come out of order.
func (p *payer) learn(payment *lnkeep.Payment) {
	if payment.Revision >= p.payment.Revision {
		p.payment = payment
	}
}

// goOn sends another part, or gives the payment up.
func (p *payer) goOn(ctx context.Context) error {
	part, err := p.nextPart()
	if err != nil {
		return err
	}
	if reason := p.reasonToStop(part); reason != 0 {
		return p.giveUp(ctx, reason)
	}
	return p.send(ctx, part)
}

// nextPart: the more routes have failed, the smaller the parts, because what one route does not
// carry, several may; and the dearer, because the cheapest are tried first.
func (p *payer) nextPart() (part, error) {
	invoice, err := wire.ParseInvoice(p.payment.Init.PaymentRequest)
	if err != nil {
		return part{}, err
	}
	routesFailed := uint64(0)
	for i := range p.payment.Attempts {
		if isOfRoute(p.payment.Attempts[i].Failure) {
			routesFailed++
		}
	}
	amountMsat := invoice.AmountMsat
	if invoice.TakesParts() {
		parts := min(1+amountMsat/wholeMsatMax+routesFailed, partsMax)
		amountMsat = min((amountMsat+parts-1)/parts, p.payment.RemainingMsat)
	}
	feeMsat := amountMsat * (2 + routesFailed) / 1000
	return part{invoice: invoice, amountMsat: amountMsat, feeMsat: feeMsat}, nil
}

// reasonToStop is why no other attempt is to be made; 0 when there is none.
func (p *payer) reasonToStop(next part) lnkeep.FailureReason {
	intent := p.payment.Init.Intent
	switch {
	case p.payment.Init.AmountMsat > balanceMsat:
		return lnkeep.FailureReasonInsufficientBalance
	case intent == nil && p.resumed:
		return lnkeep.FailureReasonNoRoute // its sender died with its life of the node
	case intent != nil && !time.Now().Before(intent.Deadline):
		return lnkeep.FailureReasonTimeout
	case intent != nil && p.payment.FeesMsat+next.feeMsat > intent.FeeLimitMsat,
		len(p.payment.Attempts) >= attemptsMax:
		return lnkeep.FailureReasonNoRoute
	}
	return 0
}

// giveUp ends the sending. Parts that are out may settle all the same.
func (p *payer) giveUp(ctx context.Context, reason lnkeep.FailureReason) error {
	payment, err := p.fail(context.WithoutCancel(ctx), p.payment.Hash(), reason)
	if err == nil {
		p.learn(payment)
	}
	return err
}
