package lnkeep_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// deferredScenario is one line of deferred, as FORMAT.md beside the vectors describes it.
type deferredScenario struct {
	ID    string            `json:"id"`
	Title string            `json:"title"`
	Needs []string          `json:"needs"`
	Steps []json.RawMessage `json:"steps"`
}

// deferredOutline is what the runner looks at; the harness looks at the arguments.
type deferredOutline struct {
	Op   string `json:"op"`
	Args struct {
		Options map[string]any `json:"options"`
	} `json:"args"`
	Expect json.RawMessage `json:"expect"`
}

var deferredSuite = suite{folder: "deferred", newHarness: newMonitorHarness}

// abilities are those that the Go API, which is that of the C ABI, cannot have.
var abilities = map[string]string{
	"crash_point": "needs a crash inside a commit",
	"fault":       "needs a disk that fails",
	"tamper":      "needs an edit of the closed database",
}

// TestConformance_Deferred runs the vectors of the monitors through the Go API, and those that lnkeep adds.
// A scenario with a crash runs in a process of its own, which is killed; the others run here.
func TestConformance_Deferred(t *testing.T) {
	for _, folder := range []string{"deferred", "deferred_more"} {
		t.Run(folder, func(t *testing.T) {
			for _, one := range readDeferred(t, folder) {
				t.Run(one.ID, func(t *testing.T) { runDeferred(t, one) })
			}
		})
	}
}

func readDeferred(t *testing.T, folder string) (scenarios []deferredScenario) {
	files, err := filepath.Glob("../tests/vectors/" + folder + "/*.jsonl")
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("there are no vectors in %s", folder)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		for line := range bytes.Lines(content) {
			var s deferredScenario
			if err := json.Unmarshal(line, &s); err != nil || s.ID == "" || len(s.Steps) == 0 {
				t.Fatalf("%s: %v: %s", file, err, line)
			}
			scenarios = append(scenarios, s)
		}
	}
	return scenarios
}

func runDeferred(t *testing.T, one deferredScenario) {
	for _, need := range one.Needs {
		why, isKnown := abilities[need]
		if !isKnown {
			t.Fatalf("the scenario needs %q, which nobody knows", need)
		}
		t.Skip(why + ", which the C ABI does not offer: tests/conformance.rs runs it")
	}
	steps := make([]deferredOutline, len(one.Steps))
	crashes := false
	for i, raw := range one.Steps {
		must(t, json.Unmarshal(raw, &steps[i]))
		crashes = crashes || steps[i].Op == "crash"
		for name, value := range steps[i].Args.Options {
			// Without a reserve is a choice of its own there.
			if value == 0.0 && name != "critical_reserve_ops" {
				t.Skip("needs " + name + " 0, which is the default in the C ABI: tests/conformance.rs runs it")
			}
		}
	}
	path := newPath(t)
	run := deferredHere(t, path)
	if crashes {
		run = deferredWorker(t, path)
	}
	for i, step := range steps {
		if got := run(one.Steps[i], step.Op); !isAnswer(t, step.Expect, got) {
			t.Fatalf("%s\nstep %d: %s\nanswered %s", one.Title, i, one.Steps[i], got)
		}
	}
}

// deferredRunner runs a step and gives its answer as JSON.
type deferredRunner func(raw json.RawMessage, op string) []byte

func deferredHere(t *testing.T, path string) deferredRunner {
	h := newMonitorHarness(path, false)
	t.Cleanup(h.close)
	return func(raw json.RawMessage, _ string) []byte {
		encoded, err := json.Marshal(h.run(raw))
		must(t, err)
		return encoded
	}
}

func deferredWorker(t *testing.T, path string) deferredRunner {
	current := deferredSuite.newWorker(t, path, false)
	t.Cleanup(func() { current.kill() })
	return func(raw json.RawMessage, op string) []byte {
		if op == "crash" {
			current.kill()
			current = deferredSuite.newWorker(t, path, false)
			return []byte(`{"rc": "CRASHED"}`)
		}
		_, err := current.input.Write(append(slices.Clone(raw), '\n'))
		must(t, err)
		line, err := current.output.ReadBytes('\n')
		must(t, err)
		return line
	}
}

// isAnswer reports whether an answer is the expected one: every key of it, and no further ones.
func isAnswer(t *testing.T, expected, got []byte) bool {
	return reflect.DeepEqual(withBlobs(decodeExact(t, expected)), decodeExact(t, got))
}

// decodeExact keeps numbers as they were written: ids have 64 bits.
func decodeExact(t *testing.T, text []byte) (decoded any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	must(t, decoder.Decode(&decoded))
	return decoded
}

// withBlobs writes out the blobs that an expectation describes by a byte and a length.
func withBlobs(expected any) any {
	switch value := expected.(type) {
	case []any:
		for i := range value {
			value[i] = withBlobs(value[i])
		}
	case map[string]any:
		fill, isFill := value["fill"].(string)
		if length, isBlob := value["len"].(json.Number); isFill && isBlob {
			n, _ := length.Int64()
			return strings.Repeat(string(unhex(fill)), int(n))
		}
		for key := range value {
			value[key] = withBlobs(value[key])
		}
	}
	return expected
}

func TestIsAnswer_IsExact(t *testing.T) {
	for _, c := range []struct {
		expected, got string
		is            bool
	}{
		{`{"rc": "OK"}`, `{"rc": "OK"}`, true},
		{`{"rc": "OK"}`, `{"rc": "OK", "ops": 0}`, false},
		{`{"rc": "OK", "ops": 0}`, `{"rc": "OK"}`, false},
		{`{"rc": "QUEUE_FULL"}`, `{"rc": "OK"}`, false},
		{`{"id": 18446744073709551614}`, `{"id": 18446744073709551615}`, false},
		{`{"list": [["A", 1], ["A", 2]]}`, `{"list": [["A", 2], ["A", 1]]}`, false},
		{`{"list": []}`, `{"list": null}`, false},
		{`{"base": {"fill": "61", "len": 3}}`, `{"base": "aaa"}`, true},
		{`{"base": {"fill": "61", "len": 3}}`, `{"base": "aaaa"}`, false},
		{`{"channels": {"A": {"base_id": 0}}}`, `{"channels": {"A": {"base_id": 0}, "B": {}}}`, false},
		{`{"manager": null}`, `{"manager": ""}`, false},
	} {
		if isAnswer(t, []byte(c.expected), []byte(c.got)) != c.is {
			t.Errorf("%s and %s", c.expected, c.got)
		}
	}
}
