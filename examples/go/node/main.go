// Node is the main job of lnkeep in Go: a small Lightning node that is killed again and again.
//
// Started without --node it is the world around the node (package world): client, network and
// killer. It starts itself again with --node, and that process is the node (package life),
// which keeps its payments with lnkeep, asks it whether to forward HTLCs of others, and speaks to
// its peer in messages of lnd's lnwire. When
// the last node has closed its store, what it kept is compared with what the world saw; and after
// each kill, whether the disk covers what had left the node.
//
// Exit status: 0 when every number is as it must be, 1 when one is wrong, 2 when the demo could
// not run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/examples/go/internal/life"
	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
	"github.com/lnkeep/lnkeep/examples/go/internal/world"
	"github.com/lnkeep/lnkeep/go-bindings"
)

const (
	exitWrong       = 1
	exitCouldNotRun = 2

	killsDefault  = 100
	killsSabotage = 20
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 5 && os.Args[1] == world.NodeArgument {
		os.Exit(runNode(os.Args[2], os.Args[3], os.Args[4]))
	}
	if len(os.Args) == 4 && os.Args[1] == world.InspectArgument {
		if err := world.Inspect(os.Args[2], os.Args[3], os.Stdout); err != nil {
			log.Print("inspector: ", err)
			os.Exit(exitCouldNotRun)
		}
		os.Exit(0) // without closing the store
	}
	os.Exit(runWorld())
}

// runNode is the node: startNode in package world writes these arguments.
func runNode(directory, epoch, sabotage string) int {
	options := life.Options{Directory: directory, Sabotage: sabotage}
	if err := errors.Join(connect(&options), parseEpoch(&options, epoch)); err != nil {
		log.Print("node: ", err)
		return exitCouldNotRun
	}
	err := life.Run(context.Background(), options)
	switch {
	case err == nil:
		return 0
	case life.MustRestart(err):
		log.Print("node: starting again: ", err)
		return world.ExitStartAgain
	}
	log.Print("node: ", err)
	return exitCouldNotRun
}

func connect(options *life.Options) error {
	client, err := wire.Inherited(world.ClientDescriptor)
	if err != nil {
		return err
	}
	peer, err := wire.Inherited(world.PeerDescriptor)
	if err != nil {
		return err
	}
	neighbours, err := wire.Inherited(world.NeighboursDescriptor)
	if err != nil {
		return err
	}
	options.Client = wire.NewClient[wire.Order, wire.Report](client)
	options.Peer = wire.NewPeer(peer)
	options.Neighbours = wire.NewClient[forward.Order, forward.Report](neighbours)
	return nil
}

func parseEpoch(options *life.Options, text string) (err error) {
	options.EpochMin, err = strconv.ParseUint(text, 10, 64)
	return err
}

func runWorld() int {
	options, err := parseOptions()
	if err != nil {
		log.Print(err)
		return exitCouldNotRun
	}
	remove, err := prepareDirectory(&options)
	if err != nil {
		log.Print(err)
		return exitCouldNotRun
	}
	defer remove()
	ctx, stop := signal.NotifyContext(context.Background(),
		os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	kind := ""
	if options.Sabotage != "" {
		kind = " of a node that " + life.Sabotages()[options.Sabotage]
	}
	fmt.Printf("lnkeep %s, Go: %d kills%s, seed %d\n",
		lnkeep.Version(), options.Kills, kind, options.Seed)
	run := world.NewRun(options)
	if err := run.Supervise(ctx); err != nil {
		log.Print(err)
		return exitCouldNotRun
	}
	tally, err := run.Verify()
	if err != nil {
		log.Print("verifier: ", err)
		return exitCouldNotRun
	}
	if !run.Print(os.Stdout, tally) {
		return exitWrong
	}
	return 0
}

func parseOptions() (options world.Options, err error) {
	names := slices.Sorted(maps.Keys(life.Sabotages()))
	flag.IntVar(&options.Kills, "kills", -1,
		"how often; 100, or the environment's LNKEEP_DEMO_KILLS")
	flag.Uint64Var(&options.Seed, "seed", 0, "repeat the plan of a run; 0 takes a new one")
	flag.StringVar(&options.Directory, "dir", "",
		"a new or empty directory for the store, which is kept;\n"+
			"else a temporary one beside this program")
	flag.StringVar(&options.Sabotage, "break", "",
		fmt.Sprintf("switch one step of safety off: %v; must end with 1", names))
	flag.Parse()
	if flag.NArg() > 0 {
		return options, fmt.Errorf("%q is no option; --help lists them", flag.Arg(0))
	}
	if options.Sabotage != "" && !slices.Contains(names, options.Sabotage) {
		return options, fmt.Errorf("--break needs one of %v", names)
	}
	if options.Seed == 0 {
		options.Seed = rand.Uint64N(1_000_000_000_000) + 1
	}
	if options.Program, err = os.Executable(); err != nil {
		return options, err
	}
	if options.Kills < 0 {
		options.Kills, err = killsOfEnvironment(options.Sabotage)
	}
	return options, err
}

func killsOfEnvironment(sabotage string) (int, error) {
	text, given := os.LookupEnv("LNKEEP_DEMO_KILLS")
	switch {
	case given:
		kills, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("LNKEEP_DEMO_KILLS: %w", err)
		}
		return int(kills), nil
	case sabotage != "":
		return killsSabotage, nil
	}
	return killsDefault, nil
}

// prepareDirectory makes a directory for the store where there is none. Not in /tmp, which lies
// in memory on many machines: a flush would cost nothing there.
func prepareDirectory(options *world.Options) (remove func(), err error) {
	if options.Directory == "" {
		options.Directory, err = os.MkdirTemp(filepath.Dir(options.Program), "store.")
		return func() { _ = os.RemoveAll(options.Directory) }, err
	}
	// Payments of another run would be taken for contradictions.
	entries, err := os.ReadDir(options.Directory)
	if err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s: the directory is not empty", options.Directory)
	}
	return func() {}, os.MkdirAll(options.Directory, 0o700)
}
