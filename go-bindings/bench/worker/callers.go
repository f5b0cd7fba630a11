package main

import (
	"fmt"
	"slices"
	"time"
)

// round is what some callers did in a while. Calls that end after it count as samples and not as
// operations.
type round struct {
	operations uint64
	length     time.Duration
	samples    []time.Duration
}

// String is the line that the driver reads.
func (r round) String() string {
	at := func(percent int) int64 { return r.samples[(len(r.samples)-1)*percent/100].Nanoseconds() }
	return fmt.Sprintf("round %d %d %d %d %d %d",
		r.operations, r.length.Nanoseconds(), at(50), at(90), at(99), at(100))
}

// run lets goroutines call put one call after the other until the time is over; each finishes its
// last.
func run(c contestant, callers int, length time.Duration) round {
	start := make(chan struct{})
	done := make(chan round, callers)
	for range callers {
		go func() {
			<-start
			done <- callUntilOver(c, length)
		}()
	}
	close(start)
	all := round{length: length}
	for range callers {
		one := <-done
		all.operations += one.operations
		all.samples = append(all.samples, one.samples...)
	}
	slices.Sort(all.samples)
	return all
}

func callUntilOver(c contestant, length time.Duration) round {
	var own round
	before := time.Now()
	deadline := before.Add(length)
	for before.Before(deadline) {
		must(c.put(freshIDs(c.perCall)))
		after := time.Now()
		own.samples = append(own.samples, after.Sub(before))
		if !after.After(deadline) {
			own.operations += c.perCall
		}
		before = after
	}
	return own
}
