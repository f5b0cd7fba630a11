package main

import "slices"

// rowsComparison is about single rows: who makes more of them durable, for so many callers.
var rowsComparison = &comparison{
	Title: "Rows made durable",
	table: "callers", set: "rows",
	unit: "durable rows/s", axis: "durable rows per second",
	groups: rowsGroups(),
	single: slices.Concat(flushes, packs),
}

var rowsContestants = []contestant{
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

// packs are operations that go through cgo one by one, and a hundred at once.
var packs = []contestant{
	{"go_packed_new", "Go: 100 new attempts in one submit"},
	{"go_each_new", "Go: one cgo call for each new attempt"},
	{"go_packed_known", "Go: 100 known attempts in one submit, no flush"},
	{"go_each_known", "Go: one cgo call for each known attempt, no flush"},
}

func rowsGroups() []group {
	var groups []group
	for _, callers := range []int{1, 16, 64, 1000} {
		groups = append(groups, group{
			heading: callersText(callers), callers: callers, contestants: rowsContestants,
			fromC: "lnkeep", fromGo: "go_lnkeep",
		})
	}
	return groups
}
