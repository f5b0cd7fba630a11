package main

import (
	"fmt"
	"os"
	"time"
)

const timesOfPhase = 3

// phaseSpentMax is how long an engine may repeat one phase: what takes seconds each time is told well
// enough by fewer times.
const phaseSpentMax = 20 * time.Second

// phase is one step of a comparison with many of something, done by both engines in turn.
type phase struct {
	name, what, unit string
	count            int
	times            int
	// figure is the phase's result from the time it took and what the worker answered; nil for a step
	// that is no row of the table.
	figure func(took time.Duration, answer uint64) float64
}

func rate(took time.Duration, answer uint64) float64 { return float64(answer) / took.Seconds() }
func ms(took time.Duration, _ uint64) float64        { return took.Seconds() * 1e3 }
func msEach(took time.Duration, answer uint64) float64 {
	return took.Seconds() * 1e3 / float64(answer)
}
func usEach(took time.Duration, answer uint64) float64 {
	return took.Seconds() * 1e6 / float64(answer)
}
func nsEach(took time.Duration, answer uint64) float64 {
	return took.Seconds() * 1e9 / float64(answer)
}
func mib(_ time.Duration, answer uint64) float64 { return float64(answer) / (1 << 20) }

// manyRow is one phase of both engines; an engine that lacks it has no figures.
type manyRow struct {
	What, Unit    string
	Lnkeep, Bbolt spread
}

type manyTable struct {
	Heading string
	Rows    []manyRow
}

// find is the row of a phase; nil when it did not run.
func (t *manyTable) find(what string) *manyRow {
	for i := range t.Rows {
		if t.Rows[i].What == what {
			return &t.Rows[i]
		}
	}
	return nil
}

// run runs phase after phase on both engines. Without the worker in Go there is no bbolt, and lnkeep is
// measured alone.
func (t *manyTable) run(engines [2]*process, phases []phase) {
	for _, p := range phases {
		fmt.Fprintf(os.Stderr, "%s: %s\n", t.Heading, p.what)
		figures := runPhase(engines, p)
		if p.figure == nil {
			continue
		}
		row := manyRow{What: p.what, Unit: p.unit}
		row.Lnkeep, row.Bbolt = spreadOf(figures[0]), spreadOf(figures[1])
		t.Rows = append(t.Rows, row)
	}
}

// runPhase runs a phase in turn on the engines that there are.
func runPhase(engines [2]*process, p phase) [2][]float64 {
	var figures [2][]float64
	var spent [2]time.Duration
	for range p.times {
		for engine, worker := range engines {
			if worker == nil || spent[engine] > phaseSpentMax {
				continue
			}
			started := time.Now()
			took, answer, err := worker.phase(p.name, p.count)
			must(err)
			spent[engine] += time.Since(started)
			if p.figure != nil {
				figures[engine] = append(figures[engine], p.figure(took, answer))
			}
		}
	}
	return figures
}
