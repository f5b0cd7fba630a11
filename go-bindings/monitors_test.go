package lnkeep_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// speaksOf fails unless an error names a channel and a number; a number below 0 means none.
func speaksOf(t testing.TB, err, sentinel error, letter byte, value int64) {
	t.Helper()
	want(t, err, sentinel)
	var known *lnkeep.Error
	if !errors.As(err, &known) {
		t.Fatal(err)
	}
	if known.Channel == nil || *known.Channel != channel(letter) {
		t.Errorf("%v is about the channel %v", err, known.Channel)
	}
	if (known.Value == nil) != (value < 0) || known.Value != nil && *known.Value != uint64(value) {
		t.Errorf("%v speaks of %v, not %d", err, known.Value, value)
	}
}

func TestMonitors_EverythingComesBackAsItWasGiven(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	monitors, report := openMonitors(t, store, nil)
	if report != (lnkeep.MonitorsReport{LastClose: lnkeep.LastCloseNew}) {
		t.Fatalf("%+v", report)
	}
	if manager, err := monitors.Manager(); manager != nil || err != nil {
		t.Fatal(manager, err)
	}
	block := lnkeep.Block{Hash: [32]byte{9, 8}, Height: 700_000}
	snapshot := bytes.Repeat([]byte{1, 2, 3}, 1<<20)
	ticket(t)(monitors.QueueNew(channel('a'), 5, snapshot, block))
	queueUpdates(t, monitors, 'a', 6, 7)
	ticket(t)(monitors.QueueOutput(lnkeep.OutputVolatile, math.MaxUint64, []byte("message")))
	last := ticket(t)(monitors.QueueOutput(lnkeep.OutputDurable, 2, []byte("event")))
	if durable, err := monitors.IsDurable(last); durable || err != nil {
		t.Fatal(durable, err)
	}
	state, err := monitors.State()
	must(t, err)
	bytesQueued := uint64(len(snapshot) + 2 + len("message") + len("event"))
	if state != (lnkeep.MonitorsState{PendingOperations: 5, PendingBytes: bytesQueued}) {
		t.Fatalf("%+v", state)
	}
	if done := commitAll(t, monitors); done != (lnkeep.Committed{CommitSequence: 1, Applied: 5}) {
		t.Fatalf("%+v", done)
	}
	if durable, err := monitors.IsDurable(last); !durable || err != nil {
		t.Fatal(durable, err)
	}
	takeOnce(t, monitors)
	must(t, store.Close())

	store = openStore(t, path, nil)
	monitors, report = openMonitors(t, store, nil)
	if report != (lnkeep.MonitorsReport{CommitSequence: 1, Outputs: 1, LastClose: lnkeep.LastCloseClean}) {
		t.Fatalf("%+v", report)
	}
	found := lnkeep.Channel{
		ID: channel('a'), SnapshotUpdateID: 5, LatestUpdateID: 7, SnapshotBytes: uint64(len(snapshot)),
		UpdateBytes: 2, Block: block,
	}
	monitor, err := monitors.Load(channel('a'))
	must(t, err)
	if !reflect.DeepEqual(monitor, &lnkeep.Monitor{
		Channel: found, Stage: lnkeep.ChannelActive, Snapshot: snapshot,
		Updates: []lnkeep.MonitorUpdate{{ID: 6, Update: updateOf(6)}, {ID: 7, Update: updateOf(7)}},
	}) {
		t.Fatalf("%+v", monitor)
	}
	if manager, err := monitors.Manager(); string(manager) != "manager" || err != nil {
		t.Fatal(manager, err)
	}
	state, err = monitors.State()
	must(t, err)
	if state.RescanHeight == nil || *state.RescanHeight != block.Height || state.CommitSequence != 1 {
		t.Fatalf("%+v", state)
	}
}

// takeOnce holds what the first commit lets out against what was queued.
func takeOnce(t *testing.T, monitors *lnkeep.Monitors) {
	wanted := []lnkeep.Completion{
		{Channel: channel('a'), UpdateID: 5, Kind: lnkeep.CompletionNew},
		{Channel: channel('a'), UpdateID: 6, Kind: lnkeep.CompletionUpdate},
		{Channel: channel('a'), UpdateID: 7, Kind: lnkeep.CompletionUpdate},
	}
	if completions, err := monitors.Completions(10); err != nil || !slices.Equal(completions, wanted) {
		t.Fatal(completions, err)
	}
	outputs, err := monitors.TakeOutputs(10)
	must(t, err)
	if !reflect.DeepEqual(outputs, []lnkeep.Output{
		{Tag: math.MaxUint64, Payload: []byte("message")}, {ID: 1, Tag: 2, Payload: []byte("event")},
	}) || outputs[0].Class() != lnkeep.OutputVolatile || outputs[1].Class() != lnkeep.OutputDurable {
		t.Fatalf("%+v", outputs)
	}
}

func TestMonitors_QueueUpdate_ARepeatIsNoError(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	queueNew(t, monitors, 'a')
	queueUpdates(t, monitors, 'a', 1, 1)
	queued, err := monitors.QueueUpdate(channel('a'), 1, updateOf(1))
	if err != nil || queued != (lnkeep.Queued{Already: true}) {
		t.Fatal(queued, err)
	}
	commitAll(t, monitors)
	queued, err = monitors.QueueUpdate(channel('a'), 1, updateOf(1))
	if err != nil || queued != (lnkeep.Queued{Already: true, Durable: true}) {
		t.Fatal(queued, err)
	}
	_, err = monitors.QueueUpdate(channel('a'), 1, updateOf(2))
	speaksOf(t, err, lnkeep.ErrUpdateConflict, 'a', 1)
	if state, err := monitors.State(); err != nil || state.PendingOperations != 0 {
		t.Fatal(state, err)
	}
}

func TestMonitors_Queue_EveryRefusal(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{
		UpdatesMax: 4, NoCriticalReserve: true, PendingOpsMax: 8,
	})
	a, block := channel('a'), lnkeep.Block{}
	update := func(id uint64, content []byte, urgency ...lnkeep.Urgency) error {
		_, err := monitors.QueueUpdate(a, id, content, urgency...)
		return err
	}
	snapshot := func(id uint64, content []byte, urgency ...lnkeep.Urgency) error {
		_, err := monitors.QueueSnapshot(a, id, content, nil, urgency...)
		return err
	}
	create := func(id uint64, content []byte, urgency ...lnkeep.Urgency) error {
		_, err := monitors.QueueNew(a, id, content, block, urgency...)
		return err
	}
	archive := func() error { _, err := monitors.QueueArchive(a); return err }

	speaksOf(t, update(1, updateOf(1)), lnkeep.ErrUnknownChannel, 'a', -1)
	speaksOf(t, snapshot(1, updateOf(1)), lnkeep.ErrUnknownChannel, 'a', -1)
	speaksOf(t, archive(), lnkeep.ErrUnknownChannel, 'a', -1)
	speaksOf(t, create(math.MaxUint64, updateOf(1)), lnkeep.ErrBadUpdateID, 'a', -1)
	want(t, create(0, nil), lnkeep.ErrInvalidArgument)
	must(t, create(3, updateOf(1)))
	speaksOf(t, create(3, updateOf(1)), lnkeep.ErrDuplicateChannel, 'a', -1)
	speaksOf(t, update(3, updateOf(3)), lnkeep.ErrUpdateStale, 'a', 3)
	speaksOf(t, update(6, updateOf(6)), lnkeep.ErrUpdateGap, 'a', 4)
	speaksOf(t, update(math.MaxUint64, updateOf(6)), lnkeep.ErrBadUpdateID, 'a', -1)
	want(t, update(4, []byte{}), lnkeep.ErrInvalidArgument)
	want(t, update(4, make([]byte, 4<<20)), lnkeep.ErrTooBig)
	speaksOf(t, snapshot(4, updateOf(1)), lnkeep.ErrSnapshotAhead, 'a', 3)
	speaksOf(t, snapshot(2, updateOf(1)), lnkeep.ErrSnapshotStale, 'a', 3)
	want(t, snapshot(3, nil), lnkeep.ErrInvalidArgument)
	queueUpdates(t, monitors, 'a', 4, 7)
	speaksOf(t, update(8, updateOf(8)), lnkeep.ErrSnapshotRequired, 'a', -1)
	must(t, snapshot(7, updateOf(1)))
	must(t, monitors.CanQueue(2, 100))
	want(t, monitors.CanQueue(3, 0), lnkeep.ErrQueueFull)
	want(t, monitors.CanQueue(1, 1<<40), lnkeep.ErrQueueFull)
	must(t, archive())
	speaksOf(t, archive(), lnkeep.ErrChannelArchived, 'a', -1)
	speaksOf(t, update(8, updateOf(8)), lnkeep.ErrChannelArchived, 'a', -1)
	for _, refused := range []error{
		update(8, updateOf(8), 2), snapshot(8, updateOf(8), lnkeep.Critical, 4), create(8, updateOf(8), 8),
		monitors.CanQueue(1, 1, 16),
	} {
		want(t, refused, lnkeep.ErrInvalidArgument)
	}
}

func TestMonitors_QueueOutput_EveryRefusal(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{PendingOpsMax: 1})
	_, err := monitors.QueueOutput(7, 0, []byte("x"))
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = monitors.QueueOutput(lnkeep.OutputVolatile, 0, nil)
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = monitors.QueueOutput(lnkeep.OutputVolatile, 0, make([]byte, 4<<20))
	want(t, err, lnkeep.ErrTooBig)
	ticket(t)(monitors.QueueOutput(lnkeep.OutputDurable, 0, []byte("x")))
	_, err = monitors.QueueOutput(lnkeep.OutputDurable, 0, []byte("x"))
	want(t, err, lnkeep.ErrQueueFull)
	want(t, err, lnkeep.ErrRetry)
	for _, number := range []uint64{0, 2, math.MaxUint64} {
		_, err := monitors.IsDurable(number)
		want(t, err, lnkeep.ErrBadTicket)
	}
}

func TestMonitors_Critical_UsesTheReserve(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{
		PendingOpsMax: 2, PendingBytesMax: 8, CriticalReserveOps: 1,
	})
	queueNew(t, monitors, 'a')
	queueUpdates(t, monitors, 'a', 1, 1)
	_, err := monitors.QueueUpdate(channel('a'), 2, updateOf(2))
	want(t, err, lnkeep.ErrQueueFull)
	must(t, monitors.CanQueue(1, 1000, lnkeep.Critical))
	queued, err := monitors.QueueUpdate(channel('a'), 2, bytes.Repeat([]byte{1}, 1000), lnkeep.Critical)
	if err != nil || queued.Ticket != 3 {
		t.Fatal(queued, err)
	}
	_, err = monitors.QueueUpdate(channel('a'), 3, updateOf(3), lnkeep.Critical)
	want(t, err, lnkeep.ErrQueueFull)
}

func TestMonitors_ArchiveAndPurge(t *testing.T) {
	_, monitors := newMonitors(t, nil)
	queueNew(t, monitors, 'a', 'b')
	ticket(t)(monitors.QueueArchive(channel('a')))
	if done := commitAll(t, monitors); done.Applied != 3 {
		t.Fatal(done)
	}
	completions, err := monitors.Completions(10)
	must(t, err)
	if completions[2] != (lnkeep.Completion{Channel: channel('a'), Kind: lnkeep.CompletionArchive}) {
		t.Fatal(completions)
	}
	stages := map[lnkeep.ChannelStage]byte{lnkeep.ChannelActive: 'b', lnkeep.ChannelArchived: 'a'}
	for stage, letter := range stages {
		for found, err := range monitors.Channels(stage) {
			must(t, err)
			monitor, err := monitors.Load(found.ID)
			must(t, err)
			if found.ID != channel(letter) || monitor.Stage != stage || monitor.Channel != found {
				t.Fatalf("%+v %+v", found, monitor)
			}
		}
	}
	_, err = monitors.Purge(soon(t), channel('b'))
	speaksOf(t, err, lnkeep.ErrNotArchived, 'b', -1)
	sequence, err := monitors.Purge(soon(t), channel('a'))
	if sequence != 2 || err != nil {
		t.Fatal(sequence, err)
	}
	_, err = monitors.Load(channel('a'))
	speaksOf(t, err, lnkeep.ErrUnknownChannel, 'a', -1)
	_, err = monitors.QueueNew(channel('a'), 0, []byte("again"), lnkeep.Block{})
	speaksOf(t, err, lnkeep.ErrDuplicateChannel, 'a', -1)
}

func TestMonitors_ChannelsAndNeedSnapshot_GoOverPages(t *testing.T) {
	_, monitors := newMonitors(t, &lnkeep.MonitorsOptions{SnapshotEveryUpdates: 1, PendingOpsMax: 2000})
	const channels = 600
	var ids []lnkeep.ChannelID
	for i := range channels {
		id := lnkeep.ChannelID{byte(i >> 8), byte(i)}
		ids = append(ids, id)
		ticket(t)(monitors.QueueNew(id, 0, []byte("base"), lnkeep.Block{}))
		_, err := monitors.QueueUpdate(id, 1, []byte("update"))
		must(t, err)
	}
	if done := commitAll(t, monitors); done.NeedSnapshot != channels || done.Applied != 2*channels {
		t.Fatal(done)
	}
	var listed []lnkeep.ChannelID
	for found, err := range monitors.Channels(lnkeep.ChannelActive) {
		must(t, err)
		listed = append(listed, found.ID)
	}
	if !slices.Equal(listed, ids) {
		t.Fatal(len(listed))
	}
	wanted, err := monitors.NeedSnapshot()
	must(t, err)
	listed = nil
	for _, found := range wanted {
		if found.LatestUpdateID != 1 || found.UpdateBytes != uint64(len("update")) {
			t.Fatalf("%+v", found)
		}
		listed = append(listed, found.ID)
	}
	if !slices.Equal(listed, ids) {
		t.Fatal(len(listed))
	}
	for range monitors.Channels(lnkeep.ChannelActive) {
		break
	}
	for _, err := range monitors.Channels(9) {
		want(t, err, lnkeep.ErrInvalidArgument)
	}
	// 1,200 completions come in two portions, in order.
	for _, n := range []int{1024, 176, 0} {
		completions, err := monitors.Completions(2000)
		if err != nil || len(completions) != n {
			t.Fatal(len(completions), err)
		}
	}
	_, err = monitors.Completions(-1)
	want(t, err, lnkeep.ErrInvalidArgument)
	_, err = monitors.TakeOutputs(-1)
	want(t, err, lnkeep.ErrInvalidArgument)
	if none, err := monitors.TakeOutputs(0); none != nil || err != nil {
		t.Fatal(none, err)
	}
}

func TestMonitors_Outputs_ComeBackUntilTheyAreAcknowledged(t *testing.T) {
	path := newPath(t)
	for round := range uint64(3) {
		store := openStore(t, path, nil)
		monitors, report := openMonitors(t, store, nil)
		if round == 0 {
			classes := []lnkeep.OutputClass{lnkeep.OutputDurable, lnkeep.OutputVolatile, lnkeep.OutputDurable}
			for _, class := range classes {
				ticket(t)(monitors.QueueOutput(class, 7, []byte(class.String())))
			}
			if outputs, err := monitors.TakeOutputs(9); len(outputs) != 0 || err != nil {
				t.Fatal("an output left before its commit:", outputs, err)
			}
			commitAll(t, monitors)
			must(t, store.Close())
			continue
		}
		if report.Outputs != 3-round {
			t.Fatalf("%+v", report)
		}
		// The bell rings for what earlier sessions left.
		must(t, monitors.Wait(soon(t)))
		outputs, err := monitors.TakeOutputs(9)
		must(t, err)
		if uint64(len(outputs)) != 3-round || outputs[0].ID != round || string(outputs[0].Payload) != "durable" {
			t.Fatalf("%+v", outputs)
		}
		must(t, monitors.Acknowledge(round))
		want(t, monitors.Acknowledge(round), lnkeep.ErrUnknownOutput)
		want(t, monitors.Acknowledge(99), lnkeep.ErrUnknownOutput)
		commitAll(t, monitors)
		must(t, monitors.Close())
		must(t, store.Close())
	}
}

func TestMonitors_AfterARestoreTheyMayBeStale(t *testing.T) {
	store, monitors := newMonitors(t, nil)
	queueNew(t, monitors, 'a')
	commitAll(t, monitors)
	backup, directory := newPath(t), newPath(t)
	_, err := store.Backup(soon(t), backup)
	must(t, err)
	_, err = lnkeep.Restore(soon(t), backup, directory, lnkeep.RestoreOptions{})
	must(t, err)
	_, report := openMonitors(t, openStore(t, directory, nil), nil)
	if !report.MayBeStale || report.CommitSequence != 1 {
		t.Fatalf("%+v", report)
	}
}

func TestMonitors_SnapshotAge_NeedsTicks(t *testing.T) {
	store, monitors := newMonitors(t, &lnkeep.MonitorsOptions{SnapshotAge: time.Minute - time.Millisecond})
	start := time.Unix(1_700_000_000, 0)
	must(t, store.Tick(start, 1))
	queueNew(t, monitors, 'a')
	queueUpdates(t, monitors, 'a', 1, 1)
	commitAll(t, monitors)
	must(t, store.Tick(start.Add(59*time.Second), 1))
	if wanted, err := monitors.NeedSnapshot(); err != nil || len(wanted) != 0 {
		t.Fatal(wanted, err)
	}
	must(t, store.Tick(start.Add(time.Minute), 1))
	if wanted, err := monitors.NeedSnapshot(); err != nil || len(wanted) != 1 || wanted[0].ID != channel('a') {
		t.Fatal(wanted, err)
	}
}

func TestMonitors_NothingPrintsThePayloads(t *testing.T) {
	const secret = "revocation-secret"
	content := lnkeep.HostBytes(secret)
	_, monitors := newMonitors(t, nil)
	ticket(t)(monitors.QueueNew(channel('a'), 0, content, lnkeep.Block{}))
	_, err := monitors.QueueUpdate(channel('a'), 1, content)
	must(t, err)
	ticket(t)(monitors.QueueOutput(lnkeep.OutputVolatile, 1, content))
	capture, err := monitors.Capture()
	must(t, err)
	checkpoint := lnkeep.Checkpoint{Manager: content}
	_, err = monitors.Commit(soon(t), capture, checkpoint)
	must(t, err)
	monitor, err := monitors.Load(channel('a'))
	must(t, err)
	outputs, err := monitors.TakeOutputs(1)
	must(t, err)
	_, conflict := monitors.QueueUpdate(channel('a'), 1, []byte(secret+"!"))
	want(t, conflict, lnkeep.ErrUpdateConflict)
	_, stale := monitors.Commit(soon(t), capture, checkpoint)
	want(t, stale, lnkeep.ErrStaleCapture)
	for _, value := range []any{
		monitor, *monitor, outputs, checkpoint, &checkpoint, conflict, stale,
		monitors.OpCommit(capture, checkpoint), []lnkeep.Operation{monitors.OpCommit(capture, checkpoint)},
	} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed := fmt.Sprintf(format, value)
			if strings.Contains(printed, secret) || strings.Contains(printed, fmt.Sprintf("%x", secret)) ||
				strings.Contains(printed, fmt.Sprint([]byte(secret)[1:4])[1:]) {
				t.Errorf("%s of %T: %s", format, value, printed)
			}
		}
	}
}
