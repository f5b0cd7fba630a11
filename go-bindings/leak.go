package lnkeep

import (
	"fmt"
	"log"
	"runtime"
	"sync/atomic"
)

// Leak is something that was opened, never closed, and is no longer reachable.
type Leak struct {
	// Kind is the type, such as "Store".
	Kind string
	// Name is what was opened: a path, a cursor's name, an attempt's key.
	Name string
	// Opened is the file and line of the call that opened it.
	Opened string
}

// String says what was leaked, and where it was opened.
func (l Leak) String() string {
	return fmt.Sprintf("lnkeep: %s %q, opened at %s, was never closed", l.Kind, l.Name, l.Opened)
}

var leakHandler atomic.Pointer[func(Leak)]

// SetLeakHandler replaces what is told about leaks; nil restores the default, which is log.Print. The
// handler runs on a goroutine of the runtime, some time after a garbage collection, and must return
// soon. It is an alarm only: a leak is never closed by itself. Safe for concurrent use.
func SetLeakHandler(handler func(Leak)) {
	if handler == nil {
		leakHandler.Store(nil)
		return
	}
	leakHandler.Store(&handler)
}

// alarmed is what the runtime hands over when a value is gone; it must not refer to the value.
type alarmed struct {
	leak Leak
	core *core
}

// setAlarm watches a value that its owner must close; closing it stops the alarm, and closing its store
// silences it. depth is 2 for the caller of the function that calls this one.
func setAlarm[T any](value *T, core *core, depth int, kind, name string) runtime.Cleanup {
	leak := Leak{Kind: kind, Name: name, Opened: "unknown"}
	if _, file, line, ok := runtime.Caller(depth); ok {
		leak.Opened = fmt.Sprintf("%s:%d", file, line)
	}
	return runtime.AddCleanup(value, sound, alarmed{leak, core})
}

func sound(a alarmed) {
	if a.core.closed.Load() {
		return
	}
	if handler := leakHandler.Load(); handler != nil {
		(*handler)(a.leak)
		return
	}
	log.Print(a.leak)
}
