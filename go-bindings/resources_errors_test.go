package lnkeep_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// refusedAbout fails unless an error is of a sentinel and speaks of a number; nil speaks of none.
func refusedAbout(t *testing.T, err, sentinel error, value *uint64) {
	t.Helper()
	want(t, err, sentinel)
	var known *lnkeep.Error
	if !errors.As(err, &known) || known.Channel != nil || known.Msg == "" {
		t.Fatalf("%+v", err)
	}
	if (known.Value == nil) != (value == nil) || value != nil && *known.Value != *value {
		t.Fatalf("%v speaks of %v", err, known.Value)
	}
}

func about(value uint64) *uint64 { return &value }

func TestResources_ChannelsAreRefused(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	for limits, bound := range map[lnkeep.ChannelLimits]uint64{
		{MaxInFlightMsat: 1_000_000_000, MaxAcceptedHTLCs: 484}:       483,
		{MaxInFlightMsat: 1_000_000_000, MaxAcceptedHTLCs: 1<<32 - 1}: 483,
		{MaxInFlightMsat: 1 << 62, MaxAcceptedHTLCs: 483}:             2_100_000_000_000_000_000,
	} {
		_, outcome, err := resources.AddChannel(soon(t), 5, limits, now)
		refusedAbout(t, err, lnkeep.ErrChannelLimits, about(bound))
		refused(t, lnkeep.ErrChannelLimits)(outcome, err)
		_, err = resources.ResizeChannel(soon(t), 1, limits)
		refusedAbout(t, err, lnkeep.ErrChannelLimits, about(bound))
	}
	other := usual
	other.MaxAcceptedHTLCs++
	_, outcome, err := resources.AddChannel(soon(t), 1, other, now)
	refused(t, lnkeep.ErrDuplicateChannel)(outcome, err)
	_, err = resources.ResizeChannel(soon(t), 9, usual)
	refusedAbout(t, err, lnkeep.ErrUnknownChannel, about(9))
	_, err = resources.RemoveChannel(soon(t), 9)
	refusedAbout(t, err, lnkeep.ErrUnknownChannel, about(9))
	_, err = resources.Channel(9, now)
	refusedAbout(t, err, lnkeep.ErrUnknownChannel, about(9))

	added(t)(resources.Add(forward(1, 2, 1)))
	_, err = resources.RemoveChannel(soon(t), 1)
	must(t, err)
	_, err = resources.ResizeChannel(soon(t), 1, other)
	refusedAbout(t, err, lnkeep.ErrChannelClosing, about(1))
	_, outcome, err = resources.AddChannel(soon(t), 1, usual, now)
	refused(t, lnkeep.ErrDuplicateChannel)(outcome, err)
	for _, request := range []lnkeep.HTLCRequest{forward(1, 2, 2), forward(2, 1, 2)} {
		_, err = resources.Add(request)
		refusedAbout(t, err, lnkeep.ErrChannelClosing, about(1))
	}
}

func TestResources_HTLCsAreRefused(t *testing.T) {
	_, resources := newResources(t, nil, 3)
	added(t)(resources.Add(forward(1, 2, 1)))
	more, late, other, elsewhere := forward(1, 2, 2), forward(1, 2, 2), forward(1, 2, 1), forward(1, 3, 1)
	more.OutgoingAmountMsat = more.IncomingAmountMsat + 1
	late.BlockHeight = late.IncomingCLTVExpiry
	other.IncomingAmountMsat++
	unknown := forward(1, 2, 2)
	unknown.Upgrade = 7
	for _, c := range []struct {
		request  lnkeep.HTLCRequest
		sentinel error
		value    *uint64
	}{
		{more, lnkeep.ErrOutgoingExceedsIncoming, nil}, {late, lnkeep.ErrExpiryNotAfterHeight, nil},
		{other, lnkeep.ErrDuplicateHTLC, nil}, {elsewhere, lnkeep.ErrDuplicateHTLC, nil},
		{forward(1, 8, 2), lnkeep.ErrUnknownChannel, about(8)},
		{forward(8, 1, 2), lnkeep.ErrUnknownChannel, about(8)},
		{unknown, lnkeep.ErrInvalidArgument, nil},
	} {
		refusedInEveryWay(t, resources, c.request, c.sentinel, c.value)
	}
	stats, err := resources.Stats()
	if err != nil || stats.Forwarded != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

// refusedInEveryWay fails unless each call that decides about an HTLC refuses it.
func refusedInEveryWay(
	t *testing.T, resources *lnkeep.Resources, request lnkeep.HTLCRequest, sentinel error, value *uint64,
) {
	t.Helper()
	decision, err := resources.Add(request)
	refusedAbout(t, err, sentinel, value)
	if decision != (lnkeep.Decision{Err: err}) {
		t.Fatalf("%+v", decision)
	}
	decision, err = resources.AddDurable(soon(t), request)
	refusedAbout(t, err, sentinel, value)
	if decision != (lnkeep.Decision{Err: err}) {
		t.Fatalf("%+v", decision)
	}
	for _, explain := range []func(lnkeep.HTLCRequest) (lnkeep.Explanation, error){
		resources.AddExplained, resources.DryRun,
	} {
		explained, err := explain(request)
		refusedAbout(t, err, sentinel, value)
		if explained != (lnkeep.Explanation{Decision: lnkeep.Decision{Err: err}}) {
			t.Fatalf("%+v", explained)
		}
	}
}

func TestResources_EndsAndListsAreRefused(t *testing.T) {
	_, resources := newResources(t, nil, 3)
	added(t)(resources.Add(forward(1, 2, 1)))
	more := forward(1, 2, 2)
	more.OutgoingAmountMsat = more.IncomingAmountMsat + 1
	for request, sentinel := range map[lnkeep.ResolveRequest]error{
		over(forward(1, 2, 2), 1, true): lnkeep.ErrUnknownHTLC,
		over(forward(1, 3, 1), 1, true): lnkeep.ErrUnknownHTLC,
		over(forward(8, 2, 1), 1, true): lnkeep.ErrUnknownHTLC,
		over(forward(1, 8, 1), 1, true): lnkeep.ErrUnknownChannel,
	} {
		resolution, err := resources.Resolve(request)
		want(t, err, sentinel)
		if resolution != (lnkeep.Resolution{Err: err}) {
			t.Fatalf("%+v", resolution)
		}
		resolution, err = resources.ResolveDurable(soon(t), request)
		want(t, err, sentinel)
		if resolution != (lnkeep.Resolution{Err: err}) {
			t.Fatalf("%+v", resolution)
		}
	}
	twice := []lnkeep.LiveHTLC{live(forward(1, 2, 1)), live(forward(1, 2, 1))}
	_, err := resources.Reconcile(soon(t), twice)
	want(t, err, lnkeep.ErrDuplicateID)
	_, err = resources.Reconcile(soon(t), []lnkeep.LiveHTLC{live(more)})
	want(t, err, lnkeep.ErrOutgoingExceedsIncoming)
	stats, err := resources.Stats()
	if err != nil || stats.Forwarded != 1 || stats.Resolved != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestResources_RefusalsOfCompat(t *testing.T) {
	// A salt with which five slots are not found in the tries that the reference makes.
	entropy := lnkeep.Secret{0x12, 0xa7, 0xa6, 0xe2, 0x22, 0x7f, 0x1a, 0x19}
	_, resources := newResources(t, &lnkeep.ResourcesOptions{Compat: true, Entropy: &entropy}, 0)
	small := lnkeep.ChannelLimits{MaxInFlightMsat: 100_000_000, MaxAcceptedHTLCs: 12}
	for _, channel := range []lnkeep.ShortChannelID{555, 777, 888} {
		_, outcome, err := resources.AddChannel(soon(t), channel, small, now)
		do(t)(outcome, err)
	}
	_, err := resources.Add(forward(555, 777, 1))
	refusedAbout(t, err, lnkeep.ErrSlotAssignment, nil)
	added(t)(resources.Add(forward(777, 888, 1)))
	early := over(forward(777, 888, 1), 0, true)
	early.UnixSecs--
	_, err = resources.Resolve(early)
	refusedAbout(t, err, lnkeep.ErrResolvedBeforeAdded, nil)
	snapshot, err := resources.Snapshot(now)
	if err != nil || len(snapshot.Pending) != 0 || snapshot.Channels[2].ReputationMsat != 0 {
		t.Fatalf("it was not released, or counts: %+v, %v", snapshot, err)
	}
	few := lnkeep.ChannelLimits{MaxInFlightMsat: 100_000_000, MaxAcceptedHTLCs: 11}
	_, _, err = resources.AddChannel(soon(t), 9, few, now)
	refusedAbout(t, err, lnkeep.ErrChannelLimits, about(12))
}

func TestResources_OpensThatAreRefused(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	for name, options := range map[string]lnkeep.ResourcesOptions{
		"nothing protected": {GeneralPercent: 80, CongestionPercent: 20},
		"above 255":         {GeneralPercent: 300},
		"negative period":   {ResolutionPeriod: -time.Second},
		"negative window":   {RevenueWindow: -1},
	} {
		if _, _, err := store.OpenResources(&options); !errors.Is(err, lnkeep.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	resources, _ := openResources(t, store, nil)
	addChannels(t, resources, 1)
	second, _ := openResources(t, store, &lnkeep.ResourcesOptions{})
	_, _, err := store.OpenResources(&lnkeep.ResourcesOptions{DecisionsKept: 1})
	want(t, err, lnkeep.ErrAlreadyOpen)
	must(t, second.Close())
	if second.IsOpen() || !resources.IsOpen() {
		t.Fatal("the wrong one is open")
	}
	addChannels(t, resources, 0)
	must(t, resources.Close())
	must(t, resources.Close())

	_, _, err = store.OpenResources(&lnkeep.ResourcesOptions{Compat: true})
	want(t, err, lnkeep.ErrWrongMode)
	resources, _ = openResources(t, store, &lnkeep.ResourcesOptions{Compat: true, Convert: true})
	_, _, err = resources.Decisions(0, 1)
	want(t, err, lnkeep.ErrWrongMode)
	_, _, err = resources.Decisions(0, -1)
	want(t, err, lnkeep.ErrInvalidArgument)
	must(t, resources.Close())
	// The reference divides no channel whose general share is a handful of slots.
	_, _, err = store.OpenResources(&lnkeep.ResourcesOptions{Compat: true, GeneralPercent: 1})
	want(t, err, lnkeep.ErrChannelLimits)
	resources, report := openResources(t, store, &lnkeep.ResourcesOptions{Compat: true})
	if report.Channels != 1 || report.DividedAnew {
		t.Fatalf("%+v", report)
	}
	must(t, store.Close())
	_, _, err = store.OpenResources(nil)
	want(t, err, lnkeep.ErrClosed)
	if resources.IsOpen() {
		t.Fatal("it is open")
	}
}

func TestResources_ABusyJournalDecidesNothing(t *testing.T) {
	store, resources := newResources(t, &lnkeep.ResourcesOptions{JournalEntriesMax: 4}, 2)
	// retried calls until the journal has room, and counts how often it had none.
	retried := func(call func() error) (busy int) {
		for err := call(); err != nil; err = call() {
			want(t, err, lnkeep.ErrBusy)
			want(t, err, lnkeep.ErrRetry)
			busy++
			must(t, store.Sync(soon(t)))
		}
		return busy
	}
	const each = 5
	decided, busyAdds, busyResolves := uint64(0), 0, 0
	for range 200 {
		for id := range uint64(each) {
			busyAdds += retried(func() error {
				decision, err := resources.Add(forward(1, 2, decided+id))
				if decision.Already {
					t.Fatal("it was decided all the same")
				}
				return err
			})
		}
		for id := range uint64(each) {
			busyResolves += retried(func() error {
				resolution, err := resources.Resolve(over(forward(1, 2, decided+id), 1, true))
				if resolution.Already {
					t.Fatal("it was resolved all the same")
				}
				return err
			})
		}
		if decided += each; busyAdds > 0 && busyResolves > 0 {
			break
		}
	}
	stats, err := resources.Stats()
	if err != nil || stats.Forwarded != decided || stats.Resolved != decided {
		t.Fatalf("%d were decided: %+v, %v", decided, stats, err)
	}
	if busyAdds == 0 || busyResolves == 0 {
		t.Fatalf("the journal was full for %d adds and %d resolves", busyAdds, busyResolves)
	}
}

func TestResources_AnEndedContextChangesNothing(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	added(t)(resources.Add(forward(1, 2, 1)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, outcome, err := resources.AddChannel(ctx, 3, usual, now)
	refused(t, lnkeep.ErrCanceled)(outcome, err)
	calls := map[string]error{}
	_, calls["ResizeChannel"] = resources.ResizeChannel(ctx, 1, lnkeep.ChannelLimits{})
	_, calls["RemoveChannel"] = resources.RemoveChannel(ctx, 1)
	_, calls["Reconcile"] = resources.Reconcile(ctx, nil)
	_, calls["ImportHistory"] = resources.ImportHistory(ctx, nil)
	decision, err := resources.AddDurable(ctx, forward(1, 2, 2))
	calls["AddDurable"] = err
	want(t, decision.Err, lnkeep.ErrCanceled)
	decisions, err := resources.AddAllDurable(ctx, []lnkeep.HTLCRequest{forward(1, 2, 2)})
	calls["AddAllDurable"] = err
	want(t, decisions[0].Err, lnkeep.ErrCanceled)
	resolution, err := resources.ResolveDurable(ctx, over(forward(1, 2, 1), 1, true))
	calls["ResolveDurable"] = err
	want(t, resolution.Err, lnkeep.ErrCanceled)
	ends := []lnkeep.ResolveRequest{over(forward(1, 2, 1), 1, true)}
	resolutions, err := resources.ResolveAllDurable(ctx, ends)
	calls["ResolveAllDurable"] = err
	want(t, resolutions[0].Err, lnkeep.ErrCanceled)
	for call, err := range calls {
		if !errors.Is(err, lnkeep.ErrCanceled) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", call, err)
		}
	}
	snapshot, err := resources.Snapshot(now)
	if err != nil || len(snapshot.Channels) != 2 || len(snapshot.Pending) != 1 {
		t.Fatalf("%+v, %v", snapshot, err)
	}
}

// everyResourceCall is each method of Resources once.
func everyResourceCall(t *testing.T, r *lnkeep.Resources) map[string]error {
	ctx, calls, request := soon(t), map[string]error{}, forward(1, 2, 1)
	end, requests := over(request, 1, true), []lnkeep.HTLCRequest{request}
	ends := []lnkeep.ResolveRequest{end}
	_, _, calls["AddChannel"] = r.AddChannel(ctx, 1, usual, now)
	_, calls["ResizeChannel"] = r.ResizeChannel(ctx, 1, usual)
	_, calls["RemoveChannel"] = r.RemoveChannel(ctx, 1)
	_, calls["Add"] = r.Add(request)
	_, calls["AddDurable"] = r.AddDurable(ctx, request)
	_, calls["AddExplained"] = r.AddExplained(request)
	_, calls["DryRun"] = r.DryRun(request)
	_, calls["AddAll"] = r.AddAll(requests)
	_, calls["AddAllDurable"] = r.AddAllDurable(ctx, requests)
	_, calls["Resolve"] = r.Resolve(end)
	_, calls["ResolveDurable"] = r.ResolveDurable(ctx, end)
	_, calls["ResolveAll"] = r.ResolveAll(ends)
	_, calls["ResolveAllDurable"] = r.ResolveAllDurable(ctx, ends)
	_, calls["Reconcile"] = r.Reconcile(ctx, nil)
	_, calls["ImportHistory"] = r.ImportHistory(ctx, nil)
	_, calls["Channel"] = r.Channel(1, now)
	_, calls["Snapshot"] = r.Snapshot(now)
	_, _, calls["Decisions"] = r.Decisions(0, 1)
	_, calls["WriteDecisions"] = r.WriteDecisions(fullWriter{}, 0)
	_, calls["Stats"] = r.Stats()
	return calls
}

func TestResources_AfterTheCloseEverythingIsRefused(t *testing.T) {
	store, resources := newResources(t, nil, 2)
	other, _ := openResources(t, store, nil)
	must(t, resources.Close())
	ofStore, closedWithStore := newResources(t, nil, 2)
	must(t, ofStore.Close())
	for name, one := range map[string]*lnkeep.Resources{"value": resources, "store": closedWithStore} {
		calls := everyResourceCall(t, one)
		// All exported methods but Close and IsOpen.
		if methods := reflect.TypeOf(one).NumMethod(); len(calls) != methods-2 {
			t.Fatalf("%d calls of %d methods", len(calls), methods)
		}
		for call, err := range calls {
			if !errors.Is(err, lnkeep.ErrClosed) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s of a closed %s: %v", call, name, err)
			}
		}
		if one.IsOpen() || one.Close() != nil {
			t.Fatal("it is not closed")
		}
	}
	if !other.IsOpen() {
		t.Fatal("another value is closed")
	}
	added(t)(other.Add(forward(1, 2, 1)))
}

func TestResources_NamesAndRedaction(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		name  string
	}{
		{lnkeep.ShortChannelID(850_000<<40 | 12<<16 | 1), "850000x12x1"}, {lnkeep.ShortChannelID(7), "0x0x7"},
		{lnkeep.VerdictForward, "forward"}, {lnkeep.Verdict(0), "verdict 0"},
		{lnkeep.ReasonRecorded, "recorded"}, {lnkeep.ReasonNoRoom, "no_room"},
		{lnkeep.ReasonSignalTampered, "signal_tampered"}, {lnkeep.DecisionReason(5), "reason 5"},
		{lnkeep.DecisionReason(99), "reason 99"}, {lnkeep.BucketNone, "none"}, {lnkeep.BucketSeveral, "several"},
		{lnkeep.Bucket(5), "bucket 5"}, {lnkeep.RemovalClosing, "closing"}, {lnkeep.Removal(9), "removal 9"},
		{lnkeep.UpgradeAbsent, "absent"}, {lnkeep.Upgrade(3), "upgrade 3"},
	} {
		if c.value.String() != c.name {
			t.Errorf("%q is not %q", c.value, c.name)
		}
	}
	for _, b := range []byte{0xc5} {
		entropy := lnkeep.Secret{}
		for i := range entropy {
			entropy[i] = b
		}
		options := lnkeep.ResourcesOptions{Entropy: &entropy, DecisionsKept: 5}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			for _, value := range []any{options, &options} {
				text := fmt.Sprintf(verb, value)
				if strings.Contains(text, "197 197") || strings.Contains(text, "c5c5") ||
					strings.Contains(text, "0xc5, 0xc5") {
					t.Errorf("%s tells the entropy: %s", verb, text)
				}
			}
		}
	}
}
