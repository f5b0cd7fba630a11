package main

import (
	"fmt"
	"math"
)

// Measures of a chart, in the units of its SVG.
const (
	labelWidth  = 340.0
	plotWidth   = 420.0
	valueWidth  = 130.0
	barHeight   = 20.0
	axisHeight  = 44.0
	chartWidth  = labelWidth + plotWidth + valueWidth
	latencyLow  = 10.0
	latencyHigh = 10e6
)

// mark is one contestant in a chart: a bar from the left edge, or a line from one percentile to
// another.
type mark struct {
	Label, Value string
	From, To     float64
	Middle       float64
	Top          float64
	Ours         bool
}

// TextY is the height of the line of text beside the mark.
func (m mark) TextY() float64 { return m.Top + barHeight*0.7 }

// Centre is the height of the middle of the mark.
func (m mark) Centre() float64 { return m.Top + barHeight/2 }

// tick is a labelled place on the axis.
type tick struct {
	X    float64
	Text string
}

// chart is a panel of marks over one horizontal axis.
type chart struct {
	Title, Axis   string
	Marks         []mark
	Ticks         []tick
	Width, Height float64
	Left, Bottom  float64
	// Lines says that the marks are lines from percentile to percentile, not bars.
	Lines bool
}

func newChart(title, axis string) chart {
	return chart{Title: title, Axis: axis, Width: chartWidth, Left: labelWidth}
}

func (c *chart) add(m mark) {
	m.Top = float64(len(c.Marks)) * barHeight
	c.Marks = append(c.Marks, m)
	c.Bottom = float64(len(c.Marks)) * barHeight
	c.Height = c.Bottom + axisHeight
}

// rates shows how much a second becomes durable, as bars from 0.
func rates(f *field, g group) chart {
	c := newChart(g.heading+", "+f.heading(), f.axis)
	most := 0.0
	for _, one := range f.seriesOf(g) {
		most = max(most, one.median(perSecond))
	}
	step := niceStep(most)
	end := step * math.Ceil(max(most, step)/step)
	place := func(value float64) float64 { return labelWidth + plotWidth*value/end }
	for value := 0.0; value <= end; value += step {
		c.Ticks = append(c.Ticks, tick{place(value), thousands(value)})
	}
	for _, one := range f.seriesOf(g) {
		value := one.median(perSecond)
		c.add(mark{Label: one.Label, Value: thousands(value), From: labelWidth,
			To: place(value), Ours: ours(one.Name)})
	}
	return c
}

// latencies shows how long a call took, as lines from the median to the 99th percentile.
func latencies(f *field, g group) chart {
	c := newChart(g.heading+", "+f.heading(), "time of a call, p50 to p99, logarithmic")
	c.Lines = true
	decades := math.Log10(latencyHigh / latencyLow)
	place := func(us float64) float64 {
		part := math.Log10(us/latencyLow) / decades
		return labelWidth + plotWidth*min(max(part, 0), 1)
	}
	for us := latencyLow; us <= latencyHigh; us *= 10 {
		c.Ticks = append(c.Ticks, tick{place(us), duration(us)})
	}
	for _, one := range f.seriesOf(g) {
		low, high := one.median(p50Us), one.median(p99Us)
		c.add(mark{Label: one.Label, Value: duration(low) + " / " + duration(high),
			From: place(low), To: place(high), Middle: place(low), Ours: ours(one.Name)})
	}
	return c
}

// niceStep is 1, 2 or 5 times a power of ten, so that about five steps make the whole.
func niceStep(whole float64) float64 {
	if whole <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(whole/5)))
	for _, factor := range []float64{1, 2, 5} {
		if whole/(factor*power) <= 5 {
			return factor * power
		}
	}
	return 10 * power
}

// thousands is a whole number with commas.
func thousands(value float64) string {
	text := fmt.Sprintf("%.0f", value)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// duration is a time in the unit that suits it.
func duration(us float64) string {
	switch {
	case us < 1e3:
		return short(us) + " us"
	case us < 1e6:
		return short(us/1e3) + " ms"
	default:
		return short(us/1e6) + " s"
	}
}
