package lnkeep_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// traceLine is one line of a trace, as FORMAT.md beside the vectors describes it; which members a line has
// depends on its type and operation.
type traceLine struct {
	Type   string `json:"type"`
	Config struct {
		GeneralPercent       uint32 `json:"general_allocation_pct"`
		CongestionPercent    uint32 `json:"congestion_allocation_pct"`
		ResolutionPeriodSecs int64  `json:"resolution_period_secs"`
		RevenueWindowSecs    int64  `json:"revenue_window_secs"`
		ReputationMultiplier uint32 `json:"reputation_multiplier"`
	} `json:"config"`
	NodeSalt string `json:"node_salt"`

	Op                  string                `json:"op"`
	T                   uint64                `json:"t"`
	Channel             lnkeep.ShortChannelID `json:"channel"`
	MaxInFlightMsat     uint64                `json:"max_in_flight_msat"`
	MaxAcceptedHTLCs    uint32                `json:"max_accepted_htlcs"`
	Incoming            lnkeep.ShortChannelID `json:"incoming"`
	Outgoing            lnkeep.ShortChannelID `json:"outgoing"`
	HTLCID              uint64                `json:"htlc_id"`
	IncomingAmountMsat  uint64                `json:"incoming_amount_msat"`
	OutgoingAmountMsat  uint64                `json:"outgoing_amount_msat"`
	IncomingCLTVExpiry  uint32                `json:"incoming_cltv_expiry"`
	HeightAdded         uint32                `json:"height_added"`
	IncomingAccountable bool                  `json:"incoming_accountable"`
	Settled             bool                  `json:"settled"`
	Expect              traceAnswer           `json:"expect"`
	Diag                *traceDiagnosis       `json:"diag"`

	Ops      int            `json:"ops"`
	Channels []traceChannel `json:"channels"`
	Pending  []tracePending `json:"pending"`
}

// traceAnswer is what an operation answers.
type traceAnswer struct {
	OK             bool             `json:"ok"`
	Error          string           `json:"error"`
	StateUnchanged bool             `json:"state_unchanged"`
	Result         string           `json:"result"`
	Accountable    bool             `json:"accountable"`
	Bucket         string           `json:"bucket"`
	Allocation     *traceAllocation `json:"allocation"`
}

type traceAllocation struct {
	GeneralSlots            uint32 `json:"general_slots"`
	GeneralLiquidityMsat    uint64 `json:"general_liquidity_msat"`
	PairSlots               uint32 `json:"per_channel_slots"`
	SlotMsat                uint64 `json:"per_slot_msat"`
	CongestionSlots         uint32 `json:"congestion_slots"`
	CongestionLiquidityMsat uint64 `json:"congestion_liquidity_msat"`
	ProtectedSlots          uint32 `json:"protected_slots"`
	ProtectedLiquidityMsat  uint64 `json:"protected_liquidity_msat"`
}

type traceDiagnosis struct {
	FeeMsat                uint64 `json:"fee_msat"`
	HTLCRisk               uint64 `json:"htlc_risk"`
	OutgoingReputation     int64  `json:"outgoing_reputation"`
	OutgoingInFlightRisk   uint64 `json:"outgoing_in_flight_risk"`
	IncomingRevenue        int64  `json:"incoming_revenue"`
	SufficientReputation   bool   `json:"sufficient_reputation"`
	OutgoingUsesCongestion bool   `json:"outgoing_uses_congestion"`
}

type traceSlots map[lnkeep.ShortChannelID][]uint16

type traceChannel struct {
	ID              lnkeep.ShortChannelID            `json:"id"`
	Closed          bool                             `json:"closed"`
	Reputation      traceAverage                     `json:"reputation"`
	Revenue         traceAverage                     `json:"revenue"`
	InFlightRisk    uint64                           `json:"in_flight_risk"`
	Pending         uint32                           `json:"pending"`
	Congestion      [2]uint64                        `json:"congestion"`
	Protected       [2]uint64                        `json:"protected"`
	GeneralOccupied []uint16                         `json:"general_occupied"`
	GeneralUsed     traceSlots                       `json:"general_used"`
	GeneralAssigned traceSlots                       `json:"general_assigned"`
	Misuse          map[lnkeep.ShortChannelID]uint64 `json:"misuse"`
}

// traceAverage is a stored average: its value, when it was updated, and of a revenue when it began.
type traceAverage struct {
	Value int64
	Times []uint64
}

func (a *traceAverage) UnmarshalJSON(text []byte) error {
	var members []json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || len(members) == 0 {
		return fmt.Errorf("no average: %s", text)
	}
	a.Times = make([]uint64, len(members)-1)
	for i := range a.Times {
		if err := json.Unmarshal(members[i+1], &a.Times[i]); err != nil {
			return err
		}
	}
	return json.Unmarshal(members[0], &a.Value)
}

type tracePending struct {
	Outgoing           lnkeep.ShortChannelID `json:"outgoing"`
	Incoming           lnkeep.ShortChannelID `json:"incoming"`
	HTLCID             uint64                `json:"htlc_id"`
	IncomingAmountMsat uint64                `json:"incoming_amount_msat"`
	FeeMsat            uint64                `json:"fee_msat"`
	Accountable        bool                  `json:"accountable"`
	T                  uint64                `json:"t"`
	InFlightRisk       uint64                `json:"in_flight_risk"`
	Bucket             string                `json:"bucket"`
}

// TestConformance_Resources walks the traces of the vectors through Resources in compat mode: each answer,
// each digest and the end must be what the trace says, to the last millisatoshi.
func TestConformance_Resources(t *testing.T) {
	files, err := filepath.Glob("../tests/vectors/resource_manager/*.jsonl.gz")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("there are no vectors of resources")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl.gz")
		t.Run(name, func(t *testing.T) {
			switch {
			case strings.HasPrefix(name, "unit_"):
				t.Skip("a unit of the arithmetic, which the C ABI does not offer: tests/conformance.rs runs it")
			case strings.HasPrefix(name, "trace_replay_"):
				t.Skip("lossy restarts, which exact recovery may skip (FORMAT.md)")
			}
			walkTrace(t, readTrace(t, file))
		})
	}
}

func readTrace(t *testing.T, file string) (lines []traceLine) {
	opened, err := os.Open(file)
	must(t, err)
	defer opened.Close()
	unpacked, err := gzip.NewReader(opened)
	must(t, err)
	reader := bufio.NewReader(unpacked)
	for decoder := json.NewDecoder(reader); decoder.More(); {
		var line traceLine
		must(t, decoder.Decode(&line))
		lines = append(lines, line)
	}
	if len(lines) < 3 || lines[0].Type != "header" || lines[len(lines)-1].Type != "final" {
		t.Fatalf("%s is no trace", file)
	}
	return lines
}

// traceWalk is a store whose resources a trace is walked through.
type traceWalk struct {
	path      string
	options   lnkeep.ResourcesOptions
	store     *lnkeep.Store
	resources *lnkeep.Resources
	restarts  int
}

func walkTrace(t *testing.T, lines []traceLine) {
	config := lines[0].Config
	salt, err := hex.DecodeString(lines[0].NodeSalt)
	must(t, err)
	entropy := lnkeep.Secret(salt)
	walk := &traceWalk{path: newPath(t), options: lnkeep.ResourcesOptions{
		Compat: true, ZerosCount: true, Entropy: &entropy,
		GeneralPercent: config.GeneralPercent, CongestionPercent: config.CongestionPercent,
		ReputationMultiplier: config.ReputationMultiplier,
		ResolutionPeriod:     time.Duration(config.ResolutionPeriodSecs) * time.Second,
		RevenueWindow:        time.Duration(config.RevenueWindowSecs) * time.Second,
	}}
	walk.open(t)
	ops := 0
	for _, line := range lines[1:] {
		switch line.Type {
		case "op":
			walk.operate(t, ops, &line)
			ops++
		case "state", "final":
			walk.compare(t, ops, &line)
		default:
			t.Fatalf("nobody knows the type %q", line.Type)
		}
	}
	if final := lines[len(lines)-1]; ops != final.Ops {
		t.Fatalf("the trace has %d operations, not %d", ops, final.Ops)
	}
}

func (w *traceWalk) open(t *testing.T) {
	w.store = openStore(t, w.path, nil)
	var report lnkeep.ResourcesReport
	w.resources, report = openResources(t, w.store, &w.options)
	if report.Damaged != 0 || report.DividedAnew {
		t.Fatalf("%+v", report)
	}
}

// restart ends after a Sync and comes back: every other time it closes the store alone, which closes the
// resources. With -short only each fifth does.
func (w *traceWalk) restart(t *testing.T) {
	w.restarts++
	if testing.Short() && w.restarts%5 != 0 {
		return
	}
	before := w.snapshot(t)
	must(t, w.store.Sync(soon(t)))
	if w.restarts%2 == 0 {
		must(t, w.resources.Close())
	}
	must(t, w.store.Close())
	w.open(t)
	if after := w.snapshot(t); !reflect.DeepEqual(before, after) {
		t.Fatalf("restart %d\nleft  %+v\nfound %+v", w.restarts, before, after)
	}
}

func (w *traceWalk) snapshot(t *testing.T) *lnkeep.ResourcesSnapshot {
	snapshot, err := w.resources.Snapshot(0)
	must(t, err)
	return snapshot
}

func (w *traceWalk) operate(t *testing.T, i int, line *traceLine) {
	var got traceAnswer
	switch line.Op {
	case "add_channel":
		got = w.addChannel(t, line)
	case "remove_channel":
		removal, err := w.resources.RemoveChannel(soon(t), line.Channel)
		if got = (traceAnswer{OK: err == nil, Error: nameOf(err, line)}); err == nil {
			got.Result = removal.String()
		}
	case "add_htlc":
		got = w.addHTLC(t, i, line)
	case "resolve_htlc":
		resolution, err := w.resources.Resolve(lnkeep.ResolveRequest{
			Incoming: line.Incoming, Outgoing: line.Outgoing, HTLCID: line.HTLCID, UnixSecs: line.T,
			Settled: line.Settled,
		})
		switch {
		case err != nil:
			got = traceAnswer{Error: nameOf(err, line)}
		case resolution.Already:
			// The reference forgets what it resolved, and has one name for both answers.
			got = traceAnswer{Error: "unknown_htlc"}
		default:
			got = traceAnswer{OK: true, Result: "resolved"}
		}
	case "restart":
		w.restart(t)
		got = traceAnswer{StateUnchanged: true}
	default:
		t.Fatalf("nobody knows the operation %q", line.Op)
	}
	if !reflect.DeepEqual(got, line.Expect) {
		t.Fatalf("operation %d: %+v\nanswered %+v\nand not  %+v", i, line, got, line.Expect)
	}
}

func (w *traceWalk) addChannel(t *testing.T, line *traceLine) traceAnswer {
	limits := lnkeep.ChannelLimits{
		MaxInFlightMsat: line.MaxInFlightMsat, MaxAcceptedHTLCs: line.MaxAcceptedHTLCs,
	}
	divided, outcome, err := w.resources.AddChannel(soon(t), line.Channel, limits, line.T)
	if err != nil {
		return traceAnswer{Error: nameOf(err, line)}
	}
	if outcome.Already {
		// Known with the same limits: the format has one name for both answers.
		return traceAnswer{Error: "channel_exists"}
	}
	return traceAnswer{OK: true, Allocation: &traceAllocation{
		GeneralSlots: divided.GeneralSlots, GeneralLiquidityMsat: divided.GeneralLiquidityMsat,
		PairSlots: divided.PairSlots, SlotMsat: divided.SlotMsat,
		CongestionSlots: divided.CongestionSlots, CongestionLiquidityMsat: divided.CongestionLiquidityMsat,
		ProtectedSlots: divided.ProtectedSlots, ProtectedLiquidityMsat: divided.ProtectedLiquidityMsat,
	}}
}

// addHTLC adds after a dry run, which has to answer the same; of three HTLCs one is added alone, one with its
// grounds and one as a batch.
func (w *traceWalk) addHTLC(t *testing.T, i int, line *traceLine) (got traceAnswer) {
	request := lnkeep.HTLCRequest{
		Incoming: line.Incoming, Outgoing: line.Outgoing, HTLCID: line.HTLCID,
		IncomingAmountMsat: line.IncomingAmountMsat, OutgoingAmountMsat: line.OutgoingAmountMsat,
		UnixSecs: line.T, IncomingCLTVExpiry: line.IncomingCLTVExpiry, BlockHeight: line.HeightAdded,
		Accountable: line.IncomingAccountable,
	}
	foreseen, foreseenErr := w.resources.DryRun(request)
	var decision lnkeep.Decision
	var err error
	switch i % 3 {
	case 0:
		decision, err = w.resources.Add(request)
	case 1:
		var explained lnkeep.Explanation
		explained, err = w.resources.AddExplained(request)
		if decision = explained.Decision; explained.Grounds != foreseen.Grounds {
			t.Fatalf("operation %d\ndry run %+v\nadded   %+v", i, foreseen.Grounds, explained.Grounds)
		}
	case 2:
		var decisions []lnkeep.Decision
		decisions, err = w.resources.AddAll([]lnkeep.HTLCRequest{request})
		decision = decisions[0]
		if (err != nil) != errors.Is(err, lnkeep.ErrBatch) || (err != nil) != (decision.Err != nil) {
			t.Fatalf("operation %d: %+v, %v", i, decision, err)
		}
		err = decision.Err
	}
	if nameOf(err, line) != nameOf(foreseenErr, line) || err == nil && decision != foreseen.Decision {
		t.Fatalf("operation %d\ndry run %+v, %v\nadded   %+v, %v", i, foreseen, foreseenErr, decision, err)
	}
	if line.Diag != nil && foreseenErr == nil && !decision.Already {
		checkDiagnosis(t, i, line.Diag, &foreseen.Grounds)
	}
	switch {
	case err != nil:
		return traceAnswer{Error: nameOf(err, line)}
	case decision.Already:
		return traceAnswer{Error: "duplicate_htlc"}
	case decision.Verdict == lnkeep.VerdictFail:
		return traceAnswer{OK: true, Result: "fail"}
	}
	return traceAnswer{
		OK: true, Result: decision.Verdict.String(), Accountable: decision.Accountable,
		Bucket: decision.Bucket.String(),
	}
}

func checkDiagnosis(t *testing.T, i int, expected *traceDiagnosis, grounds *lnkeep.Grounds) {
	got := traceDiagnosis{
		FeeMsat: grounds.FeeMsat, HTLCRisk: grounds.HTLCRiskMsat,
		OutgoingReputation:   grounds.OutgoingReputationMsat,
		OutgoingInFlightRisk: grounds.OutgoingInFlightRiskMsat,
		IncomingRevenue:      grounds.IncomingRevenueMsat, SufficientReputation: grounds.HasReputation,
		OutgoingUsesCongestion: grounds.OutgoingInCongestion,
	}
	if got != *expected {
		t.Fatalf("operation %d\nhas the grounds %+v\nand not         %+v", i, got, *expected)
	}
}

// traceErrors are the names of errors that follow from their status alone.
var traceErrors = map[lnkeep.Status]string{
	lnkeep.StatusDuplicateChannel:        "channel_exists",
	lnkeep.StatusOutgoingExceedsIncoming: "outgoing_amount_exceeds_incoming",
	lnkeep.StatusExpiryNotAfterHeight:    "expiry_not_after_height",
	lnkeep.StatusDuplicateHTLC:           "duplicate_htlc",
	lnkeep.StatusUnknownHTLC:             "unknown_htlc",
	lnkeep.StatusSlotAssignment:          "slot_assignment_failed",
	lnkeep.StatusResolvedBeforeAdded:     "resolved_before_added",
}

// traceBounds are the names of bounds that a channel's limits may miss.
var traceBounds = map[uint64]string{
	483: "htlc_count_above_protocol_limit", 2_100_000_000_000_000_000: "in_flight_above_supply",
	12: "htlc_count_too_small", 1_000_000: "in_flight_too_small",
}

// nameOf is the name of an error in FORMAT.md; of nil the empty one.
func nameOf(err error, line *traceLine) string {
	if err == nil {
		return ""
	}
	var known *lnkeep.Error
	if !errors.As(err, &known) {
		return err.Error()
	}
	if name := traceErrors[known.Code]; name != "" {
		return name
	}
	if known.Code == lnkeep.StatusChannelLimits {
		if known.Value == nil {
			return "general_bucket_too_small"
		}
		return traceBounds[*known.Value]
	}
	if known.Value == nil {
		return err.Error()
	}
	channel := lnkeep.ShortChannelID(*known.Value)
	side := ""
	switch {
	case line.Op == "remove_channel" && channel == line.Channel:
	case channel == line.Outgoing:
		side = "outgoing_"
	case channel == line.Incoming:
		side = "incoming_"
	default:
		return err.Error()
	}
	switch known.Code {
	case lnkeep.StatusUnknownChannel:
		return "unknown_" + side + "channel"
	case lnkeep.StatusChannelClosing:
		return side + "channel_closed"
	}
	return err.Error()
}

// compare holds the state against a digest, or against the end, which also tells assigned slots and pending
// HTLCs.
func (w *traceWalk) compare(t *testing.T, ops int, line *traceLine) {
	snapshot := w.snapshot(t)
	channels := map[lnkeep.ShortChannelID]*traceChannel{}
	var got []traceChannel
	for i := range snapshot.Channels {
		got = append(got, traceChannelOf(&snapshot.Channels[i], line.Type == "final"))
	}
	for i := range got {
		channels[got[i].ID] = &got[i]
	}
	for _, pair := range snapshot.Pairs {
		channel := channels[pair.Incoming]
		if len(pair.Used) != 0 {
			channel.GeneralUsed[pair.Outgoing] = slices.Sorted(slices.Values(pair.Used))
			channel.GeneralOccupied = append(channel.GeneralOccupied, pair.Used...)
		}
		if channel.GeneralAssigned != nil {
			channel.GeneralAssigned[pair.Outgoing] = pair.Slots
		}
	}
	for _, mark := range snapshot.Marks {
		channels[mark.Incoming].Misuse[mark.Outgoing] = mark.MisusedUnixSecs
	}
	for i := range line.Channels {
		inOrder(&line.Channels[i])
	}
	for i := range got {
		inOrder(&got[i])
		if used := snapshot.Channels[i].GeneralSlotsUsed; int(used) != len(got[i].GeneralOccupied) {
			t.Fatalf("after %d operations %d general slots of %v are in use", ops, used, got[i].ID)
		}
	}
	if len(got) != len(line.Channels) {
		t.Fatalf("after %d operations there are %d channels, not %d", ops, len(got), len(line.Channels))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], line.Channels[i]) {
			t.Fatalf("after %d operations\nthere is %+v\nand not  %+v", ops, got[i], line.Channels[i])
		}
	}
	if line.Type == "final" {
		comparePending(t, snapshot.Pending, line.Pending)
	}
}

// inOrder sorts what has no order in the format.
func inOrder(channel *traceChannel) {
	slices.Sort(channel.GeneralOccupied)
	channel.GeneralOccupied = slices.Clip(slices.Compact(channel.GeneralOccupied))
	for outgoing := range maps.Keys(channel.GeneralUsed) {
		slices.Sort(channel.GeneralUsed[outgoing])
	}
}

func traceChannelOf(view *lnkeep.ResourceChannel, final bool) traceChannel {
	channel := traceChannel{
		ID: view.ID, Closed: view.Closing,
		Reputation: traceAverage{view.ReputationMsat, []uint64{view.ReputationUpdatedUnixSecs}},
		Revenue: traceAverage{
			view.RevenueTotalMsat, []uint64{view.RevenueUpdatedUnixSecs, view.RevenueStartUnixSecs},
		},
		InFlightRisk: view.InFlightRiskMsat, Pending: view.PendingOutgoing,
		Congestion:      [2]uint64{uint64(view.CongestionSlotsUsed), view.CongestionUsedMsat},
		Protected:       [2]uint64{uint64(view.ProtectedSlotsUsed), view.ProtectedUsedMsat},
		GeneralOccupied: []uint16{}, GeneralUsed: traceSlots{}, Misuse: map[lnkeep.ShortChannelID]uint64{},
	}
	if final {
		channel.GeneralAssigned = traceSlots{}
	}
	return channel
}

func comparePending(t *testing.T, pending []lnkeep.PendingHTLC, expected []tracePending) {
	var got []tracePending
	for _, htlc := range pending {
		got = append(got, tracePending{
			Outgoing: htlc.Outgoing, Incoming: htlc.Incoming, HTLCID: htlc.HTLCID,
			IncomingAmountMsat: htlc.IncomingAmountMsat, FeeMsat: htlc.FeeMsat, Accountable: htlc.Accountable,
			T: htlc.AddedUnixSecs, InFlightRisk: htlc.RiskMsat, Bucket: htlc.Bucket.String(),
		})
	}
	slices.SortFunc(got, func(a, b tracePending) int {
		return cmp.Or(cmp.Compare(a.Outgoing, b.Outgoing), cmp.Compare(a.Incoming, b.Incoming),
			cmp.Compare(a.HTLCID, b.HTLCID))
	})
	if !slices.Equal(got, expected) {
		t.Fatalf("pending are %+v\nand not     %+v", got, expected)
	}
}
