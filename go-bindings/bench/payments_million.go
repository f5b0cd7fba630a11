package main

import "fmt"

const (
	pagesPerTime   = 100
	fetchesPerTime = 50_000
	// What a start, a page and a list of all may take at most.
	startMsMax      = 5
	pageMsMax       = 1
	listingMibMax   = 8
	flushesOfCommit = 2
)

// Names of the rows that are judged.
const (
	startWhat       = "start: open, then the unfinished"
	firstPageWhat   = "page of 100, the first"
	middlePageWhat  = "page of 100, anywhere"
	newestPageWhat  = "page of 100, the newest, backwards"
	memoryWhat      = "memory before a list of all"
	memoryPeakWhat  = "most memory during it"
	addedOpenWhat   = "open after a clean close, %s"
	addedListWhat   = "list of the 100 unfinished, %s"
	addedStartWhat  = startWhat + ", %s"
	fetchSampleWhat = "fetch of one of 64 payments, %s"
)

func paymentPhases(s settings) []phase {
	times := timesOfPhase * s.rounds
	phases := []phase{
		{"payments_insert", "insert, 1,000 in one commit of each change", "payments/s",
			s.attempts, 1, rate},
		{"payments_size", "file on disk", "MiB", 0, 1, mib},
		{"payments_open", "open after a clean close", "ms", 0, times, ms},
		{"payments_unfinished", "list of the 100 unfinished", "ms", 0, times, ms},
		{"payments_start", startWhat, "ms", 0, times, ms},
		{"payments_first_pages", firstPageWhat, "ms", pagesPerTime, times, msEach},
		{"payments_middle_pages", middlePageWhat, "ms", pagesPerTime, times, msEach},
		{"payments_newest_pages", newestPageWhat, "ms", pagesPerTime, times, msEach},
		{"payments_memory", memoryWhat, "MiB", 0, 1, mib},
		{"payments_list_all", "list of all with their attempts, 1,000 in a page", "payments/s",
			0, 1, rate},
		{"payments_memory_peak", memoryPeakWhat, "MiB", 0, 1, mib},
		{"payments_memory", "memory after it", "MiB", 0, 1, mib},
		{"payments_mapped", "part of the file mapped, which the kernel may drop", "MiB", 0, 1, mib},
		{"payments_fetch_any", "fetch by a random hash, 1 attempt", "ns",
			fetchesPerTime, s.rounds, nsEach},
	}
	for _, attempts := range []int{1, 10, 100} {
		what := fmt.Sprintf(fetchSampleWhat, countText(attempts, "attempt"))
		phases = append(phases,
			phase{"payments_make_samples", "payments with more of them", "", attempts, 1, nil},
			phase{"payments_fetch", what, "ns", attempts, times, nsEach})
	}
	return phases
}

// startPhases are those that flush, with the files that an earlier worker filled.
func startPhases(s settings) []phase {
	times, added := timesOfPhase*s.rounds, flushHeading(s.addedUs)
	return []phase{
		{"payments_attach", "the same files", "", s.attempts, 1, nil},
		{"payments_open", fmt.Sprintf(addedOpenWhat, added), "ms", 0, times, ms},
		{"payments_unfinished", fmt.Sprintf(addedListWhat, added), "ms", 0, times, ms},
		{"payments_start", fmt.Sprintf(addedStartWhat, added), "ms", 0, times, ms},
	}
}

// measurePaymentsMillion fills both engines with many payments and runs phase after phase on them.
func measurePaymentsMillion(s settings, r *report) (*manyTable, []verdict) {
	table := &manyTable{Heading: fmt.Sprintf("%d payments, all but 100 finished", s.attempts)}
	workers := startAll(s, 0, "none", "payments-million")
	table.run(workers, paymentPhases(s))
	stopAll(r, workers)
	if s.addedUs > 0 {
		workers = startAll(s, s.addedUs, "none", "payments-million")
		table.run(workers, startPhases(s))
		stopAll(r, workers)
	}
	return table, judgePayments(table, s.addedUs)
}

// judgePayments compares what lnkeep took with what it may take.
func judgePayments(table *manyTable, addedUs int) []verdict {
	own := flushHeading(0)
	var verdicts []verdict
	enter := func(what, flush, unit string, measured spread, atMost float64) {
		verdicts = append(verdicts, verdict{
			What: what + ", " + unit, Flush: flush, Measured: measured,
			Limit: "<= " + short(atMost), Met: measured.Median <= atMost,
		})
	}
	limits := map[string]float64{
		startWhat: startMsMax, firstPageWhat: pageMsMax, middlePageWhat: pageMsMax, newestPageWhat: pageMsMax,
	}
	for _, row := range table.Rows {
		if atMost, judged := limits[row.What]; judged {
			enter(row.What, own, row.Unit, row.Lnkeep, atMost)
		}
	}
	if row := table.find(fmt.Sprintf(addedStartWhat, flushHeading(addedUs))); row != nil {
		// The open commits once, and a commit flushes twice.
		atMost := startMsMax + flushesOfCommit*float64(addedUs)/1e3
		enter(startWhat, flushHeading(addedUs), row.Unit, row.Lnkeep, atMost)
	}
	before, most := table.find(memoryWhat), table.find(memoryPeakWhat)
	if before != nil && most != nil {
		grown := most.Lnkeep.Median - before.Lnkeep.Median
		enter("list of all: memory above that before", own, "MiB", spread{grown, grown, grown}, listingMibMax)
	}
	return verdicts
}
