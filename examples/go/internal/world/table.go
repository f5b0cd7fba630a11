package world

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	nameChars     = 50
	terminalEvery = 200 * time.Millisecond
	logEvery      = 5 * time.Second
)

// screen tells how far the run is: in place on a terminal, else a line now and then.
type screen struct{ last time.Time }

func isTerminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (s *screen) progress(r *Run) {
	terminal := isTerminal()
	every, before, after := logEvery, "", "\n"
	if terminal {
		every, before, after = terminalEvery, "\r\033[K", ""
	}
	if s.last.IsZero() {
		s.last = r.began
	}
	if time.Since(s.last) < every {
		return
	}
	s.last = time.Now()
	fmt.Printf("%s%3d s  %d of %d kills  "+
		"%d payments: %d succeeded, %d failed, %d open; %d HTLCs sent%s",
		before, int(time.Since(r.began).Seconds()), r.kills, r.options.Kills,
		len(r.ledger.invoices), r.client.succeeded, r.client.failed, len(r.client.open),
		len(r.ledger.attempts), after)
}

func (s *screen) progressEnd() {
	if isTerminal() {
		fmt.Print("\r\033[K")
	}
}

// table prints the closing figures.
type table struct {
	out io.Writer
	// wrong: a number that must be 0 is not.
	wrong bool
}

func (t *table) row(name string, number any) {
	fmt.Fprintf(t.out, "%-*s %10v\n", nameChars, name, number)
}

// zero is a number that must be 0.
func (t *table) zero(name string, number int) {
	judgement := "as it must be"
	if number != 0 {
		judgement = "WRONG, must be 0"
		t.wrong = true
	}
	fmt.Fprintf(t.out, "%-*s %10d   %s\n", nameChars, name, number, judgement)
}

// Print prints the figures and reports whether all of them are as they must be.
func (r *Run) Print(out io.Writer, tally *Tally) bool {
	t := &table{out: out}
	fmt.Fprintln(out)
	t.payments(tally)
	t.promises(r, tally)
	t.run(r, tally)
	if t.wrong {
		sabotage := ""
		if r.options.Sabotage != "" {
			sabotage = " --break " + r.options.Sabotage
		}
		fmt.Fprintf(out, "\nA number is wrong; the same plan again: --seed %d%s\n",
			r.options.Seed, sabotage)
		return false
	}
	fmt.Fprintln(out, "\nEvery number is as it must be: "+
		"no hash was paid twice, nothing acknowledged was lost, and every payment ended.")
	return true
}

func (t *table) payments(tally *Tally) {
	t.row("payments", tally.payments)
	t.row("  succeeded", tally.succeeded)
	t.row("    in more than one part", tally.inParts)
	t.row("  failed", tally.failed)
	for _, reason := range slices.Sorted(maps.Keys(tally.failedFor)) {
		t.row("    "+strings.ReplaceAll(reason.String(), "_", " "), tally.failedFor[reason])
	}
	t.row("attempts", tally.attempts)
	t.row("  dispatched once", tally.dispatchedOnce)
	t.row("    settled", tally.settled)
	t.row("    failed by the network", tally.failedByNetwork)
	t.row("  failed in the node, too large for the channel", tally.tooLarge)
	t.row("  recovered: registered, rolled back", tally.rolledBack)
	t.row("  recovered: handed off, never left", tally.markedNeverLeft)
	t.row("  recovered: left, answered after a restart", tally.heldOverDeath)
}

func (t *table) promises(r *Run, tally *Tally) {
	t.zero("hashes paid twice", tally.paidTwice)
	t.zero("receivers sent more than the amount", tally.oversent)
	t.zero("ended otherwise than the receiver knows", tally.endedOtherwise)
	t.zero("attempts dispatched twice", tally.dispatchedTwice)
	t.zero("acknowledged and lost", tally.lost)
	t.zero("rolled back after it left", tally.rolledBackThoughLeft)
	t.zero("unfinished", tally.unfinished)
	t.zero("ends not told by exactly one event", tally.notOnce)
	t.zero("repeats answered otherwise than the first", tally.mistold)
	t.zero("left the node and not on its disk", r.inspection.uncovered)
	t.zero("commitment numbers used twice", r.network.reused)
	t.zero("channel and manager disagree", r.inspection.torn)
	t.zero("channels damaged", r.inspection.damaged)
	t.zero("settles not told, or before their commit",
		r.inspection.noticesWrong+tally.noticesWrong)
	t.forwardPromises(r.neighbours)
	t.zero("contradictions", tally.inconsistent)
}

func (t *table) forwardPromises(n *neighbours) {
	t.zero("HTLCs of others decided twice", n.decidedTwice)
	t.zero("repeats with another verdict or signal", n.otherwise)
	t.zero("pending otherwise than the neighbours hold", n.mismatched)
	t.zero("slots or liquidity taken by nothing", n.leaked)
	t.zero("decided durably and lost", n.lost)
	t.zero("reputation or buckets as they never were", n.neverThere)
}

func (t *table) forwards(n *neighbours) {
	t.row("HTLCs of others", n.forwarded+n.refused)
	t.row("  forwarded", n.forwarded)
	t.row("    general bucket", n.buckets[lnkeep.BucketGeneral])
	t.row("    protected bucket, by reputation", n.buckets[lnkeep.BucketProtected])
	t.row("    several buckets, by reputation", n.buckets[lnkeep.BucketSeveral])
	t.row("    congestion bucket", n.buckets[lnkeep.BucketCongestion])
	t.row("    accountable", n.accountable)
	t.row("  failed instead: no reputation, or no room", n.refused)
	t.row("  out over a restart", n.heldOverDeath)
	t.row("  offered again while out: answered as before", n.repeats)
	t.row("calls from memory that kills took along", n.forgotten)
	t.row("  HTLCs that the neighbours had to tell again", n.added)
	t.row("  HTLCs that had ended meanwhile", n.dropped)
}

func (t *table) run(r *Run, tally *Tally) {
	t.row("kills", r.kills)
	t.row("  of these while opening or recovering", r.killsWhileStarting)
	t.row("restarts", r.lives-1)
	t.row("  for an unknown outcome", r.unplannedEnds)
	t.row("payments resumed, sent on", r.client.resumed[lnkeep.ResumeMaySend])
	t.row("payments resumed, waited for", r.client.resumed[lnkeep.ResumeWaiting])
	t.row("payments resumed, ended at once", r.client.resumed[lnkeep.ResumeDone])
	t.row("orders repeated with the same key", r.client.repeatedDone+r.client.repeatedAlready)
	t.row("  known before: not paid again", r.client.repeatedAlready)
	t.row("ended payments ordered again, same key", r.client.heardAgain)
	t.row("paid invoices ordered again, another key", r.client.refusedTwice)
	t.row("failed payments tried again", r.client.retried)
	t.row("messages through lnwire", r.network.messages)
	t.row("events", len(r.ledger.events))
	t.row("commitments of the channel", tally.commitments)
	t.row("  disks compared with what had left, after kills", r.inspection.kills)
	t.row("  changes in flight there, made again", r.inspection.inFlight)
	t.row("settles noticed from the channel", r.ledger.lastNotice)
	t.row("  told by two lives, same number", r.ledger.noticesAgain)
	t.forwards(r.neighbours)
	t.row("commits", tally.commitNumber)
	if r.commits > 0 {
		perCommit := float64(r.operations) / float64(r.commits)
		t.row("operations per commit", fmt.Sprintf("%.1f", perCommit))
	}
	t.row("seconds", fmt.Sprintf("%.1f", r.ended.Sub(r.began).Seconds()))
	t.row("seed", r.options.Seed)
}
