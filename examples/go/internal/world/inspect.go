package world

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"

	"github.com/lnkeep/lnkeep/examples/go/internal/channel"
	"github.com/lnkeep/lnkeep/examples/go/internal/forward"
	"github.com/lnkeep/lnkeep/examples/go/internal/life"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// InspectArgument, then directory and epoch, makes this program the inspector of a dead node's
// store. It tells what is there and ends without closing it, so that the next node finds the store
// as the killed one left it.
const InspectArgument = "--inspect"

// found is what a store holds about the channel.
type found struct {
	// HasStore: a node that dies early has not made one yet. The same for channel and manager.
	HasStore, HasChannel, HasManager bool
	Epoch                            uint64
	Damage                           lnkeep.Damage
	Number                           uint64
	HTLCs                            []uint64
	ManagerNumber                    uint64
	// InFlight are changes that the manager alone has. Torn: it lacks some, or is older than the
	// channel.
	InFlight int
	Torn     bool
	// Outputs are the notices that nobody acknowledged.
	Outputs []uint64
	// Forwards is the state of the resources.
	Forwards forward.State
}

// Inspect is the inspector: it writes what it found.
func Inspect(directory, epochMin string, out io.Writer) error {
	epoch, err := strconv.ParseUint(epochMin, 10, 64)
	if err != nil {
		return err
	}
	store, err := lnkeep.Open(directory, &lnkeep.StoreOptions{MustExist: true, EpochMin: epoch})
	if errors.Is(err, lnkeep.ErrNotFound) {
		return gob.NewEncoder(out).Encode(found{})
	}
	if err != nil {
		return err
	}
	f, err := read(store)
	if err != nil {
		return err
	}
	return gob.NewEncoder(out).Encode(f)
}

// read reads it from an open store, and leaves monitors and resources open: to close these would
// write to the store.
func read(store *lnkeep.Store) (found, error) {
	f := found{HasStore: true, Epoch: store.Report().Epoch}
	monitors, _, err := store.OpenMonitors(nil)
	if err != nil {
		return f, err
	}
	if err := f.readOutputs(monitors); err != nil {
		return f, err
	}
	resources, _, err := store.OpenResources(&forward.Options)
	if err != nil {
		return f, err
	}
	if f.Forwards, err = forward.Read(resources); err != nil {
		return f, err
	}
	state, damage, err := channel.Load(monitors, life.ChannelID())
	if err != nil {
		return f, err
	}
	f.Damage, f.HasChannel = damage, state != nil
	if state != nil {
		f.Number, f.HTLCs = state.Number, slices.Collect(maps.Keys(state.HTLCs))
	}
	manager, err := channel.LoadManager(monitors)
	if err != nil || manager == nil {
		return f, err
	}
	f.HasManager, f.ManagerNumber = true, manager.Number
	changes, complete := manager.After(f.Number)
	f.InFlight, f.Torn = len(changes), !complete
	return f, nil
}

func (f *found) readOutputs(monitors *lnkeep.Monitors) error {
	for {
		outputs, err := monitors.TakeOutputs(1000)
		if err != nil || len(outputs) == 0 {
			return err
		}
		for _, output := range outputs {
			f.Outputs = append(f.Outputs, output.ID)
		}
	}
}

// inspection is what was found on the disk after kills. All but the first two must be 0.
type inspection struct {
	kills, inFlight int
	// uncovered: it had left the node, and the disk does not have it. torn: channel and manager
	// disagree. noticesWrong: lost, or told before their commit.
	uncovered, torn, damaged, noticesWrong int
}

// inspectAfterKill compares the disk of a dead node with what had left it.
func (r *Run) inspectAfterKill(ctx context.Context) error {
	command := exec.CommandContext(ctx, r.options.Program, InspectArgument, r.options.Directory,
		strconv.FormatUint(r.epoch, 10))
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	var f found
	err = gob.NewDecoder(out).Decode(&f)
	if err = errors.Join(err, command.Wait()); err != nil {
		return fmt.Errorf("the store of the killed node cannot be inspected: %w", err)
	}
	r.epoch = max(r.epoch, f.Epoch)
	r.inspection.kills++
	r.inspection.compare(r, &f)
	if f.HasStore {
		r.neighbours.compare(f.Forwards)
	}
	return nil
}

func (i *inspection) compare(r *Run, f *found) {
	i.inFlight += f.InFlight
	count(&i.damaged, f.Damage != lnkeep.DamageNone)
	count(&i.torn, f.Torn || f.HasChannel != f.HasManager)
	count(&i.uncovered, r.network.number > f.Number)
	held := map[uint64]bool{}
	for _, id := range f.HTLCs {
		held[id] = true
		if attempt := r.ledger.attempts[id]; attempt != nil {
			count(&i.uncovered, attempt.confirmed)
			count(&i.noticesWrong, attempt.notices > 0)
		}
	}
	for id, htlc := range r.network.held {
		// One that the network has not answered cannot have been removed.
		count(&i.uncovered, htlc.place != answered && !held[id])
	}
	i.compareOutputs(f.Outputs, r.ledger.lastNotice)
}

// compareOutputs: notices are acknowledged in their order, after they were told. What is left
// begins at the latest with the first one that the client does not have.
func (i *inspection) compareOutputs(outputs []uint64, lastNotice uint64) {
	if len(outputs) == 0 {
		return
	}
	first, last := outputs[0], outputs[len(outputs)-1]
	count(&i.noticesWrong, last-first+1 != uint64(len(outputs)))
	count(&i.noticesWrong, first > lastNotice+1)
	count(&i.noticesWrong, last < lastNotice)
}
