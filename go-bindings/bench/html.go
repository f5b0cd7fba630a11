package main

import (
	_ "embed"
	"html/template"
	"os"
)

//go:embed report.html
var page string

// section is one field in the HTML file: for every number of callers two charts and a table.
type section struct {
	Heading, Flush string
	Callers        []callersPart
	Packs          []row
}

type callersPart struct {
	Heading          string
	Rates, Latencies chart
	Rows             []row
}

func sections(fields []*field) []section {
	var all []section
	for _, f := range fields {
		s := section{Heading: f.heading(), Flush: f.flushText(), Packs: f.packs()}
		for _, callers := range callerCounts {
			s.Callers = append(s.Callers,
				callersPart{callersText(callers), rates(f, callers), latencies(f, callers), f.rows(callers)})
		}
		all = append(all, s)
	}
	return all
}

// writeHTML writes the report as one file that needs no other.
func writeHTML(path string, r *report) error {
	parsed, err := template.New("report").Parse(page)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	values := struct {
		*report
		Sections []section
	}{r, sections(r.Fields)}
	if err := parsed.Execute(file, values); err != nil {
		return err
	}
	return file.Close()
}
