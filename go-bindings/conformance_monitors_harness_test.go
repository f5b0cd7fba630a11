package lnkeep_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// deferredStep is one call of a scenario.
type deferredStep struct {
	Op   string `json:"op"`
	Args struct {
		Channel    string            `json:"chan"`
		ID         uint64            `json:"id"`
		Blob       deferredBlob      `json:"blob"`
		Height     *uint32           `json:"height"`
		Critical   bool              `json:"critical"`
		Class      string            `json:"class"`
		Ops        uint64            `json:"ops"`
		Bytes      uint64            `json:"bytes"`
		Ticket     uint64            `json:"ticket"`
		Name       string            `json:"name"`
		Token      string            `json:"token"`
		Manager    deferredBlob      `json:"manager"`
		Generation *uint64           `json:"manager_gen"`
		View       map[string]uint64 `json:"view"`
		Gen        uint64            `json:"gen"`
		Max        *int              `json:"max"`
		OutputID   uint64            `json:"out_id"`
		Discard    bool              `json:"discard"`
		Options    deferredOptions   `json:"options"`
	} `json:"args"`
}

type deferredOptions struct {
	Mode               string  `json:"mode"`
	RequireManager     *bool   `json:"require_manager"`
	InflightReplay     *bool   `json:"inflight_replay"`
	MaxPendingOps      uint32  `json:"max_pending_ops"`
	MaxPendingBytes    uint64  `json:"max_pending_bytes"`
	CriticalReserveOps *uint32 `json:"critical_reserve_ops"`
	SnapshotEvery      uint32  `json:"snapshot_every"`
	MaxUpdates         uint32  `json:"max_updates"`
}

func (o *deferredOptions) options() *lnkeep.MonitorsOptions {
	options := &lnkeep.MonitorsOptions{
		ExternalManager: o.Mode == "external",
		ManagerOptional: o.RequireManager != nil && !*o.RequireManager,
		ReplaysNothing:  o.InflightReplay != nil && !*o.InflightReplay,
		PendingOpsMax:   o.MaxPendingOps, PendingBytesMax: 1 << 20,
		SnapshotEveryUpdates: o.SnapshotEvery, UpdatesMax: o.MaxUpdates, NoSnapshotGrowth: true,
	}
	if o.MaxPendingBytes != 0 {
		options.PendingBytesMax = o.MaxPendingBytes
	}
	if o.CriticalReserveOps != nil {
		options.CriticalReserveOps = *o.CriticalReserveOps
		options.NoCriticalReserve = *o.CriticalReserveOps == 0
	}
	return options
}

// deferredBlob is nil when the step does not name it.
type deferredBlob []byte

func (b *deferredBlob) UnmarshalJSON(encoded []byte) error {
	var text string
	if json.Unmarshal(encoded, &text) == nil {
		*b = append(deferredBlob{}, text...)
		return nil
	}
	var filled struct {
		Fill string `json:"fill"`
		Len  int    `json:"len"`
	}
	err := json.Unmarshal(encoded, &filled)
	*b = []byte(strings.Repeat(string(unhex(filled.Fill)), filled.Len))
	return err
}

// monitorHarness runs the steps of deferred.
type monitorHarness struct {
	path    string
	store   *lnkeep.Store
	m       *lnkeep.Monitors
	options deferredOptions
	tokens  map[string]lnkeep.Capture
	copies  int
}

func newMonitorHarness(path string, _ bool) harness {
	return &monitorHarness{path: path, tokens: map[string]lnkeep.Capture{}}
}

func (h *monitorHarness) run(raw json.RawMessage) any {
	var s deferredStep
	if err := json.Unmarshal(raw, &s); err != nil {
		return answer{"rc": err.Error()}
	}
	switch {
	case s.Op == "open":
		return h.open(&s)
	case h.m == nil:
		return answer{"rc": "CLOSED"}
	case s.Op == "close":
		return h.end(s.Args.Discard)
	case strings.HasPrefix(s.Op, "queue_") || s.Op == "output" || s.Op == "can_queue":
		return h.queue(&s)
	case strings.HasPrefix(s.Op, "commit"):
		return h.commit(&s)
	}
	return h.read(&s)
}

func (h *monitorHarness) close() {
	if h.m != nil {
		_ = h.m.Discard()
		_ = h.store.Close()
	}
}

func (h *monitorHarness) open(s *deferredStep) answer {
	store, err := lnkeep.Open(h.path, nil)
	if err != nil {
		return refusal(err)
	}
	m, report, err := store.OpenMonitors(s.Args.Options.options())
	if err != nil {
		_ = store.Close()
		return refusal(err)
	}
	h.store, h.m, h.options = store, m, s.Args.Options
	damaged, storeDamage := [][]string{}, []string{}
	for one, err := range m.Channels(lnkeep.ChannelActive) {
		if err != nil {
			return refusal(err)
		}
		if one.Damage != lnkeep.DamageNone {
			damaged = append(damaged, []string{letter(one.ID), strings.ToUpper(one.Damage.String())})
		}
	}
	if uint64(len(damaged)) != report.Damaged {
		return answer{"rc": fmt.Sprintf("the report counts %d damaged channels of %v", report.Damaged, damaged)}
	}
	if report.ManagerMissing {
		storeDamage = append(storeDamage, "MANAGER_MISSING")
	}
	if report.ManagerBehind {
		storeDamage = append(storeDamage, "MANAGER_BEHIND")
	}
	return answer{
		"rc": "OK", "epoch": store.Report().Epoch, "commit_seq": report.CommitSequence,
		"last_close": report.LastClose.String(), "damaged": damaged, "store_damage": storeDamage,
		"outbox": report.Outputs,
	}
}

func (h *monitorHarness) end(discard bool) answer {
	closing := h.m.Close
	if discard {
		closing = h.m.Discard
	}
	if !h.m.IsOpen() {
		// Closing twice is no error in Go; the vectors want to be told.
		return answer{"rc": "CLOSED"}
	}
	if err := closing(); err != nil {
		return refusal(err)
	}
	return result(h.store.Close())
}

func (h *monitorHarness) queue(s *deferredStep) answer {
	args := &s.Args
	id, urgency := channelNamed(args.Channel), []lnkeep.Urgency{}
	if args.Critical {
		urgency = append(urgency, lnkeep.Critical)
	}
	var given uint64
	var err error
	switch s.Op {
	case "queue_new":
		var block lnkeep.Block
		if args.Height != nil {
			block.Height = *args.Height
		}
		given, err = h.m.QueueNew(id, args.ID, lnkeep.HostBytes(args.Blob), block, urgency...)
	case "queue_update":
		queued, err := h.m.QueueUpdate(id, args.ID, lnkeep.HostBytes(args.Blob), urgency...)
		if err == nil && queued.Already {
			return answer{"rc": "ALREADY", "durable": queued.Durable}
		}
		return result(err, "rc", "QUEUED", "ticket", queued.Ticket)
	case "queue_snapshot":
		var block *lnkeep.Block
		if args.Height != nil {
			block = &lnkeep.Block{Height: *args.Height}
		}
		given, err = h.m.QueueSnapshot(id, args.ID, lnkeep.HostBytes(args.Blob), block, urgency...)
	case "queue_archive":
		given, err = h.m.QueueArchive(id)
	case "output":
		class := lnkeep.OutputVolatile
		if args.Class == "durable" {
			class = lnkeep.OutputDurable
		}
		given, err = h.m.QueueOutput(class, 0, lnkeep.HostBytes(args.Blob))
	case "can_queue":
		return result(h.m.CanQueue(args.Ops, args.Bytes, urgency...))
	}
	return result(err, "rc", "QUEUED", "ticket", given)
}

func (h *monitorHarness) commit(s *deferredStep) answer {
	args := &s.Args
	// The capture of a name that the scenario never gave is one of no session.
	capture, view := h.tokens[args.Token], lnkeep.View{}
	for name, id := range args.View {
		view[channelNamed(name)] = id
	}
	var done lnkeep.Committed
	var err error
	if s.Op == "commit_ext" {
		done, err = h.m.CommitExternal(background, capture, lnkeep.ExternalCheckpoint{
			Generation: args.Generation, View: view,
		})
	} else {
		done, err = h.m.Commit(background, capture, lnkeep.Checkpoint{
			Manager: lnkeep.HostBytes(args.Manager), View: view,
		})
	}
	if err != nil {
		return viewRefusal(err)
	}
	wanted := []string{}
	channels, err := h.m.NeedSnapshot()
	for _, one := range channels {
		wanted = append(wanted, letter(one.ID))
	}
	if uint64(len(wanted)) != done.NeedSnapshot {
		return answer{"rc": fmt.Sprintf("the commit counts %d snapshots of %v", done.NeedSnapshot, wanted)}
	}
	return result(err, "commit_seq", done.CommitSequence, "applied", done.Applied, "need_snapshot", wanted)
}

func (h *monitorHarness) read(s *deferredStep) answer {
	args := &s.Args
	switch s.Op {
	case "pending":
		state, err := h.m.State()
		return result(err, "ops", state.PendingOperations, "bytes", state.PendingBytes)
	case "status":
		durable, err := h.m.IsDurable(args.Ticket)
		return result(err, "state", map[bool]string{true: "DURABLE", false: "PENDING"}[durable])
	case "capture":
		capture, err := h.m.Capture()
		h.tokens[args.Name] = capture
		return result(err, "upto", capture.UptoTicket())
	case "check_manager":
		relation, err := h.m.CheckManager(args.Gen)
		if errors.Is(err, lnkeep.ErrManagerBehind) {
			return answer{"rc": "MANAGER_BEHIND", "stored_gen": valueOf(err)}
		}
		return result(err, "relation", relation.String())
	case "completions":
		return h.completions(args.Max)
	case "take":
		outputs, err := takeAll(h.m, args.Max)
		return result(err, "list", outputs)
	case "ack":
		return result(h.m.Acknowledge(args.OutputID))
	case "purge":
		sequence, err := h.m.Purge(background, channelNamed(args.Channel))
		return result(err, "commit_seq", sequence)
	case "recover":
		return h.recover()
	}
	return answer{"rc": "the harness does not know " + s.Op}
}

func (h *monitorHarness) completions(most *int) answer {
	taken, err := h.m.Completions(atMost(most))
	list := [][]any{}
	for _, one := range taken {
		entry := []any{letter(one.Channel), one.UpdateID, completionName[one.Kind]}
		if one.Kind == lnkeep.CompletionArchive {
			entry[1] = nil
		}
		list = append(list, entry)
	}
	return result(err, "list", list)
}

var completionName = map[lnkeep.CompletionKind]string{
	lnkeep.CompletionNew: "new", lnkeep.CompletionUpdate: "upd", lnkeep.CompletionSnapshot: "snap",
	lnkeep.CompletionArchive: "arch",
}

// atMost is how many a step wants, all of them by default: no scenario has more than one call gives.
func atMost(most *int) int {
	if most == nil {
		return 1024
	}
	return *most
}

func takeAll(m *lnkeep.Monitors, most *int) ([]answer, error) {
	taken, err := m.TakeOutputs(atMost(most))
	list := []answer{}
	for i := range taken {
		one := answer{"blob": string(taken[i].Payload), "class": taken[i].Class().String(), "out_id": nil}
		if taken[i].Class() == lnkeep.OutputDurable {
			one["out_id"] = taken[i].ID
		}
		list = append(list, one)
	}
	return list, err
}

// recover shows durable state only.
func (h *monitorHarness) recover() answer {
	state, err := h.m.State()
	if err != nil {
		return refusal(err)
	}
	outbox, err := h.outbox()
	if err != nil {
		return refusal(err)
	}
	a := answer{
		"rc": "OK", "commit_seq": state.CommitSequence, "outbox": outbox, "rescan_from": state.RescanHeight,
	}
	if h.options.Mode == "external" {
		a["manager_gen"] = state.ManagerGeneration
	} else {
		manager, err := h.m.Manager()
		if err != nil {
			return refusal(err)
		}
		a["manager"] = blobOrNull(manager)
	}
	for name, stage := range map[string]lnkeep.ChannelStage{
		"channels": lnkeep.ChannelActive, "archived": lnkeep.ChannelArchived,
	} {
		channels, err := h.channels(stage)
		if err != nil {
			return refusal(err)
		}
		a[name] = channels
	}
	return a
}

func (h *monitorHarness) channels(stage lnkeep.ChannelStage) (answer, error) {
	channels := answer{}
	for one, err := range h.m.Channels(stage) {
		if err != nil {
			return nil, err
		}
		loaded, err := h.m.Load(one.ID)
		if err != nil {
			return nil, err
		}
		if loaded.Channel != one || loaded.Stage != stage {
			return nil, fmt.Errorf("listed as %+v, loaded as %+v", one, loaded)
		}
		updates := [][]any{}
		for _, update := range loaded.Updates {
			updates = append(updates, []any{update.ID, string(update.Update)})
		}
		channels[letter(one.ID)] = answer{
			"base_id": one.SnapshotUpdateID, "base": blobOrNull(loaded.Snapshot),
			"latest_id": one.LatestUpdateID, "updates": updates, "height": one.Block.Height,
		}
	}
	return channels, nil
}

// outbox reads the durable outputs from a copy of the store: to read them here would be to take them.
func (h *monitorHarness) outbox() ([][]any, error) {
	h.copies++
	backup, directory := fmt.Sprint(h.path, ".backup", h.copies), fmt.Sprint(h.path, ".copy", h.copies)
	defer os.RemoveAll(directory)
	defer os.Remove(backup)
	if _, err := h.store.Backup(background, backup); err != nil {
		return nil, err
	}
	if _, err := lnkeep.Restore(background, backup, directory, lnkeep.RestoreOptions{}); err != nil {
		return nil, err
	}
	store, err := lnkeep.Open(directory, nil)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	m, _, err := store.OpenMonitors(h.options.options())
	if err != nil {
		return nil, err
	}
	taken, err := m.TakeOutputs(1024)
	outbox := [][]any{}
	for _, output := range taken {
		outbox = append(outbox, []any{output.ID, string(output.Payload)})
	}
	return outbox, err
}

func blobOrNull(blob lnkeep.HostBytes) any {
	if blob == nil {
		return nil
	}
	return string(blob)
}

func channelNamed(name string) lnkeep.ChannelID {
	if len(name) != 1 {
		return lnkeep.ChannelID{}
	}
	return channel(name[0])
}

func letter(id lnkeep.ChannelID) string { return string(id[:1]) }

// result is a refusal, or OK with pairs of a name and a value; a pair may replace the OK.
func result(err error, pairs ...any) answer {
	if err != nil {
		return refusal(err)
	}
	a := answer{"rc": "OK"}
	for i := 0; i < len(pairs); i += 2 {
		a[pairs[i].(string)] = pairs[i+1]
	}
	return a
}

// vectorName is what the vectors call statuses that have another name here.
var vectorName = map[string]string{"INVALID_ARGUMENT": "INVALID_ARG", "UNKNOWN": "INDETERMINATE"}

// valueNames are the names of the number that a status speaks of.
var valueNames = map[lnkeep.Status]string{
	lnkeep.StatusUpdateStale: "latest_id", lnkeep.StatusUpdateConflict: "latest_id",
	lnkeep.StatusSnapshotAhead: "latest_id", lnkeep.StatusSnapshotStale: "latest_id",
	lnkeep.StatusUpdateGap: "expected", lnkeep.StatusStaleManager: "stored_gen",
	lnkeep.StatusPendingOps: "ops",
}

func refusal(err error) answer {
	name := code(err)
	if other, has := vectorName[name]; has {
		name = other
	}
	a := answer{"rc": name}
	var known *lnkeep.Error
	if !errors.As(err, &known) {
		return a
	}
	if field, has := valueNames[known.Code]; has {
		a[field] = known.Value
	}
	if known.Code == lnkeep.StatusChannelDamaged && known.Value != nil {
		a["why"] = strings.ToUpper(lnkeep.Damage(*known.Value).String())
	}
	return a
}

// viewRefusal is a refusal of a commit, which names the channel of the view that it is about.
func viewRefusal(err error) answer {
	a := refusal(err)
	var known *lnkeep.Error
	if !errors.As(err, &known) {
		return a
	}
	fields := map[lnkeep.Status]string{
		lnkeep.StatusUnknownChannel: "", lnkeep.StatusManagerBehind: "would_be",
		lnkeep.StatusLostUpdate: "queued_to", lnkeep.StatusManagerAhead: "would_be",
	}
	field, isOfView := fields[known.Code]
	if !isOfView {
		return a
	}
	a["chan"] = "none"
	if known.Channel != nil {
		a["chan"] = letter(*known.Channel)
	}
	if field != "" {
		a[field] = known.Value
	}
	return a
}

// valueOf is the number that an error speaks of, nil when it speaks of none.
func valueOf(err error) *uint64 {
	var known *lnkeep.Error
	if !errors.As(err, &known) {
		return nil
	}
	return known.Value
}
