package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// contestant is a way to do something durably, in the order of the tables.
type contestant struct {
	name, label string
}

// group is one table of contestants, and two charts, for one number of callers.
type group struct {
	heading     string
	callers     int
	contestants []contestant
	// fromC and fromGo are the contestants that the others are compared with; empty for none.
	fromC, fromGo string
}

// comparison is what the workers do when they are started for a set.
type comparison struct {
	Title string
	// table is how the comparison is called when it is asked for.
	table, set string
	unit, axis string
	groups     []group
	// single are measured with one caller only.
	single []contestant
	// onlyC says that the worker in Go has no contestant.
	onlyC bool
	// neverFlushes says that nothing changes with what is added to a flush.
	neverFlushes bool
}

var comparisons = []*comparison{
	rowsComparison, paymentsComparison, checkpointsComparison, loadComparison,
}

// flushes are measured in the rounds of every comparison.
var flushes = []contestant{
	{"fdatasync", "4 KiB overwritten, fdatasync"},
	{"o_dsync", "4 KiB overwritten with O_DSYNC"},
}

// field is everything measured for a comparison at one length of a flush.
type field struct {
	*comparison
	AddedUs int
	// Series are all contestants with all numbers of callers.
	Series []*series
}

// find is the series of a contestant; nil when it did not take part.
func (f *field) find(name string, callers int) *series {
	for _, one := range f.Series {
		if one.Name == name && one.Callers == callers {
			return one
		}
	}
	return nil
}

// seriesOf are the series of a group that took part.
func (f *field) seriesOf(g group) []*series {
	var all []*series
	for _, c := range g.contestants {
		if one := f.find(c.name, g.callers); one != nil {
			all = append(all, one)
		}
	}
	return all
}

// heading says what was added to a flush.
func (f *field) heading() string { return flushHeading(f.AddedUs) }

func flushHeading(addedUs int) string {
	if addedUs == 0 {
		return "the disk's own flush"
	}
	return fmt.Sprintf("%d us added to each flush", addedUs)
}

// flushText is the measured flush, which every figure of the field must be read with.
func (f *field) flushText() string {
	text := ""
	for _, one := range flushes {
		if s := f.find(one.name, 1); s != nil {
			text += fmt.Sprintf("; %s: %s us", one.label, short(s.median(p50Us)))
		}
	}
	return f.heading() + text
}

// measure runs every round of every contestant at one length of a flush.
func measure(s settings, r *report, c *comparison, addedUs int) *field {
	if c.onlyC {
		s.goWorker, s.goSlow = "", ""
	}
	workers := startAll(s, addedUs, c.set, fmt.Sprintf("%s-%d", c.set, addedUs))
	f := &field{comparison: c, AddedUs: addedUs}
	by := map[*series]*process{}
	enter := func(c contestant, callers int) {
		for _, p := range workers {
			if p != nil && slices.Contains(p.names, c.name) {
				one := &series{Name: c.name, Label: c.label, Callers: callers}
				f.Series = append(f.Series, one)
				by[one] = p
			}
		}
	}
	for _, g := range c.groups {
		for _, one := range g.contestants {
			enter(one, g.callers)
		}
	}
	for _, one := range c.single {
		enter(one, 1)
	}
	interleave(s, f, by)
	stopAll(r, workers)
	return f
}

// overrunMax is how much longer than its rounds a series may last. Where callers starve, the last
// of their calls end seconds after the round; such a series stops early, and its label says so.
const overrunMax = 3

// interleave runs every series once per round. Each round starts with another one, so that none
// always comes after the same neighbour's dirty pages.
func interleave(s settings, f *field, by map[*series]*process) {
	spentMax := overrunMax * time.Duration(s.rounds) * s.length
	for round := range s.rounds {
		fmt.Fprintf(os.Stderr, "%s, %s: round %d of %d\n", f.Title, f.heading(), round+1, s.rounds)
		for turn := range f.Series {
			one := f.Series[(turn+round)%len(f.Series)]
			if one.Spent > spentMax {
				continue
			}
			measured, err := by[one].round(one.Name, one.Callers, s.length)
			must(err)
			one.Rounds = append(one.Rounds, measured)
			one.Spent += s.length + time.Duration(measured.MaxUs)*time.Microsecond
		}
	}
	for _, one := range f.Series {
		if len(one.Rounds) < s.rounds {
			one.Label += fmt.Sprintf(" (%d of %d rounds)", len(one.Rounds), s.rounds)
		}
	}
}

// startAll starts the workers of C and of Go for a set of contestants, each with stores of its own in a
// folder named so; nil for one that was not built.
func startAll(s settings, addedUs int, set, name string) [2]*process {
	goWorker, environment := s.goWorker, []string{}
	if addedUs > 0 {
		goWorker = s.goSlow
		environment = []string{
			"LD_PRELOAD=" + s.shim, fmt.Sprintf("LNKEEP_FLUSH_DELAY_US=%d", addedUs),
		}
	}
	var workers [2]*process
	for place, path := range []string{s.cWorker, goWorker} {
		if path == "" {
			continue
		}
		folder := filepath.Join(s.folder, name, []string{"c", "go"}[place])
		p, err := startWorker(path, folder, set, s.rows, environment...)
		must(err)
		workers[place] = p
	}
	return workers
}

func stopAll(r *report, workers [2]*process) {
	for _, p := range workers {
		if p != nil {
			r.addVersions(p.versions)
			must(p.stop())
		}
	}
}
