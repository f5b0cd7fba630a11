package main

import (
	"slices"
	"strings"
	"testing"
)

// Two comparisons of one set would fill the same folder.
func TestComparisons_HaveSetsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range comparisons {
		if seen[c.set] {
			t.Errorf("the set %s is there twice", c.set)
		}
		seen[c.set] = true
	}
}

func TestMonitorsComparisons_NamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range slices.Concat(checkpointsComparison.groups, loadComparison.groups) {
		for _, c := range g.contestants {
			name := c.name + " " + callersText(g.callers)
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		compared := func(c contestant) bool { return c.name == g.fromC }
		if g.fromC != "" && !slices.ContainsFunc(g.contestants, compared) {
			t.Errorf("%s is compared with %s, which is not among its contestants", g.heading, g.fromC)
		}
	}
}

func checkpointSeries(name string, perSecond float64) *series {
	one := seriesOf(name, perSecond)
	one.Callers = 100
	return one
}

func TestJudge_Checkpoints(t *testing.T) {
	for rate, met := range map[float64]bool{50: true, 49: false} {
		f := &field{comparison: checkpointsComparison, AddedUs: 1000, Series: []*series{
			checkpointSeries("checkpoint_lnkeep", rate), checkpointSeries("checkpoint_files", 1),
		}}
		verdicts := judge([]*field{f})
		if len(verdicts) != 1 || verdicts[0].Met != met {
			t.Errorf("with a rate of %v the verdicts are %+v", rate, verdicts)
		}
		var text strings.Builder
		printReport(&text, &report{Fields: []*field{f}, Verdicts: verdicts})
		for _, want := range []string{"updates of 100 channels", "checkpoints/s", ">= 50.0"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the report lacks %q:\n%s", want, text.String())
			}
		}
	}
}

func TestJudge_Load(t *testing.T) {
	for rate, met := range map[float64]bool{667: true, 660: false} {
		kept := []*series{seriesOf("load_lnkeep", rate), seriesOf("load_file", 1000)}
		for _, one := range kept {
			one.Callers = 1
		}
		verdicts := judge([]*field{{comparison: loadComparison, Series: kept}})
		if len(verdicts) != 1 || verdicts[0].Met != met {
			t.Errorf("with a rate of %v the verdicts are %+v", rate, verdicts)
		}
	}
}
