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
	Million  *millionTable
}

// row is one contestant in a table, in text.
type row struct {
	Label, Rate, P50, P90, P99 string
	// VersusC and VersusGo are the rates of lnkeep, called from C and from Go, through this one's.
	VersusC, VersusGo string
	// Ours marks lnkeep itself.
	Ours bool
}

// rows are the contestants with some number of callers.
func (f *field) rows(callers int) []row {
	var rows []row
	fromC, fromGo := f.find("lnkeep", callers), f.find("go_lnkeep", callers)
	for _, c := range contestants {
		one := f.find(c.name, callers)
		if one == nil {
			continue
		}
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
	for _, c := range single[2:] {
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
		fmt.Fprintln(to, "\ntargets: ratios within a round, median [range]")
	}
	for _, v := range r.Verdicts {
		fmt.Fprintf(to, "  %-56s %-28s %-22s >= %-5s %s\n",
			v.What, v.Flush, v.Ratio, short(v.AtLeast), v.Text())
	}
	if r.Million != nil {
		printMillion(to, r.Million)
	}
}

func printField(to io.Writer, f *field) {
	fmt.Fprintf(to, "\n=== %s ===\n", f.flushText())
	header := row{"", "durable rows/s", "p50 us", "p90 us", "p99 us", "lnkeep C / it",
		"lnkeep Go / it", false}
	for _, callers := range callerCounts {
		rows := f.rows(callers)
		header.Label = callersText(callers)
		for _, one := range append([]row{header}, rows...) {
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

func printMillion(to io.Writer, table *millionTable) {
	fmt.Fprintf(to, "\n=== %d attempts, all but 100 finished ===\n", table.Attempts)
	fmt.Fprintf(to, "%-48s %-10s %-24s %s\n", "", "", "lnkeep, C ABI", "bbolt")
	for _, r := range table.Rows {
		fmt.Fprintf(to, "%-48s %-10s %-24s %s\n", r.What, r.Unit, r.Lnkeep, r.Bbolt)
	}
}
