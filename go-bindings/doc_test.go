package lnkeep_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoc_ProgramRuns builds the program of doc.go in a module of its own, as its reader would.
func TestDoc_ProgramRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program; not with -short")
	}
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	must(t, err)
	var program strings.Builder
	lines := 0
	for line := range strings.Lines(file.Doc.Text()) {
		if code, isCode := strings.CutPrefix(line, "\t"); isCode {
			program.WriteString(code)
			lines++
		} else if program.Len() > 0 && strings.TrimSpace(line) == "" {
			program.WriteString("\n")
		} else if program.Len() > 0 {
			break
		}
	}
	if lines < 15 || lines > 27 {
		t.Errorf("the program has %d lines", lines)
	}
	here, err := os.Getwd()
	must(t, err)
	directory := t.TempDir()
	module := "module example\ngo 1.25\nrequire github.com/lnkeep/lnkeep/go-bindings v0.0.0\n" +
		"replace github.com/lnkeep/lnkeep/go-bindings => " + here + "\n"
	must(t, os.WriteFile(filepath.Join(directory, "go.mod"), []byte(module), 0o600))
	must(t, os.WriteFile(filepath.Join(directory, "main.go"), []byte(program.String()), 0o600))
	for _, c := range []struct{ cgo, output string }{
		{"1", "dispatch: true track: false"}, {"1", "dispatch: false track: true"}, {"0", "CGO_ENABLED=1"},
	} {
		command := exec.Command("go", "run", "-tags", "lnkeep_tree", ".")
		command.Dir = directory
		command.Env = append(os.Environ(), "CGO_ENABLED="+c.cgo, "GOFLAGS=-mod=mod")
		output, err := command.CombinedOutput()
		if (err != nil) != (c.cgo == "0") || !strings.Contains(string(output), c.output) {
			t.Fatalf("with CGO_ENABLED=%s: %v\n%s\n%s", c.cgo, err, output, program.String())
		}
	}
}

// TestDoc_EveryExportedNameHasAComment that begins with the name, or belongs to a commented group.
func TestDoc_EveryExportedNameHasAComment(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		must(t, err)
		complain := func(node ast.Node, what string) {
			t.Errorf("%v: %s has no comment of its own", set.Position(node.Pos()), what)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.FuncDecl:
				if n.Name.IsExported() && exportedReceiver(n) && !strings.HasPrefix(n.Doc.Text(), n.Name.Name) {
					complain(n, n.Name.Name)
				}
				return false
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					checkSpec(n, spec, complain)
				}
			}
			return true
		})
	}
}

// exportedReceiver leaves out the methods of sentinels, which no reader meets.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}

func checkSpec(group *ast.GenDecl, spec ast.Spec, complain func(ast.Node, string)) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && !strings.HasPrefix(group.Doc.Text()+s.Doc.Text(), s.Name.Name+" ") {
			complain(s, s.Name.Name)
		}
		if structure, ok := s.Type.(*ast.StructType); ok && s.Name.IsExported() {
			for _, field := range structure.Fields.List {
				if len(field.Names) > 0 && field.Names[0].IsExported() && field.Names[0].Name != "Namespace" && field.Doc == nil {
					complain(field, s.Name.Name+"."+field.Names[0].Name)
				}
			}
		}
	case *ast.ValueSpec:
		if s.Names[0].IsExported() && group.Doc == nil && s.Doc == nil {
			complain(s, s.Names[0].Name)
		}
	}
}
