package world

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/lnkeep/lnkeep/examples/go/internal/wire"
)

// Options of a run.
type Options struct {
	// Program is this program's path, to start it again as the node.
	Program string
	// Directory of the store.
	Directory string
	Kills     int
	Seed      uint64
	// Sabotage names the step that the node leaves out; empty for a sound one.
	Sabotage string
}

// ExitStartAgain is the exit status of a node whose next life can go on: EX_TEMPFAIL of
// sysexits.
const ExitStartAgain = 75

// Run is one run of the demo.
type Run struct {
	options    Options
	ledger     *ledger
	secrets    secrets
	client     *client
	network    *network
	neighbours *neighbours
	chance     *rand.Rand
	screen     screen
	began      time.Time
	ended      time.Time
	kills      int
	// killsWhileStarting of these hit a node that had not told that it was ready.
	killsWhileStarting int
	lives              int
	// unplannedEnds are lives that ended by themselves to start again.
	unplannedEnds int
	// epoch is the greatest one that the store ever told.
	epoch uint64
	// commits and operations as reported; a killed life does not tell its last milliseconds.
	commits, operations uint64
	// inspection is of the disks of killed nodes.
	inspection inspection
	// closedCleanly: the last node ended by itself with everything resolved.
	closedCleanly bool
}

// NewRun prepares a run.
func NewRun(options Options) *Run {
	r := &Run{
		options: options, ledger: newLedger(),
		secrets: secrets{seed: options.Seed}, chance: rand.New(rand.NewPCG(options.Seed, 0)),
	}
	r.client = newClient(r.ledger, r.secrets, r.chance)
	r.network = newNetwork(r.ledger, r.secrets, r.chance)
	r.neighbours = newNeighbours(r.chance)
	return r
}

// Supervise runs life after life until all kills were done and every payment has ended. An
// error says that the run could not come to its end.
func (r *Run) Supervise(ctx context.Context) error {
	r.began = time.Now()
	defer func() {
		r.ended = time.Now()
		r.screen.progressEnd()
	}()
	for !r.closedCleanly {
		life := &attendance{run: r, plan: planOf(r.kills, r.options.Kills)}
		err := life.attend(ctx)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			return err
		}
		if err := r.judge(life); err != nil {
			return err
		}
		if !r.closedCleanly {
			if err := r.inspectAfterKill(ctx); err != nil {
				return err
			}
		}
		if life.tooSlow && life.ready {
			return nil // the figures will say what has no result
		}
	}
	return nil
}

// judge decides whether another life may follow.
func (r *Run) judge(life *attendance) error {
	if life.killed {
		if life.tooSlow && !life.ready {
			return errors.New("a node took too long to start")
		}
		return nil
	}
	var exit *exec.ExitError
	switch {
	case life.exit == nil && life.toldToEnd:
		r.closedCleanly = true
		return nil
	case errors.As(life.exit, &exit) && exit.ExitCode() == ExitStartAgain &&
		r.unplannedEnds < unplannedEndsMax:
		r.unplannedEnds++
		return nil
	}
	return fmt.Errorf("the node ended by itself: %w", life.exit)
}

// noteLife adds up what a life told.
func (r *Run) noteLife(life *attendance) {
	r.commits += life.commits
	r.operations += life.operations
	if life.killed && !life.tooSlow {
		r.kills++
		if !life.ready {
			r.killsWhileStarting++
		}
	}
	r.client.nodeDied()
	r.network.nodeDied()
	r.neighbours.nodeDied()
}

// start starts the next node, which is told first which HTLCs are held.
func (r *Run) start() (*process, error) {
	held, err := wire.Held(r.network.heldIDs())
	if err != nil {
		return nil, err
	}
	p, err := startNode(r.options, r.epoch)
	if err != nil {
		return nil, err
	}
	r.lives++
	p.answers <- held
	p.offers <- r.neighbours.reconnect()
	return p, nil
}
