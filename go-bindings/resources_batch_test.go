package lnkeep_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestResources_ABatchAnswersEachInOrder(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	backwards := forward(1, 2, 2)
	backwards.OutgoingAmountMsat = backwards.IncomingAmountMsat + 1
	requests := []lnkeep.HTLCRequest{
		forward(1, 2, 1), forward(1, 2, 1), backwards, forward(1, 77, 3), forward(1, 2, 4),
	}
	decisions, err := resources.AddAll(requests)
	want(t, err, lnkeep.ErrBatch)
	want(t, err, lnkeep.ErrRefused)
	if len(decisions) != 5 || decisions[0].Already || !decisions[1].Already ||
		decisions[4].Verdict != lnkeep.VerdictForward || decisions[4].Err != nil {
		t.Fatalf("%+v", decisions)
	}
	want(t, decisions[2].Err, lnkeep.ErrOutgoingExceedsIncoming)
	want(t, decisions[3].Err, lnkeep.ErrUnknownChannel)
	if decisions[2].Verdict != 0 || decisions[3].Verdict != 0 {
		t.Fatalf("%+v", decisions)
	}
	var known *lnkeep.Error
	if !errors.As(decisions[3].Err, &known) || known.Value == nil || *known.Value != 77 ||
		!strings.Contains(known.Error(), "HTLC 3 of channel 0x0x1") ||
		!strings.Contains(known.Error(), "0x0x77") {
		t.Fatalf("%+v", known)
	}
	resolves := []lnkeep.ResolveRequest{
		over(forward(1, 2, 1), 1, true), over(forward(1, 2, 1), 1, true), over(forward(1, 2, 9), 1, true),
		over(forward(1, 77, 4), 1, false), over(forward(1, 2, 4), 1, false),
	}
	resolutions, err := resources.ResolveAll(resolves)
	want(t, err, lnkeep.ErrBatch)
	if len(resolutions) != 5 || resolutions[0].Already || resolutions[0].EffectiveFeeMsat != 1000 ||
		!resolutions[1].Already || resolutions[4].Err != nil {
		t.Fatalf("%+v", resolutions)
	}
	want(t, resolutions[2].Err, lnkeep.ErrUnknownHTLC)
	want(t, resolutions[3].Err, lnkeep.ErrUnknownChannel)
}

func TestResources_ABatchOfOneOrNoneIsABatch(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	decisions, err := resources.AddAll([]lnkeep.HTLCRequest{forward(1, 2, 1)})
	if err != nil || decisions[0].Verdict != lnkeep.VerdictForward || decisions[0].Already {
		t.Fatalf("%+v, %v", decisions, err)
	}
	decisions, err = resources.AddAll([]lnkeep.HTLCRequest{forward(1, 2, 1)})
	if err != nil || !decisions[0].Already {
		t.Fatalf("%+v, %v", decisions, err)
	}
	decisions, err = resources.AddAll([]lnkeep.HTLCRequest{forward(3, 2, 1)})
	want(t, err, lnkeep.ErrBatch)
	want(t, decisions[0].Err, lnkeep.ErrUnknownChannel)
	resolutions, err := resources.ResolveAll([]lnkeep.ResolveRequest{over(forward(1, 2, 8), 1, true)})
	want(t, err, lnkeep.ErrBatch)
	want(t, resolutions[0].Err, lnkeep.ErrUnknownHTLC)
	decisions, err = resources.AddAll(nil)
	if decisions != nil || err != nil {
		t.Fatal(decisions, err)
	}
	resolutions, err = resources.ResolveAllDurable(soon(t), []lnkeep.ResolveRequest{})
	if resolutions != nil || err != nil {
		t.Fatal(resolutions, err)
	}
}

func TestResources_ABatchThatIsRefusedDecidesNothing(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	var requests []lnkeep.HTLCRequest
	var resolves []lnkeep.ResolveRequest
	for id := range uint64(lnkeep.HTLCsMax) {
		requests = append(requests, forward(1, 2, id))
		resolves = append(resolves, over(forward(1, 2, id), 1, true))
	}
	decisions, err := resources.AddAll(append(requests, forward(1, 2, lnkeep.HTLCsMax)))
	want(t, err, lnkeep.ErrTooBig)
	want(t, decisions[lnkeep.HTLCsMax].Err, lnkeep.ErrTooBig)
	resolutions, err := resources.ResolveAll(append(resolves, over(forward(1, 2, 0), 1, true)))
	want(t, err, lnkeep.ErrTooBig)
	want(t, resolutions[0].Err, lnkeep.ErrTooBig)
	if len(decisions) != lnkeep.HTLCsMax+1 || len(resolutions) != lnkeep.HTLCsMax+1 {
		t.Fatal(len(decisions), len(resolutions))
	}
	requests[700].Upgrade = 9
	decisions, err = resources.AddAll(requests)
	want(t, err, lnkeep.ErrInvalidArgument)
	want(t, decisions[0].Err, lnkeep.ErrInvalidArgument)
	if stats, err := resources.Stats(); err != nil || stats.Forwarded+stats.Failed != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	requests[700].Upgrade = lnkeep.UpgradeUnknown
	decisions, err = resources.AddAll(requests)
	if err != nil || decisions[0].Verdict != lnkeep.VerdictForward ||
		decisions[1023].Verdict != lnkeep.VerdictFail {
		t.Fatal(err, decisions[0], decisions[1023])
	}
}

// exported is what the test looks at of an exported decision.
type exported struct {
	Number              uint64 `json:"number"`
	Incoming            uint64 `json:"incoming"`
	HTLCID              uint64 `json:"htlc_id"`
	Verdict             string `json:"verdict"`
	Reason              string `json:"reason"`
	Bucket              string `json:"bucket"`
	OutgoingAccountable bool   `json:"outgoing_accountable"`
	HTLCRiskMsat        uint64 `json:"htlc_risk_msat"`
	PairSlotsFree       uint32 `json:"pair_slots_free"`
}

func TestResources_DecisionsAreExported(t *testing.T) {
	const large = 0xfedc_ba98_7654_3210
	_, resources := newResources(t, &lnkeep.ResourcesOptions{DecisionsKept: 300}, 2)
	_, outcome, err := resources.AddChannel(soon(t), large, usual, now)
	do(t)(outcome, err)
	var want []lnkeep.Decision
	for id := range uint64(310) {
		want = append(want, added(t)(resources.Add(forward(large, 2, id))))
	}
	lines, last, err := resources.Decisions(0, 2)
	if err != nil || last != 12 || bytes.Count(lines, []byte("\n")) != 2 {
		t.Fatal(last, err, string(lines))
	}
	var log bytes.Buffer
	last, err = resources.WriteDecisions(&log, last)
	if err != nil || last != 310 {
		t.Fatal(last, err)
	}
	all := append(lines, log.Bytes()...)
	number := uint64(10)
	for line := range bytes.Lines(all) {
		number++
		var got exported
		must(t, json.Unmarshal(line, &got))
		decision := want[number-1]
		if got.Number != number || got.HTLCID != number-1 || got.Incoming != large ||
			got.Verdict != decision.Verdict.String() || got.Reason != decision.Reason.String() ||
			got.Bucket != decision.Bucket.String() || got.OutgoingAccountable != decision.Accountable ||
			got.HTLCRiskMsat == 0 || got.PairSlotsFree != 0 {
			t.Fatalf("%+v is not %+v", got, decision)
		}
	}
	if number != 310 {
		t.Fatal(number)
	}
	if lines, last, err := resources.Decisions(310, 9); lines != nil || last != 310 || err != nil {
		t.Fatal(lines, last, err)
	}
	last, err = resources.WriteDecisions(fullWriter{}, 10)
	if !errors.Is(err, errFull) || last != 10 {
		t.Fatal(last, err)
	}
}

// fullWriter takes nothing.
type fullWriter struct{}

var errFull = errors.New("the disk of the log is full")

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }
