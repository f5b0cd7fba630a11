package main

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// machine is where a run was made. Figures of two machines are not to be compared.
type machine struct {
	Date                  string
	Processor             string
	Cores                 int
	Kernel                string
	FileSystem            string
	Versions              []string
	LoadBefore, LoadAfter string
}

func readMachine(s settings) machine {
	return machine{
		Date:       time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		Processor:  fieldOf("/proc/cpuinfo", "model name"),
		Cores:      runtime.NumCPU(),
		Kernel:     firstLine("/proc/sys/kernel/ostype") + " " + firstLine("/proc/sys/kernel/osrelease"),
		FileSystem: fileSystem(s.folder),
		LoadBefore: load(),
	}
}

// addVersions keeps what a worker is built of, each once.
func (r *report) addVersions(versions []string) {
	for _, version := range versions {
		if !slices.Contains(r.Machine.Versions, version) {
			r.Machine.Versions = append(r.Machine.Versions, version)
		}
	}
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// fieldOf is the value of the first line of a file such as /proc/cpuinfo that has this name.
func fieldOf(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// load is the number of processes that were ready to run in the last one, five and fifteen minutes.
func load() string {
	fields := strings.Fields(firstLine("/proc/loadavg"))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// fileSystem is the type and options of what is mounted where the folder lies.
func fileSystem(folder string) string {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "unknown"
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "unknown"
	}
	return longestMount(string(mounts), folder)
}

func longestMount(mounts, folder string) string {
	best, text := "", "unknown"
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 4 || len(fields[1]) < len(best) {
			continue
		}
		below := strings.HasPrefix(folder+"/", strings.TrimSuffix(fields[1], "/")+"/")
		if below {
			best, text = fields[1], fields[2]+" ("+fields[3]+")"
		}
	}
	return text
}
