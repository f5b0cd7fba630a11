package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func sampleReport() *report {
	f := &field{comparison: rowsComparison, Series: []*series{seriesOf("lnkeep", 4000, 5000), seriesOf("bbolt_batch", 90, 100)}}
	row := manyRow{What: "insert <all>", Unit: "attempts/s", Lnkeep: spread{1, 2, 3}}
	return &report{
		Fields:   []*field{f},
		Verdicts: judge([]*field{f}),
		Many:     []*manyTable{{Heading: "1000 attempts", Rows: []manyRow{row}}},
	}
}

func TestPrintReport(t *testing.T) {
	var text strings.Builder
	printReport(&text, sampleReport())
	for _, want := range []string{
		"16 callers", "5000 [4000-5000]", "reached", "insert <all>", "lnkeep Go / it",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}

func TestWriteHTML_IsSelfContained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := writeHTML(path, sampleReport()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	foreign := regexp.MustCompile(`(?i)<script|<link|<img|src=|href=|url\(|@import|ZgotmplZ`)
	if found := foreign.Find(text); found != nil {
		t.Errorf("the file names something outside it: %s", found)
	}
	if !strings.Contains(string(text), "insert &lt;all&gt;") {
		t.Error("text was not escaped")
	}
}

// Every chart must be well-formed, have its marks inside the plot and say its unit.
func TestWriteHTML_Charts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := writeHTML(path, sampleReport()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	charts := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAll(text, -1)
	if want := 2 * len(rowsComparison.groups); len(charts) != want {
		t.Fatalf("%d charts, want %d", len(charts), want)
	}
	for _, chart := range charts {
		decoder := xml.NewDecoder(strings.NewReader(string(chart)))
		for err = nil; err == nil; {
			_, err = decoder.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("not well-formed: %v\n%s", err, chart)
		}
	}
}

func TestRates_FitThePlot(t *testing.T) {
	f := sampleReport().Fields[0]
	c := rates(f, rowsComparison.groups[1])
	if len(c.Marks) != 2 || len(c.Ticks) < 3 {
		t.Fatalf("%d marks and %d ticks", len(c.Marks), len(c.Ticks))
	}
	ours, theirs := c.Marks[0], c.Marks[1]
	if !ours.Ours || theirs.Ours || ours.Value != "5,000" {
		t.Errorf("marks are %+v", c.Marks)
	}
	if length := (ours.To - ours.From) / (theirs.To - theirs.From); length < 49 || length > 51 {
		t.Errorf("a bar of 5,000 is %v times as long as one of 100", length)
	}
	if last := c.Ticks[len(c.Ticks)-1].X; ours.To > last || last > labelWidth+plotWidth+0.01 {
		t.Errorf("the bar ends at %v, the axis at %v", ours.To, last)
	}
}

func TestNiceStep(t *testing.T) {
	for whole, want := range map[float64]float64{
		0: 1, 4: 1, 7: 2, 4000: 1000, 5000: 1000, 12000: 5000,
	} {
		if got := niceStep(whole); got != want {
			t.Errorf("step for %v is %v, want %v", whole, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for us, want := range map[float64]string{5: "5.00 us", 1500: "1.50 ms", 2.5e6: "2.50 s"} {
		if got := duration(us); got != want {
			t.Errorf("duration of %v us is %q, want %q", us, got, want)
		}
	}
}
