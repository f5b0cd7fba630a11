package lnkeep_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestResources_DecisionsOutliveARestart(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	resources, report := openResources(t, store, nil)
	if report != (lnkeep.ResourcesReport{}) {
		t.Fatalf("%+v", report)
	}
	addChannels(t, resources, 3)
	for id := range uint64(7) {
		decision := added(t)(resources.Add(forward(1, 2, id)))
		want := lnkeep.Decision{
			Verdict: lnkeep.VerdictForward, Reason: lnkeep.ReasonGeneral, Bucket: lnkeep.BucketGeneral,
		}
		switch {
		case id == 5:
			want.Reason, want.Bucket = lnkeep.ReasonCongestion, lnkeep.BucketCongestion
			want.Accountable = true
		case id == 6:
			want = lnkeep.Decision{Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonOutgoingInCongestion}
		}
		if decision != want {
			t.Fatalf("HTLC %d: %+v", id, decision)
		}
	}
	resolution := resolved(t)(resources.Resolve(over(forward(1, 2, 0), 1, true)))
	if resolution.EffectiveFeeMsat != 1000 {
		t.Fatalf("%+v", resolution)
	}
	before, err := resources.Snapshot(now + 10)
	must(t, err)
	must(t, resources.Close())
	must(t, store.Close())

	resources, report = openResources(t, openStore(t, path, nil), nil)
	if report.Channels != 3 || report.Pending != 5 || report.Damaged != 0 || report.DividedAnew {
		t.Fatalf("%+v", report)
	}
	after, err := resources.Snapshot(now + 10)
	must(t, err)
	if !reflect.DeepEqual(before, after) {
		t.Fatalf("left  %+v\nfound %+v", before, after)
	}
	checkSnapshot(t, resources, after)
	// A pending HTLC keeps its answer, and a resolution too.
	decision := added(t)(resources.Add(forward(1, 2, 5)))
	if !decision.Already || decision.Bucket != lnkeep.BucketCongestion || !decision.Accountable {
		t.Fatalf("%+v", decision)
	}
	again, err := resources.Resolve(over(forward(1, 2, 0), 1, true))
	if err != nil || !again.Already {
		t.Fatalf("%+v, %v", again, err)
	}
}

// checkSnapshot looks at what the test above leaves.
func checkSnapshot(t *testing.T, resources *lnkeep.Resources, snapshot *lnkeep.ResourcesSnapshot) {
	t.Helper()
	if len(snapshot.Channels) != 3 || len(snapshot.Pending) != 5 || len(snapshot.Pairs) != 1 {
		t.Fatalf("%+v", snapshot)
	}
	incoming, outgoing := snapshot.Channels[0], snapshot.Channels[1]
	if incoming.ID != 1 || incoming.Limits != usual || incoming.PendingIncoming != 5 ||
		incoming.GeneralSlotsUsed != 4 || incoming.CongestionSlotsUsed != 1 ||
		incoming.CongestionUsedMsat != 1_001_000 || incoming.RevenueTotalMsat != 1000 ||
		incoming.RevenueUpdatedUnixSecs != now+1 || incoming.Allocation.PairSlots != 5 {
		t.Fatalf("%+v", incoming)
	}
	if outgoing.ID != 2 || outgoing.PendingOutgoing != 5 || outgoing.OutgoingInCongestion != 1 ||
		outgoing.ReputationMsat != 1000 || outgoing.InFlightRiskMsat == 0 || outgoing.Closing {
		t.Fatalf("%+v", outgoing)
	}
	one, err := resources.Channel(1, now+10)
	if err != nil || one != incoming {
		t.Fatalf("%+v, %v", one, err)
	}
	pair := snapshot.Pairs[0]
	if pair.Incoming != 1 || pair.Outgoing != 2 || len(pair.Slots) != 5 || len(pair.Used) != 4 {
		t.Fatalf("%+v", pair)
	}
	for _, slot := range pair.Used {
		if !slices.Contains(pair.Slots, slot) {
			t.Fatalf("%+v", pair)
		}
	}
	htlc := snapshot.Pending[4]
	risk := htlc.RiskMsat
	htlc.RiskMsat = 0
	if risk == 0 || htlc != (lnkeep.PendingHTLC{
		Incoming: 1, Outgoing: 2, HTLCID: 5, IncomingAmountMsat: 1_001_000, FeeMsat: 1000, AddedUnixSecs: now,
		Bucket: lnkeep.BucketCongestion, Accountable: true,
	}) {
		t.Fatalf("%+v", htlc)
	}
}

func TestResources_EveryReason(t *testing.T) {
	_, resources := newResources(t, nil, 9)
	// Channel 9 has earned a reputation; it is far above the revenue of the others.
	history := []lnkeep.ForwardRow{
		{Incoming: 8, Outgoing: 9, FeeMsat: 50_000_000, AddedUnixSecs: now - 9, SettledUnixSecs: now - 5},
	}
	_, err := resources.ImportHistory(soon(t), history)
	must(t, err)
	// The general slots of two pairs are full.
	for id := range uint64(5) {
		added(t)(resources.Add(forward(1, 2, id)))
	}
	for id := range uint64(5) {
		added(t)(resources.Add(forward(1, 9, 100+id)))
	}
	large := forward(1, 2, 10)
	large.IncomingAmountMsat, large.OutgoingAmountMsat = 60_001_000, 60_000_000
	absent, tampered, accountable := forward(1, 2, 11), forward(1, 3, 12), forward(1, 3, 13)
	absent.Upgrade = lnkeep.UpgradeAbsent
	tampered.Upgrade, tampered.Accountable = lnkeep.UpgradeAbsent, true
	accountable.Accountable, accountable.Upgrade = true, lnkeep.UpgradePresent
	for _, c := range []struct {
		request lnkeep.HTLCRequest
		want    lnkeep.Decision
	}{
		{large, lnkeep.Decision{Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonAboveCongestionLimit}},
		{absent, lnkeep.Decision{Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonUpgradeNotAllowed}},
		{tampered, lnkeep.Decision{Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonSignalTampered}},
		{accountable, lnkeep.Decision{Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonNoReputation}},
		{forward(1, 3, 14), lnkeep.Decision{
			Verdict: lnkeep.VerdictForward, Reason: lnkeep.ReasonGeneral, Bucket: lnkeep.BucketGeneral,
		}},
		{forward(1, 9, 15), lnkeep.Decision{
			Verdict: lnkeep.VerdictForward, Reason: lnkeep.ReasonReputation, Bucket: lnkeep.BucketProtected,
			Accountable: true,
		}},
		{forward(1, 2, 16), lnkeep.Decision{
			Verdict: lnkeep.VerdictForward, Reason: lnkeep.ReasonCongestion, Bucket: lnkeep.BucketCongestion,
			Accountable: true,
		}},
		{forward(1, 2, 17), lnkeep.Decision{
			Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonOutgoingInCongestion,
		}},
	} {
		if decision := added(t)(resources.Add(c.request)); decision != c.want {
			t.Fatalf("HTLC %d: %+v and not %+v", c.request.HTLCID, decision, c.want)
		}
	}
	checkMark(t, resources, forward(1, 2, 16))
}

// checkMark holds an HTLC in the congestion bucket for longer than it should be, which leaves a mark.
func checkMark(t *testing.T, resources *lnkeep.Resources, held lnkeep.HTLCRequest) {
	t.Helper()
	resolved(t)(resources.Resolve(over(held, 1000, false)))
	later := forward(1, 2, 18)
	later.UnixSecs += 1001
	if decision := added(t)(resources.Add(later)); decision.Reason != lnkeep.ReasonCongestionMisused {
		t.Fatalf("%+v", decision)
	}
	snapshot, err := resources.Snapshot(now)
	must(t, err)
	mark := lnkeep.ResourceMark{Incoming: 1, Outgoing: 2, MisusedUnixSecs: now + 1000}
	if !slices.Equal(snapshot.Marks, []lnkeep.ResourceMark{mark}) {
		t.Fatalf("%+v", snapshot.Marks)
	}
}

func TestResources_SmallAndFullBuckets(t *testing.T) {
	_, resources := newResources(t, nil, 4)
	// Too small to be divided: one general bucket, and no congestion bucket.
	small := lnkeep.ChannelLimits{MaxInFlightMsat: 100_000_000, MaxAcceptedHTLCs: 6}
	divided, outcome, err := resources.AddChannel(soon(t), 7, small, now)
	do(t)(outcome, err)
	if divided.GeneralSlots != 6 || divided.CongestionSlots != 0 || divided.ProtectedSlots != 0 {
		t.Fatalf("%+v", divided)
	}
	var last lnkeep.Decision
	for id := range uint64(7) {
		last = added(t)(resources.Add(forward(7, 1, id)))
	}
	if last != (lnkeep.Decision{Verdict: lnkeep.VerdictFail, Reason: lnkeep.ReasonNoCongestionBucket}) {
		t.Fatalf("%+v", last)
	}
	// With a reputation, and nothing left anywhere.
	history := []lnkeep.ForwardRow{
		{Incoming: 4, Outgoing: 3, FeeMsat: 50_000_000, AddedUnixSecs: now - 9, SettledUnixSecs: now - 5},
	}
	_, err = resources.ImportHistory(soon(t), history)
	must(t, err)
	reasons := map[lnkeep.DecisionReason]lnkeep.Bucket{}
	for id := uint64(100); id < 160; id++ {
		request := forward(1, 3, id)
		request.IncomingAmountMsat, request.OutgoingAmountMsat = 12_001_000, 12_000_000
		decision := added(t)(resources.Add(request))
		reasons[decision.Reason] = decision.Bucket
	}
	for reason, bucket := range map[lnkeep.DecisionReason]lnkeep.Bucket{
		lnkeep.ReasonGeneral: lnkeep.BucketGeneral, lnkeep.ReasonReputation: lnkeep.BucketProtected,
		lnkeep.ReasonNoRoom: lnkeep.BucketNone,
	} {
		if found, is := reasons[reason]; !is || found != bucket {
			t.Errorf("%v, %v: %+v", reason, bucket, reasons)
		}
	}
}

func TestResources_GroundsAndDryRun(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	fee := uint64(300)
	request := forward(1, 2, 1)
	request.PolicyFeeMsat = &fee
	dry, err := resources.DryRun(request)
	must(t, err)
	explained, err := resources.AddExplained(request)
	must(t, err)
	if dry != explained {
		t.Fatalf("%+v\n%+v", dry, explained)
	}
	grounds := dry.Grounds
	if grounds.FeeMsat != 300 || grounds.GeneralSlots != 20 || grounds.PairSlotsFree != 5 ||
		grounds.GeneralSlotsNeeded != 1 || grounds.CongestionSlots != 10 || grounds.ProtectedSlots != 20 ||
		grounds.CongestionLiquidityMsat != 100_000_000 || grounds.ProtectedLiquidityMsat != 200_000_000 ||
		grounds.HTLCRiskMsat == 0 || grounds.HasReputation || grounds.OutgoingInCongestion {
		t.Fatalf("%+v", grounds)
	}
	next, err := resources.DryRun(forward(1, 2, 2))
	must(t, err)
	if next.Grounds.PairSlotsFree != 4 || next.Grounds.GeneralSlotsUsed != 1 || next.Grounds.FeeMsat != 1000 {
		t.Fatalf("%+v", next.Grounds)
	}
	again, err := resources.DryRun(request)
	if err != nil || !again.Decision.Already {
		t.Fatalf("%+v, %v", again, err)
	}
	if stats, err := resources.Stats(); err != nil || stats.Forwarded != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestResources_ChannelsComeAndGo(t *testing.T) {
	_, resources := newResources(t, nil, 3)
	divided, outcome, err := resources.AddChannel(soon(t), 1, usual, now+5)
	again(t)(outcome, err)
	if divided.GeneralSlots != 20 || divided.GeneralLiquidityMsat != 200_000_000 ||
		divided.CongestionSlots != 10 || divided.ProtectedSlots != 20 || divided.PairSlots != 5 {
		t.Fatalf("%+v", divided)
	}
	twice := lnkeep.ChannelLimits{MaxInFlightMsat: 1_000_000_000, MaxAcceptedHTLCs: 100}
	divided, err = resources.ResizeChannel(soon(t), 1, twice)
	if err != nil || divided.GeneralSlots != 40 || divided.ProtectedLiquidityMsat != 400_000_000 {
		t.Fatalf("%+v, %v", divided, err)
	}
	added(t)(resources.Add(forward(1, 2, 1)))
	for channel, want := range map[lnkeep.ShortChannelID]lnkeep.Removal{
		1: lnkeep.RemovalClosing, 2: lnkeep.RemovalClosing, 3: lnkeep.RemovalRemoved,
	} {
		if removal, err := resources.RemoveChannel(soon(t), channel); err != nil || removal != want {
			t.Fatal(channel, removal, err)
		}
	}
	if view, err := resources.Channel(1, now); err != nil || !view.Closing || view.Limits != twice {
		t.Fatalf("%+v, %v", view, err)
	}
	resolved(t)(resources.Resolve(over(forward(1, 2, 1), 1, false)))
	snapshot, err := resources.Snapshot(now)
	if err != nil || !reflect.DeepEqual(snapshot, &lnkeep.ResourcesSnapshot{}) {
		t.Fatalf("%+v, %v", snapshot, err)
	}
}

func TestResources_ReconcileAfterARestart(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	resources, _ := openResources(t, store, nil)
	addChannels(t, resources, 2)
	for id := range uint64(3) {
		_, err := resources.AddDurable(soon(t), forward(1, 2, id))
		must(t, err)
	}
	must(t, store.Close())
	resources, report := openResources(t, openStore(t, path, nil), nil)
	if report.Pending != 3 {
		t.Fatalf("%+v", report)
	}
	other := live(forward(1, 2, 1))
	other.IncomingAmountMsat++
	accountable := live(forward(1, 2, 7))
	accountable.Accountable = true
	known := []lnkeep.LiveHTLC{live(forward(1, 2, 0)), other, accountable, live(forward(1, 99, 8))}
	done, err := resources.Reconcile(soon(t), known)
	if err != nil || done.Kept != 1 || done.Dropped != 1 || done.Added != 1 || done.UnknownChannel != 1 ||
		done.Different != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	snapshot, err := resources.Snapshot(now)
	must(t, err)
	ids := idsOf(snapshot.Pending)
	if !slices.Equal(ids, []uint64{0, 1, 7}) || !snapshot.Pending[2].Accountable {
		t.Fatalf("%+v", snapshot.Pending)
	}
	// It decides nothing anew: what is tracked answers as something decided.
	decision := added(t)(resources.Add(forward(1, 2, 7)))
	if !decision.Already || decision.Reason != lnkeep.ReasonRecorded {
		t.Fatalf("%+v", decision)
	}
	done, err = resources.Reconcile(soon(t), nil)
	must(t, err)
	if done.Added != 0 || done.Kept != 0 {
		t.Fatalf("%+v", done)
	}
}

func idsOf(pending []lnkeep.PendingHTLC) (ids []uint64) {
	for _, htlc := range pending {
		ids = append(ids, htlc.HTLCID)
	}
	return ids
}

func TestResources_ImportHistoryOnce(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	rows := []lnkeep.ForwardRow{
		{Incoming: 1, Outgoing: 2, FeeMsat: 5000, AddedUnixSecs: now - 90, SettledUnixSecs: now - 80},
		{Incoming: 2, Outgoing: 1, FeeMsat: 100, AddedUnixSecs: now - 70, SettledUnixSecs: now - 80},
		{Incoming: 8, Outgoing: 9, FeeMsat: 100, AddedUnixSecs: now - 70, SettledUnixSecs: now - 60},
	}
	done, err := resources.ImportHistory(soon(t), rows)
	if err != nil || done != (lnkeep.Imported{Channels: 2, Rows: 1, RowsPassedOver: 2}) {
		t.Fatalf("%+v, %v", done, err)
	}
	for channel, reputation := range map[lnkeep.ShortChannelID]int64{1: 0, 2: 5000} {
		view, err := resources.Channel(channel, now-80)
		if err != nil || view.ReputationNowMsat != reputation || view.RevenueTotalMsat != 5000-reputation {
			t.Fatalf("%+v, %v", view, err)
		}
	}
	done, err = resources.ImportHistory(soon(t), rows)
	if err != nil || done.Channels != 0 || done.ChannelsBefore != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	done, err = resources.ImportHistory(soon(t), nil)
	if err != nil || done != (lnkeep.Imported{}) {
		t.Fatalf("%+v, %v", done, err)
	}
}

func TestResources_OnlyWatch(t *testing.T) {
	_, resources := newResources(t, &lnkeep.ResourcesOptions{OnlyWatch: true}, 2)
	for id := range uint64(8) {
		decision := added(t)(resources.Add(forward(1, 2, id)))
		if decision.Verdict != lnkeep.VerdictForward || decision.WouldFail != (id >= 6) {
			t.Fatalf("HTLC %d: %+v", id, decision)
		}
	}
	snapshot, err := resources.Snapshot(now)
	must(t, err)
	if len(snapshot.Pending) != 8 || !snapshot.Pending[7].WouldFail ||
		snapshot.Pending[7].Bucket != lnkeep.BucketNone {
		t.Fatalf("%+v", snapshot.Pending)
	}
	if stats, err := resources.Stats(); err != nil || stats.WouldFail != 2 || stats.Failed != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestResources_OptionsAreUsed(t *testing.T) {
	for name, c := range map[string]struct {
		options lnkeep.ResourcesOptions
		check   func(lnkeep.Allocation, lnkeep.Explanation) bool
	}{
		"percent": {
			lnkeep.ResourcesOptions{GeneralPercent: 60, CongestionPercent: 10},
			func(a lnkeep.Allocation, _ lnkeep.Explanation) bool {
				return a.GeneralSlots == 30 && a.CongestionSlots == 5 && a.ProtectedSlots == 15
			},
		},
		"zeros count": {
			lnkeep.ResourcesOptions{GeneralPercent: 40, ZerosCount: true},
			func(a lnkeep.Allocation, _ lnkeep.Explanation) bool {
				return a.GeneralSlots == 20 && a.CongestionSlots == 0 && a.ProtectedSlots == 30
			},
		},
		"compat": {
			// The reference's slots are worth more than the bucket.
			lnkeep.ResourcesOptions{Compat: true},
			func(a lnkeep.Allocation, _ lnkeep.Explanation) bool {
				return a.SlotMsat*uint64(a.GeneralSlots) > a.GeneralLiquidityMsat
			},
		},
		"resolution period": {
			// Rounded up to a whole hour: the delay of 100 blocks costs less than with 90 seconds.
			lnkeep.ResourcesOptions{ResolutionPeriod: time.Hour - time.Millisecond},
			func(_ lnkeep.Allocation, e lnkeep.Explanation) bool {
				// 100 blocks are 60,000 seconds.
				return e.Grounds.HTLCRiskMsat > 10_000 && e.Grounds.HTLCRiskMsat < 20_000
			},
		},
		"default fee": {
			lnkeep.ResourcesOptions{DefaultFeeBaseMsat: 7_000, DefaultFeePPM: 3},
			func(_ lnkeep.Allocation, e lnkeep.Explanation) bool { return e.Grounds.ChargedFeeMsat == 7_003 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, resources := newResources(t, &c.options, 2)
			view, err := resources.Channel(1, now)
			must(t, err)
			request := forward(1, 2, 1)
			if c.options.DefaultFeeBaseMsat != 0 {
				request.IncomingAmountMsat = request.OutgoingAmountMsat
			}
			explained, err := resources.DryRun(request)
			must(t, err)
			if !c.check(view.Allocation, explained) {
				t.Fatalf("%+v, %+v", view.Allocation, explained)
			}
		})
	}
}

func TestResources_OtherSettingsDivideAnew(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	resources, _ := openResources(t, store, nil)
	addChannels(t, resources, 2)
	added(t)(resources.Add(forward(1, 2, 1)))
	must(t, resources.Close())
	resources, report := openResources(t, store, &lnkeep.ResourcesOptions{GeneralPercent: 60})
	if !report.DividedAnew || report.Pending != 1 {
		t.Fatalf("%+v", report)
	}
	if view, err := resources.Channel(1, now); err != nil || view.Allocation.GeneralSlots != 30 ||
		view.GeneralSlotsUsed != 1 {
		t.Fatalf("%+v, %v", view, err)
	}
}

func TestResources_ADurableCallIsOnDisk(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	before, err := resources.Stats()
	must(t, err)
	decision := added(t)(resources.AddDurable(soon(t), forward(1, 2, 1)))
	if decision.Verdict != lnkeep.VerdictForward {
		t.Fatalf("%+v", decision)
	}
	after, err := resources.Stats()
	must(t, err)
	if after.JournalNext <= before.JournalNext || after.JournalDurableBelow != after.JournalNext ||
		after.JournalWaiting != 0 {
		t.Fatalf("%+v, %+v", before, after)
	}
	resolved(t)(resources.ResolveDurable(soon(t), over(forward(1, 2, 1), 1, true)))
	_, err = resources.AddAllDurable(soon(t), []lnkeep.HTLCRequest{forward(1, 2, 2), forward(1, 2, 3)})
	must(t, err)
	_, err = resources.ResolveAllDurable(soon(t), []lnkeep.ResolveRequest{over(forward(1, 2, 2), 1, true)})
	must(t, err)
	last, err := resources.Stats()
	must(t, err)
	if last.JournalNext <= after.JournalNext || last.JournalDurableBelow != last.JournalNext ||
		last.Forwarded != 3 || last.Resolved != 2 {
		t.Fatalf("%+v", last)
	}
}

func TestResources_ClockBackwardsIsClamped(t *testing.T) {
	_, resources := newResources(t, nil, 2)
	added(t)(resources.Add(forward(1, 2, 1)))
	early := forward(1, 2, 2)
	early.UnixSecs -= 1000
	added(t)(resources.Add(early))
	stats, err := resources.Stats()
	if err != nil || stats.ClockClamped == 0 || stats.Forwarded != 2 {
		t.Fatalf("%+v, %v", stats, err)
	}
}
