package lnkeep_test

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// providerScript is a script for one provider, as FORMAT.md beside the vectors describes it.
type providerScript struct {
	ID     string          `json:"id"`
	Config providerConfig  `json:"config"`
	Steps  []providerStep  `json:"steps"`
	Final  json.RawMessage `json:"final"`
}

// crashes reports whether the process has to be killed: in the script, or at its end, to see what is on
// disk of a peer for whom something newer waits.
func (s *providerScript) crashes(t *testing.T) bool {
	var final struct {
		Pending map[string]string `json:"pending"`
	}
	must(t, json.Unmarshal(s.Final, &final))
	isCrash := func(step providerStep) bool { return step.Op == "crash" }
	return len(final.Pending) > 0 || slices.ContainsFunc(s.Steps, isCrash)
}

type providerConfig struct {
	Feature       *bool   `json:"feature,omitempty"`
	CooldownMs    *int64  `json:"cooldown_ms,omitempty"`
	GCBlocks      *uint32 `json:"gc_blocks,omitempty"`
	MaxBlob       *uint32 `json:"max_blob,omitempty"`
	MaxPeers      *uint32 `json:"max_peers,omitempty"`
	MaxTotalBytes *uint64 `json:"max_total_bytes,omitempty"`
	AcceptPending *bool   `json:"accept_pending,omitempty"`
	AcceptInGrace bool    `json:"accept_in_grace,omitempty"`
}

// providerStep is an operation of a script, or one that the runner adds: open and kept.
type providerStep struct {
	Op     string          `json:"op"`
	T      int64           `json:"t"`
	Peer   string          `json:"peer"`
	Blob   string          `json:"blob"`
	Height uint32          `json:"height"`
	Expect json.RawMessage `json:"expect,omitempty"`

	Config *providerConfig            `json:"config,omitempty"`
	Claims map[string]*providerClaims `json:"claims,omitempty"`
}

// providerClaims are what the host re-supplies about a peer.
type providerClaims struct {
	Open    uint32 `json:"open"`
	Pending uint32 `json:"pending"`
	Allowed bool   `json:"allowed"`
}

func valueOr[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

func (c *providerConfig) options() *lnkeep.PeerStorageOptions {
	cooldown := time.Duration(valueOr(c.CooldownMs, 1000)) * time.Millisecond
	return &lnkeep.PeerStorageOptions{
		Off: !valueOr(c.Feature, true), RefusePendingChannels: !valueOr(c.AcceptPending, true),
		AcceptInGrace: c.AcceptInGrace, ReturnUnwritten: true, ZerosCount: true,
		Cooldown: cooldown, CooldownWithoutChannel: cooldown, WithoutChannelPercent: 100,
		TotalBytesMax: valueOr(c.MaxTotalBytes, 268_435_456), PendingBytesMax: 1 << 30,
		RetentionBlocks: valueOr(c.GCBlocks, 2016), BlobBytesMax: valueOr(c.MaxBlob, 65_531),
		PeersMax: valueOr(c.MaxPeers, 4096),
	}
}

// peerOf is the node id of a peer's letter, and back.
func peerOf(name string) (id lnkeep.NodeID) { id[0] = 2; copy(id[1:], name); return id }

func peerName(id lnkeep.NodeID) string {
	end := 1
	for end < len(id) && id[end] != 0 {
		end++
	}
	return string(id[1:end])
}

func peerNames(ids []lnkeep.NodeID) []string {
	names := []string{}
	for _, id := range ids {
		names = append(names, peerName(id))
	}
	return names
}

// providerSuite lets the test program be a worker of these scripts.
var providerSuite = suite{folder: "provider", newHarness: newProviderHarness}

// providerHarness runs the steps of a script through PeerStorage.
type providerHarness struct {
	store   *lnkeep.Store
	storage *lnkeep.PeerStorage
}

func newProviderHarness(path string, _ bool) harness {
	store, err := lnkeep.Open(path, nil)
	exitOn(err)
	return &providerHarness{store: store}
}

func (h *providerHarness) close() { _ = h.store.Close() }

func (h *providerHarness) run(raw json.RawMessage) any {
	var s providerStep
	if err := json.Unmarshal(raw, &s); err != nil {
		return answer{"err": err.Error()}
	}
	got, err := h.step(&s, peerOf(s.Peer), time.UnixMilli(s.T))
	if err != nil {
		return answer{"err": code(err)}
	}
	return got
}

var providerClaimChanges = map[string]lnkeep.ClaimChange{
	"channel_pending": lnkeep.ClaimPendingChannel, "channel_open": lnkeep.ClaimOpenChannel,
	"channel_closed": lnkeep.ClaimClosedChannel, "pending_failed": lnkeep.ClaimFailedChannel,
	"allow": lnkeep.ClaimAllowed, "disallow": lnkeep.ClaimDisallowed,
}

func (h *providerHarness) step(s *providerStep, peer lnkeep.NodeID, at time.Time) (answer, error) {
	if change, isClaim := providerClaimChanges[s.Op]; isClaim {
		return answer{}, h.storage.ReportClaim(background, peer, change, s.Height)
	}
	switch s.Op {
	case "open":
		return h.open(s)
	case "store":
		return h.storeBlob(s, peer, at)
	case "tick":
		tick, err := h.storage.Tick(background, at)
		return answer{"committed": peerNames(tick.Committed)}, cmp.Or(err, tick.Failure)
	case "flush":
		tick, err := h.storage.Flush(background, at)
		return answer{"committed": peerNames(tick.Committed)}, cmp.Or(err, tick.Failure)
	case "disconnect":
		written, err := h.storage.Disconnected(background, at, peer)
		committed := []string{}
		if written {
			committed = append(committed, s.Peer)
		}
		return answer{"committed": committed}, err
	case "connect":
		blob, err := h.storage.Connected(background, at, peer)
		if blob == nil {
			return answer{"retrieval": nil}, err
		}
		return answer{"retrieval": hex.EncodeToString(blob)}, err
	case "block":
		collected, err := h.storage.BlockConnected(background, s.Height)
		return answer{"collected": peerNames(collected)}, err
	case "prune":
		removed, err := h.storage.Prune(background, peer)
		return answer{"pruned": removed}, err
	case "kept":
		return h.kept()
	}
	return nil, fmt.Errorf("the harness does not know %s", s.Op)
}

func (h *providerHarness) open(s *providerStep) (answer, error) {
	var err error
	if h.storage, _, err = h.store.OpenPeerStorage(s.Config.options()); err != nil {
		return nil, err
	}
	var claims []lnkeep.PeerClaims
	for name, c := range s.Claims {
		claims = append(claims, lnkeep.PeerClaims{
			Peer: peerOf(name), OpenChannels: c.Open, PendingChannels: c.Pending, Allowed: c.Allowed,
		})
	}
	return answer{}, h.storage.ClaimsComplete(background, claims, s.Height)
}

var providerReasons = map[string]string{
	"STORAGE_NOT_OFFERED": "feature_off", "NO_CLAIM": "no_channel", "TOO_BIG": "too_large",
	"QUOTA_PEERS": "quota_peers", "QUOTA_TOTAL": "quota_total",
}

func (h *providerHarness) storeBlob(s *providerStep, peer lnkeep.NodeID, at time.Time) (answer, error) {
	stored, err := h.storage.Store(background, at, peer, unhex(s.Blob))
	if err != nil {
		if reason, isRefusal := providerReasons[code(err)]; isRefusal {
			return answer{"result": "rejected", "reason": reason}, nil
		}
		return nil, err
	}
	if stored.Result == lnkeep.StoredDeferred {
		return answer{"result": "deferred", "due": stored.Due.UnixMilli()}, stored.Failure
	}
	return answer{"result": stored.Result.String()}, nil
}

// kept is what there is, without the count of writes.
func (h *providerHarness) kept() (answer, error) {
	newest, pending, closedAt := map[string]string{}, map[string]string{}, map[string]uint32{}
	for peer, err := range h.storage.Peers() {
		if err != nil {
			return nil, err
		}
		blob, err := h.storage.Export(peer.Peer)
		if err != nil {
			return nil, err
		}
		name := peerName(peer.Peer)
		newest[name] = hex.EncodeToString(blob)
		if peer.Pending {
			pending[name] = newest[name]
		}
		if peer.ClosedAt != nil {
			closedAt[name] = *peer.ClosedAt
		}
	}
	return answer{"newest": newest, "pending": pending, "closed_at": closedAt}, nil
}

// providerRun is a script on its way: what a host knows, and what was written.
type providerRun struct {
	config *providerConfig
	run    runner
	crash  func()
	claims map[string]*providerClaims
	writes map[string]int
}

// TestConformance_Provider runs provider.jsonl. A crash kills the process that the script runs in.
func TestConformance_Provider(t *testing.T) {
	for _, script := range readStorageCases[providerScript](t, "provider") {
		t.Run(script.ID, func(t *testing.T) { runProvider(t, &script) })
	}
}

func runProvider(t *testing.T, script *providerScript) {
	r := &providerRun{
		config: &script.Config, claims: map[string]*providerClaims{}, writes: map[string]int{},
	}
	path := newPath(t)
	if script.crashes(t) {
		r.inWorkers(t, path)
	} else {
		r.run = providerSuite.startHere(t, path, false)
	}
	r.step(t, &providerStep{Op: "open", Config: r.config})
	for i := range script.Steps {
		step := &script.Steps[i]
		r.remember(step)
		got := r.step(t, step)
		if !isAnswer(t, step.Expect, got) {
			t.Fatalf("step %d: %+v\nanswered %s, not %s", i, step, got, step.Expect)
		}
		r.count(t, step.Peer, got)
	}
	r.compareFinal(t, script.Final)
}

// inWorkers runs steps in a process that a crash kills.
func (r *providerRun) inWorkers(t *testing.T, path string) {
	current := providerSuite.newWorker(t, path, false)
	t.Cleanup(func() { current.kill() })
	r.crash = func() {
		current.kill()
		current = providerSuite.newWorker(t, path, false)
	}
	r.run = func(raw json.RawMessage, _ outline) (got any) {
		_, err := fmt.Fprintf(current.input, "%s\n", raw)
		must(t, err)
		line, err := current.output.ReadBytes('\n')
		must(t, err)
		must(t, json.Unmarshal(line, &got))
		return got
	}
}

// step runs a step and gives its answer as JSON.
func (r *providerRun) step(t *testing.T, s *providerStep) []byte {
	t.Helper()
	if s.Op == "crash" {
		lost := r.kept(t)["pending"].(map[string]any)
		r.crash()
		r.step(t, &providerStep{Op: "open", Config: r.config, Claims: r.claims})
		names := []string{}
		for name := range lost {
			names = append(names, name)
		}
		slices.Sort(names)
		encoded, err := json.Marshal(answer{"lost_pending": names})
		must(t, err)
		return encoded
	}
	raw, err := json.Marshal(s)
	must(t, err)
	encoded, err := json.Marshal(r.run(raw, outline{Op: s.Op}))
	must(t, err)
	return encoded
}

func (r *providerRun) kept(t *testing.T) map[string]any {
	t.Helper()
	kept := decodeExact(t, r.step(t, &providerStep{Op: "kept"})).(map[string]any)
	if kept["err"] != nil {
		t.Fatal(kept)
	}
	return kept
}

// remember keeps what a host knows of its channels.
func (r *providerRun) remember(s *providerStep) {
	if s.Peer == "" {
		return
	}
	if r.claims[s.Peer] == nil {
		r.claims[s.Peer] = &providerClaims{}
	}
	c := r.claims[s.Peer]
	switch s.Op {
	case "channel_pending":
		c.Pending++
	case "channel_open":
		c.Open++
		c.Pending -= min(c.Pending, 1)
	case "channel_closed":
		c.Open -= min(c.Open, 1)
	case "pending_failed":
		c.Pending -= min(c.Pending, 1)
	case "allow", "disallow":
		c.Allowed = s.Op == "allow"
	}
}

// count counts what was written.
func (r *providerRun) count(t *testing.T, peer string, got []byte) {
	var said struct {
		Result    string   `json:"result"`
		Committed []string `json:"committed"`
	}
	must(t, json.Unmarshal(got, &said))
	if said.Result == "committed" {
		r.writes[peer]++
	}
	for _, name := range said.Committed {
		r.writes[name]++
	}
}

// compareFinal holds the end against what is expected.
func (r *providerRun) compareFinal(t *testing.T, expected json.RawMessage) {
	before := r.kept(t)
	after := before
	if r.crash != nil {
		r.step(t, &providerStep{Op: "crash"})
		after = r.kept(t)
	}
	encoded, err := json.Marshal(answer{
		"stored": after["newest"], "pending": before["pending"], "closed_at": before["closed_at"],
		"writes": r.writes,
	})
	must(t, err)
	if !isAnswer(t, expected, encoded) {
		t.Fatalf("at the end there is %s\nand not %s", encoded, expected)
	}
}
