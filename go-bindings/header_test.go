package lnkeep_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHeader_IsCovered holds the header against the sources: every function is called and listed for the
// compiler, every number is used or compared.
func TestHeader_IsCovered(t *testing.T) {
	header, err := os.ReadFile("../include/lnkeep.h")
	must(t, err)
	list, err := os.ReadFile("cgo.go")
	must(t, err)
	files, err := filepath.Glob("ffi_*.go")
	must(t, err)
	var calls []byte
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		calls = append(calls, content...)
	}

	functions := regexp.MustCompile(`(?m)^[a-z][\w ]*[ *](lnkeep_\w+)\(`).FindAllSubmatch(header, -1)
	if len(functions) < 60 {
		t.Fatalf("only %d functions were found in the header", len(functions))
	}
	for _, function := range functions {
		name := string(function[1])
		if !bytes.Contains(calls, []byte("C."+name+"(")) {
			t.Errorf("%s is never called", name)
		}
		for _, word := range []string{"noescape ", "nocallback "} {
			if !bytes.Contains(list, []byte("#cgo "+word+name+"\n")) {
				t.Errorf("cgo.go does not list %s%s", word, name)
			}
		}
	}
	constants := regexp.MustCompile(`(?m)^#define (LNKEEP_\w+) \(?-?\d+\)?$`).FindAllSubmatch(header, -1)
	if len(constants) < 100 {
		t.Fatalf("only %d constants were found in the header", len(constants))
	}
	for _, constant := range constants {
		if !regexp.MustCompile(`C\.` + string(constant[1]) + `\b`).Match(calls) {
			t.Errorf("%s is not used", constant[1])
		}
	}
}

func TestCgoLines_StandInOneFileAndNativeLibrariesAgree(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	directive := regexp.MustCompile(`(?m)^(//\s*)?#cgo `)
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		if file != "cgo.go" && directive.Match(content) {
			t.Errorf("%s has a #cgo line", file)
		}
	}
	native, err := os.ReadFile("../build/lib/native-libs")
	if err != nil {
		t.Skip("needs the working tree's build:", err)
	}
	list, err := os.ReadFile("cgo.go")
	must(t, err)
	if !strings.Contains(string(list), strings.TrimSpace(string(native))) {
		t.Errorf("cgo.go does not link %s", native)
	}
}
