// Command worker holds the contestants that Go programs can call: lnkeep's Go package and bbolt. It
// is driven over standard input and output, with the same lines as the worker in C
// (benches/compare):
//
//	worker FOLDER SET ROWS    fills every contestant of a set (rows, payments, none) with ROWS rows,
//	                          prints `versions TEXT; TEXT` and `ready NAME...`
//	round NAME CALLERS MS     prints `round OPERATIONS LENGTH_NS P50_NS P90_NS P99_NS MAX_NS`
//	phase NAME COUNT          a million attempts (million.go) or payments (tower_million.go) in bbolt,
//	                          prints `phase NS VALUE`
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// contestant is one way to make rows durable.
type contestant struct {
	name string
	// perCall is how many rows one call of put makes durable.
	perCall uint64
	// prepare makes ready for a round of this length before it is timed; nil when there is nothing to do.
	prepare func(length time.Duration) error
	// put makes the rows of perCall fresh ids durable, beginning with first.
	put func(first uint64) error
	// stop closes what put uses.
	stop func() error
}

var lastID atomic.Uint64

func freshIDs(count uint64) uint64 { return lastID.Add(count) - count + 1 }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// number is a command's field that is a whole number of at least 0.
func number(text string) uint64 {
	value, err := strconv.ParseUint(text, 10, 63)
	must(err)
	return value
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("worker: ")
	if len(os.Args) != 4 {
		log.Fatal("usage: worker FOLDER SET ROWS")
	}
	folder, set, rows := os.Args[1], os.Args[2], number(os.Args[3])
	lastID.Store(rows)
	fmt.Printf("versions %s\n", versions())
	contestants := openAll(folder, set, rows)
	fmt.Print("ready")
	for _, c := range contestants {
		fmt.Print(" ", c.name)
	}
	fmt.Println()
	serve(contestants, &million{path: filepath.Join(folder, "million.db")}, &towerMillion{path: folder})
	for _, c := range contestants {
		must(c.stop())
	}
}

// versions says what this program is built of; a bbolt that was patched says so.
func versions() string {
	text := runtime.Version()
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if strings.HasSuffix(module.Path, "/bbolt") {
			text += "; bbolt " + module.Version
		}
		if module.Replace != nil && strings.HasSuffix(module.Path, "/bbolt") {
			text += " with a sleep after each flush"
		}
	}
	return text
}

func openAll(folder, set string, rows uint64) []contestant {
	own := func(name string) string {
		path := filepath.Join(folder, name)
		must(os.Mkdir(path, 0o700))
		return path
	}
	switch set {
	case "rows":
		return append(openLnkeep(own, rows), openBolt(own, rows)...)
	case "payments":
		return openPayments(own, rows)
	case "none":
		return nil
	}
	log.Fatalf("there is no set %q", set)
	return nil
}

// serve answers commands until there are no more.
func serve(contestants []contestant, attempts *million, payments *towerMillion) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch words := strings.Fields(lines.Text()); {
		case len(words) == 4 && words[0] == "round":
			length := time.Duration(number(words[3])) * time.Millisecond
			c := find(contestants, words[1])
			if c.prepare != nil {
				must(c.prepare(length))
			}
			fmt.Println(run(c, int(number(words[2])), length))
		case len(words) == 3 && words[0] == "phase":
			took, figure := runPhase(words[1], number(words[2]), attempts, payments)
			fmt.Println("phase", took.Nanoseconds(), figure)
		default:
			log.Fatalf("what is %q", lines.Text())
		}
	}
	must(lines.Err())
	must(attempts.close())
	must(payments.close())
}

// runPhase runs a phase of either comparison and answers how long it took and its figure.
func runPhase(
	name string, count uint64, attempts *million, payments *towerMillion,
) (time.Duration, uint64) {
	phase := payments.phase(name)
	if phase == nil {
		return attempts.run(name, count)
	}
	must(payments.open())
	took, figure, err := phase(count)
	must(err)
	return took, figure
}

func find(contestants []contestant, name string) contestant {
	for _, c := range contestants {
		if c.name == name {
			return c
		}
	}
	log.Fatalf("there is no contestant %q", name)
	return contestant{}
}
