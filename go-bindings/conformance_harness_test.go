package lnkeep_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// step is one operation of a scenario, as FORMAT.md beside the vectors describes it.
type step struct {
	Op          string            `json:"op"`
	ID          string            `json:"id"`
	NS          string            `json:"ns"`
	Lifecycle   string            `json:"lifecycle"`
	Handle      string            `json:"handle"`
	Fingerprint string            `json:"fingerprint"`
	Request     string            `json:"request"`
	Dispatcher  string            `json:"dispatcher"`
	Decryptor   string            `json:"decryptor"`
	Raw         string            `json:"raw"`
	Retain      string            `json:"retain"`
	N           int               `json:"n"`
	Client      uint8             `json:"client"`
	Known       bool              `json:"require_known"`
	Circuit     bool              `json:"circuit"`
	Dedupe      bool              `json:"dedupe"`
	Keep        []string          `json:"keep"`
	IDs         []string          `json:"ids"`
	Circuits    map[string]string `json:"circuits"`
	Result      *vectorResult     `json:"result"`
}

type vectorResult struct {
	Kind        string `json:"kind"`
	Preimage    string `json:"preimage"`
	Reason      string `json:"reason"`
	Code        uint16 `json:"code"`
	Unencrypted bool   `json:"unencrypted"`
	Resolution  bool   `json:"resolution"`
}

// answer is what an operation answered, in the words of the vectors.
type answer map[string]any

// attemptHarness runs the steps of attempt_store.
type attemptHarness struct {
	path    string
	compat  bool
	store   *lnkeep.Store
	a       *lnkeep.Attempts
	handles map[string]*lnkeep.Subscription
}

var background = context.Background()

func newAttemptHarness(path string, compat bool) harness {
	return &attemptHarness{path: path, compat: compat}
}

func (h *attemptHarness) run(raw json.RawMessage) any {
	var s step
	if err := json.Unmarshal(raw, &s); err != nil {
		return answer{"err": err.Error()}
	}
	return h.step(s)
}

func (h *attemptHarness) step(s step) answer {
	k := lnkeep.Key{Namespace: namespace(s.NS), ID: number(s.ID)}
	switch s.Op {
	case "open":
		return answerOf(h.open(s.Lifecycle))
	case "restart":
		h.close()
		return answerOf(h.open(s.Lifecycle))
	case "encode_id":
		id, err := lnkeep.EncodeClientID(s.Client, number(s.Raw))
		return with(err, "id", strconv.FormatUint(id, 10))
	case "decode_id":
		client, raw, err := lnkeep.DecodeClientID(number(s.ID))
		return with(err, "client", client, "raw", strconv.FormatUint(raw, 10))
	case "classify":
		return classify(s)
	case "init", "init_concurrent", "store", "fail_pending", "clean", "delete", "recover", "disable_external":
		return h.write(s, k)
	case "dispatch":
		return h.dispatch(s, k)
	case "dispatch_concurrent":
		return answer{"counts": concurrently(s.N, func() string { return h.dispatch(s, k)["code"].(string) })}
	}
	return h.read(s, k)
}

func (h *attemptHarness) open(lifecycle string) error {
	store, err := lnkeep.Open(h.path, &lnkeep.StoreOptions{LNDCompat: h.compat})
	if err != nil {
		return err
	}
	attempts, err := store.OpenAttempts(&lnkeep.AttemptsOptions{
		External: lifecycle == "external", UnmarkedHost: true,
	})
	if err != nil {
		_ = store.Close()
		return err
	}
	h.store, h.a, h.handles = store, attempts, map[string]*lnkeep.Subscription{}
	return nil
}

func (h *attemptHarness) close() {
	if h.store != nil {
		_ = h.store.Close()
	}
	h.store = nil
}

func (h *attemptHarness) write(s step, k lnkeep.Key) answer {
	switch s.Op {
	case "init":
		return answerOf(h.init(s, k))
	case "init_concurrent":
		return answer{"counts": concurrently(s.N, func() string { return code(h.init(s, k)) })}
	case "store":
		outcome, err := h.a.StoreResult(background, k, s.Result.result())
		return with(err, "changed", outcome.Changed, "conflict", outcome.Conflict)
	case "fail_pending":
		_, err := h.a.FailPending(background, k, lnkeep.Failure{})
		return answerOf(err)
	case "clean":
		keep := make([]uint64, len(s.Keep))
		for i, id := range s.Keep {
			keep[i] = number(id)
		}
		_, err := h.a.Clean(background, lnkeep.CleanOptions{
			Namespace: k.Namespace, Keep: keep, Forget: s.Retain != "tombstone",
		})
		return answerOf(err)
	case "delete":
		return h.remove(s, k.Namespace)
	case "disable_external":
		_, err := h.a.DisableExternal(background)
		return answerOf(err)
	}
	return h.recover(s, k.Namespace)
}

func (h *attemptHarness) init(s step, k lnkeep.Key) error {
	request := lnkeep.Request{Key: k}
	if s.Fingerprint != "" {
		request.Fingerprint = (*[32]byte)(unhex(s.Fingerprint))
	}
	outcome, err := h.a.Init(background, request)
	if err == nil && outcome.Already {
		// The vectors know one name for what Go calls an outcome.
		return errors.New(outcome.Code.String())
	}
	return err
}

func (h *attemptHarness) remove(s step, ns lnkeep.Namespace) answer {
	ids := s.IDs
	if s.Dedupe {
		ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	}
	keys := make([]lnkeep.Key, len(ids))
	for i, id := range ids {
		keys[i] = lnkeep.Key{Namespace: ns, ID: number(id)}
	}
	remove := h.a.Forget
	if s.Retain == "tombstone" {
		remove = h.a.Delete
	}
	outcomes, err := remove(background, keys...)
	if err != nil && !errors.Is(err, lnkeep.ErrBatch) {
		return answerOf(err)
	}
	statuses := answer{}
	for i, outcome := range outcomes {
		statuses[ids[i]] = "OK"
		if outcome.Err != nil {
			statuses[ids[i]] = code(outcome.Err)
		}
		if errors.Is(outcome.Err, lnkeep.ErrCorruptRecord) {
			statuses[ids[i]] = "FAILED"
		}
	}
	return answer{"statuses": statuses}
}

func (h *attemptHarness) recover(s step, ns lnkeep.Namespace) answer {
	options := lnkeep.RecoverOptions{Namespace: ns, CircuitsComplete: true, CurrentEpoch: true}
	for id, state := range s.Circuits {
		circuit := lnkeep.Circuit{ID: number(id), State: lnkeep.CircuitHalfOpen}
		if state == "open" {
			circuit.State = lnkeep.CircuitOpen
		}
		options.Circuits = append(options.Circuits, circuit)
	}
	recovery, err := h.a.Recover(background, options)
	return with(err, "failed", decimal(recovery.Failed))
}

func (h *attemptHarness) read(s step, k lnkeep.Key) answer {
	switch s.Op {
	case "marker":
		present, err := h.a.IsExternal()
		return with(err, "present", present)
	case "get":
		result, err := h.a.Result(k)
		return with(err, "result", resultAnswer(result))
	case "has_result":
		value, err := h.a.HasResult(k)
		return with(err, "value", value)
	case "fetch_pending":
		return h.pending(k.Namespace)
	case "subscribe", "track":
		return h.subscribe(s, k)
	case "poll":
		return h.poll(s)
	case "unsubscribe":
		return answerOf(h.handles[s.Handle].Close())
	case "waiters":
		count, err := h.a.Waiters(k)
		return with(err, "count", count)
	case "shutdown":
		return answerOf(h.a.UnsubscribeAll())
	}
	return answer{"err": "the harness does not know " + s.Op}
}

func (h *attemptHarness) pending(ns lnkeep.Namespace) answer {
	ids := []uint64{}
	query := lnkeep.Query{Namespace: ns, States: []lnkeep.State{lnkeep.StateIntent, lnkeep.StateHandedOff}}
	for attempt, err := range h.a.All(query) {
		if err == nil {
			ids = append(ids, attempt.Key.ID)
		} else if !errors.Is(err, lnkeep.ErrCorruptRecord) {
			return answerOf(err)
		}
	}
	return answer{"ids": decimal(ids)}
}

func (h *attemptHarness) subscribe(s step, k lnkeep.Key) answer {
	subscribe := h.a.Subscribe
	if s.Known || s.Op == "track" && !s.Circuit {
		subscribe = h.a.SubscribeKnown
	}
	if s.Op == "track" {
		if _, err := h.a.Result(k); errors.Is(err, lnkeep.ErrDeleted) {
			return answerOf(err)
		}
	}
	subscription, err := subscribe(k)
	if err == nil {
		h.handles[s.Handle] = subscription
	}
	return answerOf(err)
}

func (h *attemptHarness) poll(s step) answer {
	subscription := h.handles[s.Handle]
	if subscription == nil {
		// It is from before a restart.
		return answer{"state": "closed"}
	}
	state, result, err := subscription.Poll()
	if state == lnkeep.PollResult {
		return with(err, "state", "result", "result", resultAnswer(result))
	}
	return with(err, "state", state.String())
}

// dispatch is the facade of FORMAT.md, as a host writes it: register, validate, send, roll back.
func (h *attemptHarness) dispatch(s step, k lnkeep.Key) answer {
	err := h.init(s, k)
	switch {
	case err != nil && code(err) == "ALREADY_EXISTS":
		return answer{"code": "ALREADY_EXISTS"}
	case errors.Is(err, lnkeep.ErrRefused):
		return answer{"code": "FAILED_PRECONDITION", "class": "definite"}
	case err != nil:
		return answer{"code": "UNAVAILABLE", "class": "indefinite", "reason": "HTLC_INIT_FAILED"}
	}
	rollBack := func(a answer) answer {
		_, err := h.a.FailPending(background, k, lnkeep.Failure{})
		if err != nil && !errors.Is(err, lnkeep.ErrNotPending) {
			return answer{"code": "UNAVAILABLE", "class": "indefinite", "reason": "REASON_UNKNOWN"}
		}
		return a
	}
	switch s.Request {
	case "malformed":
		return rollBack(answer{"code": "INVALID_ARGUMENT", "class": "definite"})
	case "no_channel":
		return rollBack(answer{"code": "FAILED_PRECONDITION", "class": "definite"})
	}
	switch s.Dispatcher {
	case "", "ok":
		return answer{"code": "OK"}
	case "duplicate":
		return answer{"code": "ALREADY_EXISTS"}
	case "link_error":
		return rollBack(answer{"code": "FAILED_PRECONDITION", "class": "definite"})
	case "exiting":
		return rollBack(answer{"code": "UNAVAILABLE", "class": "indefinite", "reason": "SWITCH_EXITING"})
	}
	return rollBack(answer{"code": "UNAVAILABLE", "class": "indefinite", "reason": "REASON_UNKNOWN"})
}

func classify(s step) answer {
	decryptor := map[string]lnkeep.Decryptor{
		"none": lnkeep.DecryptorNone, "ok": lnkeep.DecryptorOK, "fails": lnkeep.DecryptorFails,
	}[s.Decryptor]
	classified, err := s.Result.result().Classify(decryptor)
	if errors.Is(err, lnkeep.ErrInvalidArgument) {
		return answer{"err": "UNKNOWN_RESULT_KIND"}
	}
	return with(err, "outcome", classified.String())
}

func (v *vectorResult) result() lnkeep.Result {
	// The C ABI has no number for a kind that does not exist.
	kind := map[string]lnkeep.ResultKind{"settle": lnkeep.ResultSettle, "fail": lnkeep.ResultFail}[v.Kind]
	result := lnkeep.Result{
		Kind: kind, Unencrypted: v.Unencrypted, Resolution: v.Resolution, FailureCode: v.Code, Message: unhex(v.Reason),
	}
	copy(result.Preimage[:], unhex(v.Preimage))
	return result
}

func resultAnswer(r lnkeep.Result) answer {
	a := answer{"kind": r.Kind.String(), "unencrypted": r.Unencrypted, "resolution": r.Resolution}
	if r.Kind == lnkeep.ResultSettle {
		a["preimage"] = hex.EncodeToString(r.Preimage[:])
	} else {
		a["reason"] = hex.EncodeToString(r.Message)
	}
	if r.FailureCode != 0 {
		a["code"] = r.FailureCode
	}
	return a
}

// code is the name of an error's status.
func code(err error) string {
	var known *lnkeep.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &known):
		return known.Code.String()
	}
	return err.Error()
}

func answerOf(err error) answer { return with(err, "ok", true) }

// with is an error, or pairs of a name and a value.
func with(err error, pairs ...any) answer {
	if err != nil {
		return answer{"err": code(err)}
	}
	a := answer{"ok": true}
	for i := 0; i < len(pairs); i += 2 {
		a[pairs[i].(string)] = pairs[i+1]
	}
	return a
}

func concurrently(n int, call func() string) map[string]int {
	return eachConcurrently(make([]string, n), func(string) string { return call() })
}

// eachConcurrently counts the answers of a call for each id, all at once.
func eachConcurrently(ids []string, call func(id string) string) map[string]int {
	var mu sync.Mutex
	var group sync.WaitGroup
	counts := map[string]int{}
	for _, id := range ids {
		group.Go(func() {
			outcome := call(id)
			mu.Lock()
			counts[outcome]++
			mu.Unlock()
		})
	}
	group.Wait()
	return counts
}

func namespace(name string) (ns lnkeep.Namespace) { copy(ns[:], name); return ns }

func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

func decimal(ids []uint64) []string {
	texts := []string{}
	for _, id := range ids {
		texts = append(texts, strconv.FormatUint(id, 10))
	}
	return texts
}

func unhex(text string) []byte {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return decoded
}
