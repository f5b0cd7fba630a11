package main

import (
	_ "embed"
	"html/template"
	"os"
)

//go:embed report.html
var page string

// section is one field in the HTML file: for every group two charts and a table.
type section struct {
	Heading, Flush, Unit string
	Groups               []groupPart
	Packs                []row
}

type groupPart struct {
	Heading          string
	Rates, Latencies chart
	Rows             []row
}

func sections(fields []*field) []section {
	var all []section
	for _, f := range fields {
		s := section{
			Heading: f.Title + ": " + f.heading(), Flush: f.flushText(), Unit: f.unit, Packs: f.packs(),
		}
		for _, g := range f.groups {
			s.Groups = append(s.Groups, groupPart{g.heading, rates(f, g), latencies(f, g), f.rows(g)})
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
