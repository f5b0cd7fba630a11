// Command worker holds the contestants that Go programs can call: lnkeep's Go package and bbolt. It
// is driven over standard input and output, with the same lines as the worker in C
// (benches/compare):
//
//	worker FOLDER ROWS        fills every contestant with ROWS rows, prints `versions TEXT; TEXT` and
//	                          `ready NAME...`
//	round NAME CALLERS MS     prints `round OPERATIONS LENGTH_NS P50_NS P90_NS P99_NS MAX_NS`
//	phase NAME COUNT          a million attempts in bbolt (million.go), prints `phase NS VALUE`
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
	if len(os.Args) != 3 {
		log.Fatal("usage: worker FOLDER ROWS")
	}
	folder, rows := os.Args[1], number(os.Args[2])
	lastID.Store(rows)
	fmt.Printf("versions %s\n", versions())
	contestants := openAll(folder, rows)
	fmt.Print("ready")
	for _, c := range contestants {
		fmt.Print(" ", c.name)
	}
	fmt.Println()
	serve(contestants, &million{path: filepath.Join(folder, "million.db")})
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

func openAll(folder string, rows uint64) []contestant {
	own := func(name string) string {
		path := filepath.Join(folder, name)
		must(os.Mkdir(path, 0o700))
		return path
	}
	contestants := openLnkeep(own, rows)
	return append(contestants, openBolt(own, rows)...)
}

// serve answers commands until there are no more.
func serve(contestants []contestant, phases *million) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch words := strings.Fields(lines.Text()); {
		case len(words) == 4 && words[0] == "round":
			length := time.Duration(number(words[3])) * time.Millisecond
			fmt.Println(run(find(contestants, words[1]), int(number(words[2])), length))
		case len(words) == 3 && words[0] == "phase":
			took, figure := phases.run(words[1], number(words[2]))
			fmt.Println("phase", took.Nanoseconds(), figure)
		default:
			log.Fatalf("what is %q", lines.Text())
		}
	}
	must(lines.Err())
	must(phases.close())
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
