package main

import (
	"math"
	"testing"
)

func seriesOf(name string, rates ...float64) *series {
	s := &series{Name: name, Label: name, Callers: 16}
	for _, rate := range rates {
		s.Rounds = append(s.Rounds, sample{PerSecond: rate, P50Us: 1e6 / rate, P99Us: 1e7 / rate})
	}
	return s
}

func TestSpreadOf(t *testing.T) {
	if got, want := spreadOf([]float64{3, 1, 2}), (spread{1, 2, 3}); got != want {
		t.Errorf("spread is %v, want %v", got, want)
	}
	if got := spreadOf(nil); !math.IsNaN(got.Median) {
		t.Errorf("spread of nothing is %v", got)
	}
}

func TestRatio_PairsRounds(t *testing.T) {
	// The second round was made on a machine half as fast: the ratio does not see that.
	got := ratio(seriesOf("a", 100, 50, 120), seriesOf("b", 10, 5, 10))
	if want := (spread{10, 10, 12}); got != want {
		t.Errorf("ratio is %v, want %v", got, want)
	}
	// Only rounds that both took part in count.
	got = ratio(seriesOf("a", 100, 50, 120), seriesOf("b", 50))
	if want := (spread{2, 2, 2}); got != want {
		t.Errorf("ratio is %v, want %v", got, want)
	}
}

func TestShort(t *testing.T) {
	for number, want := range map[float64]string{
		0.034: "0.03", 1.234: "1.23", 12.34: "12.3", 1234.5: "1234", math.NaN(): "-",
	} {
		if got := short(number); got != want {
			t.Errorf("short(%v) is %q, want %q", number, got, want)
		}
	}
}

func TestParseSample(t *testing.T) {
	got, err := parseSample("300 100000000 1000 2000 3000 4000")
	if want := (sample{3000, 1, 2, 3, 4}); err != nil || got != want {
		t.Errorf("sample is %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "1 2 3", "1 0 1 1 1 1", "1 x 1 1 1 1"} {
		if _, err := parseSample(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestJudge(t *testing.T) {
	fields := []*field{
		{Series: []*series{seriesOf("lnkeep", 120), seriesOf("bbolt_batch", 10)}},
		{AddedUs: 1000, Series: []*series{seriesOf("lnkeep", 30), seriesOf("bbolt_batch", 10)}},
	}
	verdicts := judge(fields)
	if len(verdicts) != 2 || !verdicts[0].Met || verdicts[1].Met {
		t.Errorf("verdicts are %+v", verdicts)
	}
}

func TestLongestMount(t *testing.T) {
	mounts := "a / ext4 rw 0 0\nb /data xfs rw 0 0\nc /dat tmpfs rw 0 0\n"
	for folder, want := range map[string]string{
		"/data/x": "xfs (rw)", "/database": "ext4 (rw)", "/dat": "tmpfs (rw)",
	} {
		if got := longestMount(mounts, folder); got != want {
			t.Errorf("%s lies on %q, want %q", folder, got, want)
		}
	}
}
