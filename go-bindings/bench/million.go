package main

import "fmt"

const getsPerTime = 100_000

func attemptPhases(s settings) []phase {
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

// measureMillion fills both engines with many attempts and runs phase after phase on them.
func measureMillion(s settings, r *report) *manyTable {
	table := &manyTable{Heading: fmt.Sprintf("%d attempts, all but 100 finished", s.attempts)}
	workers := startAll(s, 0, "none", "million")
	table.run(workers, attemptPhases(s))
	stopAll(r, workers)
	return table
}
