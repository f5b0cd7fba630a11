package main

// target is a ratio that lnkeep is to reach within one run.
type target struct {
	what         string
	slow         bool
	ours, theirs string
	callers      int
	atLeast      float64
}

var targets = []target{
	{"16 threads through the C ABI, rate / bbolt Batch", false, "lnkeep", "bbolt_batch", 16, 12},
	{"16 threads through the C ABI, rate / bbolt Update", false, "lnkeep", "bbolt_update", 16, 8},
	{"16 threads through the C ABI, rate / bare log", false, "lnkeep", "log", 16, 0.3},
	{"16 threads through the C ABI, rate / bbolt Batch", true, "lnkeep", "bbolt_batch", 16, 3.5},
	{"16 threads through the C ABI, rate / bbolt Update", true, "lnkeep", "bbolt_update", 16, 8},
	{"register and init, 16 threads, rate / bbolt Batch", false,
		"register_lnkeep", "register_bbolt_batch", 16, 8},
	{"settle and ack, 16 threads, rate / bbolt Batch", false,
		"settle_lnkeep", "settle_bbolt_batch", 16, 8},
	{"register and init, 16 threads, rate / bbolt Batch", true,
		"register_lnkeep", "register_bbolt_batch", 16, 3.5},
	{"settle and ack, 16 threads, rate / bbolt Batch", true,
		"settle_lnkeep", "settle_bbolt_batch", 16, 3.5},
	{"checkpoint of 100 channels, rate / a file per key", true,
		"checkpoint_lnkeep", "checkpoint_files", 100, 50},
	// 1.5 times as long at most.
	{"warm load of 1,000 channels, rate / read(2)", false, "load_lnkeep", "load_file", 1, 1 / 1.5},
	{"Go, 100 in one submit / one call each, new", false, "go_packed_new", "go_each_new", 1, 20},
	{"Go, 100 in one submit / one call each, known: no flush", false,
		"go_packed_known", "go_each_known", 1, 20},
}

// verdict is what became of a target.
type verdict struct {
	What, Flush string
	Measured    spread
	Limit       string
	Met         bool
}

func judge(fields []*field) []verdict {
	var verdicts []verdict
	for _, f := range fields {
		for _, t := range targets {
			ours, theirs := f.find(t.ours, t.callers), f.find(t.theirs, t.callers)
			if t.slow != (f.AddedUs > 0) || ours == nil || theirs == nil {
				continue
			}
			measured := ratio(ours, theirs)
			verdicts = append(verdicts, verdict{
				What: t.what, Flush: f.heading(), Measured: measured,
				Limit: ">= " + short(t.atLeast), Met: measured.Median >= t.atLeast,
			})
		}
	}
	return verdicts
}

// Text is how the verdict is told.
func (v verdict) Text() string {
	if v.Met {
		return "reached"
	}
	return "NOT REACHED"
}
