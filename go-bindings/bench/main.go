// Command bench compares lnkeep with bbolt, bare LMDB, SQLite and a bare log file, in rounds that
// alternate between all of them in one run, and prints tables and one HTML file. It measures
// nothing itself: the contestants live in workers, processes that run a round when they are told.
// benches/run.sh builds all of them and calls it.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"
)

// settings are the choices of one run.
type settings struct {
	folder   string
	cWorker  string
	goWorker string
	goSlow   string
	shim     string
	rounds   int
	length   time.Duration
	addedUs  int
	rows     int
	attempts int
	html     string
	tables   []string
}

func parse() settings {
	var s settings
	var tables string
	flag.StringVar(&s.folder, "folder", "", "empty folder on the disk to measure")
	flag.StringVar(&s.cWorker, "c-worker", "", "the worker in C")
	flag.StringVar(&s.goWorker, "go-worker", "", "the worker in Go; without it, no Go and no bbolt")
	flag.StringVar(&s.goSlow, "go-slow-worker", "", "the same with a bbolt that sleeps after a flush")
	flag.StringVar(&s.shim, "shim", "", "library to preload, which sleeps after a flush")
	flag.IntVar(&s.rounds, "rounds", 7, "rounds of each contestant")
	flag.DurationVar(&s.length, "length", 300*time.Millisecond, "length of a round")
	flag.IntVar(&s.addedUs, "added-us", 1000, "microseconds to add to each flush")
	flag.IntVar(&s.rows, "rows", 20_000, "rows in each store before anything is timed")
	flag.IntVar(&s.attempts, "attempts", 1_000_000, "attempts, or payments, where many are compared")
	flag.StringVar(&s.html, "html", "", "where to write the report")
	flag.StringVar(&tables, "tables", "callers,payments,monitors,million,payments_million",
		"what to measure")
	flag.Parse()
	s.tables = strings.Split(tables, ",")
	if flag.NArg() > 0 || s.folder == "" || s.cWorker == "" || s.rounds < 1 || s.attempts < 1000 {
		flag.Usage()
		os.Exit(2)
	}
	return s
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	s := parse()
	r := &report{Machine: readMachine(s), Settings: s.text()}
	for _, c := range comparisons {
		if !slices.Contains(s.tables, c.table) {
			continue
		}
		r.Fields = append(r.Fields, measure(s, r, c, 0))
		if s.addedUs > 0 && !c.neverFlushes {
			r.Fields = append(r.Fields, measure(s, r, c, s.addedUs))
		}
	}
	r.Verdicts = judge(r.Fields)
	if slices.Contains(s.tables, "million") {
		r.Many = append(r.Many, measureMillion(s, r))
	}
	if slices.Contains(s.tables, "payments_million") {
		table, verdicts := measurePaymentsMillion(s, r)
		r.Many = append(r.Many, table)
		r.Verdicts = append(r.Verdicts, verdicts...)
	}
	r.Machine.LoadAfter = load()
	printReport(os.Stdout, r)
	if s.html != "" {
		must(writeHTML(s.html, r))
		fmt.Printf("\nthe same with charts: %s\n", s.html)
	}
}

func (s settings) text() string {
	return fmt.Sprintf("rounds: %d of %d ms for each figure, interleaved; %d rows in each store "+
		"before; %d attempts, or payments, where many are compared",
		s.rounds, s.length.Milliseconds(), s.rows, s.attempts)
}
