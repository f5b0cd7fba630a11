package main

// checkpointsComparison is about checkpoints: a manager of 1 MiB and an update of 1 KiB of each of some
// channels, of 1,000 in all.
var checkpointsComparison = &comparison{
	Title: "Checkpoints of channel monitors",
	table: "monitors", set: "monitors",
	unit: "checkpoints/s", axis: "durable checkpoints per second",
	groups: checkpointGroups(),
	single: flushes,
	onlyC:  true,
}

// loadComparison is about the start of a node: lnkeep beside the least that it can cost.
var loadComparison = &comparison{
	Title: "Monitors at the start of a node",
	table: "monitors", set: "monitors_load",
	unit: "a second", axis: "a second",
	groups:       loadGroups,
	onlyC:        true,
	neverFlushes: true,
}

var checkpointContestants = []contestant{
	{"checkpoint_lnkeep", "lnkeep, C ABI, one commit"},
	{"checkpoint_files", "a file per key, as LDK"},
	{"checkpoint_sqlite", "SQLite WAL FULL, one transaction"},
}

// checkpointGroups have the channels of a checkpoint where other groups have callers.
func checkpointGroups() []group {
	var groups []group
	for _, channels := range []int{1, 10, 100, 1000} {
		groups = append(groups, group{
			heading: "manager of 1 MiB, updates of " + countText(channels, "channel"), callers: channels,
			contestants: checkpointContestants, fromC: "checkpoint_lnkeep",
		})
	}
	return groups
}

var loadGroups = []group{
	{
		heading: "channel of 1 MiB, all 1,000 kept", callers: 1, fromC: "load_lnkeep",
		contestants: []contestant{
			{"load_lnkeep", "lnkeep, C ABI"}, {"load_file", "one file, read(2)"},
		},
	},
	{
		heading: "channel of 1 MiB, each freed before the next", callers: 1, fromC: "load_freed_lnkeep",
		contestants: []contestant{
			{"load_freed_lnkeep", "lnkeep, C ABI"}, {"load_freed_file", "one file, read(2)"},
		},
	},
	{
		heading: "open of the store and its 1,000 channels", callers: 1,
		contestants: []contestant{{"open_lnkeep", "lnkeep, C ABI, all checksums"}},
	},
}
