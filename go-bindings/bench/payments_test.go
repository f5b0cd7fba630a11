package main

import (
	"slices"
	"strings"
	"testing"
)

// Every name that the driver asks for by a group is told apart from all others.
func TestPaymentsComparison_NamesAreUnique(t *testing.T) {
	seen := map[string]int{}
	for _, g := range paymentsComparison.groups {
		for _, c := range g.contestants {
			seen[c.name+" "+callersText(g.callers)]++
		}
		if !slices.ContainsFunc(g.contestants, func(c contestant) bool { return c.name == g.fromC }) {
			t.Errorf("%s is compared with %s, which is not among its contestants", g.heading, g.fromC)
		}
	}
	if len(seen) != 3*2*len(paymentEngines) {
		t.Errorf("the contestants are %v", seen)
	}
}

// A target whose contestants no comparison has would never be judged.
func TestTargets_NameContestants(t *testing.T) {
	var names []string
	for _, c := range comparisons {
		for _, one := range c.single {
			names = append(names, one.name)
		}
		for _, g := range c.groups {
			for _, one := range g.contestants {
				names = append(names, one.name)
			}
		}
	}
	for _, one := range targets {
		if !slices.Contains(names, one.ours) || !slices.Contains(names, one.theirs) {
			t.Errorf("%q compares %s with %s", one.what, one.ours, one.theirs)
		}
	}
}

func paymentsTable(start, page, memory float64) *manyTable {
	of := func(what string, figure float64) manyRow {
		return manyRow{What: what, Lnkeep: spread{figure, figure, figure}}
	}
	return &manyTable{Rows: []manyRow{
		of(startWhat, start), of(firstPageWhat, page), of(middlePageWhat, page),
		of(newestPageWhat, page), of(memoryWhat, 20), of(memoryPeakWhat, 20+memory),
		of(startWhat+", "+flushHeading(1000), start+2),
	}}
}

func TestJudgePayments(t *testing.T) {
	for _, one := range []struct {
		start, page, memory float64
		met                 int
	}{{5, 1, 8, 6}, {5.1, 1, 8, 4}, {5, 1.1, 8, 3}, {5, 1, 8.1, 5}} {
		verdicts := judgePayments(paymentsTable(one.start, one.page, one.memory), 1000)
		met := 0
		for _, v := range verdicts {
			if v.Met {
				met++
			}
		}
		if len(verdicts) != 6 || met != one.met {
			t.Errorf("with %+v the verdicts are %+v", one, verdicts)
		}
	}
}

func TestPrintReport_Payments(t *testing.T) {
	f := &field{comparison: paymentsComparison, AddedUs: 1000, Series: []*series{
		seriesOf("register_lnkeep", 900), seriesOf("register_bbolt_batch", 100),
	}}
	var text strings.Builder
	printReport(&text, &report{Fields: []*field{f}, Verdicts: judge([]*field{f})})
	for _, want := range []string{
		"register an attempt and make its record, 16 callers", "durable changes/s", ">= 3.50", "reached",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "lnkeep Go / it") {
		t.Error("the report has a column without figures")
	}
}
