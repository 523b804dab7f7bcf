package scaffold_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vedette-monitor/vedette/examples/plugins/trial"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

var hclBlock = regexp.MustCompile("(?s)```hcl\n(.*?)```")

const (
	beginGenerated = "<!-- generated, do not edit -->"
	endGenerated   = "<!-- end of generated -->"
)

func TestEveryPluginsReadmeHasTheOneShape(t *testing.T) {
	vedette := trial.Build(t, "../../daemon", "vedette")
	readmes, err := filepath.Glob("../../plugins/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../examples/plugins/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	// A plugin without a README is found by its main function, or by what builds it.
	for _, pattern := range []string{"plugins/*/main.go", "examples/plugins/*/main.go", "examples/plugins/*/build"} {
		mains, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, main := range mains {
			if readme := filepath.Join(filepath.Dir(main), "README.md"); !slices.Contains(readmes, readme) && !slices.Contains(examples, readme) {
				t.Errorf("there is no %s", readme)
			}
		}
	}
	if len(readmes) == 0 || len(examples) == 0 {
		t.Fatal("there are no READMEs")
	}
	for _, readme := range append(readmes, examples...) {
		dir := filepath.Dir(readme)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), name)
			if _, err := os.Stat(filepath.Join(dir, "build")); err == nil {
				run(t, dir, "./build", filepath.Dir(program))
			} else {
				program = trial.Build(t, "./"+dir, name)
			}
			checkReadme(t, vedette, readme, program)
		})
	}
}

// checkReadme holds a README to the shape: its sections, an example that is valid, and a reference that is fresh.
func checkReadme(t *testing.T, vedette, readme, program string) {
	t.Helper()
	content, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	text, name := string(content), filepath.Base(program)
	var m wire.Manifest
	if err := json.Unmarshal([]byte(run(t, ".", program, "describe")), &m); err != nil {
		t.Fatal(err)
	}
	if err := sdktest.CheckReadme(&m, text); err != nil {
		t.Fatalf("%s: %v", readme, err)
	}

	_, example, _ := strings.Cut(text, "## Example\n")
	example, _, _ = strings.Cut(example, "\n## ")
	block := hclBlock.FindStringSubmatch(example)
	config := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(config, []byte("daemon {\n  plugin_dir = \""+filepath.Dir(program)+"\"\n}\n\n"+block[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, ".", vedette, "validate", config)

	_, generated, begun := strings.Cut(text, beginGenerated)
	generated, _, ended := strings.Cut(generated, endGenerated)
	docs := run(t, ".", vedette, "plugin", "--dir", filepath.Dir(program), "docs", name)
	if !begun || !ended || strings.TrimSpace(generated) != strings.TrimSpace(docs) {
		t.Errorf("the reference of %s is not what `vedette plugin docs` prints; `make generate` writes it anew. It prints:\n%s", readme, docs)
	}
}

func TestExamplesKnowTheSDKAlone(t *testing.T) {
	imports := run(t, repository(t), "go", "list", "-f", "{{.ImportPath}}: {{join .Imports \" \"}}", "./examples/plugins/...")
	for line := range strings.Lines(imports) {
		example, imported, _ := strings.Cut(line, ": ")
		if !strings.HasSuffix(example, "/trial") && strings.Contains(imported, "vedette-monitor/vedette/daemon") {
			t.Errorf("%s imports %s", example, imported)
		}
	}
}
