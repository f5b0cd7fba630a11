package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// sample is one round of one contestant.
type sample struct {
	PerSecond                  float64
	P50Us, P90Us, P99Us, MaxUs float64
}

// spread is the median of some figures, with their extremes.
type spread struct {
	Low, Median, High float64
}

func spreadOf(figures []float64) spread {
	if len(figures) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(figures))
	return spread{sorted[0], sorted[len(sorted)/2], sorted[len(sorted)-1]}
}

// String is the median, with the range behind it if there is one.
func (s spread) String() string {
	if s.Low == s.High || math.IsNaN(s.Median) {
		return short(s.Median)
	}
	return fmt.Sprintf("%s [%s-%s]", short(s.Median), short(s.Low), short(s.High))
}

// series is every round of one contestant with some number of callers.
type series struct {
	Name, Label string
	Callers     int
	Rounds      []sample
	// Spent is how long the rounds lasted, with the longest of the calls that ended after each.
	Spent time.Duration
}

func (s *series) median(figure func(sample) float64) float64 {
	return s.spread(figure).Median
}

func (s *series) spread(figure func(sample) float64) spread {
	var figures []float64
	for _, one := range s.Rounds {
		figures = append(figures, figure(one))
	}
	return spreadOf(figures)
}

func perSecond(s sample) float64 { return s.PerSecond }
func p50Us(s sample) float64     { return s.P50Us }
func p90Us(s sample) float64     { return s.P90Us }
func p99Us(s sample) float64     { return s.P99Us }

// ratio compares the rates of two contestants within each round, so that what the machine did
// meanwhile hits both.
func ratio(ours, theirs *series) spread {
	var ratios []float64
	for i := range min(len(ours.Rounds), len(theirs.Rounds)) {
		ratios = append(ratios, ours.Rounds[i].PerSecond/theirs.Rounds[i].PerSecond)
	}
	return spreadOf(ratios)
}

// callersText is a number of callers in words.
func callersText(callers int) string { return countText(callers, "caller") }

func countText(count int, of string) string {
	if count == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", count, of)
}

// short is a number with about three digits.
func short(number float64) string {
	switch size := math.Abs(number); {
	case math.IsNaN(number):
		return "-"
	case math.IsInf(number, 0):
		return "inf"
	case size >= 100:
		return fmt.Sprintf("%.0f", number)
	case size >= 10:
		return fmt.Sprintf("%.1f", number)
	default:
		return fmt.Sprintf("%.2f", number)
	}
}
