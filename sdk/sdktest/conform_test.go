package sdktest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/sdk"
	"github.com/vedette-monitor/vedette/sdk/sdktest"
	"github.com/vedette-monitor/vedette/sdk/wire"
)

// fault is the promise that this process breaks. The examined process does not get variables of the test, so the name of a
// copy of the test binary says it.
func fault() string {
	_, fault, _ := strings.Cut(os.Args[0], "plugin-")
	return fault
}

// TestMain lets the test binary be the plugin that is examined.
func TestMain(m *testing.M) {
	described := len(os.Args) > 1 && os.Args[1] == wire.DescribeCommand
	if os.Getenv(wire.CookieKey) == "" && !described {
		os.Exit(m.Run())
	}
	p := sdk.Plugin{
		Name: "examined", Version: "1.0.0", Doc: "Is examined.",
		New: sdk.New(newExamined),
		Measurements: []sdk.Measurement{{Name: "examined", Doc: "One a tick.", Fields: []sdk.FieldSchema{
			{Name: "v", Type: "int", Doc: "A number."}, {Name: "s", Type: "string", Doc: "A text."},
		}}},
	}
	switch fault() {
	case "undocumented":
		p.Doc = ""
	case "random":
		p.Version = time.Now().String()
	case "chatty":
		println("on standard error, which is fine")
		if !described {
			os.Stdout.WriteString("on standard output\n")
		}
	}
	sdk.Serve(p)
}

type examinedConfig struct {
	Size int `hcl:"size" default:"10" doc:"Length of the text."`
}

type examined struct{ examinedConfig }

func newExamined(c examinedConfig, _ sdk.Env) (*examined, error) { return &examined{c}, nil }

func (e *examined) Collect(ctx context.Context, out sdk.Emitter) error {
	p := sdk.NewPoint("examined").Int("v", 1).String("s", strings.Repeat("x", e.Size))
	switch fault() {
	case "undeclared":
		p.Float("w", 1)
	case "mistyped":
		p = sdk.NewPoint("examined").Float("v", 1)
	case "deaf":
		out.Emit(p)
		time.Sleep(time.Minute)
	case "child":
		if err := exec.Command("sleep", "300").Start(); err != nil {
			return err
		}
	case "mortal":
		go os.Exit(1)
	}
	out.Emit(p)
	return nil
}

// faulty is a copy of the test binary that breaks a promise.
func faulty(t *testing.T, fault string) string {
	t.Helper()
	path := t.TempDir() + "/plugin-" + fault
	if err := os.Link(os.Args[0], path); err != nil {
		content, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestAPluginOfTheSDKKeepsEveryPromise(t *testing.T) {
	// Its children end with it.
	sdktest.Conform(t, faulty(t, "child"), `{"size": 10000}`)
}

func TestBrokenPromisesAreFound(t *testing.T) {
	tests := map[string]struct{ promise, problem string }{
		"undocumented": {"has a name", "missing: doc"},
		"random":       {"describes itself", "two descriptions differ"},
		"undeclared":   {"emits what it has declared", "field examined.w"},
		"mistyped":     {"emits what it has declared", "field examined.v is float and declared as int"},
		"deaf":         {"stops within a second", "the session goes on"},
		"chatty":       {"writes nothing but its handshake", "on standard output"},
		"mortal":       {"shakes hands", ""},
	}
	for fault, tc := range tests {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			f := sdktest.ExamineOne(t.Context(), faulty(t, fault), `{}`, tc.promise)
			if f.Problem == "" || !strings.Contains(f.Problem, tc.problem) {
				t.Errorf("%s: the problem is %q, want %q", f.Promise, f.Problem, tc.problem)
			}
		})
	}
}

func TestAReadmeOfAnotherShapeIsFound(t *testing.T) {
	good := "# examined\n\nIs examined.\n\n## Example\n\n```hcl\nplugin \"examined\" {\n}\n```\n\n## What is measured\n\n## Reference\n\n" +
		"## Permissions\n\n## Failure modes\n\n## Troubleshooting\n"
	for name, tc := range map[string]struct{ text, problem string }{
		"good":            {good, ""},
		"another name":    {strings.Replace(good, "# examined", "# examine", 1), "does not begin with the plugin's name"},
		"without":         {strings.Replace(good, "## Permissions\n", "", 1), "its sections are"},
		"another order":   {strings.Replace(good, "## Reference\n\n## Permissions", "## Permissions\n\n## Reference", 1), "its sections are"},
		"without example": {strings.Replace(good, "```hcl", "```", 1), "has no block of HCL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := faulty(t, name)
			if err := os.WriteFile(filepath.Join(filepath.Dir(program), "README.md"), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			f := sdktest.ExamineOne(t.Context(), program, `{}`, "has a README")
			if (f.Problem == "") != (tc.problem == "") || !strings.Contains(f.Problem, tc.problem) {
				t.Errorf("the problem is %q, want %q", f.Problem, tc.problem)
			}
		})
	}
}

func TestWhatIsNoPluginIsRefused(t *testing.T) {
	for f := range sdktest.Examine(t.Context(), "/bin/true", `{}`) {
		if !strings.Contains(f.Problem, "printed no manifest") {
			t.Errorf("the problem is %q", f.Problem)
		}
	}
}
