package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// varsSuffix ends the names of files that hold values of variables. They are no configuration files.
const varsSuffix = ".vars.hcl"

// TestSuffix ends the names of files with tests of alerts. They are no configuration files either.
const TestSuffix = ".test.hcl"

// source is the text of a configuration.
type source struct {
	parser *hclparse.Parser
	files  []*hcl.File
	// vars are the files of values beside the configuration, in the order in which later ones win.
	vars []string
	// alone says that the configuration is one file, beside which there may be files of other configurations.
	alone bool
	diags hcl.Diagnostics
}

// read parses the configuration at path, and finds the files of values beside it.
func read(path string) *source {
	s := &source{parser: hclparse.NewParser(), alone: true}
	names := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		s.alone = false
		names = nil
		all, _ := filepath.Glob(filepath.Join(path, "*.hcl"))
		for _, name := range all {
			if !strings.HasSuffix(name, varsSuffix) && !strings.HasSuffix(name, TestSuffix) && filepath.Base(name) != LockFile {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			s.diags = hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "No configuration files",
				Detail:   "The directory " + path + " has no file whose name ends in .hcl, other than " + varsSuffix + " and " + TestSuffix + ".",
			}}
			return s
		}
	}
	for _, name := range names {
		if file := s.parse(name); file != nil {
			s.files = append(s.files, file)
		}
	}
	s.vars, _ = filepath.Glob(filepath.Join(baseDir(path), "*"+varsSuffix))
	return s
}

// parse reads a file. It returns nil if there is nothing to go on with.
func (s *source) parse(name string) *hcl.File {
	text, err := ReadFile(name)
	if err != nil {
		s.diags = append(s.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "File can not be read",
			Detail:   capital(err.Error()) + ".",
			Subject:  &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos},
		})
		return nil
	}
	if at, deep := tooDeep(text); deep {
		s.diags = append(s.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Nested too deeply",
			Detail:   fmt.Sprintf("More than %d brackets are open here.", maxDepth),
			Subject:  &hcl.Range{Filename: name, Start: at, End: at},
		})
		return nil
	}
	file, diags := s.parser.ParseHCL(text, name)
	if file != nil && !diags.HasErrors() {
		diags = append(diags, tooLarge(file)...)
	}
	if diags.HasErrors() {
		// What comes after the first mistake in the form follows from it more often than not.
		diags = sorted(diags)[:1]
	}
	s.diags = append(s.diags, diags...)
	return file
}

// maxDepth is how many brackets of a file may be open at once. The parser goes as deep as the text does, and would end the
// whole process: at a reload, the daemon.
const maxDepth = 1000

// tooDeep finds the place where a text opens too many brackets. Those within texts and comments count too; nobody has a
// thousand of them.
func tooDeep(text []byte) (at hcl.Pos, deep bool) {
	at = hcl.InitialPos
	depth := 0
	for i, c := range text {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		case '\n':
			at.Line, at.Column = at.Line+1, 0
		}
		if depth > maxDepth {
			at.Byte = i
			return at, true
		}
		at.Column++
	}
	return at, false
}

// tooLarge finds the numbers of a file that are beyond any use.
func tooLarge(file *hcl.File) (diags hcl.Diagnostics) {
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	return hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		literal, ok := n.(*hclsyntax.LiteralValueExpr)
		if !ok || usable(literal.Val) {
			return nil
		}
		at := literal.Range()
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Number out of range", Subject: &at, Detail: capital(outOfRange) + "."}}
	})
}

// baseDir is the directory of the configuration at path: defaults lie relative to it.
func baseDir(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// Format writes the text of a configuration file in the usual form. A text that does not parse is refused.
func Format(name string, text []byte) ([]byte, Diagnostics) {
	parser := hclparse.NewParser()
	_, diags := parser.ParseHCL(text, name)
	if diags.HasErrors() {
		return nil, newDiagnostics(diags, parser.Files(), nil, true)
	}
	return hclwrite.Format(text), Diagnostics{}
}
