package world

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

// attendance carries the messages of one node until it is dead. Everything but the carrying
// happens in one goroutine, which alone touches the run.
type attendance struct {
	run     *Run
	plan    plan
	process *process
	ready   bool
	since   time.Time
	// due fires when the plan says so.
	due <-chan time.Time

	commits, operations uint64
	toldToEnd, tooSlow  bool
	// killed: by the plan or for being too slow, and not ended by itself at the same moment.
	killed bool
	exit   error
}

// attend starts a node and returns when it is dead and its last words are read.
func (a *attendance) attend(ctx context.Context) (err error) {
	if a.process, err = a.run.start(); err != nil {
		return err
	}
	a.since = time.Now()
	if a.plan == killStarting {
		a.dieWithin(0, killStartingMax)
	}
	err = a.carry(ctx)
	if err != nil {
		a.process.kill()
		a.readRest()
	}
	a.exit = a.process.end(a.toldToEnd)
	a.killed = a.process.killed.Load() && wasSignalled(a.exit)
	a.run.noteLife(a)
	return err
}

// carry goes on until all of the node's connections have ended.
func (a *attendance) carry(ctx context.Context) error {
	pulse := time.NewTicker(time.Millisecond)
	defer pulse.Stop()
	reports, htlcs, forwards := a.process.reports, a.process.htlcs, a.process.forwards
	for reports != nil || htlcs != nil || forwards != nil {
		select {
		case report, open := <-reports:
			if !open {
				if reports = nil; a.process.clientFault != nil {
					return a.process.clientFault
				}
				continue
			}
			a.note(report)
		case msg, open := <-htlcs:
			if !open {
				if htlcs = nil; a.process.peerFault != nil {
					return a.process.peerFault
				}
				continue
			}
			a.run.network.take(msg)
		case report, open := <-forwards:
			if !open {
				if forwards = nil; a.process.neighboursFault != nil {
					return a.process.neighboursFault
				}
				continue
			}
			a.run.neighbours.take(report)
		case <-a.due:
			a.carryOutPlan()
		case <-pulse.C:
			if err := a.serve(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readRest lets the goroutines that carry messages end.
func (a *attendance) readRest() {
	for range a.process.reports {
	}
	for range a.process.htlcs {
	}
	for range a.process.forwards {
	}
}

func (a *attendance) note(report wire.Report) {
	switch report.Kind {
	case wire.ReportReady:
		a.ready, a.since = true, time.Now()
		a.run.epoch = max(a.run.epoch, report.Epoch)
		if a.plan == killAnyMoment || a.plan == killAfterReport {
			a.dieWithin(killAfterMin, killAfterMax)
		}
	case wire.ReportStats:
		a.commits, a.operations = report.Commits, report.Operations
	default:
		a.run.client.note(report)
	}
}

func (a *attendance) dieWithin(from, to time.Duration) {
	wait := from + time.Duration(a.run.chance.Int64N(int64(to-from)))
	a.due = time.After(wait)
}

// carryOutPlan kills now, or after the next acknowledgement but not much later.
func (a *attendance) carryOutPlan() {
	if a.plan == killAfterReport && !a.process.killAfterReport.Swap(true) {
		a.due = time.After(killReportMax)
		return
	}
	a.process.kill()
}

// serve gives the node what is due, a thousand times a second.
func (a *attendance) serve() error {
	if a.isTooSlow() && !a.process.killed.Load() {
		a.tooSlow = true
		a.process.kill()
	}
	if a.ready && !a.toldToEnd && !a.process.killed.Load() {
		a.run.client.giveOrders(offer(a.process.orders))
		if err := a.run.network.moveOn(offer(a.process.answers)); err != nil {
			return err
		}
		a.run.neighbours.give(offer(a.process.offers), a.run.client.closing)
		a.endWhenResolved()
	}
	a.run.screen.progress(a.run)
	return nil
}

func (a *attendance) isTooSlow() bool {
	if !a.ready {
		return time.Since(a.since) > readyMax
	}
	longest := resolveMax
	if a.run.options.Sabotage != "" {
		longest = resolveSabotagedMax
	}
	return a.plan == killNever && time.Since(a.since) > longest
}

// endWhenResolved lets the last node close its store when nothing is open and nothing on its
// way.
func (a *attendance) endWhenResolved() {
	if a.plan != killNever {
		return
	}
	a.run.client.closing = true
	neighbours := a.run.neighbours
	if len(a.run.client.open) == 0 && len(a.run.network.held) == 0 &&
		len(neighbours.held) == 0 && len(neighbours.queue) == 0 {
		a.process.close()
		a.toldToEnd = true
	}
}

func wasSignalled(exit error) bool {
	var status *exec.ExitError
	return errors.As(exit, &status) && status.ExitCode() == -1
}
