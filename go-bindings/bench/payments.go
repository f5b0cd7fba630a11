package main

// paymentsComparison is about changes of payments: lnkeep makes each in one transaction with the
// attempt's record, lnd in two.
var paymentsComparison = &comparison{
	Title: "Changes of payments",
	table: "payments", set: "payments",
	unit: "durable changes/s", axis: "durable changes per second",
	groups: paymentsGroups(),
	single: flushes,
}

// paymentChanges are what a contestant's name begins with.
var paymentChanges = []struct{ name, heading string }{
	{"register", "register an attempt and make its record"},
	{"settle", "settle an attempt, its result stored and acknowledged"},
	{"whole", "a whole payment"},
}

var paymentEngines = []contestant{
	{"lnkeep", "lnkeep, C ABI"},
	{"bbolt_update", "bbolt Update, lnd's layout"},
	{"bbolt_batch", "bbolt Batch, lnd's layout and defaults"},
}

func paymentsGroups() []group {
	var groups []group
	for _, change := range paymentChanges {
		for _, callers := range []int{1, 16} {
			one := group{
				heading: change.heading + ", " + callersText(callers),
				callers: callers, fromC: change.name + "_lnkeep",
			}
			for _, engine := range paymentEngines {
				name := change.name + "_" + engine.name
				one.contestants = append(one.contestants, contestant{name, engine.label})
			}
			groups = append(groups, one)
		}
	}
	return groups
}
