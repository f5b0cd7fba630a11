package main

import (
	"fmt"
	"io"
	"strings"
)

// report is all that a run found, for the terminal and for the HTML file.
type report struct {
	Machine  machine
	Settings string
	Fields   []*field
	Verdicts []verdict
	Many     []*manyTable
}

// row is one contestant in a table, in text.
type row struct {
	Label, Rate, P50, P90, P99 string
	// VersusC and VersusGo are the rates of lnkeep, called from C and from Go, through this one's.
	VersusC, VersusGo string
	// Ours marks lnkeep itself.
	Ours bool
}

// rows are the contestants of a group.
func (f *field) rows(g group) []row {
	var rows []row
	fromC, fromGo := f.find(g.fromC, g.callers), f.find(g.fromGo, g.callers)
	for _, one := range f.seriesOf(g) {
		rows = append(rows, row{
			Label: one.Label, Rate: one.spread(perSecond).String(),
			P50: short(one.median(p50Us)), P90: short(one.median(p90Us)),
			P99: short(one.median(p99Us)), VersusC: versus(fromC, one), VersusGo: versus(fromGo, one),
			Ours: ours(one.Name),
		})
	}
	return rows
}

func ours(name string) bool { return strings.Contains(name, "lnkeep") }

func versus(ours, theirs *series) string {
	if ours == nil || ours == theirs {
		return ""
	}
	return ratio(ours, theirs).String()
}

// packs are the figures of operations that go through cgo one by one, and a hundred at once.
func (f *field) packs() []row {
	var rows []row
	for _, c := range packs {
		if one := f.find(c.name, 1); one != nil {
			rows = append(rows, row{
				Label: one.Label, Rate: one.spread(perSecond).String(),
				P50: short(one.median(p50Us)), P90: short(one.median(p90Us)),
				P99: short(one.median(p99Us)),
			})
		}
	}
	return rows
}

func printReport(to io.Writer, r *report) {
	m := r.Machine
	fmt.Fprintf(to, "\n%s; %s, %d cores; %s; %s; load %s before, %s after\n%s\n%s\n",
		m.Date, m.Processor, m.Cores, m.Kernel, m.FileSystem, m.LoadBefore, m.LoadAfter,
		strings.Join(m.Versions, "; "), r.Settings)
	for _, f := range r.Fields {
		printField(to, f)
	}
	if len(r.Verdicts) > 0 {
		fmt.Fprintln(to, "\ntargets: ratios are made within a round; median [range]")
	}
	for _, v := range r.Verdicts {
		fmt.Fprintf(to, "  %-56s %-28s %-22s %-8s %s\n", v.What, v.Flush, v.Measured, v.Limit, v.Text())
	}
	for _, table := range r.Many {
		printMany(to, table)
	}
}

func printField(to io.Writer, f *field) {
	fmt.Fprintf(to, "\n=== %s: %s ===\n", f.Title, f.flushText())
	header := row{"", f.unit, "p50 us", "p90 us", "p99 us", "lnkeep C / it",
		"", false}
	if f.comparison == rowsComparison {
		header.VersusGo = "lnkeep Go / it"
	}
	for _, g := range f.groups {
		header.Label = g.heading
		for _, one := range append([]row{header}, f.rows(g)...) {
			printRow(to, one)
		}
		fmt.Fprintln(to)
	}
	header.Label, header.Rate = "packs, one goroutine", "operations/s"
	header.VersusC, header.VersusGo = "", ""
	if packs := f.packs(); len(packs) > 0 {
		for _, one := range append([]row{header}, packs...) {
			printRow(to, one)
		}
	}
}

func printRow(to io.Writer, r row) {
	line := fmt.Sprintf("%-54s %-24s %8s %8s %8s  %-19s %s",
		r.Label, r.Rate, r.P50, r.P90, r.P99, r.VersusC, r.VersusGo)
	fmt.Fprintln(to, strings.TrimRight(line, " "))
}

func printMany(to io.Writer, table *manyTable) {
	fmt.Fprintf(to, "\n=== %s ===\n", table.Heading)
	fmt.Fprintf(to, "%-62s %-10s %-24s %s\n", "", "", "lnkeep, C ABI", "bbolt")
	for _, r := range table.Rows {
		fmt.Fprintf(to, "%-62s %-10s %-24s %s\n", r.What, r.Unit, r.Lnkeep, r.Bbolt)
	}
}
