package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// process is a running worker.
type process struct {
	command *exec.Cmd
	input   io.WriteCloser
	lines   *bufio.Scanner
	// versions are what the worker is built of, such as "bbolt v1.5.0".
	versions []string
	names    []string
}

// startWorker starts a worker that fills its stores of a set below folder, and waits until it is ready.
func startWorker(path, folder, set string, rows int, environment ...string) (*process, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(path, folder, set, fmt.Sprint(rows))}
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stderr = os.Stderr
	var err error
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(output)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	versions, err := p.answer("versions ")
	if err != nil {
		return nil, err
	}
	p.versions = strings.Split(versions, "; ")
	names, err := p.answer("ready")
	p.names = strings.Fields(names)
	return p, err
}

// answer is the rest of the next line, which must begin with a word.
func (p *process) answer(word string) (string, error) {
	if !p.lines.Scan() {
		return "", fmt.Errorf("the worker %s ended: %w", p.command.Path, p.command.Wait())
	}
	rest, found := strings.CutPrefix(p.lines.Text(), word)
	if !found {
		return "", fmt.Errorf("the worker answered %q, not %q", p.lines.Text(), word)
	}
	return rest, nil
}

// round lets callers work on a contestant for a while.
func (p *process) round(name string, callers int, length time.Duration) (sample, error) {
	command := fmt.Sprintf("round %s %d %d\n", name, callers, length.Milliseconds())
	if _, err := io.WriteString(p.input, command); err != nil {
		return sample{}, err
	}
	line, err := p.answer("round ")
	if err != nil {
		return sample{}, err
	}
	return parseSample(line)
}

// parseSample reads operations, length, and percentiles of the latency in nanoseconds.
func parseSample(line string) (sample, error) {
	var operations, length, p50, p90, p99, longest float64
	if _, err := fmt.Sscan(line, &operations, &length, &p50, &p90, &p99, &longest); err != nil {
		return sample{}, fmt.Errorf("a round's figures %q: %w", line, err)
	}
	if length <= 0 {
		return sample{}, fmt.Errorf("a round's length in %q", line)
	}
	return sample{
		PerSecond: operations / length * 1e9,
		P50Us:     p50 / 1e3,
		P90Us:     p90 / 1e3,
		P99Us:     p99 / 1e3,
		MaxUs:     longest / 1e3,
	}, nil
}

// phase runs a phase of the comparison with many attempts.
func (p *process) phase(name string, count int) (took time.Duration, figure uint64, err error) {
	if _, err = fmt.Fprintf(p.input, "phase %s %d\n", name, count); err != nil {
		return 0, 0, err
	}
	line, err := p.answer("phase ")
	if err != nil {
		return 0, 0, err
	}
	var ns int64
	if _, err = fmt.Sscan(line, &ns, &figure); err != nil {
		return 0, 0, fmt.Errorf("a phase's figures %q: %w", line, err)
	}
	return time.Duration(ns), figure, nil
}

// stop lets the worker close its stores and end.
func (p *process) stop() error {
	if err := p.input.Close(); err != nil {
		return err
	}
	for p.lines.Scan() {
	}
	return p.command.Wait()
}
