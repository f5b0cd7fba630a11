package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	getsPerTime  = 100_000
	timesOfPhase = 3
)

// phase is one step of the comparison with many attempts, done by both engines in turn.
type phase struct {
	name, what, unit string
	count            int
	times            int
	// figure is the phase's result from the time it took and what the worker answered.
	figure func(took time.Duration, answer uint64) float64
}

func rate(took time.Duration, answer uint64) float64 { return float64(answer) / took.Seconds() }
func ms(took time.Duration, _ uint64) float64        { return took.Seconds() * 1e3 }
func usEach(took time.Duration, answer uint64) float64 {
	return took.Seconds() * 1e6 / float64(answer)
}
func mib(_ time.Duration, answer uint64) float64 { return float64(answer) / (1 << 20) }

func phases(s settings) []phase {
	times := timesOfPhase * s.rounds
	return []phase{
		{"insert", "insert, 1,000 intents and their results in turn", "attempts/s", s.attempts, 1, rate},
		{"size", "file on disk", "MiB", 0, 1, mib},
		{"open", "open after a clean close", "ms", 0, times, ms},
		{"commit", "one durable intent", "ms", 0, times, ms},
		{"get", "get by a random id", "us", getsPerTime, s.rounds, usEach},
		{"list", "list of the 100 unfinished", "ms", 0, times, ms},
		{"delete", "delete of 90 %, 1,000 in one commit", "attempts/s", 0, 1, rate},
		{"size", "file on disk after that", "MiB", 0, 1, mib},
		{"commit", "one durable intent after that", "ms", 0, times, ms},
		{"compact", "compaction, with the open after it", "ms", 0, 1, ms},
		{"size", "file on disk after compaction", "MiB", 0, 1, mib},
	}
}

// millionRow is one phase of both engines; an engine that lacks it has no figures.
type millionRow struct {
	What, Unit    string
	Lnkeep, Bbolt spread
}

type millionTable struct {
	Attempts int
	Rows     []millionRow
}

// measureMillion fills both engines with many attempts and runs phase after phase on them. Without
// the worker in Go there is no bbolt, and lnkeep is measured alone.
func measureMillion(s settings, r *report) *millionTable {
	table := &millionTable{Attempts: s.attempts}
	small := s
	small.rows = 1000
	small.folder = filepath.Join(s.folder, "million")
	must(os.Mkdir(small.folder, 0o700))
	workers := startAll(small, 0)
	engines := make([]*process, 2)
	copy(engines, workers)
	for _, p := range phases(s) {
		fmt.Fprintf(os.Stderr, "%d attempts: %s\n", s.attempts, p.what)
		figures := runPhase(engines, p)
		row := millionRow{What: p.what, Unit: p.unit}
		row.Lnkeep, row.Bbolt = spreadOf(figures[0]), spreadOf(figures[1])
		table.Rows = append(table.Rows, row)
	}
	for _, p := range workers {
		r.addVersions(p.versions)
		must(p.stop())
	}
	return table
}

// runPhase runs a phase in turn on the engines that there are.
func runPhase(engines []*process, p phase) [2][]float64 {
	var figures [2][]float64
	for range p.times {
		for engine, worker := range engines {
			if worker == nil {
				continue
			}
			took, answer, err := worker.phase(p.name, p.count)
			must(err)
			figures[engine] = append(figures[engine], p.figure(took, answer))
		}
	}
	return figures
}
