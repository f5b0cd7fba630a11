package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// contestant is a way to make rows durable, in the order of the tables.
type contestant struct {
	name, label string
}

var contestants = []contestant{
	{"lnkeep", "lnkeep, C ABI, threads"},
	{"lnkeep_async", "lnkeep, C ABI, one thread, asynchronous"},
	{"go_lnkeep", "lnkeep, Go package, goroutines"},
	{"bbolt_update", "bbolt Update"},
	{"bbolt_batch", "bbolt Batch, defaults (as lnd)"},
	{"lmdb", "bare LMDB, one commit each"},
	{"lmdb_grouped", "bare LMDB, grouped by one writer"},
	{"log", "bare log file, grouped flush (ceiling)"},
	{"sqlite", "SQLite WAL FULL, one transaction each"},
	{"sqlite_grouped", "SQLite WAL FULL, grouped by one writer"},
}

// single are measured with one caller only: the flush alone, and packs of operations from Go.
var single = []contestant{
	{"fdatasync", "4 KiB overwritten, fdatasync"},
	{"o_dsync", "4 KiB overwritten with O_DSYNC"},
	{"go_packed_new", "Go: 100 new attempts in one submit"},
	{"go_each_new", "Go: one cgo call for each new attempt"},
	{"go_packed_known", "Go: 100 known attempts in one submit, no flush"},
	{"go_each_known", "Go: one cgo call for each known attempt, no flush"},
}

var callerCounts = []int{1, 16, 64, 1000}

// field is everything measured at one length of a flush.
type field struct {
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

// heading says what was added to a flush.
func (f *field) heading() string {
	if f.AddedUs == 0 {
		return "the disk's own flush"
	}
	return fmt.Sprintf("%d us added to each flush", f.AddedUs)
}

// flushText is the measured flush, which every figure of the field must be read with.
func (f *field) flushText() string {
	text := ""
	for _, one := range single[:2] {
		if s := f.find(one.name, 1); s != nil {
			text += fmt.Sprintf("; %s: %s us", one.label, short(s.median(p50Us)))
		}
	}
	return f.heading() + text
}

// measureCallers runs every round of every contestant at one length of a flush.
func measureCallers(s settings, r *report, addedUs int) *field {
	workers := startAll(s, addedUs)
	f := &field{AddedUs: addedUs}
	by := map[*series]*process{}
	enter := func(c contestant, callers int) {
		for _, p := range workers {
			if slices.Contains(p.names, c.name) {
				one := &series{Name: c.name, Label: c.label, Callers: callers}
				f.Series = append(f.Series, one)
				by[one] = p
			}
		}
	}
	for _, callers := range callerCounts {
		for _, c := range contestants {
			enter(c, callers)
		}
	}
	for _, c := range single {
		enter(c, 1)
	}
	interleave(s, f, by)
	for _, p := range workers {
		r.addVersions(p.versions)
		must(p.stop())
	}
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
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", f.heading(), round+1, s.rounds)
		for turn := range f.Series {
			one := f.Series[(turn+round)%len(f.Series)]
			if one.Spent > spentMax {
				continue
			}
			started := time.Now()
			measured, err := by[one].round(one.Name, one.Callers, s.length)
			must(err)
			one.Rounds = append(one.Rounds, measured)
			one.Spent += time.Since(started)
		}
	}
	for _, one := range f.Series {
		if len(one.Rounds) < s.rounds {
			one.Label += fmt.Sprintf(" (%d of %d rounds)", len(one.Rounds), s.rounds)
		}
	}
}

// startAll starts the workers of a field, each with stores of its own.
func startAll(s settings, addedUs int) []*process {
	goWorker, environment := s.goWorker, []string{}
	if addedUs > 0 {
		goWorker = s.goSlow
		environment = []string{
			"LD_PRELOAD=" + s.shim, fmt.Sprintf("LNKEEP_FLUSH_DELAY_US=%d", addedUs),
		}
	}
	var workers []*process
	for _, path := range []string{s.cWorker, goWorker} {
		if path == "" {
			continue
		}
		folder := fmt.Sprintf("%s-%d", filepath.Base(path), addedUs)
		p, err := startWorker(path, filepath.Join(s.folder, folder), s.rows, environment...)
		must(err)
		workers = append(workers, p)
	}
	return workers
}
