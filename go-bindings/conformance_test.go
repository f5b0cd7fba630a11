package lnkeep_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

const vectors = "../tests/vectors/attempt_store/*.jsonl"

type scenario struct {
	ID      string            `json:"id"`
	Title   string            `json:"title"`
	Profile string            `json:"profile"`
	Steps   []json.RawMessage `json:"steps"`
}

// rules are the two sets of rules that a store may be created with.
var rules = []struct {
	name     string
	compat   bool
	profiles []string
}{
	{"strict", false, []string{"core", "strict", "dispatch", "classify", "proposal", "fault", "raw"}},
	{"lnd", true, []string{"core", "lnd", "dispatch", "classify", "proposal"}},
}

// TestConformance runs the vectors through the Go API. A scenario with a crash runs in a process of its
// own, which is killed; the others run here.
func TestConformance(t *testing.T) {
	scenarios := readScenarios(t)
	for _, set := range rules {
		t.Run(set.name, func(t *testing.T) {
			for _, s := range scenarios {
				if slices.Contains(set.profiles, s.Profile) {
					t.Run(s.ID, func(t *testing.T) { runScenario(t, s, set.compat) })
				}
			}
		})
	}
}

func readScenarios(t *testing.T) (scenarios []scenario) {
	files, err := filepath.Glob(vectors)
	must(t, err)
	if len(files) < 2 {
		t.Fatalf("only %d files match %s", len(files), vectors)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		for line := range bytes.Lines(content) {
			var s scenario
			if err := json.Unmarshal(line, &s); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			scenarios = append(scenarios, s)
		}
	}
	return scenarios
}

func runScenario(t *testing.T, s scenario, compat bool) {
	steps := make([]step, len(s.Steps))
	crashes := false
	for i, raw := range s.Steps {
		must(t, json.Unmarshal(raw, &steps[i]))
		switch steps[i].Op {
		case "inject_fault":
			t.Skip("needs fault injection, which the C ABI does not offer: tests/conformance.rs runs it")
		case "write_raw":
			t.Skip("needs undecodable bytes in the store, which the C ABI does not write: tests/conformance.rs runs it")
		}
		crashes = crashes || steps[i].How == "crash"
	}
	path := newPath(t)
	run := startHere(t, path, compat)
	if crashes {
		run = startWorker(t, path, compat)
	}
	for i, step := range steps {
		if got := run(s.Steps[i], step); !matches(step.Expect, got) {
			t.Fatalf("%s\nstep %d: %s\nanswered %v", s.Title, i, s.Steps[i], got)
		}
	}
}

// runner runs a step and gives its answer as JSON decodes it.
type runner func(raw json.RawMessage, s step) any

func startHere(t *testing.T, path string, compat bool) runner {
	h := &harness{path: path, compat: compat}
	t.Cleanup(h.close)
	return func(_ json.RawMessage, s step) (got any) {
		encoded, err := json.Marshal(h.run(s))
		must(t, err)
		must(t, json.Unmarshal(encoded, &got))
		return got
	}
}

// workerVariable makes the test program run steps from its input; its value is the store.
const (
	workerVariable = "LNKEEP_TEST_WORKER"
	compatVariable = "LNKEEP_TEST_COMPAT"
)

func runWorker() {
	h := &harness{path: os.Getenv(workerVariable), compat: os.Getenv(compatVariable) == "true"}
	input := json.NewDecoder(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var s step
		if err := input.Decode(&s); err != nil {
			if err != io.EOF {
				exitOn(err)
			}
			return
		}
		exitOn(output.Encode(h.run(s)))
	}
}

// worker is a process that may be killed at any time.
type worker struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

func startWorker(t *testing.T, path string, compat bool) runner {
	current := newWorker(t, path, compat)
	t.Cleanup(func() { current.kill() })
	return func(raw json.RawMessage, s step) (got any) {
		if s.How == "crash" {
			current.kill()
			current = newWorker(t, path, compat)
			raw = json.RawMessage(fmt.Sprintf(`{"op": "open", "lifecycle": %q}`, s.Lifecycle))
		}
		_, err := fmt.Fprintf(current.input, "%s\n", raw)
		must(t, err)
		line, err := current.output.ReadBytes('\n')
		must(t, err)
		must(t, json.Unmarshal(line, &got))
		return got
	}
}

func newWorker(t *testing.T, path string, compat bool) *worker {
	w := &worker{command: exec.Command(os.Args[0])}
	w.command.Env = append(os.Environ(), workerVariable+"="+path, fmt.Sprint(compatVariable, "=", compat))
	w.command.Stderr = os.Stderr
	var err error
	w.input, err = w.command.StdinPipe()
	must(t, err)
	output, err := w.command.StdoutPipe()
	must(t, err)
	w.output = bufio.NewReader(output)
	must(t, w.command.Start())
	return w
}

// kill ends the process without a chance to close anything.
func (w *worker) kill() {
	_ = w.command.Process.Kill()
	_ = w.command.Wait()
}

// matches reports whether every key of the pattern is present and equal.
func matches(pattern, got any) bool {
	expected, isObject := pattern.(map[string]any)
	if !isObject {
		return reflect.DeepEqual(pattern, got)
	}
	answered, isObject := got.(map[string]any)
	if !isObject || answered["err"] != nil && expected["err"] == nil {
		return false
	}
	for key, value := range expected {
		if zero, isNumber := value.(float64); isNumber && zero == 0 && answered[key] == nil {
			continue
		}
		if !matches(value, answered[key]) {
			return false
		}
	}
	return true
}

func TestMatches_IsASubset(t *testing.T) {
	decode := func(text string) (decoded any) {
		must(t, json.Unmarshal([]byte(text), &decoded))
		return decoded
	}
	for _, c := range []struct {
		pattern, got string
		matches      bool
	}{
		{`{"ok": true}`, `{"ok": true, "changed": false}`, true},
		{`{"ok": true}`, `{"err": "CONFLICT"}`, false},
		{`{"err": "CONFLICT"}`, `{"err": "CONFLICT"}`, true},
		{`{"err": "CONFLICT"}`, `{"ok": true}`, false},
		{`{"result": {"kind": "fail"}}`, `{"result": {"kind": "fail", "code": 1}}`, true},
		{`{"result": {"kind": "fail", "code": 1}}`, `{"result": {"kind": "fail"}}`, false},
		{`{"ids": ["1"]}`, `{"ids": ["1", "2"]}`, false},
		{`{"ids": []}`, `{"ids": []}`, true},
		{`{"counts": {"ok": 1, "CONFLICT": 0}}`, `{"counts": {"ok": 1}}`, true},
		{`{"counts": {"ok": 1}}`, `{"counts": {"ok": 2}}`, false},
	} {
		if matches(decode(c.pattern), decode(c.got)) != c.matches {
			t.Errorf("%s and %s", c.pattern, c.got)
		}
	}
}
