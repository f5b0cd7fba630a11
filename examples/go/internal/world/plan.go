package world

import "time"

// plan is when the node of one life is to die.
type plan int

const (
	killNever plan = iota
	// killStarting: while it opens and recovers.
	killStarting
	// killAnyMoment: the same, once it is ready.
	killAnyMoment
	// killAfterReport: right after it acknowledged something.
	killAfterReport
)

const (
	killAfterMin = 5 * time.Millisecond // after the node was ready
	killAfterMax = 120 * time.Millisecond
	// killStartingEvery: one kill of so many hits the node while it starts, at most
	// killStartingMax after its start.
	killStartingEvery = 6
	killStartingMax   = 60 * time.Millisecond
	// killReportMax is the longest wait for the acknowledgement to kill after.
	killReportMax = 20 * time.Millisecond
	readyMax      = 60 * time.Second
	// resolveMax: without a kill everything must have a result after so long.
	resolveMax = 30 * time.Second
	// resolveSabotagedMax: so must that of a node that may never get there.
	resolveSabotagedMax = 5 * time.Second
	// unplannedEndsMax is how many lives may end by themselves to start again.
	unplannedEndsMax = 5
)

// planOf is the plan of the life after so many kills.
func planOf(kills, killsMax int) plan {
	switch {
	case kills == killsMax:
		return killNever
	case kills%killStartingEvery == killStartingEvery-1:
		return killStarting
	case kills%2 == 0:
		return killAfterReport
	}
	return killAnyMoment
}
