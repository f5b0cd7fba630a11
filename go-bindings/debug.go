//go:build debug

package lnkeep

import (
	"runtime"
	"sync/atomic"
)

var calls atomic.Uint32

// collect runs the garbage collector after a call of C and before its answer is copied, so that a
// test meets at once what a busy program meets once a year: memory that only C still uses. After one
// call in seven, since a collection takes longer than most calls.
func collect() {
	if calls.Add(1)%7 == 0 {
		runtime.GC()
	}
}
