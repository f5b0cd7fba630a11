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

type scenario struct {
	ID      string            `json:"id"`
	Title   string            `json:"title"`
	Profile string            `json:"profile"`
	Steps   []json.RawMessage `json:"steps"`
}

// suite is one component's vectors, and the profiles of each of the two sets of rules that a store may be
// created with.
type suite struct {
	folder      string
	strict, lnd []string
	newHarness  func(path string, compat bool) harness
}

// harness runs the steps of one scenario through the Go API.
type harness interface {
	// run runs one step; raw is the whole of it.
	run(raw json.RawMessage) any
	close()
}

var suites = []suite{
	{
		folder:     "attempt_store",
		strict:     []string{"core", "strict", "dispatch", "classify", "proposal", "fault", "raw"},
		lnd:        []string{"core", "lnd", "dispatch", "classify", "proposal"},
		newHarness: newAttemptHarness,
	},
	{
		folder:     "control_tower",
		strict:     []string{"core", "strict", "pure", "resume"},
		lnd:        []string{"core", "lnd", "pure", "resume"},
		newHarness: newPaymentHarness,
	},
}

// TestConformance runs the vectors through the Go API. A scenario with a crash runs in a process of its
// own, which is killed; the others run here.
func TestConformance(t *testing.T) {
	for i := range suites {
		t.Run(suites[i].folder, suites[i].run)
	}
}

func (s *suite) run(t *testing.T) {
	scenarios := readScenarios(t, s.folder)
	for name, profiles := range map[string][]string{"strict": s.strict, "lnd": s.lnd} {
		t.Run(name, func(t *testing.T) {
			for _, one := range scenarios {
				if slices.Contains(profiles, one.Profile) {
					t.Run(one.ID, func(t *testing.T) { s.runScenario(t, one, name == "lnd") })
				}
			}
		})
	}
	known := append(append([]string(nil), s.strict...), s.lnd...)
	for _, one := range scenarios {
		if !slices.Contains(known, one.Profile) {
			t.Errorf("%s: nobody runs the profile %q", one.ID, one.Profile)
		}
	}
}

func readScenarios(t *testing.T, folder string) (scenarios []scenario) {
	files, err := filepath.Glob("../tests/vectors/" + folder + "/*.jsonl")
	must(t, err)
	if len(files) < 2 {
		t.Fatalf("only %d files of vectors in %s", len(files), folder)
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

func (s *suite) runScenario(t *testing.T, one scenario, compat bool) {
	steps := make([]outline, len(one.Steps))
	crashes := false
	for i, raw := range one.Steps {
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
	run := s.startHere(t, path, compat)
	if crashes {
		run = s.startWorker(t, path, compat)
	}
	for i, step := range steps {
		if got := run(one.Steps[i], step); !matches(step.Expect, got) {
			t.Fatalf("%s\nstep %d: %s\nanswered %v", one.Title, i, one.Steps[i], got)
		}
	}
}

// outline is what every step has that the runner looks at.
type outline struct {
	Op        string `json:"op"`
	How       string `json:"how"`
	Lifecycle string `json:"lifecycle"`
	Expect    any    `json:"expect"`
}

// runner runs a step and gives its answer as JSON decodes it.
type runner func(raw json.RawMessage, s outline) any

func (s *suite) startHere(t *testing.T, path string, compat bool) runner {
	h := s.newHarness(path, compat)
	t.Cleanup(h.close)
	return func(raw json.RawMessage, _ outline) (got any) {
		encoded, err := json.Marshal(h.run(raw))
		must(t, err)
		must(t, json.Unmarshal(encoded, &got))
		return got
	}
}

// workerVariable makes the test program run steps from its input; its value is the store.
const (
	workerVariable = "LNKEEP_TEST_WORKER"
	compatVariable = "LNKEEP_TEST_COMPAT"
	suiteVariable  = "LNKEEP_TEST_SUITE"
)

func runWorker() {
	all := append([]suite{deferredSuite, providerSuite}, suites...)
	i := slices.IndexFunc(all, func(s suite) bool { return s.folder == os.Getenv(suiteVariable) })
	h := all[i].newHarness(os.Getenv(workerVariable), os.Getenv(compatVariable) == "true")
	input := json.NewDecoder(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var raw json.RawMessage
		if err := input.Decode(&raw); err != nil {
			if err != io.EOF {
				exitOn(err)
			}
			return
		}
		exitOn(output.Encode(h.run(raw)))
	}
}

// worker is a process that may be killed at any time.
type worker struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

func (s *suite) startWorker(t *testing.T, path string, compat bool) runner {
	current := s.newWorker(t, path, compat)
	t.Cleanup(func() { current.kill() })
	return func(raw json.RawMessage, o outline) (got any) {
		if o.How == "crash" {
			current.kill()
			current = s.newWorker(t, path, compat)
			raw = json.RawMessage(fmt.Sprintf(`{"op": "open", "lifecycle": %q}`, o.Lifecycle))
		}
		_, err := fmt.Fprintf(current.input, "%s\n", raw)
		must(t, err)
		line, err := current.output.ReadBytes('\n')
		must(t, err)
		must(t, json.Unmarshal(line, &got))
		return got
	}
}

func (s *suite) newWorker(t *testing.T, path string, compat bool) *worker {
	w := &worker{command: exec.Command(os.Args[0])}
	w.command.Env = append(os.Environ(), workerVariable+"="+path, suiteVariable+"="+s.folder,
		fmt.Sprint(compatVariable, "=", compat))
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

// matches reports whether every key of the pattern is present and equal; lists match element by element.
func matches(pattern, got any) bool {
	if list, isList := pattern.([]any); isList {
		answered, isList := got.([]any)
		return isList && slices.EqualFunc(list, answered, matches)
	}
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
		{`{"list": [{"a": 1}, {}]}`, `{"list": [{"a": 1, "b": 2}, {"c": null}]}`, true},
		{`{"list": [{"a": 1}]}`, `{"list": [{"a": 2}]}`, false},
		{`{"list": [{"a": null}]}`, `{"list": [{"a": 2}]}`, false},
		{`{"list": []}`, `{"list": null}`, false},
		{`{"counts": {"ok": 1, "CONFLICT": 0}}`, `{"counts": {"ok": 1}}`, true},
		{`{"counts": {"ok": 1}}`, `{"counts": {"ok": 2}}`, false},
	} {
		if matches(decode(c.pattern), decode(c.got)) != c.matches {
			t.Errorf("%s and %s", c.pattern, c.got)
		}
	}
}
